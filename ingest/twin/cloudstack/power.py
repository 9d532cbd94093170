"""startVirtualMachine and stopVirtualMachine: jobs that change the VM in vCenter too.

Source: CloudStack's UserVmManagerImpl, VirtualMachineManagerImpl, VmwareResource. A start makes the VM in vCenter what
CloudStack's database says: size, MACs, port groups. A management server that goes away in between leaves the state to
the power report of the hypervisor, which the twin applies at once.
"""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Cloud, Host, Instance
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.access import check_access
from ingest.twin.cloudstack.commands import Command, asynchronous
from ingest.twin.cloudstack.jobs import JobPlan, RunningJob
from ingest.twin.cloudstack.limits import require
from ingest.twin.cloudstack.lists_instances import rendered_instance
from ingest.twin.cloudstack.parameters import boolean, entity
from ingest.twin.cloudstack.reconfigure import apply_networks, apply_offering
from ingest.twin.cloudstack.records import Json, described, number_of, words
from ingest.twin.cloudstack.refusals import ApiException, InvalidParameter, ResourceAllocation, RuntimeFailure
from ingest.twin.cloudstack.service import Call, Service
from ingest.twin.registration import QUESTION, is_out_of_place, settle
from ingest.twin.world import VM, World

_LOOKS_EVERY_S = 0.05
_TOOLS_RUN = frozenset({"toolsOk", "toolsOld"})


def start_virtual_machine(service: Service, call: Call) -> JobPlan:
    """Only a root admin says where."""
    arguments, is_admin = call.arguments, call.account.accounttype == 1
    places = {name: arguments.text(name) if is_admin else "" for name in ("hostid", "clusterid", "podid")}
    instance = service.cloud.instances[arguments.text("id")]
    command = "admin.vm.StartVMCmdByAdmin" if is_admin else "user.vm.StartVMCmd"
    work = partial(_start, service, instance, places, is_admin)
    return _plan(service.cloud, call, instance, command, "VM.START", "starting", work)


def stop_virtual_machine(service: Service, call: Call) -> JobPlan:
    """`forced` powers off; otherwise the guest is asked first, if its tools run."""
    is_admin = call.account.accounttype == 1
    instance = service.cloud.instances[call.arguments.text("id")]
    command = "admin.vm.StopVMCmdByAdmin" if is_admin else "user.vm.StopVMCmd"
    work = partial(_stop, service, instance, call.arguments.flag("forced"), is_admin)
    return _plan(service.cloud, call, instance, command, "VM.STOP", "stopping", work)


def _plan(
    cloud: Cloud, call: Call, instance: Instance, command: str, event: str, verb: str, work: partial[Json]
) -> JobPlan:
    what = described("VM instance", cloud.instances, instance.id, instance.instancename, name_key="instanceName")
    check_access(cloud, call, instance.accountid, what)
    return JobPlan(
        cmd=f"org.apache.cloudstack.api.command.{command}",
        run=work,
        event_type=event,
        event_text=f"{verb} Instance. Instance Id: {instance.id}",
        ownerid=instance.accountid,
        resource=("VirtualMachine", instance.id),
        userid=call.user.id,
    )


def _start(service: Service, instance: Instance, places: dict[str, str], is_admin: bool, job: RunningJob) -> Json:
    world = service.world
    with world.lock:
        job.check()
        job.event("Started")
        _check_startable(service, instance)
        host = _destination(world, instance, places)
        _machine_behind(world, instance)
        _check_storage(world.cloud, instance)
        instance.state = "Starting"
    try:
        job.wait(world.cloud.power_seconds)
        with world.lock:
            job.check()
            vm = _machine_behind(world, instance)
            if instance.state != "Starting":
                raise RuntimeFailure(f"Unable to start a VM [{instance.id}] due to concurrent operation")
            apply_networks(world, instance, vm)
            apply_offering(world.cloud, instance, vm)
            asked = is_out_of_place(world, vm)
            if asked:
                vm.question = QUESTION
                world.touch(vm)
                world.cloud.journal.record("vcenter-question", task="", vm=vm.name)
        if asked:
            _await_answer(world, instance, job)
        with world.lock:
            job.check()
            vm = _machine_behind(world, instance)
            settle(world, vm)
            world.cloud.journal.record("started", vm=vm.name, moref=vm.moref, by=f"cloudstack {instance.id}")
            vm.swap_left = False
            vm.host = host.moref
            vm.custom_fields["cloud.vm.internal.name"] = instance.instancename
            world.switch(vm, "poweredOn")
            instance.state, instance.hostid, instance.lasthostid = "Running", host.id, host.id
            job.event("Completed")
            return {"virtualmachine": rendered_instance(world.cloud, instance, for_admin=is_admin)}
    except Exception:
        _believe_hypervisor(world, instance)
        raise


def _await_answer(world: World, instance: Instance, job: RunningJob) -> None:
    """CloudStack waits for its power-on task, which waits for somebody in vCenter to say whether the VM was moved."""
    while True:
        job.wait(_LOOKS_EVERY_S)
        with world.lock:
            vm = _machine_behind(world, instance)
            if vm.question:
                continue
            if is_out_of_place(world, vm):
                raise RuntimeFailure(f"Unable to start VM [{instance.id}]: the operation was canceled in vCenter")
            return


def _check_startable(service: Service, instance: Instance) -> None:
    cloud = service.cloud
    if instance.removed:
        raise InvalidParameter(f"unable to find a virtual machine with id {number_of(cloud.instances, instance.id)}")
    if instance.state == "Running":
        raise InvalidParameter(f"The virtual machine {instance.id} ({instance.displayname}) is already running")
    if instance.state != "Stopped":
        raise RuntimeFailure(f"Unable to start a VM [{instance.id}] in state {instance.state}")
    owner = cloud.accounts[instance.accountid]
    if owner.state != "enabled":
        raise RuntimeFailure(f"The owner of {instance.instancename} is disabled: {owner.name}")
    if configuration.flag(cloud, "resource.count.running.vms.only"):
        _check_limits(service, instance)


def _check_limits(service: Service, instance: Instance) -> None:
    """Stopped VMs do not count then, so a start may go beyond a limit."""
    owner = service.cloud.accounts[instance.accountid]
    try:
        require(service.reservations, owner, {"user_vm": 1, "cpu": instance.cpunumber, "memory": instance.memory})
    except ResourceAllocation as error:
        raise ApiException(535, error.text) from None


def _destination(world: World, instance: Instance, places: dict[str, str]) -> Host:
    """The last host if it can, else the first of its cluster. Raises ApiException 533 when there is none."""
    cloud = world.cloud
    offering = cloud.service_offerings.get(instance.serviceofferingid)
    fitting = [
        host
        for host in cloud.hosts.values()
        if host.state == "Up"
        and host.resourcestate == "Enabled"
        and host.clusterid == (places["clusterid"] or instance.clusterid)
        and places["hostid"] in ("", host.id)
        and places["podid"] in ("", host.podid)
        and (offering is None or words(offering.hosttags) <= words(host.hosttags))
        and host.moref in world.hosts
    ]
    last = [host for host in fitting if host.id == (instance.lasthostid or instance.hostid)]
    if not fitting:
        raise ApiException(
            533,
            "Unable to create a deployment for "
            + described("VM instance", cloud.instances, instance.id, instance.instancename, name_key="instanceName"),
        )
    return (last or fitting)[0]


def _machine_behind(world: World, instance: Instance) -> VM:
    vm = world.vms.get(instance.moref)
    if vm is None:
        # CloudStack would make the VM anew over the recorded volumes, which went with it.
        raise RuntimeFailure(f"Failed to start VM [{instance.id}]: disk is not found on its storage pool")
    if vm.connection_state != "connected":
        raise ApiException(
            534,
            f"Resource [Host:{instance.lasthostid or instance.hostid}] is unreachable: "
            f"VM {instance.instancename} is {vm.connection_state} in vCenter",
        )
    return vm


def _check_storage(cloud: Cloud, instance: Instance) -> None:
    for volume in cloud.volumes.values():
        pool = cloud.storage_pools.get(volume.poolid)
        if volume.instanceid == instance.id and not volume.removed and pool is not None and pool.state != "Up":
            number = number_of(cloud.storage_pools, pool.id)
            raise ApiException(
                534, f"Resource [StoragePool:{number}] is unreachable: Storage pool is in {pool.state} state"
            )


def _stop(service: Service, instance: Instance, forced: bool, is_admin: bool, job: RunningJob) -> Json:
    world = service.world
    with world.lock:
        job.check()
        job.event("Started")
        _check_stoppable(world.cloud, instance, forced=forced)
        vm = world.vms.get(instance.moref)
        asks_guest = not forced and vm is not None and vm.power_state == "poweredOn" and vm.tools_status in _TOOLS_RUN
        instance.state = "Stopping" if instance.state != "Stopped" else instance.state
    try:
        if asks_guest:
            job.wait(world.cloud.power_seconds)
        with world.lock:
            job.check()
            vm = world.vms.get(instance.moref)
            if vm is not None and vm.power_state != "poweredOff":
                world.switch(vm, "poweredOff")
            instance.state = "Stopped"
            instance.lasthostid, instance.hostid = instance.hostid or instance.lasthostid, ""
            job.event("Completed")
            return {"virtualmachine": rendered_instance(world.cloud, instance, for_admin=is_admin)}
    except Exception:
        _believe_hypervisor(world, instance)
        raise


def _check_stoppable(cloud: Cloud, instance: Instance, *, forced: bool) -> None:
    if instance.removed:
        raise InvalidParameter(f"unable to find a virtual machine with id {number_of(cloud.instances, instance.id)}")
    if instance.state not in ("Running", "Stopped") and not forced:
        raise ApiException(530, f"Failed to stop vm {instance.id}: it is {instance.state}")


def _believe_hypervisor(world: World, instance: Instance) -> None:
    with world.lock:
        vm = world.vms.get(instance.moref)
        instance.state = "Running" if vm is not None and vm.power_state == "poweredOn" else "Stopped"


COMMANDS: tuple[Command, ...] = (
    asynchronous(
        "startVirtualMachine",
        start_virtual_machine,
        entity("id", "instances", required=True),
        entity("podid", "pods"),
        entity("clusterid", "clusters"),
        entity("hostid", "hosts", since="3.0.1"),
    ),
    asynchronous(
        "stopVirtualMachine", stop_virtual_machine, entity("id", "instances", required=True), boolean("forced")
    ),
)
