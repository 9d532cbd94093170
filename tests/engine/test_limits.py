"""Limits are kept and nobody starves: told by the twin's own journal, of one run, and of two processes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingest.engine.rows import Pace
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.settings import RunSettings
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.import_batch import ImportOptions
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import PLAN, RunFolder
from ingest.stages.validate import read_calls, validate
from ingest.twin.generator import CLEAN, Rates, generate
from ingest.twin.serving import Twin
from ingest.twin.world import VM, World
from tests.engine.killing import Scene
from tests.plan.twin_site import cloudstack_of, vcenter_of

VMS, IN_FLIGHT, PER_HOST, PER_DATASTORE, SLOTS = 60, 8, 2, 4, 3
PACE = Pace(settle_s=2.0)


@dataclass(frozen=True)
class Crowded:
    """A site of which four VMs of five are on one host."""

    scene: Scene
    busy: str
    pools: dict[str, list[str]]

    @property
    def world(self) -> World:
        return self.scene.twin.world

    def vm(self, name: str) -> VM:
        return next(vm for vm in self.world.vms.values() if vm.name == name)

    def begun(self) -> list[str]:
        """Names of VMs, in the order in which their imports were accepted."""
        return [str(one["vm"]) for one in self.world.cloud.journal.of("import-accepted")]

    def most_at_once(self, places: Callable[[str], list[str]]) -> Counter[str]:
        """The most imports that ever ran at once at each place, from acceptance to end."""
        now: Counter[str] = Counter()
        most: Counter[str] = Counter()
        for entry in self.world.cloud.journal.entries:
            if entry.kind == "import-accepted":
                now.update(places(str(entry.facts["vm"])))
                most |= now
            elif entry.kind in ("import-completed", "import-failed", "import-lost"):
                now.subtract(places(str(entry.facts["vm"])))
        return most


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Crowded]:
    shape = replace(
        CLEAN, datacenters=1, clusters_per_datacenter=1, vms_per_host=10, rates=Rates(shared_network_nic=0.2)
    )
    world = generate(VMS, seed=11, shape=shape)
    world.cloud.import_seconds = 0.05
    world.cloud.import_jitter_seconds = 0.1
    used = sorted({vm.host for vm in world.vms.values()})
    for number, vm in enumerate(world.vms.values()):
        vm.host = used[0] if number % 5 else used[1 + number % (len(used) - 1)]
        for nic in vm.nics:
            nic.ips = ()  # so that `auto` draws from the pool
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    with Twin(world) as twin:
        discover_networks(vcenter_of(twin), folder)
        list_unmanaged(cloudstack_of(twin), folder)
        enrich_csv(folder)
        shared = {one.id for one in world.cloud.networks.values() if one.type == "Shared"}
        names = {one.name for one in world.cloud.networks.values() if one.type == "Shared"}
        sheet = read_sheet(folder.file(PLAN))
        for row in sheet.rows:
            row["accept"] = "OWNER-002"
            for number in (1, 2, 3):
                if f"nic{number}_network" in sheet.columns and row[f"nic{number}_network"] in shared | names:
                    row[f"nic{number}_ip"] = "auto"
        folder.write(PLAN, sheet_bytes(sheet))
        validate(folder, confirm_guesses=True)
        calls = read_calls(folder)
        assert len(calls) == VMS, Counter(row["finding"] + row["fix"] for row in read_sheet(folder.file(PLAN)).rows)
        pools = {
            call.request.name: [network for _, network in call.request.nic_networks if network in shared]
            for call in calls
        }
        assert sum(map(bool, pools.values())) > VMS / 10
        yield Crowded(Scene(twin, folder, RunSettings(state=tmp_path / "state"), 6), used[0], pools)


def test_a_run_keeps_all_limits_and_the_few_do_not_wait_for_the_many(crowded: Crowded) -> None:
    options = ImportOptions(
        max_concurrent_imports=IN_FLIGHT, batch_size=6, per_host=PER_HOST, per_datastore=PER_DATASTORE, pace=PACE
    )
    crowded.scene.assert_run_ended_well(crowded.scene.run(options=options))
    crowded.scene.assert_each_once()
    assert crowded.world.cloud.journal.peak_imports_running <= IN_FLIGHT
    hosts = crowded.most_at_once(lambda name: [crowded.vm(name).host])
    assert hosts[crowded.busy] == max(hosts.values()) == PER_HOST
    stores = crowded.most_at_once(lambda name: sorted({disk.datastore for disk in crowded.vm(name).disks}))
    assert max(stores.values()) <= PER_DATASTORE
    assert set(crowded.most_at_once(crowded.pools.__getitem__).values()) == {1}
    # With two of eight places for the busy host, six are left for the twelve VMs of the others. Started with whatever
    # is begun, they are through when as many imports were begun as make four rounds.
    begun = crowded.begun()
    others = [number for number, name in enumerate(begun) if crowded.vm(name).host != crowded.busy]
    print("others were begun as number", others)
    free = [number for number in others if not crowded.pools[begun[number]]]
    assert max(free) < 4 * IN_FLIGHT


def test_two_processes_keep_the_slots_of_the_endpoint(crowded: Crowded) -> None:
    options = ImportOptions(max_concurrent_imports=IN_FLIGHT, batch_size=3, endpoint_slots=SLOTS, pace=PACE)
    children = [
        crowded.scene.child(options=options),
        crowded.scene.child(folder=crowded.scene.copy("other"), options=options),
    ]
    for child in children:
        child.go()
    ended = [child.end() for child in children]
    crowded.scene.assert_each_once()
    assert 1 < crowded.world.cloud.journal.peak_imports_running <= SLOTS
    for outcomes in ended:
        assert outcomes is not None
        assert len(outcomes) == VMS
        assert {one.status for one in outcomes} <= {"imported", "held"}
    for call in read_calls(crowded.scene.folder):
        assert "imported" in {one.status for outcomes in ended for one in outcomes or () if one.row == call.row}
