"""The time of a twin, for a recovery that goes by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ingest.recovery.doing import OnThreads
from ingest.recovery.people import GO_ON, Request, Signature
from ingest.recovery.timing import Timing
from ingest.runbook.model import Runbook
from ingest.runbook.spans import in_words

Result = TypeVar("Result")

REHEARSED = "rehearsed"
"""Who signed in a rehearsal: nobody."""
_OUR_OWN_WORK = frozenset({"preconditions", "discover", "plan"})


class TwinClock(Protocol):
    """A twin's clock, of this process (`ingest.twin.clock.Clock`) or of another one (`LentClock`)."""

    @property
    def speed(self) -> float:
        """Twin seconds per real second."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def run_at(self, speed: float) -> None:
        """Change the speed from now on."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let twin seconds pass; True at once when the event is set."""
        ...


@dataclass(frozen=True, slots=True)
class TwinTime(Timing):
    """Waits are those of the clock, whatever its speed becomes meanwhile; `speed` is its usual one."""

    clock: TwinClock | None = None

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let twin seconds pass; True at once when the event is set."""
        return self.clock.wait(event, seconds) if self.clock else Timing.wait(self, event, seconds)


def twin_time(clock: TwinClock, speed: float) -> TwinTime:
    """The time of this clock."""
    return TwinTime(clock.now, speed, clock)


@contextmanager
def at_speed(clock: TwinClock, speed: float) -> Iterator[None]:
    """Another speed for the block."""
    before = clock.speed
    clock.run_at(speed)
    try:
        yield
    finally:
        clock.run_at(before)


class Unhurried(OnThreads):
    """Runs the steps of a recovery; what is its own work and no waiting takes as long as it really does."""

    def __init__(self, clock: TwinClock) -> None:
        self._clock = clock

    def step(self, name: str, work: Callable[[], Result]) -> Result:
        if name not in _OUR_OWN_WORK:
            return work()
        with at_speed(self._clock, 1.0):
            return work()


class NobodyReally:
    """Signs everything after the time the runbook gives it; gates go on. `given` is what was signed."""

    def __init__(self, runbook: Runbook, clock: TwinClock, fast: float, stop: threading.Event) -> None:
        waves = [(wave.name, step) for wave in runbook.waves for step in wave.steps]
        steps = [*(("", step) for step in runbook.steps), *waves]
        self._takes_s = {(wave, step.say): step.takes.total_seconds() if step.takes else 0.0 for wave, step in steps}
        self._clock, self._fast, self._stop = clock, fast, stop
        self.given: list[str] = []

    def ask(self, request: Request) -> Signature:
        """The rehearsed answer."""
        takes_s = self._takes_s.get((request.wave, request.say), 0.0)
        if takes_s:
            with at_speed(self._clock, self._fast):
                self._clock.wait(self._stop, takes_s)
        who = f" ({request.who})" if request.who else ""
        after = f", {in_words(takes_s)}" if takes_s else ""
        self.given.append(f"{request.key}: {request.say}{who}{after}")
        return Signature(REHEARSED, GO_ON if request.kind == "gate" else request.choices[0], "nobody was asked")
