"""Everything that may change on a site, changed behind our back on a twin, and told exactly: no more, no less."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.cloudstack.jobs import wait_for_job
from ingest.drift.changes import Change
from ingest.drift.compare import drift
from ingest.errors import UsageError
from ingest.model.inventory import Vlan
from ingest.model.snapshot import read_snapshot
from ingest.report.tables import csv_rows, record
from ingest.stages.discover_networks import Scope, discover_networks
from ingest.stages.drift import Drifted, drift_of
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import DRIFT_CSV, DRIFT_JSON, DRIFT_PAGE, SNAPSHOT, RunFolder
from ingest.stages.validate import validate
from ingest.twin.generator import generate
from ingest.twin.world import VM, Folder, World
from tests.plan.twin_site import Site, cloudstack_of, running, vcenter_of

GIB = 1 << 30
Told = tuple[str, str, str, str, str]


def look(site: Site, path: Path, *, datacenter: str | None = None) -> RunFolder:
    path.mkdir(parents=True)
    folder = RunFolder(path)
    discover_networks(vcenter_of(site.twin), folder, Scope(datacenter))
    list_unmanaged(cloudstack_of(site.twin), folder)
    return folder


@dataclass
class Night:
    """The site before and after, what was done meanwhile, and what was told of it."""

    before: RunFolder
    after: RunFolder
    drifted: Drifted
    expected: set[Told]

    @property
    def changes(self) -> tuple[Change, ...]:
        assert self.drifted.drift is not None
        return self.drifted.drift.changes


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    runs = tmp_path_factory.mktemp("runs")
    world = generate(60, seed=3)
    with running(world) as site:
        first = look(site, runs / "20260101-000000-plan")
        enrich_csv(first)
        given_back, taken = validate(first).ready[:2]
        assert site.send(given_back.request) == ""
        others = [vm for vm in world.vms.values() if vm.moref not in (given_back.moref, taken.moref)]
        with world.lock:
            # Hand-copied files give two VMs one instance UUID; only one of them changes.
            others[-1].instance_uuid = others[-2].instance_uuid
            world.touch(others[-1])
        before = look(site, runs / "20260101-020000-mon")
        expected = _behind_our_back(world, others)
        job = site.client.unmanage_virtual_machine(next(iter(world.cloud.instances)))
        wait_for_job(site.client, job, every_s=0.01, timeout_s=30)
        assert site.send(taken.request) == ""
        expected |= {
            (given_back.vm, "unmanaged", "", "managed", "listed"),
            (taken.vm, "managed", "", "listed", "managed"),
        }
        look(site, runs / "20260102-010000-part", datacenter="fra1")
        after = look(site, runs / "20260102-020000-tue")
        yield Night(before, after, drift_of(after), expected)


def _behind_our_back(world: World, vms: list[VM]) -> set[Told]:
    """One kind of change on each VM or network; what should be told of it."""
    expected: set[Told] = set()
    unused = iter(vms)

    def told(name: str, what: str, detail: str = "", before: str = "", after: str = "") -> None:
        expected.add((name, what, detail, before, after))

    def some_vm(*, disks: int = 1) -> VM:
        """A VM nothing was done to yet, in a cluster, with a distributed NIC of no group that changes."""
        while True:
            vm = next(unused)
            kept = vm.nics[0].network not in ("dvportgroup-31", "dvportgroup-32", "dvportgroup-33", "network-34")
            if kept and len(vm.disks) >= disks and vm.nics[0].backing == "dvs":
                world.touch(vm)
                return vm

    with world.lock:
        vm = vms[-1]  # shares its UUID with vms[-2]
        told(f"{vm.name}-copy", "renamed", "", vm.name, f"{vm.name}-copy")
        vm.name += "-copy"
        world.touch(vm)

        vm = some_vm()
        host = next(
            one for one in world.hosts.values() if one.compute == world.hosts[vm.host].compute and one.moref != vm.host
        )
        told(vm.name, "moved", "host", world.hosts[vm.host].name, host.name)
        vm.host = host.moref

        vm = some_vm()
        here = world.compute_of(vm)
        there = next(one for one in world.computes.values() if one.is_cluster and one is not here)
        told(vm.name, "moved", "cluster", here.name, there.name)
        vm.host = next(one.moref for one in world.hosts.values() if one.compute == there.moref)
        vm.resource_pool = there.resource_pool

        vm = some_vm()
        world.folders["group-v900"] = Folder("group-v900", "DR 2%2f3", vm.folder, "datacenter-2")
        folder = _path(world, vm.folder)
        told(vm.name, "moved", "folder", folder, f"{folder}/DR 2/3")
        vm.folder = "group-v900"

        vm = some_vm()
        store, other = world.datastores[vm.disks[0].datastore], world.datastores["datastore-25"]
        for disk in vm.disks:
            disk.file_name = disk.file_name.replace(f"[{store.name}]", f"[{other.name}]")
            disk.datastore = other.moref
        told(vm.name, "moved", "datastore", store.name, other.name)

        vm = some_vm()
        nic, wanted = vm.nics[0], world.networks["dvportgroup-53"]
        was = world.networks[nic.network]
        assert was.vlan is not None
        told(
            vm.name,
            "re-plugged",
            "Network adapter 1: network",
            f"{was.name} (VLAN {was.vlan.text})",
            "shared-services (VLAN 50)",
        )
        told(vm.name, "re-plugged", "Network adapter 1: MAC", nic.mac, "00:50:56:aa:00:01")
        told(vm.name, "re-plugged", "Network adapter 1: type", nic.card, "VirtualE1000e")
        nic.network, nic.mac, nic.card = wanted.moref, "00:50:56:aa:00:01", "VirtualE1000e"

        vm = some_vm()
        second = copy.copy(vm.nics[0])
        second.key, second.label, second.mac, second.port_key = 4009, "Network adapter 9", "00:50:56:aa:00:02", "909"
        second.network = wanted.moref
        vm.nics.append(second)
        told(
            vm.name,
            "re-plugged",
            "Network adapter 9 added",
            "",
            "shared-services (VLAN 50), 00:50:56:aa:00:02, Vmxnet3",
        )

        vm = some_vm(disks=2)
        grown, lost = vm.disks[0], vm.disks[-1]
        was_gib, where = grown.capacity_bytes // GIB, world.datastores[grown.datastore].name
        told(vm.name, "disks", f"{grown.label} grown", f"{was_gib} GiB on {where}", f"{was_gib + 5} GiB on {where}")
        told(vm.name, "disks", f"{lost.label} removed", f"{lost.capacity_bytes // GIB} GiB on {where}", "")
        grown.capacity_bytes += 5 * GIB
        vm.disks.remove(lost)
        added = copy.copy(grown)
        added.key, added.label, added.disk_id, added.unit = 2013, "Hard disk 14", "1-2013", 13
        added.capacity_bytes, added.file_name = 7 * GIB, added.file_name.replace(".vmdk", "_14.vmdk")
        vm.disks.append(added)
        told(vm.name, "disks", "Hard disk 14 added", "", f"7 GiB on {where}")

        vm = some_vm()
        told(vm.name, "resized", "vCPU", str(vm.cpus), str(vm.cpus + 2))
        told(vm.name, "resized", "memory MiB", str(vm.memory_mib), str(vm.memory_mib * 2))
        vm.cpus, vm.memory_mib = vm.cpus + 2, vm.memory_mib * 2

        for _ in range(3):
            vm = some_vm()
            state = "poweredOff" if vm.power_state == "poweredOn" else "poweredOn"
            told(vm.name, "power", "", vm.power_state, state)
            world.switch(vm, state)  # type: ignore[arg-type]

        vm = some_vm()
        vm.connection_state = "disconnected"
        told(vm.name, "changed", "connection", "connected", "disconnected")

        vm = some_vm()
        alone = next(one for one in world.computes.values() if not one.is_cluster)
        host = next(one for one in world.hosts.values() if one.compute == alone.moref)
        told(vm.name, "moved", "cluster", world.compute_of(vm).name, host.name)
        told(vm.name, "hidden", "", "listed", "not listed: runs on a standalone host; CloudStack manages clusters")
        vm.host, vm.resource_pool = host.moref, alone.resource_pool

        vm = some_vm()
        vm.snapshot = True
        told(vm.name, "changed", "snapshots", "no", "yes")

        vm = some_vm()
        told(vm.name, "gone", "", f"{world.compute_of(vm).name}, listed", "")
        del world.vms[vm.moref]

        vm = some_vm()  # unregistered, and registered again
        del world.vms[vm.moref]
        told(vm.name, "identity", "managed object id", vm.moref, "vm-9001")
        vm.moref = "vm-9001"
        world.vms[vm.moref] = vm

        vm = copy.deepcopy(some_vm())
        vm.moref, vm.name, vm.instance_uuid, vm.nics[0].mac = "vm-9002", "brand-new", "9" * 8, "00:50:56:aa:00:03"
        world.vms[vm.moref] = vm
        told("brand-new", "new", "", "", f"{world.compute_of(vm).name}, listed")

        # Networks. Of the NICs in them nothing is told: they stayed where they are.
        group = world.networks["dvportgroup-31"]
        told("platform-web-2", "renamed", "", group.name, "platform-web-2")
        group.name = "platform-web-2"
        world.networks["dvportgroup-32"].vlan = Vlan("id", 1202)
        told("platform-app-202", "vlan", "", "202", "1202")
        changed = [host for host in world.hosts.values() if host.compute == "domain-c7"]
        for host in changed:
            next(one for one in host.portgroups if one.name == "VLAN100").vlan_id = 1100
        told("VLAN100", "vlan", f"on {', '.join(sorted(host.name for host in changed))}", "100", "1100")
        gone = world.networks.pop("dvportgroup-54")
        told(gone.name, "gone", "", "fra1-dvs-prod, VLAN 190", "")
        fresh = copy.copy(world.networks["dvportgroup-53"])
        fresh.moref, fresh.name, fresh.vlan = "dvportgroup-950", "dr-test", Vlan("id", 950)
        world.networks[fresh.moref] = fresh
        told("dr-test", "new", "", "", "fra1-dvs-prod, VLAN 950")
        cloud = next(iter(world.cloud.networks.values()))
        told("renamed-by-somebody", "renamed", "", cloud.name, "renamed-by-somebody")
        cloud.name = "renamed-by-somebody"
        for one in world.vms.values():
            world.touch(one)
    return expected


def _path(world: World, folder: str) -> str:
    names = []
    while world.folders[folder].parent != "group-d1":
        names.append(world.folders[folder].name)
        folder = world.folders[folder].parent
        if folder == "datacenter-2":
            break
    return "/".join(["", "fra1", *reversed(names)])


def test_every_kind_of_change_is_told_and_nothing_else(night: Night) -> None:
    told = {(one.name, one.what, one.detail, one.before, one.after) for one in night.changes}
    assert sorted(told - night.expected) == []
    assert sorted(night.expected - told) == []
    assert len(night.changes) == len(told)


def test_it_is_compared_with_the_last_whole_look_at_the_same_things(night: Night) -> None:
    # A later one of a part of the site, and an earlier one, stand beside it.
    assert night.drifted.since == night.before.path


def test_files_agree_with_each_other(night: Night) -> None:
    document = json.loads(night.after.file(DRIFT_JSON).read_bytes())
    assert document["changes"] == [record(one) for one in night.changes]
    rows = csv_rows(night.after.file(DRIFT_CSV).read_bytes())
    assert rows == [{name: str(value) for name, value in one.items()} for one in document["changes"]]
    page = night.after.file(DRIFT_PAGE).read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    for one in night.changes:
        assert (one.name in page) or one.what == "power"
    counts = {(one["kind"], one["what"]): one["objects"] for one in document["counts"]}
    assert counts["VM", "re-plugged"] == 2
    assert counts["VM", "disks"] == 1
    assert counts["VM", "power"] == 3
    assert "2 VMs with other NICs" in " ".join(page.replace("<b>", "").replace("</b>", " ").split())


def test_the_other_way_round_is_the_mirror_image(night: Night) -> None:
    before, after = (read_snapshot(folder.file(SNAPSHOT)) for folder in (night.before, night.after))
    back = drift(after, before)
    mirror = {"new": "gone", "gone": "new", "managed": "unmanaged", "unmanaged": "managed", "hidden": "shown"}
    assert sorted(
        (one.id, mirror.get(one.what, one.what)) for one in night.changes if one.what not in ("identity", "disks")
    ) == sorted((one.id, one.what) for one in back.changes if one.what not in ("identity", "disks"))
    assert drift(after, after).changes == ()
    assert drift(after, after).summary == "nothing changed"


def test_first_look_has_nothing_to_compare_with_and_other_servers_are_refused(night: Night, tmp_path: Path) -> None:
    with running(generate(4, seed=8)) as site:
        first = look(site, tmp_path / "runs" / "20260103-000000-new")
        drifted = drift_of(first)
        assert drifted.drift is None
        assert "first snapshot" in drifted.summary
        assert not first.file(DRIFT_CSV).exists()
        with pytest.raises(UsageError, match="not of the same servers"):
            drift_of(first, night.before.path)
