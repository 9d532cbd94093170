"""Many checks at once: each tried again, ever more slowly, until it passes or its time is over.

Only attempts take up a thread: a check that waits for its next attempt costs nothing, so a few guests that never come
up hold nobody up. What vCenter is asked about guests is read in one call for all that are due.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeAlias

from ingest.errors import IngestError
from ingest.health.checks import Check, CheckResult, HeartbeatCheck, HttpCheck, IpCheck, TcpCheck
from ingest.health.connecting import DIRECT, Route, try_http, try_tcp
from ingest.model.guest import GuestState

ReadGuests: TypeAlias = Callable[[Collection[str]], Mapping[str, GuestState]]
"""Given managed object ids, what their guests say. May raise IngestError: then they are asked again later."""

MoreChecks: TypeAlias = Callable[[float], Sequence[Check] | None]
"""Checks that have come by now, waited for so many seconds at most; None when no more will."""

_LOOK_S = 0.2
_GROWTH = 1.6


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for one attempt (`timeout_s`), for a check in all (`deadline_s`), between its attempts at first and at
    most. Equal pauses make a check that is tried in fixed intervals."""

    timeout_s: float = 5.0
    deadline_s: float = 300.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 15.0


PATIENT = Patience()


@dataclass(slots=True)
class _Waiting:
    """A check that has not passed yet. `pause_s` is the one after its next attempt, `since` when it came."""

    number: int
    check: Check
    patience: Patience
    pause_s: float
    since: float
    attempts: int = 0
    words: str = "not tried"


def run_checks(
    checks: Sequence[Check],
    *,
    patience: Patience | Sequence[Patience] = PATIENT,
    at_once: int = 16,
    guests: ReadGuests | None = None,
    route: Route = DIRECT,
    stop: threading.Event | None = None,
    told: Callable[[CheckResult], None] = lambda _: None,
    more: MoreChecks = lambda _seconds: None,
) -> list[CheckResult]:
    """A result for each check, in their order; `told` hears of each as soon as it is known.

    `patience` is one for all, or one for each check. At most `at_once` attempts are made at the same time. `more` gives
    checks that come later (with one patience for all): the time of each counts from when it came.

    `guests` reads what vCenter says and is needed for heartbeats and addresses (ValueError without it). When `stop` is
    set no further attempt is begun and what has not passed is `stopped`; attempts under way end within `timeout_s`.
    """
    if guests is None and any(isinstance(check, HeartbeatCheck | IpCheck) for check in checks):
        raise ValueError("heartbeats and addresses are checked with what vCenter says: give guests")
    each = [patience] * len(checks) if isinstance(patience, Patience) else patience
    now = time.monotonic()
    waiting = [
        _Waiting(number, check, own, own.first_pause_s, now)
        for number, (check, own) in enumerate(zip(checks, each, strict=True))
    ]

    def come(seconds: float) -> list[_Waiting] | None:
        found = more(seconds)
        if found is None:
            return None
        if not isinstance(patience, Patience):
            raise ValueError("checks that come later need one patience for all")
        now, first = time.monotonic(), len(waiting)
        new = [_Waiting(first + i, check, patience, patience.first_pause_s, now) for i, check in enumerate(found)]
        waiting.extend(new)
        return new

    return _Running(waiting, max(1, at_once), guests, route, stop or threading.Event(), told, come).run()


class _Running:
    def __init__(
        self,
        waiting: Sequence[_Waiting],
        at_once: int,
        guests: ReadGuests | None,
        route: Route,
        stop: threading.Event,
        told: Callable[[CheckResult], None],
        come: Callable[[float], Sequence[_Waiting] | None],
    ) -> None:
        self._at_once = at_once
        self._guests = guests
        self._route = route
        self._stop = stop
        self._told = told
        self._come = come
        self._more = True  # until nothing comes any more
        self._results: dict[int, CheckResult] = {}
        self._due = [(one.since, one.number, one) for one in waiting]
        heapq.heapify(self._due)
        self._in_flight: dict[Future[list[str]], list[_Waiting]] = {}

    def run(self) -> list[CheckResult]:
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="health") as pool:
            self._take(0.0)
            while self._due or self._in_flight or self._more:
                if self._stop.is_set():
                    self._end_all()
                    self._take(_LOOK_S)  # what still comes is told as well
                else:
                    self._begin(pool)
                    self._await()
        return [self._results[number] for number in range(len(self._results))]

    def _take(self, seconds: float) -> None:
        """The checks that have come, waited for so long at most."""
        if not self._more:
            return
        come = self._come(seconds)
        self._more = come is not None
        for waiting in come or ():
            heapq.heappush(self._due, (waiting.since, waiting.number, waiting))

    def _end_all(self) -> None:
        wait(self._in_flight)  # attempts that are under way may still pass
        self._collect()
        while self._due:
            self._end(heapq.heappop(self._due)[2], stopped=True)

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Start the attempts that are due, as many as may run."""
        now, asked = time.monotonic(), list[_Waiting]()
        while self._due and self._due[0][0] <= now and len(self._in_flight) < self._at_once:
            waiting = heapq.heappop(self._due)[2]
            waiting.attempts += 1
            if isinstance(waiting.check, HeartbeatCheck | IpCheck):
                asked.append(waiting)
            else:
                self._in_flight[pool.submit(self._attempt, waiting)] = [waiting]
        if asked:
            self._in_flight[pool.submit(self._ask, asked)] = asked

    def _await(self) -> None:
        """Until an attempt is over, the next is due, or a check comes; never so long that a stop goes unnoticed."""
        rest_s = self._due[0][0] - time.monotonic() if self._due else _LOOK_S
        full = len(self._in_flight) >= self._at_once
        pause_s = _LOOK_S if full else min(max(rest_s, 0.0), _LOOK_S)
        if self._in_flight:
            wait(self._in_flight, timeout=pause_s, return_when=FIRST_COMPLETED)
            self._take(0.0)
        elif self._more:
            self._take(pause_s)
        else:
            self._stop.wait(pause_s)
        self._collect()

    def _collect(self) -> None:
        for future in [future for future in self._in_flight if future.done()]:
            for waiting, words in zip(self._in_flight.pop(future), future.result(), strict=True):
                waiting.words = words
                self._next(waiting)

    def _next(self, waiting: _Waiting) -> None:
        at = time.monotonic() + waiting.pause_s
        deadline = waiting.since + waiting.patience.deadline_s
        if not waiting.words or time.monotonic() >= deadline:
            self._end(waiting)
        else:
            # The last attempt is made at the very end, however long the pause has become.
            heapq.heappush(self._due, (min(at, deadline), waiting.number, waiting))
            waiting.pause_s = min(waiting.pause_s * _GROWTH, waiting.patience.longest_pause_s)

    def _end(self, waiting: _Waiting, *, stopped: bool = False) -> None:
        seconds = time.monotonic() - waiting.since
        result = CheckResult(waiting.check, not waiting.words, waiting.attempts, seconds, waiting.words, stopped)
        self._results[waiting.number] = result
        self._told(result)

    def _attempt(self, waiting: _Waiting) -> list[str]:
        check, timeout_s = waiting.check, waiting.patience.timeout_s
        if isinstance(check, TcpCheck):
            return [try_tcp(check, self._route, timeout_s)]
        if isinstance(check, HttpCheck):
            return [try_http(check, self._route, timeout_s)]
        raise TypeError(check.kind)

    def _ask(self, asked: list[_Waiting]) -> list[str]:
        checks = [waiting.check for waiting in asked]
        morefs = [check.moref for check in checks if isinstance(check, HeartbeatCheck | IpCheck)]
        try:
            found = self._guests(list(dict.fromkeys(morefs))) if self._guests else {}
        except IngestError as error:
            return [f"vCenter: {error.message}"] * len(asked)
        return [
            check.why_not(found.get(check.moref)) for check in checks if isinstance(check, HeartbeatCheck | IpCheck)
        ]
