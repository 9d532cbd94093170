"""The RTO clock: per wave and over all, what is left, when it will be over, and why a target will be missed.

Numbers in, numbers and words out; whoever watches a recovery asks again as often as the table is drawn. All moments are
seconds since the start of the recovery, as all targets are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.counting import counted
from ingest.runbook.spans import in_words

State = Literal["waiting", "running", "done", "stopped"]
_ENOUGH_ROWS = 3
"""Rows that must be over before the pace of this wave is believed more than the prediction."""


@dataclass(frozen=True, slots=True)
class WaveProgress:
    """Where one wave stands.

    `predicted_s` is how long the whole wave is predicted to take, None when nobody knows; `tail_s` the part of it that
    follows the last row (starts, people), which no pace shortens, `people_s` the people's part of that. `starts` of its
    VMs are to be started, `delay_s` apart; `turns` of them are over, the last one began at `last_start_s`.
    `first_row_s` is when its first row began, so that people before it do not spoil the pace. `waits_for` names what it
    stands still for, since `waiting_since_s`.
    """

    name: str
    rows: int
    done: int = 0
    target_s: float | None = None
    predicted_s: float | None = None
    tail_s: float = 0.0
    people_s: float = 0.0
    starts: int = 0
    turns: int = 0
    delay_s: float = 0.0
    last_start_s: float | None = None
    started_s: float | None = None
    first_row_s: float | None = None
    ended_s: float | None = None
    stopped: bool = False
    waits_for: str = ""
    waiting_since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of the clock. None where nothing is known.

    `left_s` is what remains of the target (negative: it is over), `end_s` the moment it was or will be over, `ahead_s`
    target minus end (negative: behind). `missed`: the end is, or will be, after the target. `reason` says why, in
    words; '' when all is well.
    """

    name: str
    state: State
    target_s: float | None
    left_s: float | None
    end_s: float | None
    ahead_s: float | None
    missed: bool
    reason: str = ""

    @property
    def text(self) -> str:
        """`ahead by 4 min`, `behind by 3 min 20 s`, `no target`, `no idea yet`."""
        if self.target_s is None:
            return "no target"
        if self.ahead_s is None:
            return "no idea yet"
        return f"{'behind' if self.ahead_s < 0 else 'ahead'} by {in_words(abs(self.ahead_s))}"


@dataclass(frozen=True, slots=True)
class Clock:
    """All waves, and the recovery as a whole."""

    waves: tuple[Reading, ...]
    overall: Reading

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Those of the waves, then that of the whole recovery."""
        return (*self.waves, self.overall)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence per target that is or will be missed, in the order of the waves."""
        return tuple(one.reason for one in self.readings if one.missed)


def read_clock(
    waves: Sequence[WaveProgress], *, now_s: float, target_s: float | None = None, closing_s: float = 0.0
) -> Clock:
    """The clock at `now_s`. `target_s` is that of the whole recovery, `closing_s` what still
    follows the last wave."""
    readings: list[Reading] = []
    free_s: float | None = 0.0  # when the wave before is over; None: nobody knows
    late = ""  # the wave that makes later ones begin late
    for wave in waves:
        end_s = _end(wave, now_s, free_s)
        reading = _reading(wave, now_s, end_s, late)
        readings.append(reading)
        if reading.missed and not late:
            late = wave.name
        free_s = end_s
    over = all(wave.ended_s is not None for wave in waves)
    end_s = None if free_s is None else free_s + closing_s
    return Clock(tuple(readings), _overall(waves, readings, now_s, end_s, target_s, over))


def _end(wave: WaveProgress, now_s: float, free_s: float | None) -> float | None:
    """When the wave was or will be over; None when nobody knows."""
    if wave.ended_s is not None:
        return wave.ended_s
    if wave.stopped:
        return None
    if wave.started_s is None:
        return None if free_s is None or wave.predicted_s is None else max(free_s, now_s) + wave.predicted_s
    left = wave.rows - wave.done
    starts_s = _last_start(wave, now_s) + wave.people_s
    if not left:
        return starts_s
    pace = _pace(wave, now_s)
    if pace is not None:
        return max(now_s + left / pace + wave.tail_s, starts_s)
    if wave.predicted_s is None:
        return None
    as_predicted_s = wave.started_s + wave.predicted_s
    if wave.first_row_s is None and not wave.waits_for:
        return max(as_predicted_s, now_s)
    # Until rows tell, the prediction holds; what is left of it never shrinks below the share of the rows left.
    rows_s = max(wave.predicted_s - wave.tail_s, 0.0)
    return max(as_predicted_s, now_s + rows_s * left / wave.rows + wave.tail_s)


def _last_start(wave: WaveProgress, now_s: float) -> float:
    """When the last VM can be started at the earliest, because of the delay between two starts."""
    left = wave.starts - wave.turns
    if left <= 0:
        return now_s
    first_s = now_s if wave.last_start_s is None else max(now_s, wave.last_start_s + wave.delay_s)
    return first_s + (left - 1) * wave.delay_s


def _pace(wave: WaveProgress, now_s: float) -> float | None:
    """Rows per second of this wave so far; None until enough of them are over."""
    if wave.first_row_s is None or wave.done < min(_ENOUGH_ROWS, wave.rows) or now_s <= wave.first_row_s:
        return None
    return wave.done / (now_s - wave.first_row_s)


def _reading(wave: WaveProgress, now_s: float, end_s: float | None, late: str) -> Reading:
    state: State = "done" if wave.ended_s is not None else "stopped" if wave.stopped else "waiting"
    if state == "waiting" and wave.started_s is not None:
        state = "running"
    left_s = None if wave.target_s is None else wave.target_s - (wave.ended_s if wave.ended_s is not None else now_s)
    ahead_s = None if wave.target_s is None or end_s is None else wave.target_s - end_s
    passed = left_s is not None and left_s < 0
    missed = wave.target_s is not None and (passed or state == "stopped" or (ahead_s is not None and ahead_s < 0))
    reason = _reason(wave, state, now_s, ahead_s, late) if missed else ""
    return Reading(wave.name, state, wave.target_s, left_s, end_s, ahead_s, missed, reason)


def _reason(wave: WaveProgress, state: State, now_s: float, ahead_s: float | None, late: str) -> str:
    head = f"wave {wave.name}:"
    if state == "done":
        return f"{head} was over {in_words(-(ahead_s or 0.0))} after its target"
    if state == "stopped":
        return f"{head} was stopped with {counted(wave.rows - wave.done, 'VM')} left"
    behind = f"{in_words(-ahead_s)} more than the target" if ahead_s is not None and ahead_s < 0 else ""
    after = f", because {late} is late" if late else ""
    if state == "waiting":
        return f"{head} needs {behind}{after}" if behind else f"{head} has not begun, and its target is over{after}"
    target_s = wave.target_s or 0.0
    over = f"; the target is over since {in_words(now_s - target_s)}" if now_s > target_s else ""
    if wave.waits_for:
        since = f" since {in_words(now_s - wave.waiting_since_s)}" if wave.waiting_since_s is not None else ""
        return f"{head} waits for {wave.waits_for}{since}{f' and needs {behind}' if behind else ''}{over}"
    left = wave.rows - wave.done
    if not left:
        return f"{head} all rows are imported, starts, checks and people need {behind or 'longer'}{over}"
    pace = _pace(wave, now_s)
    if pace is not None:
        return f"{head} {counted(left, 'VM')} left at {60 * pace:.3g}/min need {behind or 'longer'}{over}"
    return f"{head} {counted(left, 'VM')} left, which as predicted need {behind or 'longer'}{over}"


def _overall(
    waves: Sequence[WaveProgress],
    readings: Sequence[Reading],
    now_s: float,
    end_s: float | None,
    target_s: float | None,
    over: bool,
) -> Reading:
    stopped = any(wave.stopped for wave in waves)
    begun = any(wave.started_s is not None for wave in waves)
    state: State = "done" if over else "stopped" if stopped else "running" if begun else "waiting"
    left_s = None if target_s is None else target_s - (end_s if over and end_s is not None else now_s)
    ahead_s = None if target_s is None or end_s is None else target_s - end_s
    missed = target_s is not None and (
        stopped or (left_s is not None and left_s < 0) or (ahead_s is not None and ahead_s < 0)
    )
    reason = ""
    if missed:
        behind = f" by {in_words(-ahead_s)}" if ahead_s is not None and ahead_s < 0 else ""
        cause = next((one.name for one in readings if one.missed), "")
        verb = "was missed" if over or stopped or (left_s is not None and left_s < 0) else "will be missed"
        reason = f"the recovery: its target {verb}{behind}{f'; {cause} is the first that is late' if cause else ''}"
    return Reading("recovery", state, target_s, left_s, end_s, ahead_s, missed, reason)
