"""Records as text for people and machines: CSV for files, and the same rows as JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

# What spreadsheets run as a formula, and what would read as one of our own apostrophes.
_DANGEROUS = re.compile(r"^'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"^'+[=+\-@\t\r]")


def csv_bytes(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    """A CSV that spreadsheets open as is: byte order mark, CRLF, formulas disarmed by a leading apostrophe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_safe(row.get(column, "")) for column in columns])
    return out.getvalue().encode("utf-8-sig")


def markdown_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A table that merge requests and chats render."""

    def line(cells: Iterable[Any]) -> str:
        texts = ("" if cell is None else str(cell) for cell in cells)
        return "| " + " | ".join(" ".join(text.replace("|", "\\|").split()) for text in texts) + " |\n"

    head = line(columns) + "| " + " | ".join("---" for _ in columns) + " |\n"
    return head + "".join(line(row.get(column, "") for column in columns) for row in rows)


def json_bytes(document: Any) -> bytes:
    """Indented JSON with sorted keys, UTF-8, one newline at the end."""
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def record(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance, one level deep."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _safe(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if _DANGEROUS.match(text) else text


def csv_rows(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV written by `csv_bytes`, formulas armed again."""
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return [{name: _unsafe(value) for name, value in row.items()} for row in reader]


def _unsafe(text: str) -> str:
    return text[1:] if _ESCAPED.match(text) else text
