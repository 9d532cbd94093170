"""What a run looks like at one moment, from its events alone."""

from __future__ import annotations

from ingest.engine.events import (
    ImportBegan,
    JobOver,
    RowDone,
    RowLooking,
    RowReady,
    RowRunning,
    RowStarted,
    StageStarted,
)
from ingest.engine.picture import Picture
from ingest.model.outcome import Outcome


class Clock:
    """Seconds a test moves by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def begun(rows: int, in_flight: int = 2, history: tuple[float, ...] = ()) -> tuple[Picture, Clock]:
    clock = Clock()
    picture = Picture(clock)
    names = tuple((row, f"vm{row}") for row in range(2, rows + 2))
    picture(ImportBegan("20261128-1", "runs/20261128-1", names, in_flight, history))
    picture(StageStarted("import_batch", rows))
    return picture, clock


def send(picture: Picture, row: int) -> None:
    picture(RowLooking(row, f"vm{row}"))
    picture(RowReady(row, f"vm{row}"))
    picture(RowStarted(row, f"vm{row}", f"job{row}"))
    picture(RowRunning(row, f"vm{row}", f"job{row}"))


def end(picture: Picture, row: int, status: str = "imported", error: str = "") -> None:
    picture(JobOver(row, f"vm{row}", f"job{row}"))
    picture(RowDone(Outcome(row, f"vm{row}", status, job_id=f"job{row}", error=error, duration_s=4.0)))  # type: ignore[arg-type]


def test_a_row_goes_through_its_states() -> None:
    picture, clock = begun(1)
    steps = [
        RowLooking(2, "vm2"),
        RowReady(2, "vm2"),
        RowStarted(2, "vm2", "job2"),
        RowRunning(2, "vm2", "job2"),
        JobOver(2, "vm2", "job2"),
        RowDone(Outcome(2, "vm2", "imported", job_id="job2", duration_s=2.0)),
    ]
    seen = [(one.state, one.for_s) for one in picture.rows(5)]
    for step in steps:
        picture(step)
        clock.now += 1
        seen += [(one.state, one.for_s) for one in picture.rows(5)]
    # What runs counts from its sending, everything else from its own beginning, what is over shows what it took.
    assert seen == [
        ("waiting", 0.0), ("looking", 1.0), ("ready", 1.0), ("sent", 1.0), ("running", 2.0), ("verifying", 1.0),
        ("imported", 2.0),
    ]  # fmt: skip
    assert picture.figures().counts == {"imported": 1}


def test_figures_add_up_at_every_moment() -> None:
    picture, clock = begun(4)
    send(picture, 2)
    picture(RowLooking(3, "vm3"))
    now = picture.figures()
    assert (now.total, now.done, now.in_flight, now.waiting) == (4, 0, 1, 2)
    assert (now.rate, now.time_left, now.sums) == ("no rate yet", "no idea yet", "1 in flight, 1 looked at, 2 waiting")
    clock.now += 4
    end(picture, 2)
    end(picture, 3, "held", "changed since the plan")
    now = picture.figures()
    assert (now.done, now.in_flight, now.waiting, now.percent) == (2, 0, 2, 50)
    assert now.sums == "1 imported, 1 held, 2 waiting"
    assert now.per_minute == 15  # one job in 4 s; a row that was never sent is no measure
    send(picture, 4)
    send(picture, 5)
    clock.now += 4
    end(picture, 4)
    end(picture, 5, "failed", "no")
    over = picture.figures()
    clock.now += 1000
    assert picture.figures() == over  # an import that is over stands still
    assert (over.sums, over.time_left, over.elapsed_s) == ("2 imported, 1 held, 1 failed", "nothing", 8)


def test_the_time_left_comes_from_the_history_until_this_run_knows_better() -> None:
    picture, clock = begun(100, in_flight=4, history=(10.0,) * 20)
    assert picture.figures().left is not None
    left = picture.figures().left
    assert left is not None
    assert left.left_s == left.low_s == left.high_s == 250
    for first in range(2, 14, 4):
        for row in range(first, first + 4):
            send(picture, row)
        clock.now += 20  # twice as long as ever before
        for row in range(first, first + 4):
            end(picture, row)
    later = picture.figures().left
    assert later is not None
    assert later.left_s == 22 * 20


def test_limits_that_allow_less_at_once_are_noticed() -> None:
    picture, clock = begun(50, in_flight=10, history=(10.0,) * 20)
    for row in range(2, 12):  # one after another, as on one host with per_host=1
        send(picture, row)
        clock.now += 10
        end(picture, row)
    left = picture.figures().left
    assert left is not None
    assert left.left_s == 40 * 10


def test_without_history_there_is_no_idea_before_five_have_ended() -> None:
    picture, clock = begun(20, in_flight=5)
    for row in range(2, 7):
        send(picture, row)
    clock.now += 3
    for row in range(2, 6):
        end(picture, row)
    assert picture.figures().time_left == "no idea yet"
    clock.now += 1.5
    end(picture, 6)
    assert picture.figures().time_left.startswith("about ")


def test_the_first_idea_does_not_wait_for_the_next_second() -> None:
    picture, clock = begun(12)
    for row in range(2, 7):
        assert picture.figures().left is None
        send(picture, row)
        clock.now += 0.1
        end(picture, row)
    first = picture.figures().left
    assert first is not None
    send(picture, 7)
    clock.now += 0.5
    end(picture, 7)
    assert picture.figures().left == first, "worked out anew within the second"
    clock.now += 0.5
    assert picture.figures().left != first


def test_the_rows_shown_are_those_that_matter_most() -> None:
    picture, _clock = begun(12, in_flight=3)
    for row in (2, 3, 4, 5, 6):
        send(picture, row)
    end(picture, 2)
    end(picture, 3, "failed", "no")
    picture(RowLooking(7, "vm7"))
    assert [(one.row, one.state) for one in picture.rows(8)] == [
        (4, "running"), (5, "running"), (6, "running"), (7, "looking"), (3, "failed"), (2, "imported"), (8, "waiting"),
        (9, "waiting"),
    ]  # fmt: skip
    # However little room there is, what failed is seen.
    assert [(one.row, one.state) for one in picture.rows(2)] == [(4, "running"), (3, "failed")]
    assert picture.rows(0) == []
    assert [one.error for one in picture.trouble()] == ["no"]


def test_a_resumed_run_does_not_count_what_was_imported_before_as_fast() -> None:
    picture, clock = begun(50)
    for row in range(2, 42):
        picture(RowLooking(row, f"vm{row}"))
        picture(RowDone(Outcome(row, f"vm{row}", "imported")))
    clock.now += 1
    now = picture.figures()
    assert (now.done, now.per_minute, now.left) == (40, None, None)
