"""`ingest rehearse` as operators type it: what would fail, how long it takes, what got worse; no real server called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.engine.ledger import Ledger, RunRecord, VmKey, ledger_url
from ingest.model.snapshot import read_snapshot
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.rehearsal.report import read_rehearsal
from ingest.stages.run_folder import PLAN, REHEARSAL_PAGE, SNAPSHOT, RunFolder
from ingest.twin.generator import generate
from tests.cli.conftest import Ingest
from tests.rehearsal.site import Trap, planned_site, trap

VMS = 12
IMPORT_S = 60.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return planned_site(generate(VMS, seed=5), tmp_path_factory.mktemp("site") / "real")


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    with trap() as caught:
        for name, value in caught.environment().items():
            monkeypatch.setenv(name, value)
        yield caught


def a_ledger(tmp_path: Path, endpoint: str) -> Path:
    """A ledger of a real site: as many imports as `durations_of` needs, each of a minute."""
    now = [1000.0]
    with Ledger(ledger_url(None, tmp_path / "state"), clock=lambda: now[0]) as ledger:
        ledger.open_run(RunRecord("run-1", "ann", "here", endpoint, "", "", "2026-11-01T00:00:00+00:00"))
        for number in range(8):
            key = VmKey(f"uuid-{number}", "c-1", f"vm-{number}", f"vm{number}")
            ledger.claim(key, run_id="run-1", actor="ann", plan_digest="")
            ledger.note(key, "intended", job_id=f"job-{number}")
            ledger.note(key, "submitted")
            now[0] += IMPORT_S
            ledger.note(key, "imported", vm_id=f"id-{number}")
        ledger.close_run("run-1", "finished")
    return tmp_path / "state" / "ledger.db"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_rehearsed_twice_and_worse_the_second_time(
    ingest: Ingest, site: RunFolder, real: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = json.loads((site.path / "snapshot_of.json").read_text())["cloudstack"]
    ledger = a_ledger(tmp_path, endpoint)
    monkeypatch.setenv("INGEST_RUN_STATE", str(ledger.parent))
    monkeypatch.setenv("INGEST_RUN_FOLDER", str(tmp_path / "runs"))
    before = {path: digest(path) for path in (ledger, *site.path.iterdir())}
    command = ("rehearse", str(site.path), "--max-concurrent-imports", "4", "--tolerance", "9", "--format", "json")

    first = ingest(*command)
    assert first.code == 0, first.err
    rows = json.loads(first.out)
    assert [row["status"] for row in rows] == ["imported"] * VMS
    [one] = (tmp_path / "runs" / "rehearsals").iterdir()
    found = read_rehearsal(one)
    assert "ledger: 8 imports, median 60 s" in found.basis
    # 12 VMs, 4 at once, a minute each: three rounds, and what this program needs itself.
    assert found.whole.predicted_s == 3 * IMPORT_S
    assert found.whole.rehearsed_s is not None
    assert found.whole.rehearsed_s >= 3 * IMPORT_S
    assert (found.verdict, found.changes, found.since) == ("well", (), "")
    page = (one / REHEARSAL_PAGE).read_text(encoding="utf-8")
    assert "every row would come through" in page
    assert "http" not in page, "it opens without a network"

    # Somebody edits the plan: a network that is not there, and one VM less.
    sheet = read_sheet(site.file(PLAN))
    sheet.rows[0]["nic1_network"] = "not-there"
    sheet.rows[1]["import"] = "no"
    edited = tmp_path / "edited.csv"
    edited.write_bytes(sheet_bytes(sheet))
    second = ingest("rehearse", str(edited), "--snapshot", str(site.path), *command[2:])
    assert second.code == 3
    worse = [line for line in second.err.splitlines() if line.startswith("worse: ")]
    assert len(worse) == 1
    assert sheet.rows[0]["vm"] in worse[0]
    assert "imported -> blocked: NIC-" in worse[0]
    broken = next(row for row in json.loads(second.out) if row["status"] == "blocked")
    assert "not-there" in broken["why"]
    assert broken["cure"]

    # Mended it is better.
    mended = ingest(*command)
    assert mended.code == 0
    assert any(line.startswith("better: row") for line in mended.err.splitlines())

    assert real.caught == 0, "a rehearsal called a server that is not its own"
    assert {path: digest(path) for path in before} == before
    assert {path.name for path in ledger.parent.iterdir()} <= {"ledger.db", "ledger.db-shm", "ledger.db-wal"}


def test_the_copy_lists_what_the_snapshot_listed(site: RunFolder, tmp_path: Path) -> None:
    from ingest.twin.from_snapshot import world_from_snapshot

    was = read_snapshot(site.file(SNAPSHOT))
    again = read_snapshot(planned_site(world_from_snapshot(was), tmp_path / "copy").file(SNAPSHOT))
    assert again.inventory.vms == was.inventory.vms
    assert again.catalogue.networks == was.catalogue.networks
    assert [one.name for one in again.catalogue.unmanaged] == [one.name for one in was.catalogue.unmanaged]
    assert [one.nic for one in again.catalogue.unmanaged] == [one.nic for one in was.catalogue.unmanaged]


def test_what_cannot_be_rehearsed_says_what_to_give(ingest: Ingest, tmp_path: Path) -> None:
    nothing = ingest("rehearse", str(tmp_path))
    assert nothing.code == 2
    assert "has no plan.csv" in nothing.err
    gone = ingest("rehearse", "--snapshot", str(tmp_path / "gone"))
    assert gone.code == 2
    assert "ingest twin record" in gone.err
