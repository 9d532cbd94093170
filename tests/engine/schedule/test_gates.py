"""Gates: limits are never exceeded, nobody starves, nothing stays locked."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.engine.schedule.gates import Gates
from ingest.engine.schedule.traits import Key
from ingest.errors import Stopped

NEVER = threading.Event()
H1, H2, D1 = Key("host", "1"), Key("host", "2"), Key("datastore", "1")


class Counting:
    """Counts holders by key, apart from the gates."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: dict[Key, int] = {}
        self.peak: dict[Key, int] = {}

    def change(self, keys: frozenset[Key], by: int) -> None:
        with self._lock:
            for key in keys:
                self._now[key] = self._now.get(key, 0) + by
                self.peak[key] = max(self.peak.get(key, 0), self._now[key])


def test_many_threads_never_exceed_a_limit() -> None:
    gates = Gates({"host": 3, "datastore": 2})
    places = [Key(kind, str(number)) for kind in ("host", "datastore", "addresses") for number in range(3)]
    counting = Counting()

    def work(number: int) -> int:
        keys = frozenset(random.Random(number).sample(places, 3))
        with gates.hold(keys, NEVER):
            counting.change(keys, 1)
            threading.Event().wait(0.0005)
            counting.change(keys, -1)
        return number

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(work, range(600))) == list(range(600))
    limits = {"host": 3, "datastore": 2, "addresses": 1}
    assert all(peak <= limits[key.kind] for key, peak in counting.peak.items())
    assert max(peak for key, peak in counting.peak.items() if key.kind == "host") == 3
    assert gates.waiting == 0
    assert {gates.in_use(key) for key in places} == {0}


def in_line(gates: Gates, pool: ThreadPoolExecutor, order: list[str], *wanted: tuple[str, frozenset[Key]]) -> None:
    """Let these wait, one after another."""

    def work(name: str, keys: frozenset[Key]) -> None:
        with gates.hold(keys, NEVER):
            order.append(name)

    for name, keys in wanted:
        before = gates.waiting
        pool.submit(work, name, keys)
        while gates.waiting == before:
            threading.Event().wait(0.001)


def test_who_came_first_goes_first_and_a_wide_request_is_not_overtaken_for_ever() -> None:
    gates = Gates({"host": 1})
    order: list[str] = []
    wanted = (("both", frozenset({H1, H2})), ("one", frozenset({H1})), ("two", frozenset({H2})))
    with ThreadPoolExecutor(4) as pool, gates.hold({H1}, NEVER), gates.hold({H2}, NEVER):
        in_line(gates, pool, order, *wanted)
    # `two` and `one` may come in either order, `both` was first at each.
    assert order[0] == "both"
    assert sorted(order) == ["both", "one", "two"]


def test_others_are_not_held_up_by_a_full_key() -> None:
    gates = Gates({"host": 1})
    order: list[str] = []
    with gates.hold({H1}, NEVER), ThreadPoolExecutor(1) as pool, gates.hold({H2, D1}, NEVER):
        pool.submit(order.append, "free")
    assert order == ["free"]


def test_a_stop_ends_the_waiting_and_leaves_nothing_behind() -> None:
    gates = Gates({"host": 1})
    stop = threading.Event()

    def wait() -> None:
        with gates.hold({H1, H2}, stop):
            raise AssertionError("not to be admitted")

    with ThreadPoolExecutor(1) as pool:
        with gates.hold({H1}, NEVER):
            waiting = pool.submit(wait)
            stop.set()
            with pytest.raises(Stopped):
                waiting.result(10)
            with gates.hold({H2}, NEVER):
                assert gates.in_use(H2) == 1
        assert (gates.waiting, gates.in_use(H1), gates.in_use(H2)) == (0, 0, 0)


def test_an_error_inside_gives_the_room_back() -> None:
    gates = Gates({"host": 1})
    with pytest.raises(RuntimeError), gates.hold({H1}, NEVER):
        raise RuntimeError
    with gates.hold({H1}, NEVER):
        assert gates.in_use(H1) == 1


def test_kinds_without_a_limit_are_open_but_races_never() -> None:
    gates = Gates()
    with gates.hold({H1}, NEVER), gates.hold({H1, Key("addresses", "n")}, NEVER):
        assert (gates.in_use(H1), gates.in_use(Key("addresses", "n"))) == (0, 1)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="per host"):
        Gates({"host": 0})
