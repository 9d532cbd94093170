"""The chain of hashes over the history: what a line's hash is made of, and where a chain breaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ingest.engine.ledger.records import Break, HistoryLine
from ingest.report.tables import record


def detail_text(detail: Mapping[str, Any]) -> str:
    """The one way details are written, whatever came in: plain ASCII JSON, keys sorted."""
    plain = json.loads(json.dumps(detail, default=str))  # keys become texts before they are sorted
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def storable(text: str) -> str:
    """Any text of a server as one that every database takes: PostgreSQL refuses NUL, and neither takes surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def line_hash(fields: Mapping[str, Any], detail: str | None = None) -> str:
    """The hash of a line: SHA-256 in hexadecimal over all its fields but the hash itself.

    `detail` is `detail_text` of its detail, for who has it already.
    """
    counted = {name: value for name, value in fields.items() if name != "hash"}
    counted["detail"] = detail_text(counted["detail"]) if detail is None else detail
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


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
