"""What a run looks like at this moment: every row's state, how many are done, how fast, and when it will be over.

Made of events alone. The terminal, the lines for machines and the Prefect artifacts all show this one picture.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from ingest.engine.events import (
    Event,
    ImportBegan,
    JobOver,
    RowDone,
    RowLooking,
    RowReady,
    RowRunning,
    RowStarted,
    StageStarted,
    Stopping,
)
from ingest.engine.schedule.durations import ENOUGH, DurationModel
from ingest.engine.schedule.eta import NO_IDEA, Estimate, eta
from ingest.model.outcome import URGENCY, Outcome, Status

Underway = Literal["waiting", "looking", "ready", "sent", "running", "verifying"]
UNDERWAY: dict[Underway, str] = {
    "waiting": "not begun",
    "looking": "claimed, settled if an earlier run left something, and looked at once more",
    "ready": "may be sent, waits for its turn",
    "sent": "the call is on its way",
    "running": "the server's job is at work",
    "verifying": "the job is over, the VM is being looked at",
}
"""States of a row before its outcome, in order, with what they mean."""

NEED_A_HAND = frozenset({"unknown", "incomplete", "failed", "held"})
_IN_FLIGHT = frozenset({"sent", "running"})
_STEPS: dict[type[Event], Underway] = {
    RowLooking: "looking",
    RowReady: "ready",
    RowStarted: "sent",
    RowRunning: "running",
    JobOver: "verifying",
}
# The order on a screen: what occupies the server first.
_FIRST = ("running", "sent", "verifying", "ready", "looking")
_ESTIMATE_EVERY_S = 1.0
_RATE_OVER = 20  # the newest ends the rate is made of
_KEPT = 500  # rows that are over, of each kind; more than any screen shows


@dataclass(frozen=True, slots=True)
class RowPicture:
    """A row as it is now. `for_s`: seconds in this state while it is underway, else what the import took."""

    row: int
    vm: str
    state: Underway | Status
    for_s: float = 0.0
    job_id: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """A run in numbers. `done` rows have an outcome, `in_flight` are the server's work now, `waiting` were not begun.

    `per_minute` counts rows whose job has ended lately, None before the first. `left` is None while there is no idea.
    """

    total: int = 0
    done: int = 0
    in_flight: int = 0
    waiting: int = 0
    per_minute: float | None = None
    left: Estimate | None = None
    elapsed_s: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def percent(self) -> float:
        """Rows done in percent; 0 without rows."""
        return 100 * self.done / self.total if self.total else 0.0

    @property
    def looked_at(self) -> int:
        """Rows that were begun and are not the server's work now: before their call, or after their job."""
        return self.total - self.done - self.in_flight - self.waiting

    @property
    def sums(self) -> str:
        """For people: `31 imported, 2 failed, 5 in flight, 1 looked at, 21 waiting`."""
        known = [f"{self.counts[status]} {status}" for status in reversed(URGENCY) if self.counts.get(status)]
        known += [f"{self.in_flight} in flight"] if self.in_flight else []
        known += [f"{self.looked_at} looked at"] if self.looked_at else []
        known += [f"{self.waiting} waiting"] if self.waiting else []
        return ", ".join(known) or "nothing yet"

    @property
    def rate(self) -> str:
        """For people: `38/min`, `0.4/min`, `no rate yet`."""
        if self.per_minute is None:
            return "no rate yet"
        return f"{self.per_minute:.0f}/min" if self.per_minute >= 10 else f"{self.per_minute:.1f}/min"

    @property
    def time_left(self) -> str:
        """For people: `about 12 min (10 min to 15 min)`, `no idea yet`, `nothing` at the end."""
        if self.total and self.done >= self.total:
            return "nothing"
        return self.left.text if self.left else NO_IDEA


@dataclass(slots=True)
class _Underway:
    vm: str
    state: Underway
    since: float
    job_id: str = ""
    sent_at: float | None = None


class Picture:
    """Listens to events; thread-safe. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.run = ""
        self.folder = ""
        self.stopping: Stopping | None = None
        self._reset((), 0, 1, ())

    def __call__(self, event: Event) -> None:
        """Take in what happened."""
        with self._lock:
            self._see(event, self._clock())

    def _reset(self, rows: tuple[tuple[int, str], ...], total: int, in_flight: int, history: tuple[float, ...]) -> None:
        self._began = self._clock()
        self._ended: float | None = None
        self._total = total
        self._waiting: dict[int, str] = dict(rows)
        self._underway: dict[int, _Underway] = {}
        self._counts: Counter[str] = Counter()
        self._trouble: deque[Outcome] = deque(maxlen=_KEPT)
        self._fine: deque[Outcome] = deque(maxlen=_KEPT)
        self._slots = in_flight
        self._most_in_flight = 0
        self._jobs_ended = 0
        self._durations = DurationModel(history)
        self._ends: deque[float] = deque(maxlen=_RATE_OVER + 1)
        self._left: Estimate | None = None
        self._left_at = -math.inf

    def _see(self, event: Event, now: float) -> None:
        if isinstance(event, ImportBegan):
            self.run, self.folder, self.stopping = event.run, event.folder, None
            self._reset(event.rows, len(event.rows), max(event.in_flight, 1), event.history)
        elif isinstance(event, StageStarted):
            if event.total and not self._total:
                self._reset((), event.total, 1, ())
        elif isinstance(event, Stopping):
            self.stopping = event
        elif isinstance(event, RowDone):
            self._done(event.outcome, now)
        elif isinstance(event, (RowLooking, RowReady, RowStarted, RowRunning, JobOver)):
            self._step(event, now)

    def _step(self, event: RowLooking | RowReady | RowStarted | RowRunning | JobOver, now: float) -> None:
        self._waiting.pop(event.row, None)
        one = self._underway.get(event.row)
        if one is None:
            one = self._underway[event.row] = _Underway(event.vm, "looking", now)
        if isinstance(event, RowStarted):
            one.sent_at = now
            if not self._ends:
                self._ends.append(now)  # the rate counts from the first call
        if isinstance(event, (RowStarted, RowRunning)):
            one.job_id = event.job_id or one.job_id
        if isinstance(event, JobOver):
            self._slot_free(one, now)
        if not (isinstance(event, RowRunning) and one.state == "sent"):
            one.since = now  # what the row takes on the server counts from its sending
        one.state = _STEPS[type(event)]
        in_flight = sum(1 for other in self._underway.values() if other.state in _IN_FLIGHT)
        self._most_in_flight = max(self._most_in_flight, in_flight)

    def _slot_free(self, one: _Underway, now: float) -> None:
        if one.sent_at is not None:
            self._durations.add(now - one.sent_at)
            self._ends.append(now)
            self._jobs_ended += 1
            one.sent_at = None

    def _done(self, outcome: Outcome, now: float) -> None:
        self._waiting.pop(outcome.row, None)
        one = self._underway.pop(outcome.row, None)
        if one is not None:
            self._slot_free(one, now)
        self._counts[outcome.status] += 1
        if sum(self._counts.values()) >= self._total:
            self._ended = now
        (self._trouble if outcome.status in NEED_A_HAND else self._fine).append(outcome)

    def figures(self) -> Figures:
        """The run in numbers, as it is now; when it will be over is worked out once a second at most, and at once when
        there is an idea for the first time."""
        with self._lock:
            now = self._clock() if self._ended is None else self._ended  # an import that is over stands still
            done = sum(self._counts.values())
            sent = [one for one in self._underway.values() if one.state in _IN_FLIGHT]
            waiting = max(self._total - done - len(self._underway), 0)
            if self._left is None or now - self._left_at >= _ESTIMATE_EVERY_S or done == self._total:
                to_send = waiting + sum(1 for one in self._underway.values() if one.state in ("looking", "ready"))
                running = [now - (one.sent_at if one.sent_at is not None else now) for one in sent]
                known = self._durations.known
                self._left = eta(known, running_s=running, waiting=to_send, in_flight=self._parallel)
                self._left_at = now
            return Figures(
                total=self._total,
                done=done,
                in_flight=len(sent),
                waiting=waiting,
                per_minute=self._rate(now),
                left=self._left,
                elapsed_s=now - self._began,
                counts=dict(self._counts),
            )

    @property
    def _parallel(self) -> int:
        """Imports at once: what was asked for, until it shows that other limits (per host, per pool) allow less."""
        return self._most_in_flight if self._jobs_ended >= ENOUGH else max(self._slots, self._most_in_flight)

    def _rate(self, now: float) -> float | None:
        ended = len(self._ends) - 1  # the first is where counting begins
        if ended < 1:
            return None
        return 60 * ended / max(now - self._ends[0], 0.001)

    def rows(self, most: int, *, troubled_at_least: int = 3) -> list[RowPicture]:
        """The rows that matter most now: in flight first, then those that need a hand, the last that are over, the
        next to come. However many are in flight, the last few that need a hand are among them."""
        with self._lock:
            now = self._clock()
            underway = sorted(self._underway.items(), key=lambda item: (_FIRST.index(item[1].state), item[1].since))
            trouble = [_over(one) for one in reversed(self._trouble)]
            room = max(most - min(len(trouble), troubled_at_least), 0)
            shown = [RowPicture(row, one.vm, one.state, now - one.since, one.job_id) for row, one in underway[:room]]
            shown += trouble[: most - len(shown)]
            shown += [_over(one) for one in islice(reversed(self._fine), max(most - len(shown), 0))]
            coming = islice(self._waiting.items(), max(most - len(shown), 0))
            return shown + [RowPicture(row, vm, "waiting") for row, vm in coming]

    def trouble(self) -> list[Outcome]:
        """The newest rows that need a hand, at most 500, oldest first."""
        with self._lock:
            return list(self._trouble)


def _over(outcome: Outcome) -> RowPicture:
    return RowPicture(outcome.row, outcome.vm, outcome.status, outcome.duration_s, outcome.job_id, error=outcome.error)
