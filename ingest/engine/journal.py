"""The run's journal: one JSON line per step of each row, durable before the next step is taken.

If the process dies, the journal says for every row whether a call may have been sent, and under which job id
CloudStack knows it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

from ingest.engine.together import Order, Together
from ingest.model.outcome import Outcome

Step = Literal["intent", "submitted", "outcome"]


class RunJournal:
    """Append-only, on disk line by line; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._together = Together(self._write)
        self._file = path.open("a+b")
        if not _ends_whole(self._file):
            # A process died while it wrote; what is left of its line must not swallow ours.
            self._file.write(b"\n")

    def __enter__(self) -> RunJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def note(self, step: Step, *, row: int, vm: str, **facts: Any) -> None:
        """Write one line; it is on disk when this returns."""
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "step": step, "row": row, "vm": vm} | facts
        self._together.do((json.dumps(line, ensure_ascii=False) + "\n").encode())

    def _write(self, orders: Sequence[Order[bytes]]) -> None:
        try:
            self._file.write(b"".join(order.work for order in orders))
            self._file.flush()
            os.fsync(self._file.fileno())
        except (OSError, ValueError) as error:  # a full disk, a closed journal
            for order in orders:
                order.error = error
        for order in orders:
            order.done = True


def _ends_whole(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
    return not size or file.read(1) == b"\n"


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All whole lines. A torn one (the process died while writing it) is left out: its step was never taken."""
    lines = []
    for raw in path.read_bytes().splitlines():
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def outcomes_in(path: Path) -> list[Outcome]:
    """What the journal knows of every row it mentions: its outcome, or `unknown` when it has only an intent."""
    found: dict[int, Outcome] = {}
    for line in read_journal(path):
        row, vm, job_id = int(line["row"]), str(line["vm"]), str(line.get("job_id", ""))
        if line["step"] == "outcome":
            known = found.get(row)
            found[row] = Outcome(
                row,
                vm,
                line["status"],
                vm_id=line.get("vm_id", ""),
                job_id=known.job_id if known else "",
                error=line.get("error", ""),
                duration_s=line.get("duration_s", 0.0),
            )
        else:
            error = f"the run ended before the outcome was known; ask CloudStack for job {job_id}"
            found[row] = Outcome(row, vm, "unknown", job_id=job_id, error=error)
    return list(found.values())
