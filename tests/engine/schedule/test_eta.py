"""What is said about the end of a run, against runs played through with the same durations."""

from __future__ import annotations

import heapq
import random
import statistics
from collections.abc import Callable

import pytest

from ingest.engine.schedule.durations import ENOUGH, DurationModel
from ingest.engine.schedule.eta import Estimate, eta, in_words

Draw = Callable[[random.Random], float]
EVEN: Draw = lambda chance: chance.uniform(1, 3)  # noqa: E731
SKEWED: Draw = lambda chance: chance.lognormvariate(0, 0.8)  # noqa: E731


def play(chance: random.Random, draw: Draw, waiting: int, in_flight: int) -> float:
    slots = [0.0] * in_flight
    for _ in range(waiting):
        heapq.heappush(slots, heapq.heappop(slots) + draw(chance))
    return max(slots)


@pytest.mark.parametrize(("draw", "fewest"), [(EVEN, 65), (SKEWED, 35)])
@pytest.mark.parametrize(("waiting", "in_flight"), [(500, 25), (100, 10), (40, 25), (20, 25), (3, 25), (50, 1)])
def test_the_interval_holds_most_runs(draw: Draw, fewest: int, waiting: int, in_flight: int) -> None:
    chance = random.Random(7)
    inside, middles, truths = 0, [], []
    for _ in range(100):
        said = eta([draw(chance) for _ in range(60)], running_s=(), waiting=waiting, in_flight=in_flight)
        assert said is not None
        truth = play(chance, draw, waiting, in_flight)
        inside += said.low_s <= truth <= said.high_s
        middles.append(said.left_s)
        truths.append(truth)
    # 80 are meant; what is longer than any duration seen cannot be foreseen.
    assert inside >= fewest
    assert statistics.median(middles) == pytest.approx(statistics.median(truths), rel=0.2)


def test_no_idea_until_a_few_rows_are_over() -> None:
    assert eta([2.0] * 4, running_s=[1.0], waiting=10, in_flight=5) is None
    assert eta([2.0] * 5, running_s=[1.0], waiting=10, in_flight=5) is not None


def test_equal_durations_leave_no_doubt() -> None:
    said = eta([2.0] * 20, running_s=(), waiting=100, in_flight=1)
    assert said == Estimate(200.0, 200.0, 200.0, 30.0)


def test_nothing_left() -> None:
    assert eta([], running_s=(), waiting=0, in_flight=5) == Estimate(0.0, 0.0, 0.0, 0.0)


def test_the_last_rows_are_judged_by_their_age() -> None:
    durations = [10.0, 11.0, 12.0, 13.0, 14.0]
    young = eta(durations, running_s=[1.0], waiting=0, in_flight=5)
    old = eta(durations, running_s=[12.5], waiting=0, in_flight=5)
    overdue = eta(durations, running_s=[100.0], waiting=0, in_flight=5)
    assert young is not None
    assert old is not None
    assert overdue is not None
    assert 9 <= young.low_s <= young.left_s <= young.high_s <= 13
    assert 0.5 <= old.low_s <= old.high_s <= 1.5
    assert overdue.high_s > 10


def test_words() -> None:
    assert [in_words(seconds) for seconds in (8.2, 89, 200, 7500)] == ["8 s", "89 s", "3 min", "2 h 5 min"]
    assert Estimate(720, 600, 900, 5).text == "about 12 min (10 min to 15 min)"


def test_no_slots_are_refused() -> None:
    with pytest.raises(ValueError, match="in flight"):
        eta([], running_s=(), waiting=1, in_flight=0)


def test_history_serves_until_this_run_knows_better() -> None:
    model = DurationModel([100.0] * 50)
    assert model.quantile(0.5) == 100
    for _ in range(ENOUGH - 1):
        model.add(2.0)
    assert model.quantile(0.5) == 100
    model.add(2.0)
    assert model.known == (2.0,) * ENOUGH


def test_quantiles() -> None:
    model = DurationModel([3.0, 1.0, 2.0, 4.0])
    assert [model.quantile(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1, 1, 2, 3, 4]
    assert DurationModel().quantile(0.5) is None
