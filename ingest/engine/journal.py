"""The run's journal: one JSON line per step of each row, durable before the next step is taken.

If the process dies, the journal says for every row whether a call may have been sent, and under which job id
CloudStack knows it.
"""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

Step = Literal["intent", "submitted", "outcome"]


class RunJournal:
    """Append-only, flushed and fsynced line by line; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("ab")

    def __enter__(self) -> RunJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def note(self, step: Step, *, row: int, vm: str, **facts: Any) -> None:
        """Write one line; it is on disk when this returns."""
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "step": step, "row": row, "vm": vm} | facts
        with self._lock:
            self._file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())
            self._file.flush()
            os.fsync(self._file.fileno())


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a torn last line (the process died while writing it) is left out."""
    lines = []
    for raw in path.read_bytes().splitlines(keepends=True):
        if raw.endswith(b"\n"):
            lines.append(json.loads(raw))
    return lines
