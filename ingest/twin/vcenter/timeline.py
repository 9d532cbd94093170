"""Things that happen later: tasks that end, guests that shut down."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from ingest.twin.clock import GLANCE_S, Clock


class Timeline:
    """Runs functions at their time, on one thread that starts with the first. Due at once means here and now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call `action` after `delay_s` seconds; nothing is called any more after `stop`."""
        if delay_s <= 0:
            action()
            return
        with self._changed:
            if self._stopped:
                return
            heapq.heappush(self._due, (self._clock.monotonic() + delay_s, next(self._numbers), action))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="twin-timeline", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Forget what is due and end the thread."""
        with self._changed:
            self._stopped = True
            self._due.clear()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (not self._due or self._left_s() > 0):
                    self._changed.wait(self._really_s() if self._due else None)
                if self._stopped:
                    return
                _, _, action = heapq.heappop(self._due)
            action()

    def _left_s(self) -> float:
        return self._due[0][0] - self._clock.monotonic()

    def _really_s(self) -> float:
        real_s = self._clock.real_seconds(self._left_s())
        return min(real_s, GLANCE_S) if self._clock.changeable else real_s
