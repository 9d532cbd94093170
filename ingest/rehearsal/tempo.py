"""How long imports take in a rehearsal, and how much faster than in reality its time goes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.engine.schedule.eta import in_words

ASSUMED_IMPORT_S = 60.0
ENOUGH = 5
"""So many imports must have been seen before anything is said of the next ones; `eta` demands the same."""
_JOB_REALLY_S = 0.25
_SLOWEST, _FASTEST = 1.0, 600.0


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
    """Twin seconds per real one while imports are waited for: a usual one then really takes a quarter of a second."""
    return min(max(durations.median_s / _JOB_REALLY_S, _SLOWEST), _FASTEST)
