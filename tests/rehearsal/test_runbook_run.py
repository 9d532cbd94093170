"""A runbook rehearsed: the copy's site is lost, lies in its datastores, and is brought back by the sequence itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ingest.recovery.report import rehearsed_in
from ingest.recovery.sequence import begin_folder
from ingest.rehearsal.rehearse import Options
from ingest.rehearsal.runbook_run import RunbookPapers, keep_rehearsed, rehearse_runbook
from ingest.rehearsal.tempo import durations_of
from ingest.stages.run_folder import RECOVERY_PAGE, REHEARSAL_PAGE, RunFolder
from ingest.twin.generator import CLEAN, generate
from tests.rehearsal.site import planned_site

VMS = 4
BOOK = """
name: small
plan: plan.csv
rto: 1h
people: [{role: lead}]
sites:
  - {name: first, datastores: fra1-c1-*, cluster: fra1-c1}
steps: [{name: declared, say: the loss is declared, who: lead, takes: 5min}]
waves:
  - name: all
    select: {}
    rto: 30min
    start: {vms: all}
    checks: [{kind: tcp, port: 22}, {kind: http, url: "http://{ip}:8080/up", text: alive}]
"""


def test_a_lost_site_comes_back_on_its_copy(tmp_path: Path) -> None:
    shape = replace(CLEAN, datacenters=1, clusters_per_datacenter=1, standalone_hosts=0, powered_off=0.0)
    world = generate(VMS, seed=3, shape=shape)
    stored = planned_site(world, tmp_path / "stored")
    # The snapshot is of a day when one VM of the plan was not there.
    del world.vms[next(iter(world.vms))]
    site = planned_site(world, tmp_path / "runs" / "real")
    book = stored.path / "book.yaml"
    book.write_text(BOOK, encoding="utf-8")
    folder = RunFolder(tmp_path / "runs" / "rehearsals" / "one")
    folder.path.mkdir(parents=True)
    found = rehearse_runbook(folder, site.path, RunbookPapers(book), durations_of([], 30.0), Options())
    assert f"{VMS - 1} VMs of the copy lost, 1 made of the stored plan" in found.basis
    assert [row.status for row in found.rows] == ["healthy"] * VMS, found.failing
    assert (found.verdict, found.stopped) == ("well", "")
    assert found.rehearsed == ("declared: the loss is declared (lead), 5 min",)
    [wave] = found.waves
    # Five minutes of people, and one round of imports.
    assert wave.predicted_s == 300 + 30
    assert wave.rehearsed_s is not None
    assert wave.rehearsed_s > 330
    assert found.whole.met is True
    assert folder.file(REHEARSAL_PAGE).exists()
    assert folder.file(RECOVERY_PAGE).exists()

    next_time = RunFolder(tmp_path / "runs" / "recovery")
    next_time.path.mkdir()
    begin_folder(next_time, book)
    keep_rehearsed(next_time, tmp_path / "runs" / "rehearsals")
    assert rehearsed_in(next_time) == {"all": wave.rehearsed_s, "": found.whole.rehearsed_s}
