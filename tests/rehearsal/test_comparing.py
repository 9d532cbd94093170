"""What counts as worse than the last rehearsal, and what does not."""

from __future__ import annotations

import pytest

from ingest.rehearsal.comparing import changes
from ingest.rehearsal.results import Rehearsal, RehearsedRow, RehearsedWave


def row(vm: str, ok: bool = True, why: str = "") -> RehearsedRow:
    return RehearsedRow(row=2, vm=vm, key=f"uuid-{vm}", wave="1", ok=ok, status="imported" if ok else "failed", why=why)


def rehearsal(
    *rows: RehearsedRow, took_s: float | None = 100.0, target_s: float | None = None, stopped: str = ""
) -> Rehearsal:
    whole = RehearsedWave(name="", rows=len(rows), target_s=target_s, rehearsed_s=took_s)
    return Rehearsal(
        kind="plan", site="vc", of="plan.csv", copied_from="runs/1", taken_at="", made="", seed=1, speed=1, in_flight=5,
        basis="", assumed=False, waves=(), whole=whole, rows=rows, stopped=stopped,
    )  # fmt: skip


def worths(before: Rehearsal, now: Rehearsal) -> list[tuple[str, str, str]]:
    return [(one.worth, one.what, one.subject) for one in changes(before, now)]


def test_rows_that_fail_newly_come_first_and_count() -> None:
    before = rehearsal(row("a"), row("b", ok=False, why="no network"), row("gone"))
    now = rehearsal(row("a", ok=False, why="no pool"), row("b"), row("new", ok=False))
    assert worths(before, now) == [
        ("worse", "row", "a"),
        ("better", "row", "b"),
        ("neither", "row", "gone"),
        ("neither", "row", "new"),
    ]
    [worse, *_] = changes(before, now)
    assert (worse.before, worse.now) == ("imported", "failed: no pool")


def test_a_renamed_vm_is_the_same_row() -> None:
    now = row("a").model_copy(update={"vm": "a-renamed"})
    assert changes(rehearsal(row("a")), rehearsal(now)) == ()


@pytest.mark.parametrize(
    ("took_s", "worth"), [(104.0, []), (109.9, []), (111.0, ["worse"]), (89.0, ["better"]), (None, [])]
)
def test_durations_within_the_tolerance_are_the_same(took_s: float | None, worth: list[str]) -> None:
    found = changes(rehearsal(row("a")), rehearsal(row("a"), took_s=took_s))
    assert [one.worth for one in found] == worth


def test_longer_with_other_rows_is_told_and_not_worse() -> None:
    found = worths(rehearsal(row("a")), rehearsal(row("a"), row("b"), took_s=200.0))
    assert ("neither", "RTO", "the whole") in found
    assert "worse" not in [worth for worth, _, _ in found]


def test_a_target_that_is_missed_now_is_worse_whatever_the_tolerance() -> None:
    before, now = rehearsal(row("a"), target_s=101.0), rehearsal(row("a"), target_s=101.0, took_s=102.0)
    [one] = changes(before, now)
    assert (one.worth, one.what) == ("worse", "RTO")
    assert one.now.startswith("target missed")
    assert [one.worth for one in changes(now, before)] == ["better"]


def test_not_coming_to_an_end_is_worse() -> None:
    before, now = rehearsal(row("a")), rehearsal(row("a"), stopped="wave core: its gate stays shut")
    assert worths(before, now) == [("worse", "end", "")]
    assert now.verdict == "stopped"
    assert now.model_copy(update={"changes": changes(before, now)}).verdict == "regressed"
