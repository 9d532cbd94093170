"""How long imports take, learned while they run; until then from the history of earlier runs."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable

ENOUGH = 10
_KEPT = 200


class DurationModel:
    """The newest durations, in seconds. `history` is used until this run has ended `ENOUGH` itself. Thread-safe."""

    def __init__(self, history: Iterable[float] = ()) -> None:
        self._lock = threading.Lock()
        self._history = tuple(history)[:_KEPT]
        self._seen: deque[float] = deque(maxlen=_KEPT)
        self._sorted: tuple[float, ...] = tuple(sorted(self._history))

    def add(self, seconds: float) -> None:
        """One more import is over."""
        with self._lock:
            self._seen.append(seconds)
            earlier = self._history if len(self._seen) < ENOUGH else ()
            self._sorted = tuple(sorted((*earlier, *self._seen)))

    @property
    def known(self) -> tuple[float, ...]:
        """The durations to go by, shortest first; empty as long as there is no idea."""
        return self._sorted

    def quantile(self, share: float) -> float | None:
        """The duration that `share` of the imports do not exceed; None as long as there is no idea."""
        known = self._sorted
        return known[max(math.ceil(share * len(known)) - 1, 0)] if known else None
