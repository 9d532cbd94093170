"""When a run will be over, with how sure that is. Pure: durations in, seconds out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_SURE = 1.2816  # standard deviations that hold 80 % of a normal distribution
_FEW = 5


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
    mean_s = statistics.fmean(known)
    rate = 60 * min(in_flight, waiting + len(running_s)) / mean_s if mean_s else 0.0
    residuals = [_residuals(known, age) for age in running_s]
    if waiting >= in_flight:
        return _flow(known, residuals, waiting, in_flight, rate)
    # As many begin as there are slots; the rest follow the first of them that are over.
    free = max(in_flight - len(running_s), 0)
    begun = [*residuals, *([known] * min(waiting, free))]
    late = waiting - min(waiting, free)
    after_s = statistics.fmean(statistics.fmean(one) for one in begun) / 2 if late else 0.0
    begun += [[after_s + one for one in known]] * late
    left_s, low_s, high_s = (_last_over(begun, share) for share in (0.5, 0.1, 0.9))
    return Estimate(left_s, low_s, high_s, rate)


def in_words(seconds: float) -> str:
    """`8 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _flow(known: list[float], residuals: list[list[float]], waiting: int, in_flight: int, rate: float) -> Estimate:
    """All slots stay busy until the last rows: the work is shared by the slots, and the last one ends later."""
    mean_s = statistics.fmean(known)
    deviation_s = statistics.stdev(known)
    work_s = waiting * mean_s + sum(statistics.fmean(one) for one in residuals)
    left_s = work_s / in_flight
    early_s = late_s = 0.0
    if in_flight > 1:
        # When nothing is left to begin, the slots still run: on average so long, the last of them this much longer.
        average_s = statistics.fmean(one * one for one in known) / (2 * mean_s) if mean_s else 0.0
        low_s, middle_s, high_s = (_still_running(known, share ** (1 / in_flight)) for share in (0.1, 0.5, 0.9))
        left_s += max(middle_s - average_s, 0.0)
        early_s, late_s = middle_s - low_s, high_s - middle_s
    by_chance = waiting * deviation_s**2 + sum(statistics.pvariance(one) for one in residuals)
    # The mean itself is only as sure as the number of durations it was made of.
    by_ignorance = (waiting * deviation_s) ** 2 / len(known)
    spread_s = _SURE * math.sqrt(by_chance + by_ignorance) / in_flight
    return Estimate(
        left_s, max(left_s - math.hypot(spread_s, early_s), 0.0), left_s + math.hypot(spread_s, late_s), rate
    )


def _residuals(known: list[float], age_s: float) -> list[float]:
    """What a row may still take that is `age_s` old; older than any seen, it may take as long again."""
    longer = [one - age_s for one in known if one > age_s]
    return longer or [0.1 * age_s, age_s]


def _still_running(known: list[float], share: float) -> float:
    """How long `share` of the rows that run at any moment still take at most (residual life of a renewal process)."""
    low, high = 0.0, known[-1]
    total = sum(known)
    for _ in range(30):
        middle = (low + high) / 2
        if sum(min(one, middle) for one in known) < share * total:
            low = middle
        else:
            high = middle
    return high


def _last_over(each: list[list[float]], share: float) -> float:
    """The time by which all of them are over with probability `share`."""
    low, high = 0.0, max(one[-1] for one in each)
    for _ in range(30):
        middle = (low + high) / 2
        odds = 0.0
        for one in each:
            over = sum(value <= middle for value in one)
            odds += math.log(over / len(one)) if over else -math.inf
        if odds < math.log(share):
            low = middle
        else:
            high = middle
    return high
