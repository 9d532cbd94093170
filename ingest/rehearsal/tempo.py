"""How long imports take in a rehearsal, and how much faster than in reality its time goes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.engine.rows import Pace
from ingest.engine.schedule.eta import in_words

ASSUMED_IMPORT_S = 60.0
ENOUGH = 5
"""So many imports must have been seen before anything is said of the next ones; `eta` demands the same."""
_JOB_REALLY_S = 1.0
_SLOWEST, _FASTEST = 1.0, 120.0
_SHORTEST_SETTLE_S, _SHORTEST_GRACE_S = 3.0, 2.0


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds imports take, as many as are known; `basis` says in words where they are from.

    `assumed`: nobody has seen one. `known` then holds what was assumed.
    """

    known: tuple[float, ...]
    basis: str
    assumed: bool = False

    @property
    def median_s(self) -> float:
        """The middle one."""
        return statistics.median(self.known)


def durations_of(history: Sequence[float], import_s: float | None = None) -> Durations:
    """What to go by: a length that was asked for, else the ledger's history, else an assumption."""
    if import_s is not None:
        return Durations((import_s,) * ENOUGH, f"asked for: {in_words(import_s)} an import")
    if len(history) >= ENOUGH:
        known = tuple(sorted(history))
        return Durations(known, f"ledger: {len(known)} imports, median {in_words(statistics.median(known))}")
    seen = f"the ledger knows {len(history)} imports" if history else "the ledger knows no import"
    text = f"assumed: {in_words(ASSUMED_IMPORT_S)} an import ({seen}, {ENOUGH} are needed)"
    return Durations((ASSUMED_IMPORT_S,) * ENOUGH, text, assumed=True)


def speed_for(durations: Durations) -> float:
    """Twin seconds per real one: a usual import then really takes a second.

    Faster, and what this program itself needs for each VM would show in the durations.
    """
    return min(max(durations.median_s / _JOB_REALLY_S, _SLOWEST), _FASTEST)


def pace_at(speed: float) -> Pace:
    """The patience of a run in a twin of this speed; what takes real time on this machine keeps enough of it."""
    real = Pace()
    return Pace(
        timeout_s=max(real.timeout_s / speed, 60.0),
        settle_s=max(real.settle_s / speed, _SHORTEST_SETTLE_S),
        resubmit_s=tuple(max(pause_s / speed, 0.1) for pause_s in real.resubmit_s),
        grace_s=max(real.grace_s / speed, _SHORTEST_GRACE_S),
    )
