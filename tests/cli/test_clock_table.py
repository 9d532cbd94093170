"""The RTO clock on a terminal and on a page: what is left, what will be missed, and why."""

from __future__ import annotations

from ingest.cli.clock_table import clock_lines
from ingest.engine.events import ClockRead
from ingest.runbook.clock import WaveProgress, read_clock
from tasks.pages import clock_page


def read() -> ClockRead:
    """Ten minutes in: one wave is over, the next has 20 of 60 VMs and will be late, nobody knows of the last."""
    waves = [
        WaveProgress("core", rows=10, done=10, target_s=900, started_s=0.0, ended_s=300.0),
        WaveProgress("data*bases", rows=60, done=20, target_s=1200, started_s=300.0, first_row_s=300.0),
        WaveProgress("rest", rows=5),
    ]
    return ClockRead(read_clock(waves, now_s=600.0, target_s=7200.0), 600.0, done=30, total=75)


def test_every_wave_has_a_line_that_fits() -> None:
    head, core, data, rest, recovery = (line.plain for line in clock_lines(read(), 100))
    assert head.split() == ["RTO", "clock", "state", "left", "over", "after", "target"]
    assert core.split() == ["core", "done", "10", "min", "5", "min", "ahead", "by", "10", "min"]
    assert data.split() == ["data*bases", "running", "10", "min", "20", "min", "ahead", "by", "0", "s"]
    assert rest.split() == ["rest", "waiting", "no", "target"]
    assert recovery.split()[:4] == ["recovery", "running", "1", "h"]
    assert all(len(line.plain) <= 40 for line in clock_lines(read(), 40))


def test_the_page_has_the_same_and_what_happened() -> None:
    page = clock_page(read(), ("first", "wave core: well"), folder="runs/r")
    assert "**30 of 75 VMs**, 10 min after the start" in page
    assert "| data\\*bases | running | 20 min | 10 min | 20 min |" in page
    assert page.index("wave core: well") < page.index("- first"), "the newest first"
