"""What became of a fleet: a line for each share, a line for all of it, and a page of Markdown. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from ingest.counting import counted
from ingest.model.outcome import URGENCY, Status
from ingest.report.tables import markdown_table
from tasks.pages import plain

WOULD = "would be imported"
NOT_STARTED = "not started"
_COUNT = re.compile(rf"\b(\d+) ({WOULD}|{'|'.join(get_args(Status))})\b")
_ENDED = ("completed", "failed", "crashed", "cancelled", NOT_STARTED)
_FIRST = (NOT_STARTED, "failed", "crashed", "paused", "cancelled")
_FAILED = ("failed", "incomplete", "unknown")
_OTHER = ("held", "not-started", "skipped")


@dataclass(frozen=True, slots=True)
class ShareLine:
    """A share of a fleet, the state of its run, and what the run's message says of its rows.

    `kind` is the type of the state in lower case (`running`, `completed`, `failed`, ...), `state` its name;
    `not started` when there is no run, and `message` says why. `picked_up` counts how often the run was begun again.
    """

    share: str
    kind: str
    state: str
    message: str = ""
    run: str = ""
    link: str = ""
    picked_up: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self.kind in _ENDED


def counts_in(message: str) -> Counter[str]:
    """Rows by status, from the message a run of ours ends with: `371 imported, 2 failed`."""
    return Counter({status: int(number) for number, status in _COUNT.findall(message)})


def fleet_sums(lines: Sequence[ShareLine]) -> str:
    """All of it in a line: `371 imported, 2 failed; fra1 Completed, ham2 Failed`."""
    total: Counter[str] = Counter()
    for one in lines:
        total.update(one.counts)
    order = (WOULD, *reversed(URGENCY))
    rows = ", ".join(f"{total[status]} {status}" for status in order if total[status]) or "nothing imported"
    if all(one.kind == "completed" for one in lines):
        return f"{rows} by {counted(len(lines), 'run')}"
    return f"{rows}; {', '.join(f'{one.share} {one.state}' for one in lines)}"


def fleet_page(lines: Sequence[ShareLine]) -> str:
    """The shares as a table, what needs a hand first, each with a link to its run."""
    table = [
        {
            "share": plain(one.share),
            "state": one.state + (f", picked up {one.picked_up}x" if one.picked_up else ""),
            "imported": one.counts[WOULD] or one.counts["imported"] or "",
            "failed": sum(one.counts[status] for status in _FAILED) or "",
            "blocked": one.counts["blocked"] or "",
            "other": sum(one.counts[status] for status in _OTHER) or "",
            "message": plain(one.message),
            "run": f"[{plain(one.run)}]({one.link})" if one.link else plain(one.run),
        }
        for one in sorted(lines, key=lambda one: _FIRST.index(one.kind) if one.kind in _FIRST else len(_FIRST))
    ]
    return f"**{fleet_sums(lines)}**\n\n{markdown_table(tuple(table[0]) if table else (), table)}"
