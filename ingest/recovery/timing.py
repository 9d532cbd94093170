"""The time a recovery goes by: the real one, or that of a twin whose clock runs faster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """`now` gives seconds since the epoch; `speed` of them pass in each real second."""

    now: Callable[[], float] = time.time
    speed: float = 1.0

    def real_s(self, seconds: float) -> float:
        """How long so many seconds really take."""
        return max(seconds, 0.0) / self.speed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let seconds pass; True at once when the event is set."""
        return event.wait(self.real_s(seconds))


REAL_TIME = Timing()
