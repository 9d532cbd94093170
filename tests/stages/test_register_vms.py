"""VMs found in replicated datastores are registered once each, and what was registered is taken back, nothing else."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.engine.ledger import Ledger, ledger_url
from ingest.engine.registering import RegisterPace, Registration, deed_of, register
from ingest.errors import UsageError
from ingest.report.tables import csv_rows
from ingest.stages.register_vms import RegisterOptions, RegisterRow, register_vms
from ingest.stages.run_folder import REGISTERED_CSV, REGISTERED_JSON, UNREGISTERED, RunFolder
from ingest.stages.unregister_vms import UnregisterRow, unregister_vms
from ingest.twin.faults.script import script_of
from ingest.twin.registration import register as register_in_world
from ingest.twin.serving import Twin
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.world import World
from ingest.twin.worlds.recovery import recovery_site
from ingest.vsphere.browsing import find_vmx
from ingest.vsphere.placement import choose_placement, read_places
from ingest.vsphere.registering import register_vm
from ingest.vsphere.session import connect
from ingest.vsphere.stores import read_stores
from tests.plan.twin_site import cloudstack_of, vcenter_of

EVERYWHERE = RegisterOptions(("*",), "fra1-c1")
QUICK = RegisterPace(task_s=10.0, pause_s=0.02, settle_s=3.0)


@pytest.fixture
def world() -> World:
    return recovery_site(24, seed=4, own=3)


@pytest.fixture
def twin(world: World) -> Iterator[Twin]:
    with Twin(world) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(ledger_url(None, tmp_path / "state")) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "run-1").mkdir()
    return RunFolder(tmp_path / "run-1")


def run(
    twin: Twin,
    folder: RunFolder,
    ledger: Ledger,
    options: RegisterOptions = EVERYWHERE,
    *,
    dry_run: bool = False,
    stop: threading.Event | None = None,
) -> list[RegisterRow]:
    return register_vms(vcenter_of(twin), folder, options, ledger, dry_run=dry_run, pace=QUICK, stop=stop)


def back(twin: Twin, folder: RunFolder, ledger: Ledger, *, dry_run: bool = False) -> list[UnregisterRow]:
    return unregister_vms(
        vcenter_of(twin), cloudstack_of(twin), folder, ledger, of_run="run-1", dry_run=dry_run, pace=QUICK
    )


def statuses(rows: list[RegisterRow] | list[UnregisterRow]) -> Counter[str]:
    return Counter(row.status for row in rows)


def registered(world: World) -> Counter[str]:
    """How often each path was registered, by the twin's own journal."""
    return Counter(str(facts["path"]) for facts in world.cloud.journal.of("registered"))


def test_a_preview_registers_nothing(twin: Twin, world: World, folder: RunFolder, ledger: Ledger) -> None:
    rows = run(twin, folder, ledger, dry_run=True)
    assert statuses(rows) == {"to-register": 24, "already": 3, "hidden": 3}
    assert not registered(world)
    assert ledger.deeds.find() == []
    assert json.loads(folder.file(REGISTERED_JSON).read_bytes())["dry_run"] is True


def test_every_vm_is_registered_once_and_again_changes_nothing(
    twin: Twin, world: World, folder: RunFolder, ledger: Ledger
) -> None:
    paths = {stored.vm.vmx_path for stored in world.unregistered.values()}
    before = {vm.moref for vm in world.vms.values()}
    rows = run(twin, folder, ledger)
    assert statuses(rows) == {"registered": 24, "already": 3, "hidden": 3}
    assert registered(world) == dict.fromkeys(paths, 1)
    assert not world.unregistered
    new = [vm for vm in world.vms.values() if vm.moref not in before]
    assert {world.compute_of(vm).name for vm in new} == {"fra1-c1"}
    assert set(Counter(vm.host for vm in new).values()) == {12}, "hosts take turns"
    written = csv_rows(folder.file(REGISTERED_CSV).read_bytes())
    by_path = {row["path"]: row for row in written if row["status"] == "registered"}
    assert {path: (by_path[path]["moref"], by_path[path]["instance_uuid"]) for path in paths} == {
        vm.vmx_path: (vm.moref, vm.instance_uuid) for vm in new
    }
    deeds = ledger.deeds.find(kind="registered", run_id="run-1")
    assert {(deed.state, deed.holder) for deed in deeds} == {("done", "")}
    assert {deed.detail["moref"] for deed in deeds} == {vm.moref for vm in new}

    calls = world.cloud.journal.vcenter_calls["RegisterVM_Task"]
    again = run(twin, folder, ledger)
    assert statuses(again) == statuses(rows)
    assert world.cloud.journal.vcenter_calls["RegisterVM_Task"] == calls
    assert ledger.verify_chain() is None


def test_a_vm_registered_under_another_name_is_left_alone(
    twin: Twin, world: World, folder: RunFolder, ledger: Ledger
) -> None:
    with world.lock:
        stored = next(iter(world.unregistered.values()))
        compute = next(iter(world.computes.values()))
        host = next(host.moref for host in world.hosts.values() if host.compute == compute.moref)
        home = world.datacenters[compute.datacenter].vm_folder
        register_in_world(world, stored, name="renamed", folder=home, host=host, pool=compute.resource_pool)
    rows = run(twin, folder, ledger)
    assert statuses(rows) == {"registered": 23, "already": 4, "hidden": 3}
    (row,) = [row for row in rows if row.path == stored.vm.vmx_path]
    assert (row.status, row.vm, row.moref) == ("already", "renamed", stored.vm.moref)
    assert statuses(back(twin, folder, ledger)) == {"unregistered": 23}
    assert stored.vm.moref in world.vms


def test_what_the_server_refuses_is_said_with_its_words_and_a_cure(
    twin: Twin, world: World, folder: RunFolder, ledger: Ledger
) -> None:
    with world.lock:
        locked, other = list(world.unregistered.values())[:2]
        locked.vm.locked_by = "esx17.other-site.example.org"
        world.datastores[other.datastore].other_files.append("iso/readme.VMX")
    rows = run(twin, folder, ledger)
    failed = {row.path: row for row in rows if row.status == "failed"}
    assert set(failed) == {locked.vm.vmx_path, f"[{world.datastores[other.datastore].name}] iso/readme.VMX"}
    row = failed.pop(locked.vm.vmx_path)
    assert f"FileLocked: Unable to access file {row.path} since it is locked" in row.error
    assert "the other site is down" in row.cure
    (row,) = failed.values()
    assert "InvalidVmConfig" in row.error
    assert {deed.state for deed in ledger.deeds.find(states=["failed"])} == {"failed"}
    with world.lock:
        locked.vm.locked_by = ""
    assert statuses(run(twin, folder, ledger)) == {"registered": 24, "already": 3, "hidden": 3, "failed": 1}


def test_datastores_that_cannot_be_used_are_named_and_the_others_go_on(
    twin: Twin, world: World, folder: RunFolder, ledger: Ledger
) -> None:
    with world.lock:
        used = sorted({stored.datastore for stored in world.unregistered.values()})
        world.datastores[used[0]].accessible = False
        world.datastores[used[1]].read_only = True
        left = sum(stored.datastore in used[2:] for stored in world.unregistered.values())
        readable = sum(stored.datastore == used[1] for stored in world.unregistered.values())
        names = [world.datastores[moref].name for moref in used]
    rows = run(twin, folder, ledger)
    assert statuses(rows)["registered"] == left
    (unusable,) = [row for row in rows if row.status == "unusable"]
    assert (unusable.path, "mount the replica" in unusable.cure) == (names[0], True)
    failed = [row for row in rows if row.status == "failed"]
    assert len(failed) == readable
    assert {row.datastore for row in failed} == {names[1]}
    assert all("make the replica writable" in row.cure for row in failed)
    assert registered(world).total() == left


def test_only_what_is_chosen_is_looked_into(twin: Twin, world: World, folder: RunFolder, ledger: Ledger) -> None:
    stored = list(world.unregistered.values())[-1]
    name = world.datastores[stored.datastore].name
    home = stored.vm.vmx_path.partition("] ")[2].rpartition("/")[0]
    rows = run(twin, folder, ledger, RegisterOptions((name,), "fra1-c2", host="esx0201.fra1.example.org", below=home))
    assert [(row.status, row.path) for row in rows] == [("registered", stored.vm.vmx_path)]
    assert world.hosts[world.vms[rows[0].moref].host].name == "esx0201.fra1.example.org"
    for options, words in (
        (RegisterOptions(("replica*",), "fra1-c1"), "no datastore is called 'replica\\*'"),
        (RegisterOptions(("*",), "fra1-c9"), "fra1-c9"),
        (RegisterOptions(("*",), "fra1-c1", host="esx0201.fra1.example.org"), "is not in fra1-c1"),
        (RegisterOptions(("*",), "fra1-c1", pool="gold"), "the pool 'gold' is unknown"),
        (RegisterOptions(("*",), "fra1-c1", folder="nowhere"), "the folder 'nowhere' is unknown"),
    ):
        with pytest.raises(UsageError, match=words):
            run(twin, folder, ledger, options)


LOST = [
    pytest.param({"kind": "reset", "when": "after"}, id="answer lost"),
    pytest.param({"kind": "reset", "when": "before"}, id="call lost"),
    pytest.param({"kind": "status", "status": 503, "when": "after"}, id="proxy error after"),
    pytest.param({"kind": "session-expiry"}, id="session lost"),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_registers_nothing_twice(
    twin: Twin, world: World, folder: RunFolder, ledger: Ledger, fault: dict[str, object]
) -> None:
    paths = {stored.vm.vmx_path for stored in world.unregistered.values()}
    for nth in (2, 7):
        twin.faults.set(script_of(json.dumps(fault | {"server": "vcenter", "command": "RegisterVM_Task", "nth": nth})))
    rows = run(twin, folder, ledger)
    assert statuses(rows) == {"registered": 24, "already": 3, "hidden": 3}, [row for row in rows if row.error]
    assert registered(world) == dict.fromkeys(paths, 1)
    assert {deed.state for deed in ledger.deeds.find(run_id="run-1")} == {"done"}


def test_no_rights_are_named(world: World, folder: RunFolder, ledger: Ledger) -> None:
    settings = VCenterSettings(no_privilege=frozenset({"VirtualMachine.Inventory.Register"}))
    with Twin(world, vcenter_settings=settings) as twin:
        rows = run(twin, folder, ledger)
    assert statuses(rows) == {"failed": 24, "already": 3, "hidden": 3}
    row = next(row for row in rows if row.status == "failed")
    assert "VirtualMachine.Inventory.Register" in row.error
    assert "Virtual machine > Edit inventory > Register" in row.cure
    settings = VCenterSettings(no_privilege=frozenset({"Datastore.Browse"}))
    with Twin(world, vcenter_settings=settings) as twin:
        rows = run(twin, folder, ledger)
    assert set(statuses(rows)) == {"unusable"}
    assert all("Datastore.Browse" in row.cure for row in rows)


def test_a_stopped_run_says_what_it_did_not_begin(twin: Twin, folder: RunFolder, ledger: Ledger) -> None:
    stop = threading.Event()
    stop.set()
    rows = run(twin, folder, ledger, dry_run=False, stop=stop)
    assert "registered" not in statuses(rows)
    assert ledger.deeds.find() == []


def test_two_runs_at_once_share_the_work(twin: Twin, world: World, tmp_path: Path, ledger: Ledger) -> None:
    paths = {stored.vm.vmx_path for stored in world.unregistered.values()}
    found: dict[str, list[RegisterRow]] = {}

    def one(name: str, held: Ledger) -> None:
        (tmp_path / name).mkdir()
        found[name] = run(twin, RunFolder(tmp_path / name), held)

    with Ledger(ledger_url(None, tmp_path / "state")) as other:
        threads = [threading.Thread(target=one, args=pair) for pair in (("run-1", ledger), ("run-2", other))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert registered(world) == dict.fromkeys(paths, 1)
    assert sum(statuses(rows)["registered"] for rows in found.values()) == 24
    assert not any(statuses(rows)["failed"] or statuses(rows)["unknown"] for rows in found.values())
    deeds = ledger.deeds.find(kind="registered", states=["done"])
    assert Counter(deed.run_id for deed in deeds) == {
        name: statuses(rows)["registered"] for name, rows in found.items() if statuses(rows)["registered"]
    }


def test_taking_back_undoes_exactly_what_was_registered(
    twin: Twin, world: World, folder: RunFolder, ledger: Ledger, tmp_path: Path
) -> None:
    own = set(world.vms)
    run(twin, folder, ledger)
    with world.lock:
        new = [vm for vm in world.vms.values() if vm.moref not in own]
        world.switch(new[0], "poweredOn")
    (tmp_path / "back").mkdir()
    home = RunFolder(tmp_path / "back")
    assert statuses(back(twin, home, ledger, dry_run=True)) == {"to-unregister": 23, "kept": 1}
    assert not world.cloud.journal.of("unregistered")
    rows = back(twin, home, ledger)
    assert statuses(rows) == {"unregistered": 23, "kept": 1}
    (kept,) = [row for row in rows if row.status == "kept"]
    assert (kept.moref, kept.error) == (new[0].moref, "it is poweredOn, not powered off")
    assert set(world.vms) == own | {new[0].moref}
    assert len(csv_rows(home.file(UNREGISTERED).read_bytes())) == 24
    with world.lock:
        world.switch(new[0], "poweredOff")
    assert statuses(back(twin, home, ledger)) == {"unregistered": 1}
    assert back(twin, home, ledger) == []
    assert {deed.state for deed in ledger.deeds.find()} == {"undone"}
    assert statuses(run(twin, folder, ledger)) == {"registered": 24, "already": 3, "hidden": 3}
    assert set(registered(world).values()) == {2}
    assert ledger.verify_chain() is None


def test_what_somebody_else_unregistered_is_registered_again(
    twin: Twin, world: World, folder: RunFolder, ledger: Ledger
) -> None:
    from ingest.twin.registration import unregister as unregister_in_world

    rows = run(twin, folder, ledger)
    (victim, *_) = [row for row in rows if row.status == "registered"]
    with world.lock:
        unregister_in_world(world, world.vms[victim.moref])
    again = {row.path: row for row in run(twin, folder, ledger)}
    assert again[victim.path].status == "registered"
    assert again[victim.path].moref != victim.moref
    assert registered(world)[victim.path] == 2


def test_a_lost_answer_of_unregistering_is_settled(twin: Twin, world: World, folder: RunFolder, ledger: Ledger) -> None:
    run(twin, folder, ledger)
    for when in ("before", "after"):
        twin.faults.set(
            script_of(
                json.dumps({"kind": "reset", "when": when, "server": "vcenter", "command": "UnregisterVM", "nth": 3})
            )
        )
    assert statuses(back(twin, folder, ledger)) == {"unregistered": 24}
    assert len(world.cloud.journal.of("unregistered")) == 24
    assert {deed.state for deed in ledger.deeds.find()} == {"undone"}


def test_what_cloudstack_manages_is_kept(twin: Twin, world: World, folder: RunFolder, ledger: Ledger) -> None:
    from ingest.twin.cloud import Instance, new_id

    rows = run(twin, folder, ledger, RegisterOptions(("fra1-c1-vmfs-01",), "fra1-c1"))
    (first, *rest) = [row for row in rows if row.status == "registered"]
    cloud = world.cloud
    with world.lock:
        host, account = next(iter(cloud.hosts.values())), next(iter(cloud.accounts.values()))
        instance = Instance(
            id=new_id(), name="taken", displayname="taken", instancename=first.vm, state="Stopped", zoneid=host.zoneid,
            podid=host.podid, clusterid=host.clusterid, hostid=host.id, accountid=account.id,
            domainid=account.domainid, serviceofferingid=next(iter(cloud.service_offerings)), templateid="",
            guestosid=next(iter(cloud.os_types), ""), cpunumber=1, memory=1024, moref=first.moref, created=0.0,
        )  # fmt: skip
        cloud.instances[instance.id] = instance
    back_rows = back(twin, folder, ledger)
    assert statuses(back_rows) == {"kept": 1, "unregistered": len(rest)}
    (kept,) = [row for row in back_rows if row.status == "kept"]
    assert (kept.vm, "CloudStack manages it as taken" in kept.error) == (first.vm, True)
    assert first.moref in world.vms


def test_a_registration_under_way_when_its_run_died_is_waited_for(
    world: World, folder: RunFolder, ledger: Ledger, tmp_path: Path
) -> None:
    paths = {stored.vm.vmx_path for stored in world.unregistered.values()}
    with Twin(world, vcenter_settings=VCenterSettings(task_s=0.4)) as twin:
        with connect(vcenter_of(twin)) as vcenter:
            places = read_places(vcenter)
            place = choose_placement(vcenter, places, cluster="fra1-c2")
            file = next(
                file
                for store in read_stores(vcenter, places, ["*vmfs*"])
                for file in find_vmx(vcenter, store)
                if file.path in paths
            )
            detail = {"path": file.path, "datacenter": place.datacenter}
            with Ledger(ledger_url(None, tmp_path / "state"), holder="dead") as dead:
                dead.deeds.begin(deed_of(vcenter, file), run_id="run-0", actor="ann", detail=detail)
            register_vm(vcenter, file.path, folder=place.folder, pool=place.pool, host=place.hosts[0][0])
            # What the dead run had not noted yet, the next one sees neither in the inventory nor as refused.
            order = Registration(file, place.datacenter, place.folder, place.pool, place.hosts[1][0])
            became = register(vcenter, ledger, order, run_id="run-1", actor="bob", pace=QUICK)
        assert (became.status, became.settled) == ("registered", True)
        assert registered(world) == {file.path: 1}
        assert world.cloud.journal.vcenter_calls["RegisterVM_Task"] == 1
        rows = run(twin, folder, ledger)
    assert statuses(rows) == {"registered": 24, "already": 3, "hidden": 3}
    assert registered(world) == dict.fromkeys(paths, 1)
    (deed,) = ledger.deeds.find(subject=file.subject)
    assert (deed.state, deed.run_id, deed.detail["settled"]) == ("done", "run-1", True)


def test_an_interrupted_registration_is_shown_and_settled(
    twin: Twin, world: World, folder: RunFolder, ledger: Ledger
) -> None:
    rows = run(twin, folder, ledger)
    (deed, *_) = ledger.deeds.find()
    # As after a kill between vCenter's answer and the note.
    with sqlite3.connect(folder.path.parent / "state" / "ledger.db") as connection:
        connection.execute("UPDATE ledger_deed SET state = 'intended' WHERE subject = ?", [deed.key.subject])
    assert statuses(run(twin, folder, ledger, dry_run=True)) == {
        "registered": 23, "to-settle": 1, "already": 3, "hidden": 3
    }  # fmt: skip
    assert statuses(run(twin, folder, ledger)) == statuses(rows)
    assert {one.state for one in ledger.deeds.find()} == {"done"}
    assert set(registered(world).values()) == {1}
