"""The journal: what it says is on disk, and it can be read whatever became of the process that wrote it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.engine.journal import RunJournal, outcomes_in, read_journal
from ingest.engine.ledger import Ledger, ledger_url
from ingest.model.outcome import Outcome

REPOSITORY = Path(__file__).parents[2]


def write(path: Path, *names: str) -> None:
    with RunJournal(path) as journal:
        for row, name in enumerate(names, start=2):
            journal.note("intent", row=row, vm=name, job_id=f"job-{row}")


def test_what_is_noted_can_be_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with RunJournal(path) as journal:
        journal.note("intent", row=7, vm='naïve "vm"\nwith a break', job_id="j")
        (line,) = read_journal(path)
    assert (line["step"], line["row"], line["vm"], line["job_id"]) == ("intent", 7, 'naïve "vm"\nwith a break', "j")
    assert line["at"].endswith("+00:00")


def test_a_journal_is_continued_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, "a")
    write(path, "b")
    assert [line["vm"] for line in read_journal(path)] == ["a", "b"]


@pytest.mark.parametrize("torn", ['{"at": "2026-01-01", "step": "int', "{", '"', ""])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, "a", "b")
    with path.open("a", encoding="utf-8") as out:
        out.write(torn)
    assert [line["vm"] for line in read_journal(path)] == ["a", "b"]


def test_what_is_written_after_a_torn_line_is_not_lost_with_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, "a", "b")
    os.truncate(path, path.stat().st_size - 9)
    write(path, "c")
    write(path, "d")
    assert [line["vm"] for line in read_journal(path)] == ["a", "c", "d"]


def test_an_empty_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path)
    assert read_journal(path) == []


def test_what_a_journal_tells_of_every_row(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with RunJournal(path) as journal:
        for row in (2, 3, 4, 5):
            journal.note("intent", row=row, vm=f"vm{row}", job_id=f"job-{row}")
        journal.note("submitted", row=3, vm="vm3", job_id="job-3")
        journal.note("outcome", row=4, vm="vm4", status="imported", vm_id="id-4", error="")
        journal.note("outcome", row=5, vm="vm5", status="failed", vm_id="", error="no")
    two, three, four, five = outcomes_in(path)
    assert [(one.status, one.job_id) for one in (two, three)] == [("unknown", "job-2"), ("unknown", "job-3")]
    assert "ask CloudStack for job job-3" in three.error
    assert four == Outcome(4, "vm4", "imported", vm_id="id-4", job_id="job-4")
    assert five == Outcome(5, "vm5", "failed", job_id="job-5", error="no")


DIES = """
import os, sys
from pathlib import Path
from tests.engine.fake_cloudstack import FakeCloudStack, trial_in

where, folder = sys.argv[1], Path(sys.argv[2])
die = lambda *_: os._exit(9)

class Dies(FakeCloudStack):
    def query_job(self, job_id):
        if where == "while waiting" and self.sent[-1].name == "b":
            die()
        return super().query_job(job_id)

def sending(request):
    print(request.name, request.custom_job_id, flush=True)
    if where == "while sending" and request.name == "b":
        die()

with trial_in(folder) as trial:
    trial.fake = Dies(while_sending=sending)
    trial.run("a", "b", "c")
"""


@pytest.mark.parametrize(
    ("where", "steps", "states"),
    [
        ("while sending", {"a": "submitted", "b": "intent"}, {"a": "submitted", "b": "intended"}),
        ("while waiting", {"a": "outcome", "b": "submitted"}, {"a": "imported", "b": "submitted", "c": "claimed"}),
    ],
)
def test_a_process_that_dies_leaves_on_disk_what_it_was_about_to_do(
    tmp_path: Path, where: str, steps: dict[str, str], states: dict[str, str]
) -> None:
    died = subprocess.run(
        [sys.executable, "-c", DIES, where, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert died.returncode == 9, died.stderr
    sent = dict(line.split() for line in died.stdout.splitlines())
    assert list(sent) == ["a", "b"]
    path = tmp_path / "journal.jsonl"
    assert {line["vm"]: line["step"] for line in read_journal(path)} == steps
    first, second = outcomes_in(path)
    assert (first.status, first.job_id) == ("imported" if steps["a"] == "outcome" else "unknown", sent["a"])
    assert (second.status, second.job_id) == ("unknown", sent["b"])
    with Ledger(ledger_url(None, tmp_path)) as ledger:
        entries = {one.vm.name: one for one in ledger.entries()}
    assert {name: one.state for name, one in entries.items()} == states
    assert {name: entries[name].job_id for name in sent} == sent
