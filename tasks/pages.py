"""Pages of Markdown for the Prefect UI, small whatever the size of the run. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.counting import counted
from ingest.engine.events import ClockRead
from ingest.engine.picture import Figures, RowPicture
from ingest.model.outcome import FailedTogether
from ingest.report.tables import markdown_table
from ingest.runbook.spans import in_words

_MOST_CAUSES, _MOST_NAMES, _MOST_TEXT = 50, 8, 400


def live_page(
    *, run: str, folder: str, figures: Figures, rows: Sequence[RowPicture], failures: Sequence[FailedTogether]
) -> str:
    """A run at work: sums, rate, time left, what went wrong by cause, the rows that matter most now."""
    lines = [
        f"**{figures.done} of {figures.total}** ({figures.percent:.0f} %): {figures.sums}\n",
        f"{figures.rate}, left: {figures.time_left}\n",
        f"Run `{run}`, folder on the worker: `{folder}`\n",
    ]
    if failures:
        lines += ["## What needs a hand, by cause\n", causes_table(failures)]
    if rows:
        table = [
            {"row": one.row, "VM": plain(one.vm), "state": one.state, "seconds": _seconds(one), "why": plain(one.error)}
            for one in rows
        ]
        lines += ["## Rows\n", markdown_table(("row", "VM", "state", "seconds", "why"), table)]
    return "\n".join(lines)


def clock_page(read: ClockRead, notes: Sequence[str], *, folder: str) -> str:
    """A recovery at work: the RTO clock wave by wave, then what happened, the newest first."""
    table = [
        {
            "wave": plain(one.name),
            "state": one.state,
            "target": _span(one.target_s),
            "left": _span(one.left_s),
            "over after": _span(one.end_s),
            "RTO": one.text,
            "why": plain(one.reason),
        }
        for one in read.clock.readings
    ]
    lines = [
        f"**{read.done} of {read.total} VMs**, {in_words(read.now_s)} after the start: {read.clock.overall.text}\n",
        markdown_table(("wave", "state", "target", "left", "over after", "RTO", "why"), table),
        f"Folder on the worker: `{folder}`\n",
    ]
    return "\n".join([*lines, *(f"- {plain(note)}" for note in reversed(notes))])


def _span(seconds: float | None) -> str:
    return "" if seconds is None else in_words(seconds)


def failures_page(failures: Sequence[FailedTogether], *, sums: str, results: str) -> str:
    """After a run: the rows that need a hand, by cause."""
    where = f"Every row with its reason: `{results}`\n"
    if not failures:
        return f"Nothing failed: {sums}.\n\n{where}"
    rows = sum(len(one.rows) for one in failures)
    causes = counted(len(failures), "cause")
    return f"**{counted(rows, 'row')}, {causes}**; the run: {sums}.\n\n{causes_table(failures)}\n{where}"


def causes_table(failures: Sequence[FailedTogether]) -> str:
    """Causes with the words, the cure and the first VMs; at most 50, and how many more there are."""
    table = [
        {
            "rows": len(one.rows),
            "status": one.status,
            "cause": plain(one.what),
            "words": plain(one.words),
            "cure": plain(one.cure),
            "VMs": plain(one.named(_MOST_NAMES)),
        }
        for one in failures[:_MOST_CAUSES]
    ]
    more = len(failures) - _MOST_CAUSES
    shown = markdown_table(("rows", "status", "cause", "words", "cure", "VMs"), table)
    return shown + (f"\nand {more} more\n" if more > 0 else "")


def _seconds(one: RowPicture) -> str:
    return "" if one.state == "waiting" or not one.for_s else f"{one.for_s:.1f}"


def plain(text: str) -> str:
    """Names and words as they are: nothing in them is markup."""
    short = text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "..."
    return re.sub(r"([\\`*_\[\]<>~])", r"\\\1", short)
