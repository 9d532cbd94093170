"""unmanageVirtualMachine: CloudStack forgets a VM, the hypervisor keeps it (CloudStack: UserVmManagerImpl)."""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Cloud, Instance
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.commands import Command, asynchronous
from ingest.twin.cloudstack.jobs import PENDING, JobPlan, RunningJob
from ingest.twin.cloudstack.parameters import entity
from ingest.twin.cloudstack.records import Json, compact
from ingest.twin.cloudstack.refusals import RuntimeFailure
from ingest.twin.cloudstack.service import Call, Service
from ingest.twin.world import VM, World

_CLASS = "org.apache.cloudstack.api.command.admin.vm.UnmanageVMInstanceCmd"


def unmanage_virtual_machine(service: Service, call: Call) -> JobPlan:
    instance = service.cloud.instances[call.arguments.text("id")]
    return JobPlan(
        cmd=_CLASS,
        run=partial(_run, service, instance),
        event_type="VM.UNMANAGE",
        event_text=f"unmanaging VM. VM ID: {instance.id}",
        ownerid=instance.accountid,
        resource=("VirtualMachine", instance.id),
        userid=call.user.id,
    )


def _run(service: Service, instance: Instance, job: RunningJob) -> Json:
    world = service.world
    with world.lock:
        job.check()
        job.event("Started")
        _check(world, instance)
        _forget(world, instance)
        job.event("Completed")
        hostid = instance.hostid or instance.lasthostid
        answer = {"success": True, "details": "VM unmanaged successfully", "hostid": hostid}
        return {"unmanagevirtualmachineresponse": compact(answer)}


def _check(world: World, instance: Instance) -> None:
    """The preconditions; each failure is a 530 of the job."""
    cloud = world.cloud
    refused = f"Cannot unmanage VM with id = {instance.id} as"
    if instance.removed:
        raise RuntimeFailure(f"Unable to find VM with ID: {instance.id}")
    if instance.state not in ("Running", "Stopped"):
        raise RuntimeFailure(f"VM with id = {instance.id} must be running or stopped to be unmanaged")
    if instance.shared_filesystem:
        raise RuntimeFailure("Operation not supported on Shared FileSystem Instance")
    cluster = cloud.clusters.get(instance.clusterid)
    if cluster is not None and cluster.hypervisortype not in ("VMware", "KVM"):
        raise RuntimeFailure(f"Unmanaging a VM is currently not supported on hypervisor {cluster.hypervisortype}")
    if any(volume.snapshots for volume in cloud.volumes.values() if volume.instanceid == instance.id):
        raise RuntimeFailure(
            f"{refused} there are volume snapshots for its volume(s). Please remove snapshots before unmanaging."
        )
    if instance.isoid:
        raise RuntimeFailure(f"{refused} there is an ISO attached. Please detach ISO before unmanaging.")
    if instance.kubernetes_cluster:
        raise RuntimeFailure(f"{refused} it belongs to the Kubernetes cluster {instance.kubernetes_cluster}.")
    if instance.ha_work or _others_work_on(cloud, instance):
        raise RuntimeFailure(
            f"There are pending jobs or HA tasks working on the VM with id: {instance.id}, can't unmanage the VM."
        )
    if not any(_is_behind(world, vm, instance) for vm in world.vms.values()):
        raise RuntimeFailure(f"VM {instance.instancename} is not found in the hypervisor")


def _others_work_on(cloud: Cloud, instance: Instance) -> bool:
    return any(
        job.status == PENDING and job.instanceid == instance.id and job.cmd != _CLASS for job in cloud.jobs.values()
    )


def _is_behind(world: World, vm: VM, instance: Instance) -> bool:
    cluster = world.cloud.clusters.get(instance.clusterid)
    if cluster is None or cluster.compute not in world.computes:
        return False
    known_as = (vm.name, vm.custom_fields.get("cloud.vm.internal.name"))
    return (
        instance.instancename in known_as
        and world.compute_of(vm).datacenter == world.computes[cluster.compute].datacenter
    )


def _forget(world: World, instance: Instance) -> None:
    """Volumes stay as removed rows, NICs with their MACs only if `unmanage.vm.preserve.nics` says so."""
    for volume in world.cloud.volumes.values():
        if volume.instanceid == instance.id:
            volume.removed = True
    if not configuration.flag(world.cloud, "unmanage.vm.preserve.nics", instance.zoneid):
        instance.nics.clear()
    instance.details.clear()
    instance.tags.clear()
    instance.snapshots.clear()
    instance.removed = True
    world.cloud.journal.record("unmanaged", vm=instance.instancename, moref=instance.moref, instance=instance.id)


COMMANDS: tuple[Command, ...] = (
    asynchronous(
        "unmanageVirtualMachine", unmanage_virtual_machine, entity("id", "instances", required=True), since="4.15.0"
    ),
)
