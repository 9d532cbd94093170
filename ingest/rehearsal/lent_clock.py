"""The twin's clock in the hands of another process: a worker of a drill goes by it, and lets it run fast or slowly.

The clock stays where the twin is. Every reading is a question over a socket that only this user can open and that asks
for a key; about 0.05 ms each.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.twin.clock import GLANCE_S, Clock

_CUT = (EOFError, OSError)


class ClockLender:
    """Lends a clock to whoever knows address and key; a context manager."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.key = secrets.token_hex(16)

    @property
    def address(self) -> str:
        """The socket's path."""
        return str(self._listener.address)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="ingest-clock-")
        place = str(Path(self._folder.name) / "clock")
        self._listener = Listener(place, "AF_UNIX", authkey=bytes.fromhex(self.key))
        self._over = False
        self._thread = threading.Thread(target=self._accept, name="lent-clock", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        with suppress(*_CUT):
            Client(self.address, "AF_UNIX", authkey=bytes.fromhex(self.key)).close()  # wakes the thread that waits
        self._thread.join(5)
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        while not self._over:
            with suppress(*_CUT):
                threading.Thread(target=self._serve, args=(self._listener.accept(),), daemon=True).start()

    def _serve(self, borrower: Connection) -> None:
        with borrower, suppress(*_CUT):  # a worker that was killed asks nothing more
            while True:
                speed = borrower.recv()
                if speed is not None:
                    self._clock.run_at(speed)
                borrower.send((self._clock.now(), self._clock.speed))


class LentClock:
    """The clock as the borrower has it, with what of `Clock` a recovery needs. Thread-safe.

    Raises EOFError or OSError once the lender is gone.
    """

    def __init__(self, address: str, key: str) -> None:
        self._lock = threading.Lock()
        self._lender = Client(address, "AF_UNIX", authkey=bytes.fromhex(key))

    @property
    def speed(self) -> float:
        """Twin seconds per real second."""
        return self._read()[1]

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._read()[0]

    def run_at(self, speed: float) -> None:
        """Change the speed from now on."""
        self._read(speed)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let twin seconds pass, whatever the speed becomes meanwhile; True at once when the event is set."""
        now, speed = self._read()
        end = now + max(seconds, 0.0)
        while not event.is_set() and now < end:
            event.wait(min((end - now) / speed, GLANCE_S))
            now, speed = self._read()
        return event.is_set()

    def _read(self, speed: float | None = None) -> tuple[float, float]:
        with self._lock:
            self._lender.send(speed)
            now, speed_now = self._lender.recv()
        return float(now), float(speed_now)
