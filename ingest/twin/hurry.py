"""Time that runs fast while import jobs are all there is to wait for, and slowly while it is the client's turn.

In a twin whose clock simply runs 60 times as fast, the tenth of a second in which a client notices the end of a job and
sends the next call counts as six, and a busy machine makes an import look slow. Here only waiting is shortened: from
the end of a job until the client has sent what it may send, the clock goes at its base speed, so that the client's work
takes as long as it really does. A slow clock never makes anything longer in the twin's time; it only takes patience.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from ingest.twin.world import World

_PATIENCE_S = 1.5
_FINDS_OUT_S = 20.0
"""Real seconds a client may need to find out that CloudStack is back, and to go on everywhere."""
_GLANCE_S = 0.05


class Hurry:
    """A context manager. `waves` are the VMs a client will import, by name, one wave after another, `in_flight` at
    once. Twin seconds per real one: `fast` while only imports are waited for, 1 while it is the client's turn to send
    one, `base` while no import is in flight.

    It is the client's turn while fewer imports are in flight than could be. When nothing was sent for a while, such as
    when other limits bind, so many are taken for all there can be until more are sent. A wave is over when one of a
    later wave is sent: rows may be left out.

    While CloudStack is away time goes at 1, and for a while afterwards it stays the client's turn: the pauses it makes
    before it asks again are real ones.
    """

    def __init__(
        self, world: World, waves: Iterable[Sequence[str]], fast: float, *, in_flight: int, base: float = 1.0
    ) -> None:
        self._world = world
        self._waves = [Counter(wave) for wave in waves]
        self._fast, self._base = fast, base
        self._most = self._in_flight = in_flight
        self._pending: Counter[str] = Counter()
        self._changed_s = time.monotonic()
        self._away = False
        self._server_away = False
        self._finds_out_until = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="twin-hurry", daemon=True)

    def __enter__(self) -> Self:
        with self._world.lock:
            self._world.import_watchers.append(self._tell)
            self._world.clock.changeable = True
            self._world.clock.run_at(self._base)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        with self._world.lock:
            self._world.import_watchers.remove(self._tell)
            self._world.clock.run_at(self._base)
            self._world.clock.changeable = False

    @contextmanager
    def client_away(self) -> Iterator[None]:
        """Nobody is there whose turn it could be: time runs fast while the block lasts."""
        with self._world.lock:
            self._away = True
            self._set()
        try:
            yield
        finally:
            with self._world.lock:
                self._away = False
                self._set()

    def _tell(self, what: str, vm: str) -> None:
        """With the world's lock held."""
        self._changed_s = time.monotonic()
        if what in ("away", "back"):
            self._server_away = what == "away"
            self._finds_out_until = time.monotonic() + _FINDS_OUT_S
            self._most = self._in_flight
        elif what == "accepted":
            self._begin_wave_of(vm)
            self._pending[vm] += 1
            if self._pending.total() > self._most:
                self._most = self._in_flight
        else:
            self._pending[vm] -= 1
            self._done(vm)
        self._set()

    def _begin_wave_of(self, vm: str) -> None:
        number = next((number for number, wave in enumerate(self._waves) if wave[vm] > 0), 0)
        for wave in self._waves[:number]:
            wave.clear()

    def _done(self, vm: str) -> None:
        for wave in self._waves:
            if wave[vm] > 0:
                wave[vm] -= 1
                return

    def _watch(self) -> None:
        while not self._over.wait(_GLANCE_S):
            with self._world.lock:
                waits = self._server_away or time.monotonic() < self._finds_out_until
                if not waits and time.monotonic() - self._changed_s > _PATIENCE_S and self._pending.total():
                    self._most = min(self._most, self._pending.total())
                    self._set()

    def _set(self) -> None:
        pending = self._pending.total()
        left = next((count for wave in self._waves if (count := wave.total()) > 0), 0)
        # What is resent after it was lost is pending without being left.
        clients_turn = pending < min(self._most, left)
        usual = self._base if not pending else 1.0 if clients_turn else self._fast
        speed = self._fast if self._away else 1.0 if self._server_away else usual
        if speed != self._world.clock.speed:
            self._world.clock.run_at(speed)
