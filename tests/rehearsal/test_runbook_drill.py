"""A recovery drilled: its worker is killed, imports fail, and the site comes back all the same, each VM once."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.rehearsal.drilled import Drill
from ingest.rehearsal.lent_clock import ClockLender, LentClock
from ingest.rehearsal.rehearse import Options
from ingest.rehearsal.runbook_drill import drill_runbook
from ingest.rehearsal.runbook_run import RunbookPapers
from ingest.rehearsal.scenario import scripted
from ingest.rehearsal.tempo import durations_of
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import DRILL_JSON, DRILL_PAGE, RunFolder
from ingest.twin.clock import Clock
from ingest.twin.faults.script import Script
from ingest.twin.generator import CLEAN, generate
from tests.rehearsal.site import planned_site

VMS = 6
BOOK = """
name: small
plan: plan.csv
rto: 30min
people: [{role: lead}]
sites:
  - {name: first, datastores: fra1-c1-*, cluster: fra1-c1}
steps: [{name: declared, say: the loss is declared, who: lead, takes: 5min}]
waves:
  - name: all
    select: {}
    rto: 5min
    start: {vms: all}
    checks: [{kind: tools}]
"""


def test_a_recovery_whose_worker_is_killed_comes_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = replace(CLEAN, datacenters=1, clusters_per_datacenter=1, standalone_hosts=0, powered_off=0.0)
    site = planned_site(generate(VMS, seed=3, shape=shape), tmp_path / "site")
    book = site.path / "book.yaml"
    book.write_text(BOOK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(Path("drill"))  # as it is by default, relative to where the command was given
    folder.path.mkdir()
    script = Script.model_validate({"faults": [{"kind": "job-fails", "step": "committed", "nth": 4}]})
    options = Options(imports=ImportOptions(max_concurrent_imports=2, batch_size=2))
    found = drill_runbook(
        folder, site.path, RunbookPapers(book), durations_of([], 20.0), options, scripted(script, [3])
    )
    assert found.grade.left == ()
    assert (found.grade.lost, found.grade.doubled, found.grade.passed) == ((), (), True)
    assert [text for text in found.grade.people if "its worker was killed (ingest recover --resume)" in text]
    assert [text for text in found.grade.people if text.startswith("ran it again")]
    assert Counter(found.signed) == {"declared: done": 1}, "signed once, whoever goes on"
    # Five minutes of people and 90 seconds until the dead worker is noticed: the wave is late, the whole is not.
    assert [(wave.name, wave.rows, wave.met) for wave in found.waves] == [("all", VMS, False)]
    assert found.whole.met is True
    assert found.words.endswith("; RTO met")
    assert found.whole.rehearsed_s is not None
    assert found.whole.rehearsed_s > 300 + 90
    assert Drill.model_validate_json(folder.file(DRILL_JSON).read_bytes()) == found
    page = folder.file(DRILL_PAGE).read_text(encoding="utf-8")
    assert "its worker was killed" in page
    assert "declared: done" in page


def test_a_lent_clock_is_the_clock_itself() -> None:
    clock = Clock(50.0)
    clock.changeable = True
    with ClockLender(clock) as lender:
        lent = LentClock(lender.address, lender.key)
        before = clock.now()
        assert not lent.wait(threading.Event(), 5.0)
        assert clock.now() - before >= 5.0
        assert abs(lent.now() - clock.now()) < 5.0
        lent.run_at(2.0)
        assert (clock.speed, lent.speed) == (2.0, 2.0)
        set_already = threading.Event()
        set_already.set()
        assert lent.wait(set_already, 3600.0)
        address = lender.address
    with pytest.raises((EOFError, OSError)):
        LentClock(address, lender.key)
