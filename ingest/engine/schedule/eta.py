"""When a run will be over, with how sure that is. Pure: durations in, seconds out."""

from __future__ import annotations

import heapq
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_SURE = 1.2816  # standard deviations that hold 80 % of a normal distribution
_FEW = 5
_FEWEST_PLAYS, _MOST_PLAYS, _DRAWS = 41, 401, 8000
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds until the last row is over: as likely earlier as later than `left_s`, in 4 of 5 runs between the others.

    `rows_per_minute` is the rate at which rows end while all slots are busy.
    """

    left_s: float
    low_s: float
    high_s: float
    rows_per_minute: float

    @property
    def text(self) -> str:
        """For people: `about 12 min (10 min to 15 min)`."""
        return f"about {in_words(self.left_s)} ({in_words(self.low_s)} to {in_words(self.high_s)})"


NO_IDEA = "no idea yet"


def eta(durations: Sequence[float], *, running_s: Sequence[float], waiting: int, in_flight: int) -> Estimate | None:
    """The estimate for `waiting` rows not begun and rows running since `running_s` seconds; None: no idea yet.

    `durations` are the seconds a row occupied its slot, of this run or earlier ones; fewer than 5 are no idea.
    """
    if in_flight < 1:
        raise ValueError(f"at least one row in flight, not {in_flight}")
    if not waiting and not running_s:
        return Estimate(0.0, 0.0, 0.0, 0.0)
    if len(durations) < _FEW:
        return None
    known = sorted(durations)
    mean_s, deviation_s = statistics.fmean(known), statistics.stdev(known)
    # The end is played through; before it all slots are busy, and only the mean and its doubt count.
    last = min(waiting, _ROUNDS * in_flight)
    bulk_s = (waiting - last) * mean_s / in_flight
    chance = random.Random(0)  # noqa: S311  durations, not secrets; equal durations give equal estimates
    residuals = [_residuals(known, age_s) for age_s in running_s]
    plays = min(max(_DRAWS // (last + len(residuals)), _FEWEST_PLAYS), _MOST_PLAYS)
    ends = sorted(_play(chance, known, residuals, last, in_flight) for _ in range(plays))
    low_s, middle_s, high_s = (ends[round(share * (plays - 1))] for share in (0.1, 0.5, 0.9))
    # The mean itself is only as sure as the number of durations it was made of.
    variance = (waiting - last) * deviation_s**2 + (waiting * deviation_s) ** 2 / len(known)
    spread_s = _SURE * math.sqrt(variance) / in_flight
    left_s = bulk_s + middle_s
    return Estimate(
        left_s,
        max(left_s - math.hypot(spread_s, middle_s - low_s), 0.0),
        left_s + math.hypot(spread_s, high_s - middle_s),
        60 * min(in_flight, waiting + len(running_s)) / mean_s if mean_s else 0.0,
    )


def in_words(seconds: float) -> str:
    """`8 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _residuals(known: list[float], age_s: float) -> list[float]:
    """What a row may still take that is `age_s` old; older than any seen, it may take as long again."""
    longer = [one - age_s for one in known if one > age_s]
    return longer or [0.1 * age_s, age_s]


def _play(
    chance: random.Random, known: list[float], residuals: list[list[float]], waiting: int, in_flight: int
) -> float:
    """When the last row is over, if every row takes one of the known durations: once, by chance."""
    slots = [chance.choice(one) for one in residuals]
    slots += [0.0] * (in_flight - len(slots))
    heapq.heapify(slots)
    for _ in range(waiting):
        heapq.heapreplace(slots, slots[0] + chance.choice(known))
    return max(slots)
