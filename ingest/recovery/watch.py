"""The RTO clock of a recovery while it works: it burns down live, and warns as soon as a target will be missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ingest.engine.events import ClockRead, TargetAtRisk, tell
from ingest.recovery.course import WaveOnCourse
from ingest.recovery.timing import Timing
from ingest.runbook.clock import Clock, WaveProgress, read_clock
from ingest.runbook.model import Runbook, Wave

_TICK_S = 1.0


class Watch:
    """Where every wave stands, in seconds since `began` (seconds of the epoch). Thread-safe."""

    def __init__(self, timing: Timing, began: float, runbook: Runbook) -> None:
        self._timing = timing
        self._began = began
        self._target_s = runbook.rto.total_seconds()
        self._closing_s = sum(
            step.takes.total_seconds() for step in runbook.steps if step.when == "after" and step.takes
        )
        self._lock = threading.Lock()
        self._waves = {
            wave.name: WaveProgress(
                wave.name,
                rows=0,
                target_s=_target(wave),
                people_s=sum(step.takes.total_seconds() for step in wave.steps if step.when == "after" and step.takes),
                delay_s=wave.start.delay.total_seconds(),
            )
            for wave in runbook.waves
        }
        self._warned: set[str] = set()

    @property
    def now_s(self) -> float:
        """Seconds since the start of the recovery."""
        return self._timing.now() - self._began

    def expect(self, waves: Sequence[WaveOnCourse]) -> None:
        """What there is to do, from the course."""
        with self._lock:
            for wave in waves:
                self._waves[wave.name] = replace(
                    self._waves[wave.name],
                    rows=sum(vm.row > 0 for vm in wave.vms),
                    starts=sum(vm.row > 0 and vm.start for vm in wave.vms),
                    predicted_s=wave.predicted_s,
                    tail_s=wave.tail_s,
                )

    def began(self, name: str, at_s: float) -> None:
        """A wave began."""
        self._change(
            name, started_s=at_s, done=0, turns=0, last_start_s=None, first_row_s=None, stopped=False, ended_s=None
        )

    def rows_begin(self, name: str) -> None:
        """Its first row is about to be imported."""
        self._change(name, first_row_s=self.now_s)

    def row_done(self, name: str) -> None:
        """One more of its rows is over."""
        with self._lock:
            wave = self._waves[name]
            self._waves[name] = replace(wave, done=min(wave.done + 1, wave.rows))

    def turn_over(self, name: str, *, started: bool) -> None:
        """The turn of one more of its VMs in the order of starts is over: its start began, or it was passed over."""
        now_s = self.now_s
        with self._lock:
            wave = self._waves[name]
            last_s = now_s if started else wave.last_start_s
            self._waves[name] = replace(wave, turns=wave.turns + 1, last_start_s=last_s)

    def rows_over(self, name: str) -> None:
        """All of its rows are over, whatever became of them."""
        with self._lock:
            self._waves[name] = replace(self._waves[name], done=self._waves[name].rows)

    def ended(self, name: str, at_s: float, *, stopped: bool = False) -> None:
        """A wave is over, or will not go on."""
        if stopped:
            self._change(name, stopped=True)
        else:
            self._change(name, ended_s=at_s)

    @contextmanager
    def waiting(self, name: str, what: str) -> Iterator[None]:
        """While the block runs, the wave stands still for something; '' for no wave in particular."""
        if name not in self._waves:
            yield
            return
        self._change(name, waits_for=what, waiting_since_s=self.now_s)
        try:
            yield
        finally:
            self._change(name, waits_for="", waiting_since_s=None)

    def read(self) -> Clock:
        """The clock now."""
        with self._lock:
            waves = list(self._waves.values())
        return read_clock(waves, now_s=self.now_s, target_s=self._target_s, closing_s=self._closing_s)

    def look(self) -> Clock:
        """Read the clock and tell of it; a target that will be missed is told once."""
        with self._lock:
            done, total = sum(one.done for one in self._waves.values()), sum(one.rows for one in self._waves.values())
        clock = self.read()
        tell(ClockRead(clock, self.now_s, done, total))
        for reading in clock.readings:
            if reading.missed and reading.name not in self._warned:
                self._warned.add(reading.name)
                tell(TargetAtRisk(reading.name, reading.reason))
        return clock

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """While the block runs, a thread looks at the clock every second."""
        over = threading.Event()

        def tick() -> None:
            while not over.wait(_TICK_S):
                self.look()

        thread = threading.Thread(target=tick, name="rto-clock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.look()

    def _change(self, name: str, **changes: object) -> None:
        with self._lock:
            self._waves[name] = replace(self._waves[name], **changes)  # type: ignore[arg-type]
        self.look()


def _target(wave: Wave) -> float | None:
    return None if wave.rto is None else wave.rto.total_seconds()
