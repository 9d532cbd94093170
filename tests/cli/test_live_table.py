"""The live table at every size of terminal, drawn by rich as a terminal would show it."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from ingest.cli.live_table import frame, one_line
from ingest.engine.events import ImportBegan, JobOver, RowDone, RowLooking, RowRunning, RowStarted, Stopping
from ingest.engine.picture import Picture
from ingest.model.outcome import Outcome

WORDS = "Failed to import volumes while importing vm: db01.\n\tUnable to reach the storage pool \x1b[31mpool-7"


@pytest.fixture
def picture() -> Picture:
    """100 rows, 30 in flight, two failures, 40 imported; names as long and as odd as names get."""
    now = [50.0]
    made = Picture(lambda: now[0])
    names = {row: f"fra1-production-shop-frontend-{row:03}" for row in range(2, 102)} | {3: "名前の長い仮想マシン"}
    made(ImportBegan("20261128-1", "runs/20261128-1", tuple(names.items()), 30, (10.0,) * 20))
    for row in range(2, 44):
        made(RowLooking(row, names[row]))
        made(RowDone(Outcome(row, names[row], "imported", duration_s=9.0)))
    for row in (44, 45):
        made(RowDone(Outcome(row, names[row], "failed", error=WORDS, duration_s=1.5)))
    for row in range(46, 76):
        made(RowStarted(row, names[row], f"job-{row}"))
        made(RowRunning(row, names[row], f"job-{row}"))
    now[0] += 8
    made(JobOver(46, names[46]))
    return made


def drawn(picture: Picture, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None, force_terminal=False)
    with console.capture() as captured:
        for line in frame(picture, width, height):
            console.print(line, end="\n")
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 160, 300])
@pytest.mark.parametrize("height", [1, 3, 6, 7, 24, 200])
def test_it_fits_every_terminal(picture: Picture, width: int, height: int) -> None:
    lines = drawn(picture, width, height)
    assert 1 <= len(lines) <= height
    assert max(map(cell_len, lines)) <= width
    assert "\x1b" not in "".join(lines)


def test_at_80_columns_everything_that_matters_can_be_read(picture: Picture) -> None:
    lines = drawn(picture, 80, 24)
    assert lines[0].startswith("import ━")
    assert lines[0].endswith(" 44/100  44 %  0:08")
    assert lines[1] == "42 imported, 2 failed, 29 in flight, 1 looked at, 26 waiting"
    assert lines[2] == "7.5/min, left: about 12 s (12 s to 12 s)"
    assert lines[3].split() == ["row", "VM", "state", "for"]
    states = [line[6:].replace("…", " ").split()[-3] for line in lines[4:] if "running" in line]
    assert states == ["running"] * 18
    assert [line.split()[0] for line in lines[-2:]] == ["45", "44"]  # the newest failure first, whatever is in flight
    assert "failed         1.5 s  Failed to import volume" in lines[-1]
    # Names that begin alike are told apart by their ends.
    assert "47" in lines[4].split()[1]


def test_a_wide_terminal_shows_words_and_jobs_whole(picture: Picture) -> None:
    lines = drawn(picture, 160, 40)
    assert any(line.endswith("job job-50") for line in lines)
    assert any(line.endswith("db01. Unable to reach the storage pool ?[31mpool-7") for line in lines)


def test_waiting_rows_come_last_and_a_stop_is_said(picture: Picture) -> None:
    picture(Stopping(20.0))
    lines = drawn(picture, 80, 200)
    assert lines[3] == "stopping: no row is begun any more; running imports have 20 s left at most"
    states = [line[6:].split()[1] for line in lines[5:]]
    order = ["running", "verifying", "failed", "imported", "waiting"]
    assert sorted(set(states), key=states.index) == order
    assert len(states) == 100


def test_control_characters_do_no_harm() -> None:
    assert one_line("a\r\nb\x1b]0;title\x07\u202ec") == "a b?]0;title??c"
