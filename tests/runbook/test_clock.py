"""The RTO clock: ahead or behind, when it ends, and in words why a target will be missed."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.runbook.clock import Clock, WaveProgress, read_clock

MIN = 60.0


def wave(name: str, rows: int = 10, **facts: Any) -> WaveProgress:
    return WaveProgress(name, rows, **facts)


def clock(*waves: WaveProgress, now: float, target: float | None = None, closing: float = 0.0) -> Clock:
    return read_clock(waves, now_s=now, target_s=target, closing_s=closing)


def test_before_the_start_the_clock_is_the_prediction() -> None:
    done = clock(
        wave("a", predicted_s=10 * MIN, target_s=15 * MIN),
        wave("b", predicted_s=20 * MIN, target_s=25 * MIN),
        now=0,
        target=40 * MIN,
        closing=5 * MIN,
    )
    assert [(one.end_s, one.ahead_s, one.text) for one in done.waves] == [
        (10 * MIN, 5 * MIN, "ahead by 5 min"),
        (30 * MIN, -5 * MIN, "behind by 5 min"),
    ]
    assert (done.overall.end_s, done.overall.missed) == (35 * MIN, False)
    assert done.warnings == ("wave b: needs 5 min more than the target",)


def test_a_running_wave_goes_by_its_own_pace() -> None:
    running = wave("2", 100, done=60, started_s=0, first_row_s=0, target_s=500, predicted_s=100)
    (reading,) = clock(running, now=300).waves
    assert (reading.state, reading.left_s, reading.end_s, reading.ahead_s) == ("running", 200, 500, 0)
    assert not reading.missed
    (late,) = clock(wave("2", 100, done=60, started_s=0, first_row_s=0, target_s=300), now=300).waves
    assert late.reason == "wave 2: 40 VMs left at 12/min need 3 min 20 s more than the target"


def test_people_before_the_first_row_do_not_spoil_the_pace() -> None:
    (reading,) = clock(wave("a", 20, done=10, started_s=0, first_row_s=600, target_s=900), now=700).waves
    assert reading.end_s == 800


def test_until_rows_tell_the_prediction_holds_and_never_lies_in_the_past() -> None:
    facts: dict[str, Any] = {"started_s": 100, "first_row_s": 100, "predicted_s": 300, "target_s": 1000}
    assert clock(wave("a", **facts), now=200).waves[0].end_s == 500
    assert clock(wave("a", done=1, **facts), now=390).waves[0].end_s == 390 + 270


def test_what_follows_the_last_row_is_not_shortened_by_the_pace() -> None:
    facts: dict[str, Any] = {"started_s": 0, "first_row_s": 0, "tail_s": 120, "people_s": 120, "target_s": 200}
    assert clock(wave("a", done=5, **facts), now=50).waves[0].end_s == 50 + 50 + 120
    (checking,) = clock(wave("a", done=10, **facts), now=100).waves
    assert checking.reason == "wave a: all rows are imported, starts, checks and people need 20 s more than the target"


def test_delays_between_starts_run_beside_the_imports_and_burn_down() -> None:
    facts: dict[str, Any] = {"started_s": 0, "first_row_s": 0, "starts": 8, "delay_s": 30, "people_s": 60}
    # Ten rows a minute: the imports are over long before the last start may be made.
    assert clock(wave("a", 20, done=10, turns=1, last_start_s=40, **facts), now=60).waves[0].end_s == 40 + 7 * 30 + 60
    assert clock(wave("a", 20, done=20, turns=7, last_start_s=220, **facts), now=230).waves[0].end_s == 250 + 60
    assert clock(wave("a", 20, done=20, turns=8, last_start_s=250, **facts), now=255).waves[0].end_s == 255 + 60
    # Slow imports are what everything waits for; those passed over wait for no delay.
    assert clock(wave("a", 20, done=10, turns=7, **facts), now=600).waves[0].end_s == 1200
    assert clock(wave("a", 20, done=20, turns=6, last_start_s=None, **facts), now=90).waves[0].end_s == 90 + 30 + 60


def test_a_wave_that_waits_for_a_person_says_for_whom_and_since_when() -> None:
    waiting = wave(
        "a", started_s=0, predicted_s=600, target_s=500, waits_for="storage team: LUNs are writable", waiting_since_s=10
    )
    (reading,) = clock(waiting, now=250).waves
    assert reading.reason == (
        "wave a: waits for storage team: LUNs are writable since 4 min and needs 5 min 50 s more than the target"
    )


def test_a_late_wave_is_named_by_those_it_makes_late() -> None:
    done = clock(
        wave("a", 10, done=5, started_s=0, first_row_s=0, target_s=60),
        wave("b", predicted_s=60, target_s=150),
        wave("c", predicted_s=60, target_s=400),
        now=60,
        target=220,
    )
    assert [one.missed for one in done.waves] == [True, True, False]
    assert done.waves[1].reason == "wave b: needs 30 s more than the target, because a is late"
    assert done.overall.reason == "the recovery: its target will be missed by 20 s; a is the first that is late"
    assert len(done.warnings) == 3


def test_what_is_done_is_judged_by_when_it_was_over() -> None:
    done = clock(
        wave("a", done=10, started_s=0, ended_s=50, target_s=60),
        wave("b", done=10, started_s=50, ended_s=150, target_s=100),
        now=10_000,
        target=200,
    )
    assert [(one.state, one.left_s, one.missed) for one in done.waves] == [("done", 10, False), ("done", -50, True)]
    assert done.waves[1].reason == "wave b: was over 50 s after its target"
    assert (done.overall.state, done.overall.end_s, done.overall.missed) == ("done", 150, False)


def test_a_stopped_wave_has_missed_its_target_and_nobody_knows_the_end() -> None:
    done = clock(
        wave("a", 10, done=4, started_s=0, stopped=True, target_s=900), wave("b", predicted_s=60), now=100, target=1000
    )
    assert done.waves[0].reason == "wave a: was stopped with 6 VMs left"
    assert (done.waves[1].end_s, done.overall.state, done.overall.end_s) == (None, "stopped", None)
    assert done.overall.missed


def test_without_history_there_is_no_idea_and_no_false_alarm() -> None:
    done = clock(wave("a", target_s=60), wave("b"), now=10, target=100)
    assert [one.text for one in (*done.waves, done.overall)] == ["no idea yet", "no target", "no idea yet"]
    assert done.warnings == ()


def test_a_target_that_is_over_is_missed_whatever_is_predicted() -> None:
    (reading,) = clock(wave("a", target_s=60), now=90).waves
    assert (reading.left_s, reading.missed) == (-30, True)
    assert reading.reason == "wave a: has not begun, and its target is over"


@pytest.mark.parametrize("rows", [0, 1])
def test_small_and_empty_waves_are_no_special_case(rows: int) -> None:
    (reading,) = clock(wave("a", rows, done=rows, started_s=0, first_row_s=0, target_s=60), now=30).waves
    assert (reading.end_s, reading.missed) == (30, False)
