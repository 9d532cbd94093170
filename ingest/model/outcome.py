"""What became of a row, and what a check found: the two results people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["critical", "warning", "info"]
Status = Literal["imported", "incomplete", "failed", "unknown", "held", "blocked", "skipped", "not-started"]

URGENCY: tuple[Status, ...] = (
    *("unknown", "incomplete", "failed", "held", "not-started", "blocked", "skipped", "imported"),
)
"""Statuses in the order a person needs to see them: what needs a hand first."""


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

    `imported`: CloudStack has the VM, looked at and complete, `vm_id` is set. `incomplete`: CloudStack has a part of
    it, `error` names what is missing. `failed`: the server said no (`error` holds its words), and CloudStack has
    nothing. `unknown`: an answer was lost and could not be settled; look before trying again. `held`: not sent, because
    the VM changed since the plan, somebody else is at work on it, or rows like it keep failing. `blocked`: a critical
    finding stands against it. `skipped`: left out on purpose (import=no, with the reason). `not-started`: the run
    stopped before this row.
    """

    row: int
    vm: str
    status: Status
    vm_id: str = ""
    job_id: str = ""
    error: str = ""
    duration_s: float = 0.0


def summary(outcomes: Iterable[Outcome]) -> str:
    """Counts in words: `55 imported, 2 skipped, 7 blocked`; `no rows` when there are none."""
    counts = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{counts[status]} {status}" for status in reversed(URGENCY) if counts[status]) or "no rows"
