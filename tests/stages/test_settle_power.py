"""A VM that was switched off for an import that was cut off: settling gives it back and switches it on again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.engine import power
from ingest.engine.ledger import Entry, Ledger, open_ledger
from ingest.engine.undo import UndoPace
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.settings import RunSettings
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.power_switch import VCenterPower
from ingest.stages.run_folder import PLAN, RunFolder
from ingest.stages.settle import SettledRow, settle_run
from ingest.stages.validate import validate
from ingest.twin.cloudstack.jobs import JobLost
from ingest.twin.faults.script import Script
from ingest.twin.generator import generate
from tests.plan.twin_site import Site, cloudstack_of, import_calls, running, vcenter_of

PACE = UndoPace(every_s=0.01, timeout_s=5, listing_s=0.05)


class QuickPace(power.PowerPace):
    """The twin's guests come to rest in no time."""

    def __init__(self) -> None:
        super().__init__(every_s=0.02)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(power, "PowerPace", QuickPace)
    world = generate(1, seed=3)
    for vm in world.vms.values():
        world.switch(vm, "poweredOn")
    with running(world) as one:
        yield one


@pytest.fixture
def folder(site: Site, tmp_path: Path) -> RunFolder:
    """A run whose only VM was switched off, and whose job was lost when the volumes were written."""
    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run")
    discover_networks(vcenter_of(site.twin), folder)
    list_unmanaged(cloudstack_of(site.twin), folder)
    enrich_csv(folder)
    sheet = read_sheet(folder.file(PLAN))
    for row in sheet.rows:
        row["power"] = "off"
    folder.write(PLAN, sheet_bytes(sheet))
    validate(folder)

    def lose(*_: str) -> None:
        raise JobLost

    end = site.twin.cloudstack.service.steps.on("volumes", lose)
    [result] = import_calls(site.twin, folder)
    end()
    conclude_from_journal(folder)
    assert [one.status for one in result.outcomes] == ["incomplete"]
    assert power_of(site) == "poweredOff"
    return folder


def power_of(site: Site) -> str:
    [vm] = site.world.vms.values()
    return vm.power_state


def ledger_of(folder: RunFolder) -> Ledger:
    return open_ledger(RunSettings(state=folder.path.parent / "state"))


def entry(folder: RunFolder) -> Entry:
    with ledger_of(folder) as ledger:
        [found] = ledger.entries()
        return found


def settled(site: Site, folder: RunFolder, *, cure: bool) -> SettledRow:
    with ledger_of(folder) as ledger, VCenterPower(vcenter_of(site.twin)) as switch:
        [row] = settle_run(
            cloudstack_of(site.twin), folder, cure=cure, patience_s=0.05, pace=PACE, ledger=ledger, power=switch
        )
        return row


def test_settling_says_it_first_then_gives_back_and_switches_on(site: Site, folder: RunFolder) -> None:
    shown = settled(site, folder, cure=False)
    assert shown.state == "incomplete"
    assert "--yes gives it back and switches it on again" in shown.cure
    assert power_of(site) == "poweredOff"
    done = settled(site, folder, cure=True)
    assert (done.state, done.error) == ("given-back", "switched on again")
    assert power_of(site) == "poweredOn"
    assert entry(folder).state == "undone"
    [again] = import_calls(site.twin, folder)
    assert [one.status for one in again.outcomes] == ["imported"]


def test_without_vcenter_the_ledger_keeps_what_the_power_was(site: Site, folder: RunFolder) -> None:
    away = {"kind": "status", "status": 503, "server": "vcenter", "times": 0}
    site.twin.faults.set(Script.model_validate({"faults": [away]}))
    row = settled(site, folder, cure=True)
    site.twin.faults.clear()
    assert row.state == "given-back"
    assert "it was not switched on again" in row.error
    assert power_of(site) == "poweredOff"
    kept = entry(folder)
    assert (kept.state, kept.detail["power_before"], kept.holder) == ("unknown", "poweredOn", "")
    [again] = import_calls(site.twin, folder)
    assert [(one.status, one.error) for one in again.outcomes] == [("imported", "")]
    assert entry(folder).detail["power_before"] == "poweredOn"


def test_a_vm_somebody_gave_back_is_switched_on(site: Site, folder: RunFolder) -> None:
    for one in list(site.world.cloud.instances.values()):
        site.client.unmanage_virtual_machine(one.id)
    while any(not one.removed for one in site.world.cloud.instances.values()):
        pass
    shown = settled(site, folder, cure=False)
    assert "--yes switches it on again" in shown.cure
    assert settled(site, folder, cure=True).error.endswith("switched on again")
    assert power_of(site) == "poweredOn"


def test_what_the_run_switched_on_itself_is_left_alone(site: Site, tmp_path: Path, folder: RunFolder) -> None:
    settled(site, folder, cure=True)

    def lose(*_: str) -> None:
        raise JobLost

    end = site.twin.cloudstack.service.steps.on("checked", lose)
    [result] = import_calls(site.twin, folder)
    end()
    assert [one.status for one in result.outcomes] == ["failed"]
    assert power_of(site) == "poweredOn"
    with site.world.lock:
        for vm in site.world.vms.values():
            site.world.switch(vm, "poweredOff")
    conclude_from_journal(folder)
    row = settled(site, folder, cure=True)
    assert row.state == "failed"
    assert power_of(site) == "poweredOff"
