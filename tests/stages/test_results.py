"""What became of every row, in the sheet."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import UsageError
from ingest.model.outcome import Outcome
from ingest.plan.sheet import read_sheet
from ingest.stages.results import RESULT_COLUMNS, write_results
from ingest.stages.run_folder import PLAN, RESULTS, RunFolder

PLAN_TEXT = """\
vm;my note;import;hostname;service_offering;instance_uuid;moref;cluster_id;reason;fix
# the web tier
web01;first;yes;web01;small;u1;vm-1;c1;chosen;
;;;;;;;;;

"web;02";=1+1;yes;web02;small;u2;vm-2;c1;chosen;hostname: taken -> choose another
db01;"two
lines";yes;db01;small;u3;vm-3;c1;chosen;
golden;;no;;;u5;vm-5;c1;vSphere template;
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path)
    made.write(PLAN, PLAN_TEXT.encode())
    return made


def test_results_are_the_plan_with_what_became_of_every_row(folder: RunFolder) -> None:
    given = [
        Outcome(7, "db01", "failed", job_id="j3", error="=no", duration_s=1.25),
        Outcome(3, "web01", "imported", vm_id="i1", job_id="j1", duration_s=30),
    ]
    path, everything = write_results(folder, given)
    assert path == folder.file(RESULTS)
    assert everything == [
        given[1],
        Outcome(6, "web;02", "blocked", error="hostname: taken -> choose another"),
        given[0],
        Outcome(9, "golden", "skipped", error="vSphere template"),
    ]
    sheet = read_sheet(path)
    assert sheet.columns == [*read_sheet(folder.file(PLAN)).columns, *RESULT_COLUMNS]
    assert [[row[name] for name in ("vm", *RESULT_COLUMNS)] for row in sheet.rows] == [
        ["web01", "imported", "i1", "j1", "", "30"],
        ["web;02", "blocked", "", "", "hostname: taken -> choose another", ""],
        ["db01", "failed", "", "j3", "=no", "1.25"],
        ["golden", "skipped", "", "", "vSphere template", ""],
    ]
    assert [row.line for row in sheet.rows] == [3, 6, 7, 9]
    assert [row["my note"] for row in sheet.rows] == ["first", "=1+1", "two\nlines", ""]
    assert "# the web tier" in path.read_text(encoding="utf-8")


def test_results_of_results_are_the_same(folder: RunFolder) -> None:
    """A results sheet may be planned from again: its columns are filled anew, none is added twice."""
    outcomes = [Outcome(3, "web01", "imported", vm_id="i1")]
    path, _ = write_results(folder, outcomes)
    once = path.read_bytes()
    folder.write(PLAN, once)
    write_results(folder, outcomes)
    assert path.read_bytes() == once


def test_without_a_plan_there_are_no_results(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no plan\.csv yet"):
        write_results(RunFolder(tmp_path), [])
