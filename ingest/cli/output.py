"""Data on stdout in one of several formats, talk on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingest.report.tables import csv_bytes, markdown_table

Format = Literal["table", "json", "csv"]
DiffFormat = Literal["table", "json", "csv", "markdown"]

talk = Console(stderr=True, highlight=False, soft_wrap=True)
"""For people: progress, hints, errors."""

STYLES = {
    "imported": "green", "ok": "green", "failed": "red", "unknown": "red", "blocked": "red", "critical": "red",
    "fail": "red", "incomplete": "red", "held": "yellow",
    "warning": "yellow", "warn": "yellow", "not-started": "yellow", "skipped": "dim", "info": "dim",
}  # fmt: skip


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], format_: DiffFormat, *, title: str = "") -> None:
    """Print rows on stdout. A table is cut to the terminal's width; the other formats are whole."""
    if format_ == "json":
        sys.stdout.write(json.dumps([dict(row) for row in rows], indent=2, ensure_ascii=False, default=str) + "\n")
    elif format_ == "csv":
        sys.stdout.write(csv_bytes(columns, (dict(row) for row in rows)).decode("utf-8-sig"))
    elif format_ == "markdown":
        sys.stdout.write(markdown_table(columns, rows))
    else:
        table = Table(title=title or None, title_justify="left", show_edge=False, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row.get(column, "")) for column in columns))
        Console(highlight=False).print(table)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    style = STYLES.get(text)
    return f"[{style}]{escape(text)}[/]" if style else escape(text)
