"""Turns: the order and the delay hold, whoever is ready first, and whatever an earlier process has done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ingest.errors import LedgerError
from ingest.recovery.timing import Timing
from ingest.recovery.turns import take_turns


@dataclass
class Moments:
    """A clock that only waiting moves, and what was begun at which time of it.

    One is `ready` at `ready_at`, never if `gone`; time stands still until those handed out before have begun.
    """

    ready_at: dict[str, float] = field(default_factory=dict)
    gone: str = ""
    now_s: float = 0.0
    begun: list[tuple[str, float]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    _handed_out: int = 0

    def ready(self, one: str) -> bool:
        while len(self.begun) < self._handed_out:
            time.sleep(0.001)
        self.now_s = max(self.now_s, self.ready_at.get(one, 0.0))
        self._handed_out += one != self.gone
        return one != self.gone

    def take_turns(
        self,
        order: str,
        then: Callable[[str], None] = lambda _one: None,
        *,
        done_before: str = "",
        at_once: int = 1,
        delay_s: float = 10.0,
    ) -> list[tuple[str, float]]:
        moments = self

        class Waiting(Timing):
            def wait(self, event: threading.Event, seconds: float) -> bool:
                moments.now_s += max(seconds, 0.0)
                return event.is_set()

        def begin(one: str) -> None:
            moments.begun.append((one, moments.now_s))
            then(one)

        take_turns(
            order,
            begin,
            ready=self.ready,
            done_before=lambda one: one in done_before,
            at_once=at_once,
            delay_s=delay_s,
            timing=Waiting(lambda: moments.now_s),
            stop=self.stop,
        )
        return self.begun


def test_each_waits_for_those_before_it_and_for_the_delay() -> None:
    # b is ready first and comes second; c waits for x, which is passed over; d is so late that no delay is left.
    moments = Moments({"a": 5.0, "b": 0.0, "x": 20.0, "c": 0.0, "d": 60.0}, gone="x")
    assert moments.take_turns("abxcd") == [("a", 5.0), ("b", 15.0), ("c", 25.0), ("d", 60.0)]


def test_what_is_done_needs_no_delay_and_counts_for_the_next() -> None:
    begun = Moments().take_turns("abcde", done_before="abc")
    assert begun == [("a", 0.0), ("b", 0.0), ("c", 0.0), ("d", 10.0), ("e", 20.0)]


def test_beginnings_do_not_queue_up_behind_those_under_way() -> None:
    """The third has a slot only when one before is over: the delay of the fourth counts from then on."""
    moments, release = Moments(), threading.Event()

    def then(one: str) -> None:
        if one in "ab":
            release.wait(30)

    thread = threading.Thread(target=lambda: moments.take_turns("abcd", then, at_once=2))
    thread.start()
    while len(moments.begun) < 2:
        time.sleep(0.001)
    moments.now_s = 100.0
    release.set()
    thread.join(30)
    assert moments.begun == [("a", 0.0), ("b", 10.0), ("c", 100.0), ("d", 110.0)]


def test_a_stop_begins_nothing_more_and_errors_are_raised() -> None:
    moments = Moments()

    def then(one: str) -> None:
        if one == "b":
            moments.stop.set()
            raise LedgerError("gone")

    with pytest.raises(LedgerError, match="gone"):
        moments.take_turns("abcd", then, delay_s=0.0)
    assert [one for one, _ in moments.begun] == ["a", "b"]
