"""One wave with its rows: which are critical, which are started, in what order, and whom each check concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.plan.sheet import Row
from ingest.runbook.model import Wave
from ingest.runbook.rows import was_running


@dataclass(frozen=True, slots=True)
class WaveRows:
    """One wave with its rows in the order they are started. `critical` and `started` are among `rows`.

    `checks` are the lines of the rows each check concerns, check by check: only VMs that are started are checked.
    """

    number: int
    wave: Wave
    rows: tuple[Row, ...] = ()
    critical: frozenset[int] = frozenset()
    started: frozenset[int] = frozenset()
    checks: tuple[frozenset[int], ...] = ()

    def is_critical(self, row: Row) -> bool:
        """Whether the gate judges the row."""
        return row.line in self.critical

    def is_started(self, row: Row) -> bool:
        """Whether its VM is started after the import."""
        return row.line in self.started


def wave_rows(number: int, wave: Wave, rows: Sequence[Row]) -> WaveRows:
    """The wave with these rows, brought into the order they are started in."""
    order = wave.start.order

    def place(row: Row) -> int:
        return next((index for index, one in enumerate(order) if one.selects(row)), len(order))

    ordered = tuple(sorted(rows, key=place))  # stable: rows of one place keep the order of the sheet
    started = [
        row for row in ordered if wave.start.vms == "all" or (wave.start.vms == "was-running" and was_running(row))
    ]
    return WaveRows(
        number=number,
        wave=wave,
        rows=ordered,
        critical=frozenset(row.line for row in ordered if wave.critical is None or wave.critical.selects(row)),
        started=frozenset(row.line for row in started),
        checks=tuple(frozenset(row.line for row in started if one.select.selects(row)) for one in wave.checks),
    )
