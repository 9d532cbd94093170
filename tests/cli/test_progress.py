"""Progress: a live table on a terminal, plain lines otherwise."""

from __future__ import annotations

import io

from rich.console import Console

from ingest.cli.progress import shown
from ingest.engine.events import JobOver, RowDone, RowStarted, StageDone, StageStarted, StageStep, tell
from ingest.model.outcome import Outcome


def _story() -> None:
    tell(StageStarted("list_unmanaged"))
    tell(StageStep("list_unmanaged", "cluster 1 of 2"))
    tell(StageDone("list_unmanaged", "12 VMs shown"))
    tell(StageStarted("import_batch", 2))
    tell(RowStarted(2, "web01"))
    tell(RowStarted(3, "[red]db[/]"))
    tell(JobOver(2, "web01"))
    tell(RowDone(Outcome(2, "web01", "imported", duration_s=1.25)))
    tell(RowDone(Outcome(3, "[red]db[/]", "failed", error="no [such] network")))
    tell(StageDone("import_batch", "2 rows"))


def test_plain_lines() -> None:
    out = io.StringIO()
    with shown(Console(file=out, force_terminal=False, width=200)):
        _story()
    lines = out.getvalue().splitlines()
    assert lines[0] == "list_unmanaged: cluster 1 of 2 ..."
    assert lines[1] == "list_unmanaged: 12 VMs shown"
    assert lines[2].startswith("[1/2] web01: imported in 1.2 s (")
    assert "1 in flight" in lines[2]
    assert lines[3].startswith("[2/2] [red]db[/]: failed in 0.0 s (")
    assert lines[3].endswith("0 in flight, left: nothing): no [such] network")
    assert lines[4] == "import_batch: 2 rows"
    assert "\x1b" not in out.getvalue()


def test_live_table_on_a_terminal() -> None:
    out = io.StringIO()
    with shown(Console(file=out, force_terminal=True, width=160, color_system=None)):
        _story()
    text = out.getvalue()
    assert "2/2" in text
    assert "12 VMs shown" in text
    assert "1 imported, 1 failed" in text


def test_nobody_listens_afterwards() -> None:
    out = io.StringIO()
    with shown(Console(file=out, force_terminal=False)):
        pass
    _story()
    assert out.getvalue() == ""
