"""What became of a row, and what a check found: the two results people read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["critical", "warning", "info"]
Status = Literal["imported", "failed", "unknown", "skipped", "not-started"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result on one row and column.

    `row` is the line of the sheet (the header is line 1), 0 when the finding is about the whole sheet. `level`
    critical blocks the row. `value` is what stood there. `fix` says what to change.
    """

    row: int
    vm: str
    column: str
    rule: str
    level: Level
    value: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row.

    `imported`: CloudStack's job succeeded, `vm_id` is set. `failed`: the server said no (`error` holds its words).
    `unknown`: an answer was lost and could not be settled; look before trying again. `skipped`: left out (critical
    finding, import=no, already managed). `not-started`: the run stopped before this row.
    """

    row: int
    vm: str
    status: Status
    vm_id: str = ""
    job_id: str = ""
    error: str = ""
    duration_s: float = 0.0
