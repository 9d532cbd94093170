"""VMs into and out of the inventory: RegisterVM_Task and UnregisterVM. Their files stay where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingest.twin.files import datastore_named, split_path, vms_of_datacenter, vmx_path
from ingest.twin.registration import register, unregister
from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import (
    already_exists,
    cannot_access_file,
    datastore_inaccessible,
    datastore_not_on_host,
    file_locked,
    file_not_found,
    host_not_connected,
    invalid_argument,
    invalid_datastore_path,
    invalid_power_state,
    method_disabled,
    not_a_configuration,
    not_supported,
    object_gone,
    task_in_progress,
)
from ingest.twin.vcenter.methods.places import free_name, tree_of, valid_name
from ingest.twin.vcenter.values import Ref, Value
from ingest.twin.world import Compute, Datastore, World


def _register(call: Call) -> Value:
    service = call.service
    world = service.world
    with world.lock:
        folder = world.folders.get(call.this.moref)
        if folder is None:
            raise object_gone(call.this)
        user = call.user_session.user
        return service.tasks.begin(
            call.this, folder.name, call.request.method, user, service.settings.task_s, lambda: _registered(call)
        )


def _registered(call: Call) -> Value:
    """The task's work: the new VM's reference. Raises VimFault."""
    world = call.service.world
    call.reader.refresh()
    datacenter, kind = tree_of(world, call.this.moref)
    if kind != "vm_folder":
        raise not_supported("The folder does not hold virtual machines.")
    path: str = call.argument("path")
    template: bool = call.argument("asTemplate")
    compute, pool = _pool(call, datacenter, template)
    split = split_path(path)
    datastore = datastore_named(world, split[0], datacenter) if split else None
    if split is None or datastore is None or not split[1]:
        raise invalid_datastore_path(path)
    path = f"[{split[0]}] {split[1]}"
    for vm in vms_of_datacenter(world, datacenter):
        if vmx_path(world, vm) == path:
            raise already_exists(vm.name)
    ref = Ref("Datastore", datastore.moref)
    if not datastore.accessible:
        raise datastore_inaccessible(datastore.name, ref)
    host = _host(call, compute, datastore)
    stored = world.unregistered.get(f"{datastore.moref} {path}")
    if stored is None:
        raise not_a_configuration(path) if split[1] in datastore.other_files else file_not_found(path)
    if datastore.read_only:
        raise cannot_access_file(path)
    if stored.vm.locked_by:
        raise file_locked(path)
    name = valid_name(call.argument("name") or stored.vm.name)
    free_name(call.reader.scene, call.this.moref, name)
    made = register(world, stored, name=name, folder=call.this.moref, host=host, pool=pool)
    user = call.user_session.user
    world.cloud.journal.record(
        "registered", vm=made.name, moref=made.moref, uuid=made.instance_uuid, path=path, user=user
    )
    made.template = template
    return Ref("VirtualMachine", made.moref)


def _pool(call: Call, datacenter: str, template: bool) -> tuple[Compute, str]:
    """(compute resource, resource pool) for the VM; a template is given a host instead and no pool."""
    world = call.service.world
    pool: Ref | None = call.argument("pool")
    host: Ref | None = call.argument("host")
    if template:
        if pool is not None:
            raise invalid_argument("pool")
        found: Any = world.hosts.get(host.moref) if host else None
        if found is None:
            raise invalid_argument("host")
        compute = world.computes[found.compute]
        wanted = compute.resource_pool
    else:
        wanted = pool.moref if pool else ""
        known = call.reader.scene.pools.get(wanted)
        if known is None:
            raise invalid_argument("pool")
        compute = world.computes[known.compute]
    if compute.datacenter != datacenter:
        raise invalid_argument("host" if template else "pool")
    return compute, wanted


def _host(call: Call, compute: Compute, datastore: Datastore) -> str:
    """The host asked for, else the one with the fewest VMs of those that can take it."""
    mounted = call.reader.scene.hosts_of_datastore(datastore.moref)
    world: World = call.service.world
    wanted: Ref | None = call.argument("host")
    if wanted is not None:
        host = world.hosts.get(wanted.moref)
        if host is None or host.compute != compute.moref:
            raise invalid_argument("host")
        if host.connection_state != "connected":
            raise host_not_connected()
        if host.moref not in mounted:
            raise datastore_not_on_host(datastore.name, Ref("Datastore", datastore.moref), host.name)
        return host.moref
    able = {
        host.moref: 0
        for host in world.hosts.values()
        if host.compute == compute.moref and host.connection_state == "connected" and not host.in_maintenance
    }
    if not able:
        raise host_not_connected()
    able = {moref: 0 for moref in able if moref in mounted}
    if not able:
        raise datastore_not_on_host(datastore.name, Ref("Datastore", datastore.moref), compute.name)
    for vm in world.vms.values():
        if vm.host in able:
            able[vm.host] += 1
    return min(able, key=lambda moref: able[moref])


def _unregister(call: Call) -> Value:
    service = call.service
    world = service.world
    with world.lock:
        vm = world.vms.get(call.this.moref)
        if vm is None:
            raise object_gone(call.this)
        if call.request.method in vm.disabled_methods:
            raise method_disabled(call.request.method)
        busy = service.tasks.running_on(vm.moref)
        if busy is not None:
            raise task_in_progress(busy.ref)
        if vm.power_state == "poweredOn":
            raise invalid_power_state("poweredOff", vm.power_state)
        try:
            unregister(world, vm)
        except LookupError:  # nothing of it is on a disk this vCenter knows
            del world.vms[call.this.moref]
        user = call.user_session.user
        world.cloud.journal.record("unregistered", vm=vm.name, moref=call.this.moref, user=user)
    return None


REGISTRATION: dict[str, Callable[[Call], Value]] = {
    "RegisterVM_Task": _register,
    "UnregisterVM": _unregister,
}
