"""One world under many hands: saved while it changes, and used by both servers from many threads at once."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.jobs import SUCCEEDED, wait_for_job
from ingest.errors import Refused
from ingest.model.catalogue import Job
from ingest.model.request import PlannedImport
from ingest.plan.enrich import enrich
from ingest.plan.resolve import resolve, rows_to_import
from ingest.plan.rules import Rules
from ingest.stages.validate import planned_imports
from ingest.twin.generator import CLEAN, generate
from ingest.twin.serving import Twin
from ingest.twin.world import World
from ingest.twin.worldfile import load_world, save_world
from ingest.twin.worlds.integrity import dangling
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.session import connect
from tests.plan.twin_site import Site, cloudstack_of, running, vcenter_of

SAVES = 50


def ready(site: Site) -> list[PlannedImport]:
    snapshot = site.snapshot()
    return planned_imports(resolve(rows_to_import(enrich(snapshot, Rules())), snapshot), [])


def contradictions(world: World) -> list[str]:
    """What the lock should have prevented: counts that do not agree, halves of what is written in one step."""
    cloud = world.cloud
    found = [f"{path}: {what}" for path, what in dangling(world)]
    journal = [instance for _, instance in cloud.journal.imports]
    if len(set(journal)) != len(journal) or set(journal) != set(cloud.instances):
        found.append("journal and instances differ")
    volumes = Counter(volume.instanceid for volume in cloud.volumes.values() if not volume.removed)
    for instance in cloud.instances.values():
        vm = world.vms[instance.moref]
        # An import writes volumes and NICs one by one, as the server does; at its end all of them are there.
        in_flight = not (instance.counted or instance.removed)
        disks, nics = (0 if instance.removed else len(vm.disks)), len(vm.nics)
        if not (volumes[instance.id] == disks or (in_flight and volumes[instance.id] < disks)):
            found.append(f"{instance.name} has {volumes[instance.id]} of {disks} volumes")
        if not (len(instance.nics) == nics or (in_flight and len(instance.nics) < nics) or instance.removed):
            found.append(f"{instance.name} has {len(instance.nics)} of {nics} NICs")
    managed = Counter(instance.moref for instance in cloud.instances.values() if not instance.removed)
    found += [f"{moref} is managed {times} times" for moref, times in managed.items() if times > 1]
    return found


def test_saving_while_imports_run_gives_whole_files(tmp_path: Path) -> None:
    world = generate(60, seed=4, shape=CLEAN)
    with running(world) as site:
        world.cloud.import_seconds, world.cloud.import_jitter_seconds = 0.08, 0.1
        imports = ready(site)
        with ThreadPoolExecutor(12) as pool:
            results = [pool.submit(site.send, one.request) for one in imports]
            for number in range(SAVES):
                save_world(world, tmp_path / f"{number}.json")
        assert {result.result() for result in results} == {""}
    seen = set()
    for number in range(SAVES):
        saved = load_world(tmp_path / f"{number}.json")
        assert contradictions(saved) == []
        statuses = Counter(job.status for job in saved.cloud.jobs.values())
        assert saved.cloud.journal.imports_accepted == statuses.total()
        seen.add(len(saved.cloud.instances))
    assert len(seen) > 3, "the imports ran while the world was saved"
    assert len(world.cloud.instances) == len(imports)


def test_a_world_saved_in_mid_flight_is_served_as_after_a_restart(tmp_path: Path) -> None:
    world = generate(8, seed=4, shape=CLEAN)
    with running(world) as site:
        one, other, *_ = ready(site)
        world.cloud.import_seconds = 30.0
        job_id = site.client.import_unmanaged_instance(one.request)
        while not world.cloud.journal.imports_running:
            time.sleep(0.001)
        save_world(world, tmp_path / "flight.json")
    with running(load_world(tmp_path / "flight.json")) as site:
        lost = site.client.query_job(job_id)
        assert lost == Job(
            jobid=job_id, cmd=lost.cmd if lost else "", account="admin", jobstatus=2, jobresultcode=530,
            created=lost.created if lost else "", completed=lost.completed if lost else "",
        )  # fmt: skip
        assert site.client.list_async_jobs() == []
        assert site.send(other.request) == ""
        assert site.world.cloud.journal.imports_running == 0


class Hands:
    """What threads do to a site until told to stop. Each does its work once at least."""

    def __init__(self, twin: Twin, imports: list[PlannedImport]) -> None:
        self.twin = twin
        self.world = twin.world
        self.imports = imports
        self.stop = threading.Event()
        self.done: Counter[str] = Counter()

    def repeat(self, work: Callable[[], None]) -> None:
        while True:
            work()
            if self.stop.is_set():
                return

    def importer(self, mine: list[PlannedImport]) -> None:
        """Imports VMs, gives them back, imports them again."""
        with CloudStackClient(cloudstack_of(self.twin)) as client:

            def settled(job_id: str) -> Job:
                return wait_for_job(client, job_id, every_s=0.005, timeout_s=60)

            def round_() -> None:
                for one in mine:
                    job = settled(client.import_unmanaged_instance(one.request))
                    if job.jobstatus == SUCCEEDED and job.jobresult:
                        self.done["imported"] += 1
                        if self.stop.is_set():
                            continue
                        back = settled(client.unmanage_virtual_machine(job.jobresult["virtualmachine"]["id"]))
                        self.done["given back"] += back.jobstatus == SUCCEEDED

            self.repeat(round_)

    def lister(self) -> None:
        with CloudStackClient(cloudstack_of(self.twin)) as client:

            def round_() -> None:
                for cluster in client.list_clusters():
                    client.list_unmanaged_instances(cluster.id)
                client.list_virtual_machines()
                client.list_volumes()
                client.list_networks()
                client.list_async_jobs()
                client.list_all("listEvents", "event", listall=True)
                self.done["lists"] += 1

            self.repeat(round_)

    def reader(self) -> None:
        def round_() -> None:
            with connect(vcenter_of(self.twin)) as vcenter:
                assert len(read_inventory(vcenter).vms) == len(self.world.vms)
            self.done["inventories"] += 1

        self.repeat(round_)

    def operator(self, morefs: list[str]) -> None:
        """Switches VMs off and on."""
        with connect(vcenter_of(self.twin)) as vcenter:

            def round_() -> None:
                for moref in morefs:
                    machine = vim.VirtualMachine(moref, vcenter.stub)
                    on = machine.runtime.powerState == "poweredOn"
                    try:
                        WaitForTask(machine.PowerOff() if on else machine.PowerOn())
                    except vmodl.MethodFault as fault:
                        self.done[type(fault).__name__] += 1
                    else:
                        self.done["switched"] += 1

            self.repeat(round_)


def test_many_threads_on_both_servers_leave_one_consistent_world(caplog: pytest.LogCaptureFixture) -> None:
    world = generate(120, seed=9, shape=CLEAN)
    world.cloud.import_seconds, world.cloud.import_jitter_seconds = 0.01, 0.02
    with caplog.at_level(logging.WARNING), running(world) as site:
        world.cloud.import_seconds = 0.02
        hands = Hands(site.twin, ready(site))
        morefs = [vm.moref for vm in world.vms.values()]
        with ThreadPoolExecutor(16) as pool:
            started: list[Future[None]] = [
                *(pool.submit(hands.importer, hands.imports[number::8]) for number in range(8)),
                *(pool.submit(hands.lister) for _ in range(3)),
                *(pool.submit(hands.reader) for _ in range(2)),
                *(pool.submit(hands.operator, morefs[number::3]) for number in range(3)),
            ]
            threading.Event().wait(2.0)
            hands.stop.set()
            for future in started:
                future.result()
        assert contradictions(world) == []
        snapshot = site.snapshot()
        shown = {vm.name for vm in snapshot.catalogue.unmanaged}
        kept = {one.instancename for one in snapshot.catalogue.virtual_machines}
        assert shown | kept == {vm.name for vm in world.vms.values()}
        assert shown & kept == set()
        with pytest.raises(Refused):  # the world still answers as it should
            site.client.unmanage_virtual_machine("not-there")
    assert min(hands.done[what] for what in ("imported", "given back", "lists", "inventories", "switched")) > 0
    assert hands.done["imported"] == len(world.cloud.journal.imports)
    assert world.cloud.journal.imports_running == 0
    assert Counter(job.status for job in world.cloud.jobs.values())[0] == 0
    # A server that is shut down may find a connection that has just ended.
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert [text for text in told if not text.startswith("Cancel 0 running task(s)")] == []
