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

    One is ready at `ready_at`, never if `gone`.
    """

    ready_at: dict[str, float] = field(default_factory=dict)
    gone: str = ""
    now_s: float = 0.0
    begun: list[tuple[str, float]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def take_turns(
        self,
        order: str,
        then: Callable[[str], None] = lambda _one: None,
        *,
        before: Callable[[str], None] = lambda _one: None,
        done_before: str = "",
        at_once: int = 1,
        delay_s: float = 10.0,
    ) -> list[tuple[str, float]]:
        moments = self

        class Waiting(Timing):
            def wait(self, event: threading.Event, seconds: float) -> bool:
                moments.now_s += max(seconds, 0.0)
                return event.is_set()

        def ready(one: str) -> bool:
            self.now_s = max(self.now_s, self.ready_at.get(one, 0.0))
            return one != self.gone

        def begin(one: str, begun: Callable[[], None]) -> None:
            before(one)
            self.begun.append((one, self.now_s))
            begun()
            then(one)

        take_turns(
            order,
            begin,
            ready=ready,
            done_before=lambda one: one in done_before,
            at_once=at_once,
            delay_s=delay_s,
            timing=Waiting(lambda: self.now_s),
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
    moments, release = Moments({"c": 100.0}), threading.Event()

    def then(one: str) -> None:
        if one in "ab":
            release.wait(30)

    thread = threading.Thread(target=lambda: moments.take_turns("abcd", then, at_once=2))
    thread.start()
    while moments.now_s < 100.0:
        time.sleep(0.001)
    assert [one for one, _ in moments.begun] == ["a", "b"]
    release.set()
    thread.join(30)
    assert moments.begun == [("a", 0.0), ("b", 10.0), ("c", 100.0), ("d", 110.0)]


def test_the_next_waits_until_one_has_truly_begun() -> None:
    """The call of the first is held up: the others keep the order, and their delay counts from when it went out."""
    moments = Moments()

    def before(one: str) -> None:
        if one == "a":
            time.sleep(0.1)  # long enough for b, if it did not wait
            moments.now_s = 50.0

    assert moments.take_turns("abc", before=before, at_once=3) == [("a", 50.0), ("b", 60.0), ("c", 70.0)]


def test_a_stop_begins_nothing_more_and_errors_are_raised() -> None:
    moments = Moments()

    def then(one: str) -> None:
        if one == "b":
            moments.stop.set()
            raise LedgerError("gone")

    with pytest.raises(LedgerError, match="gone"):
        moments.take_turns("abcd", then, delay_s=0.0)
    assert [one for one, _ in moments.begun] == ["a", "b"]
