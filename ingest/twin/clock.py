"""The time in the twin: one clock for both servers, which may run faster than real time and may jump.

Two readings, as on a real machine: `now` is the wall clock, which an administrator can set; `monotonic` only ever goes
on. Time stamps and expiries of jobs follow the wall clock, and so do those of signatures, but for its speed; durations
and idle sessions do not.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

GLANCE_S = 0.05
"""Real seconds after which those who wait look again, while the speed may change at any time."""


class Clock:
    """`speed` twin seconds pass in each real one. Thread-safe.

    With `changeable` set, waits that have begun follow a change of speed; that costs each of them a glance now and
    then, so it is off until somebody (`ingest.twin.hurry`) changes it all the time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"a clock runs forward: speed {speed:g}")
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self.changeable = False
        self._speed = speed
        self._real_s = self._began_s = time.monotonic()
        self._passed_s = 0.0
        self._wall_s = time.time()

    @property
    def speed(self) -> float:
        """Twin seconds per real second."""
        return self._speed

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        with self._lock:
            return self._passed()

    def now(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            return self._wall_s + self._passed()

    def moment(self) -> datetime:
        """`now` as a date in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def moment_of_clients(self) -> datetime:
        """The wall clock as it would be at normal speed: clients date what they sign by a clock that nobody hurries,
        but this one may have been set wrong."""
        with self._lock:
            return datetime.fromtimestamp(self._wall_s + time.monotonic() - self._began_s, UTC)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back when negative; durations go on as they were."""
        with self._lock:
            self._wall_s += seconds

    def run_at(self, speed: float) -> None:
        """Change the speed from now on; waits that have begun end as they were meant to, unless `changeable`."""
        if speed <= 0:
            raise ValueError(f"a clock runs forward: speed {speed:g}")
        with self._lock:
            self._passed_s, self._real_s = self._passed(), time.monotonic()
            self._speed = speed
            self._changed.notify_all()

    def real_seconds(self, seconds: float) -> float:
        """How long so many twin seconds take in the real world."""
        return max(seconds, 0.0) / self._speed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let twin seconds pass; returns True at once when the event is set."""
        return self._wait(event, seconds) if self.changeable else event.wait(self.real_seconds(seconds))

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        with self._changed:
            end = self._passed() + max(seconds, 0.0)
            while not event.is_set() and (left_s := end - self._passed()) > 0:
                self._changed.wait(min(left_s / self._speed, GLANCE_S))
        return event.is_set()

    def _passed(self) -> float:
        return self._passed_s + (time.monotonic() - self._real_s) * self._speed
