"""How one VM differs from what it was: name, place, size, power, and what else an import depends on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ingest.drift.changes import Change, What
from ingest.drift.devices import disk_changes, nic_changes
from ingest.model.inventory import Nic, VirtualMachine

_ENCODED = {"%2f": "/", "%5c": "\\", "%25": "%"}

_SIZES = (("cpus", "vCPU"), ("cores_per_socket", "cores per socket"), ("memory_mib", "memory MiB"))
_OTHER = (
    *(("guest_id", "guest"), ("firmware", "firmware"), ("secure_boot", "secure boot"), ("template", "template")),
    *(("has_snapshot", "snapshots"), ("iso", "ISO image"), ("encrypted", "encryption"), ("passthrough", "passthrough")),
    *(("managed_by", "owner"), ("connection_state", "connection"), ("unreadable", "unreadable")),
)
# What vCenter cannot say of a VM it cannot read.
_BLIND = frozenset({"connection_state", "unreadable", "template"})


def machine_changes(
    was: VirtualMachine, now: VirtualMachine, explained: Callable[[VirtualMachine, Nic], bool]
) -> Iterator[Change]:
    """Every change of one VM. `explained` says of a NIC that its network has another VLAN, which is told once there."""

    def change(what: What, detail: str, before: object, after: object) -> Change:
        return Change("VM", now.name, now.moref, what, detail, _text(before), _text(after), now.instance_uuid)

    if was == now:
        return
    if was.name != now.name:
        yield change("renamed", "", was.name, now.name)
    if was.moref != now.moref:
        yield change("identity", "managed object id", was.moref, now.moref)
    if was.instance_uuid.lower() != now.instance_uuid.lower() and was.instance_uuid and now.instance_uuid:
        yield change("identity", "instance UUID", was.instance_uuid, now.instance_uuid)
    blind = was.unreadable or now.unreadable
    for detail, before, after in _moves(was, now, blind=blind):
        yield change("moved", detail, before, after)
    if was.power_state != now.power_state:
        yield change("power", "", was.power_state, now.power_state)
    for name, label in _OTHER:
        if getattr(was, name) != getattr(now, name) and (not blind or name in _BLIND):
            yield change("changed", label, getattr(was, name), getattr(now, name))
    if blind:
        return
    for name, label in _SIZES:
        if getattr(was, name) != getattr(now, name):
            yield change("resized", label, getattr(was, name), getattr(now, name))
    for detail, before, after in nic_changes(was, now, explained):
        yield change("re-plugged", detail, before, after)
    for detail, before, after in disk_changes(was, now):
        yield change("disks", detail, before, after)


def _moves(was: VirtualMachine, now: VirtualMachine, *, blind: bool) -> Iterator[tuple[str, str, str]]:
    """The outermost of datacenter, cluster and host; the folder; the datastores. Objects count, not their names."""
    if was.datacenter_moref != now.datacenter_moref:
        yield "datacenter", was.datacenter, now.datacenter
    elif was.cluster_moref != now.cluster_moref:
        yield "cluster", was.cluster or was.host, now.cluster or now.host
    elif was.host_moref != now.host_moref:
        yield "host", was.host, now.host
    if folder_of(was) != folder_of(now) and was.datacenter_moref == now.datacenter_moref:
        yield "folder", folder_of(was), folder_of(now)
    if blind:
        return
    left, right = ({disk.datastore_moref: disk.datastore_name for disk in vm.disks} for vm in (was, now))
    # A disk more or less on another datastore is no move: only disks that were there before count.
    stayed = {disk.key: disk for disk in was.disks}
    if any(disk.key in stayed and stayed[disk.key].datastore_moref != disk.datastore_moref for disk in now.disks):
        yield "datastore", ", ".join(sorted(left.values())), ", ".join(sorted(right.values()))


def folder_of(vm: VirtualMachine) -> str:
    """The path of the folder a VM is in, decoded for people."""
    name = re.sub("%2f|%5c|%25", lambda found: _ENCODED[found[0].lower()], vm.name, flags=re.IGNORECASE)
    return vm.path.removesuffix(f"/{name}") if vm.path.endswith(f"/{name}") else vm.path.rpartition("/")[0]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
