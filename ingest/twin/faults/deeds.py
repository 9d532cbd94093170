"""What others do to the world, and what becomes of the servers, while a client works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ingest.twin.cloud import Host as CloudHost
from ingest.twin.cloud import Instance, InstanceNic, new_id
from ingest.twin.cloudstack.checks_compute import DUMMY_TEMPLATE_ID
from ingest.twin.cloudstack.jobs import PENDING
from ingest.twin.faults import kinds
from ingest.twin.world import VM, Host, World

if TYPE_CHECKING:
    from ingest.twin.cloudstack.server import CloudStackServer
    from ingest.twin.vcenter.server import VCenterServer

Undo: TypeAlias = Callable[[], None]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a deed is done. `vm` is the name of the VM the call or step is about, '' for none; `job_id` likewise."""

    world: World
    cloudstack: CloudStackServer
    vcenter: VCenterServer
    aside: Callable[[Callable[[], None]], None]  # runs what takes its time on a thread of its own
    vm: str = ""
    job_id: str = ""

    def vms(self, pattern: str) -> list[VM]:
        """The VM in question, else those whose names match."""
        names = self.vm or pattern
        return [
            vm for vm in self.world.vms.values() if vm.name == names or (not self.vm and fnmatchcase(vm.name, names))
        ]


def jobs_by_vm(world: World) -> Iterator[tuple[str, str]]:
    """(job id, VM name) of the imports, newest first; call with the world's lock held."""
    for entry in reversed(world.cloud.journal.entries):
        if entry.kind == "import-accepted":
            yield str(entry.facts["job"]), str(entry.facts["vm"])


def _set(mapping: MutableMapping[str, str], key: str, value: str) -> Undo:
    before = mapping.get(key)
    mapping[key] = value

    def undo() -> None:
        if before is None:
            mapping.pop(key, None)
        else:
            mapping[key] = before

    return undo


def _set_all(world: World, changes: list[tuple[Any, str, Any]]) -> Undo:
    """Set attributes: (object, name, value). Undone only where nobody has changed them since."""
    before = [(item, name, value, getattr(item, name)) for item, name, value in changes]
    for item, name, value in changes:
        setattr(item, name, value)
        _touched(world, item)

    def undo() -> None:
        for item, name, value, old in before:
            if getattr(item, name) == value:
                setattr(item, name, old)
                _touched(world, item)

    return undo


def _touched(world: World, item: Any) -> None:
    if isinstance(item, VM):
        world.touch(item)


def _throttling(fault: kinds.Throttling, scene: Scene) -> Undo:
    configuration = scene.world.cloud.configuration
    values = {"enabled": "true", "interval": str(fault.interval), "max": str(fault.max)}
    undone = [_set(configuration, f"api.throttling.{name}", value) for name, value in values.items()]

    def undo() -> None:
        for one in undone:
            one()

    return undo


def _job_lost(fault: kinds.JobLost, scene: Scene) -> None:
    jobs = scene.world.cloud.jobs
    if scene.job_id:
        jobs.pop(scene.job_id, None)
        return
    pattern = scene.vm or fault.vm
    for job_id, vm in list(jobs_by_vm(scene.world)):
        if fnmatchcase(vm, pattern):
            jobs.pop(job_id, None)


def _job_expiry(fault: kinds.JobExpiry, scene: Scene) -> None:
    jobs = scene.world.cloud.jobs
    for job_id in [job.id for job in jobs.values() if job.status != PENDING]:
        del jobs[job_id]


def _cloudstack_restart(fault: kinds.CloudStackRestart, scene: Scene) -> None:
    server = scene.cloudstack
    server.lose_jobs(finishes_later=fault.finishes_later)
    scene.aside(lambda: _back(scene, "cloudstack", server.restart(fault.seconds)))


def _back(scene: Scene, side: str, answers: bool) -> None:
    if answers:
        with scene.world.lock:
            scene.world.cloud.journal.record(f"{side}-back")


def _vcenter_restart(fault: kinds.VCenterRestart, scene: Scene) -> None:
    scene.aside(lambda: _back(scene, "vcenter", scene.vcenter.restart(fault.seconds)))


def _session_expiry(fault: kinds.SessionExpiry, scene: Scene) -> None:
    scene.vcenter.end_sessions()


def _cloudstack_page_size(fault: kinds.CloudStackPageSize, scene: Scene) -> Undo:
    return _set(scene.world.cloud.configuration, "default.page.size", str(fault.rows))


def _vcenter_page_size(fault: kinds.VCenterPageSize, scene: Scene) -> Undo:
    before = scene.vcenter.page_by(fault.objects)

    def undo() -> None:
        scene.vcenter.page_by(before)

    return undo


def _slow_listing(fault: kinds.SlowListing, scene: Scene) -> Undo:
    return _set_all(scene.world, [(scene.world.cloud, "list_seconds_per_vm", fault.seconds_per_vm)])


def _host_down(fault: kinds.HostDown, scene: Scene) -> Undo:
    world = scene.world
    hosts = [host for host in world.hosts.values() if fnmatchcase(host.name, fault.host)]
    morefs = {host.moref for host in hosts}
    changes: list[tuple[Any, str, Any]] = [(host, "connection_state", "notResponding") for host in hosts]
    changes += [(host, "state", "Disconnected") for host in world.cloud.hosts.values() if host.moref in morefs]
    # vCenter shows what runs there as disconnected, with what it knew last.
    changes += [
        (vm, "connection_state", "disconnected")
        for vm in world.vms.values()
        if vm.host in morefs and vm.connection_state == "connected"
    ]
    return _set_all(world, changes)


def _datastore_full(fault: kinds.DatastoreFull, scene: Scene) -> Undo:
    stores = [store for store in scene.world.datastores.values() if fnmatchcase(store.name, fault.datastore)]
    return _set_all(scene.world, [(store, "free_bytes", 0) for store in stores])


def _clock_jump(fault: kinds.ClockJump, scene: Scene) -> None:
    scene.world.clock.jump(fault.seconds)


def _vm_vanishes(fault: kinds.VmVanishes, scene: Scene) -> None:
    for vm in scene.vms(fault.vm):
        del scene.world.vms[vm.moref]


def _vm_renamed(fault: kinds.VmRenamed, scene: Scene) -> None:
    for vm in scene.vms(fault.vm):
        vm.name = fault.to.replace("{name}", vm.name)
        scene.world.touch(vm)


def _vm_moves(fault: kinds.VmMoves, scene: Scene) -> None:
    for vm in scene.vms(fault.vm):
        target = _other_host(scene.world, vm, fault.to)
        if target is not None:
            vm.host = target.moref
            scene.world.touch(vm)


def _other_host(world: World, vm: VM, name: str) -> Host | None:
    """The host of that name, or the one behind the VM's own in its cluster."""
    if name:
        return next((host for host in world.hosts.values() if host.name == name), None)
    compute = world.hosts[vm.host].compute
    there = [host for host in world.hosts.values() if host.compute == compute]
    return there[(there.index(world.hosts[vm.host]) + 1) % len(there)]


_STATES = {"poweredOn": "Running", "poweredOff": "Stopped"}


def _vm_power(fault: kinds.VmPower, scene: Scene) -> None:
    for vm in scene.vms(fault.vm):
        scene.world.switch(vm, fault.to)
        for instance in scene.world.cloud.instances.values():
            # The management server follows the power reports of the hosts.
            if instance.moref == vm.moref and not instance.removed:
                instance.state = _STATES.get(fault.to, instance.state)


def _address_taken(fault: kinds.AddressTaken, scene: Scene) -> None:
    cloud = scene.world.cloud
    wanted = (fault.network, fault.network.lower())
    for network in [
        one for one in cloud.networks.values() if not one.removed and (one.name in wanted or one.id in wanted)
    ]:
        if fault.ip:
            addresses = [(_NO_MAC, fault.ip)]
        else:
            addresses = [(nic.mac.lower(), "") for vm in scene.vms(fault.vm) for nic in vm.nics]
        host = next((one for one in cloud.hosts.values() if one.zoneid == network.zoneid), None)
        if host is not None and addresses and cloud.service_offerings:
            instance = _somebody(scene.world, host, network.accountid, network.domainid)
            for number, (mac, ip) in enumerate(addresses):
                instance.nics.append(InstanceNic(new_id(), network.id, mac, ip, number == 0, number))
            cloud.instances[instance.id] = instance


_NO_MAC = "02:ff:ff:ff:ff:fe"


def _somebody(world: World, host: CloudHost, accountid: str, domainid: str) -> Instance:
    cloud = world.cloud
    offering = next(iter(cloud.service_offerings))
    number = len(cloud.instances) + 1
    return Instance(
        id=new_id(),
        name=f"somebody-{number}",
        displayname=f"somebody-{number}",
        instancename=f"i-2-{number}-VM",
        state="Running",
        zoneid=host.zoneid,
        podid=host.podid,
        clusterid=host.clusterid,
        hostid=host.id,
        accountid=accountid,
        domainid=domainid,
        serviceofferingid=offering,
        templateid=DUMMY_TEMPLATE_ID,
        guestosid=next(iter(cloud.os_types), ""),
        cpunumber=1,
        memory=1024,
        moref="",
        created=world.clock.now(),
    )


def _task_trouble(fault: kinds.TaskTrouble, scene: Scene) -> None:
    for vm in scene.vms(fault.vm):
        scene.vcenter.plan_task(vm.moref, fault.outcome)


DEEDS: dict[type[kinds.Trigger], Callable[[Any, Scene], Undo | None]] = {
    kinds.Throttling: _throttling,
    kinds.JobLost: _job_lost,
    kinds.JobExpiry: _job_expiry,
    kinds.CloudStackRestart: _cloudstack_restart,
    kinds.VCenterRestart: _vcenter_restart,
    kinds.SessionExpiry: _session_expiry,
    kinds.CloudStackPageSize: _cloudstack_page_size,
    kinds.VCenterPageSize: _vcenter_page_size,
    kinds.SlowListing: _slow_listing,
    kinds.HostDown: _host_down,
    kinds.DatastoreFull: _datastore_full,
    kinds.ClockJump: _clock_jump,
    kinds.VmVanishes: _vm_vanishes,
    kinds.VmRenamed: _vm_renamed,
    kinds.VmMoves: _vm_moves,
    kinds.VmPower: _vm_power,
    kinds.AddressTaken: _address_taken,
    kinds.TaskTrouble: _task_trouble,
}


def done(fault: kinds.Trigger, scene: Scene) -> Undo | None:
    """Do what this kind of fault is, under the world's lock; gives what takes it back, if it lasts."""
    with scene.world.lock:
        undo = DEEDS[type(fault)](fault, scene)
    if undo is None:
        return None

    def locked() -> None:
        with scene.world.lock:
            undo()

    return once(locked)


def once(action: Undo) -> Undo:
    """The action, which does nothing when called again."""
    lock, left = threading.Lock(), [action]

    def call() -> None:
        with lock:
            chosen = left.pop() if left else None
        if chosen is not None:
            chosen()

    return call
