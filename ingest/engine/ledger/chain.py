"""The chain of hashes over the history: what a line's hash is made of, and where a chain breaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ingest.engine.ledger.records import Break, HistoryLine
from ingest.report.tables import record

# Made once: json.dumps makes a new encoder each time it is told how to write.
_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def plain(detail: Mapping[str, Any] | None) -> dict[str, Any]:
    """Details as they come back from the ledger, whatever came in: JSON's own types, keys are texts."""
    return dict(json.loads(json.dumps(detail, default=str))) if detail else {}


def detail_text(detail: Mapping[str, Any]) -> str:
    """The one way plain details are written: ASCII JSON, keys sorted."""
    return _WRITER.encode(detail)


def storable(text: str) -> str:
    """Any text of a server as one that every database takes: PostgreSQL refuses NUL, and neither takes surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def line_hash(fields: Mapping[str, Any], detail: str | None = None) -> str:
    """The hash of a line: SHA-256 in hexadecimal over all its fields but the hash itself.

    `detail` is `detail_text` of its detail, for who has it already.
    """
    counted = {name: value for name, value in fields.items() if name != "hash"}
    counted["detail"] = detail_text(counted["detail"]) if detail is None else detail
    return hashlib.sha256(_WRITER.encode(counted).encode("ascii")).hexdigest()


def first_break(lines: Iterable[HistoryLine], *, head: tuple[int, str]) -> Break | None:
    """Where a whole history is not what was written, None when it is. `head` is the number and hash it ends with."""
    number, previous = 0, ""
    for line in lines:
        number += 1
        if line.number != number:
            return Break(number, "the line is missing")
        if line.previous != previous:
            return Break(number, "it does not follow the line before")
        if line_hash(record(line)) != line.hash:
            return Break(number, "it was altered")
        previous = line.hash
    if (number, previous) != head:
        return Break(number + 1, f"the history ends here, it should end with line {head[0]}")
    return None
