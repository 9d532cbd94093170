"""How many rows may use one host, datastore or network at once; and rows that must not run together at all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from ingest.engine.schedule.traits import RACES, Key
from ingest.errors import Stopped

_GLANCE_S = 0.1  # how often those who wait look whether they are to stop


class _Waiting:
    """Somebody in the queue."""

    def __init__(self, keys: frozenset[Key]) -> None:
        self.keys = keys
        self.admitted = threading.Event()


class Gates:
    """Admits at most `limits[kind]` holders of each key of that kind; kinds without a limit are open, races have 1.

    Whoever came first to a key passes first, so nobody starves. All keys are had at once or none, so nobody waits for
    another while he holds something: no deadlock. Thread-safe.
    """

    def __init__(self, limits: Mapping[str, int] | None = None) -> None:
        self._limits = {**(limits or {}), **dict.fromkeys(RACES, 1)}
        for kind, limit in self._limits.items():
            if limit < 1:
                raise ValueError(f"at least one import at once per {kind}, not {limit}")
        self._lock = threading.Lock()
        self._held: Counter[Key] = Counter()
        self._queue: list[_Waiting] = []

    @contextmanager
    def hold(self, keys: Collection[Key], stop: threading.Event) -> Iterator[None]:
        """Wait until there is room at every key and keep it for the block. Raises Stopped when `stop` is set before."""
        mine = frozenset(key for key in keys if key.kind in self._limits)
        waiting = _Waiting(mine)
        with self._lock:
            self._queue.append(waiting)
            self._admit()
        try:
            while not waiting.admitted.wait(_GLANCE_S):
                if stop.is_set():
                    raise Stopped("stopped while waiting for others at the same host, datastore or network")
            yield
        finally:
            with self._lock:
                if waiting.admitted.is_set():
                    self._held.subtract(mine)
                    self._held += Counter()  # forget keys nobody holds
                else:
                    self._queue.remove(waiting)
                self._admit()

    def in_use(self, key: Key) -> int:
        """Holders of a key now."""
        with self._lock:
            return self._held[key]

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        with self._lock:
            return len(self._queue)

    def _admit(self) -> None:
        """Let in everybody there is room for, except past somebody who waits for the same key."""
        wanted: set[Key] = set()
        staying = []
        for waiting in self._queue:
            room = all(self._held[key] < self._limits[key.kind] for key in waiting.keys)
            if room and not waiting.keys & wanted:
                self._held.update(waiting.keys)
                waiting.admitted.set()
            else:
                wanted |= waiting.keys
                staying.append(waiting)
        self._queue = staying
