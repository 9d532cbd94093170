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


_MOST_NAMED, _MOST_WORDS = 6, 400


@dataclass(frozen=True, slots=True)
class FailedTogether:
    """Rows of one status and cause: what is wrong, with which object ('' when they have none in common), the first
    row's text, the cure."""

    status: Status
    cause: str
    subject: str
    words: str
    cure: str
    rows: tuple[int, ...]
    vms: tuple[str, ...]

    @property
    def what(self) -> str:
        """The cause and its object."""
        return f"{self.cause} ({self.subject})" if self.subject else self.cause

    @property
    def who_says(self) -> str:
        """Whose words they are: the server's, unless the program itself judged the row."""
        return "the server" if self.status == "failed" else "why"

    def named(self, most: int) -> str:
        """The VMs, the first `most` of them by name."""
        more = len(self.vms) - most
        return ", ".join(self.vms[:most]) + (f" and {more} more" if more > 0 else "")

    @property
    def text(self) -> str:
        """For people: how many and why, which, the words, what to do; a line each."""
        words = " ".join(self.words.split())
        words = words if len(words) <= _MOST_WORDS else words[:_MOST_WORDS] + "..."
        lines = [
            f"{len(self.rows)} {self.status}: {self.what}",
            f"  {self.named(_MOST_NAMED)}",
            f'  {self.who_says}: "{words}"' if words else "",
            f"  -> {self.cure}" if self.cure else "",
        ]
        return "\n".join(filter(None, lines))


def summary(outcomes: Iterable[Outcome]) -> str:
    """Counts in words: `55 imported, 2 skipped, 7 blocked`; `no rows` when there are none."""
    counts = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{counts[status]} {status}" for status in reversed(URGENCY) if counts[status]) or "no rows"
