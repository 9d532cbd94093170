"""Batches: every row once, waves apart, a short tail, and races packed together."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.engine.schedule.sizes import Batch, batches
from ingest.engine.schedule.traits import races_of
from ingest.model.request import PlannedImport
from tests.engine.schedule.rows import row


def sizes(found: list[Batch]) -> list[int]:
    return [len(batch) for batch in found]


def drawing(count: int, network: str, *, first: int = 1) -> list[PlannedImport]:
    return [row(number, network=network, address="auto") for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("rows", "in_flight", "batch_size", "expected"),
    [
        (0, 5, 10, []),
        (3, 5, 10, [1, 1, 1]),
        (20, 2, 10, [5, 4, 3, 2, 2, 1, 1, 1, 1]),
        (20, 2, 3, [3, 3, 3, 3, 2, 2, 1, 1, 1, 1]),
        (4, 1, 10, [2, 1, 1]),
        (5, 1, 1, [1] * 5),
    ],
)
def test_sizes_shrink_towards_the_end(rows: int, in_flight: int, batch_size: int, expected: list[int]) -> None:
    found = batches([row(number) for number in range(rows)], in_flight, batch_size)
    assert sizes(found) == expected
    assert [one.row for batch in found for one in batch] == list(range(rows))


def test_waves_stay_apart_and_in_order() -> None:
    found = batches([row(1, wave=2), row(2, wave=10), row(3, wave=2), row(4, wave=1)], 1, 10)
    assert [{one.wave for one in batch} for batch in found] == [{1}, {2}, {2}, {10}]
    assert [one.row for batch in found for one in batch] == [4, 1, 3, 2]


def test_rows_that_draw_from_one_network_are_packed_and_begin_first() -> None:
    others = [row(number) for number in range(1, 9)]
    found = batches([*others, *drawing(6, "n1", first=20)], 4, 10)
    assert [one.row for one in found[0]] == [20, 21, 22, 23, 24, 25]
    assert [one.row for batch in found[1:] for one in batch] == list(range(1, 9))


def test_rows_that_share_two_networks_are_one_group() -> None:
    both = PlannedImport(
        3, "vm3", "vm-3", "uuid-3", 1,
        row(3).request.__class__(
            "cluster", "vm3", "offering",
            nic_networks=(("a", "n1"), ("b", "n2")), nic_addresses=(("a", "auto"), ("b", "auto")),
        ),
    )  # fmt: skip
    found = batches([*drawing(1, "n1"), *drawing(1, "n2", first=2), both], 3, 10)
    assert [[one.row for one in batch] for batch in found] == [[1, 2, 3]]


def test_addresses_that_are_given_do_not_race() -> None:
    given_addresses = [row(number, network="n1", address=f"10.0.0.{number}") for number in range(1, 5)]
    assert sizes(batches(given_addresses, 4, 10)) == [1, 1, 1, 1]


@pytest.mark.parametrize(("in_flight", "batch_size"), [(0, 1), (1, 0)])
def test_nothing_in_flight_is_refused(in_flight: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        batches([], in_flight, batch_size)


def play(found: list[Batch], in_flight: int) -> tuple[float, float]:
    """(makespan, time slots spent waiting for a row of the same network) when every row takes one unit."""
    slots = [0.0] * in_flight
    free_at: dict[object, float] = {}
    waited = 0.0
    for batch in found:
        now = heapq.heappop(slots)
        for one in batch:
            keys = races_of(one)
            begin = max([now, *(free_at.get(key, 0.0) for key in keys)])
            waited += begin - now
            now = begin + 1
            free_at.update(dict.fromkeys(keys, now))
        heapq.heappush(slots, now)
    return max(slots), waited


def test_the_tail_is_short() -> None:
    makespan, _ = play(batches([row(number) for number in range(1000)], 25, 10), 25)
    assert makespan <= 1.05 * 1000 / 25


def test_a_network_with_many_rows_wastes_no_slot() -> None:
    rows = [*(row(number) for number in range(300)), *drawing(60, "n1", first=1000), *drawing(40, "n2", first=2000)]
    makespan, waited = play(batches(rows, 5, 10), 5)
    assert waited == 0
    assert makespan <= 1.05 * 400 / 5


def test_thousands_of_rows_in_one_network() -> None:
    found = batches(drawing(5000, "n1"), 25, 25)
    assert sizes(found) == [25] * 200


def ends(found: list[Batch], in_flight: int) -> list[int]:
    """The rows in the order they end, when every row takes one unit."""
    slots = [(0, number) for number in range(in_flight)]
    over = []
    for batch in found:
        now, slot = heapq.heappop(slots)
        over += [(now + place, slot, one.row) for place, one in enumerate(batch)]
        heapq.heappush(slots, (now + len(batch), slot))
    return [row for _, _, row in sorted(over)]


def test_rows_in_turn_end_in_their_order() -> None:
    rows = [row(number) for number in range(60)]
    found = batches(rows, 4, 10, in_turn=True)
    assert sizes(found) == sizes(batches(rows, 4, 10))
    moments = [number // 4 for number in ends(found, 4)]
    assert moments == sorted(moments), "no row ends before one of an earlier moment"
    neighbours = [number // 4 for number in ends(batches(rows, 4, 10), 4)]
    assert neighbours != sorted(neighbours)


def test_rows_in_turn_still_pack_those_that_race() -> None:
    rows = [*(row(number) for number in range(20)), *drawing(10, "n1", first=100)]
    found = batches(rows, 3, 5, in_turn=True)
    assert [one.row for one in found[0]] == [100, 101, 102, 103, 104]
    assert play(found, 3)[1] == 0


@given(
    rows=st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["", "n1", "n2", "n3"]), st.sampled_from(["", "auto"]))),
    in_flight=st.integers(1, 8),
    batch_size=st.integers(1, 6),
    in_turn=st.booleans(),
)
def test_every_row_once_in_batches_of_one_wave(
    rows: list[tuple[int, str, str]], in_flight: int, batch_size: int, in_turn: bool
) -> None:
    planned = [
        row(number, wave=wave, network=network, address=address) for number, (wave, network, address) in enumerate(rows)
    ]
    found = batches(planned, in_flight, batch_size, in_turn=in_turn)
    assert sorted(one.row for batch in found for one in batch) == list(range(len(rows)))
    assert all(1 <= len(batch) <= batch_size and len({one.wave for one in batch}) == 1 for batch in found)
    waves = [batch[0].wave for batch in found]
    assert waves == sorted(waves)
