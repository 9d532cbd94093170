"""What a VMware host tells CloudStack about its VMs, losses included (CloudStack: VmwareResource, VmwareHelper).

Whatever cannot be read is left out without an error: a host, the rest of a host behind an unreadable VM, a disk, a
NIC. That is the behaviour clients must survive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ingest.twin.cloud import Cluster, Host, Instance, SystemVm
from ingest.twin.cloudstack.unmanaged_devices import UnmanagedDisk, UnmanagedNic, read_disks, read_nics
from ingest.twin.world import VM, World

_INTERNAL_NAME_FIELD = "cloud.vm.internal.name"
_INTERNAL_NAME = re.compile(r"i-\d+-\d+-.+")
_POWER_STATES = {"poweredOn": "PowerOn", "poweredOff": "PowerOff"}
_UNREADABLE = frozenset({"inaccessible", "orphaned"})


@dataclass(frozen=True, slots=True)
class UnmanagedVm:
    """One VM as a host reports it. `moref` and `instance_name` stay inside the server.

    `cpu_speed_mhz` is the CPU reservation, 0 without one. `instance_name` is what an import will call it. Numbers are
    None and texts '' for a VM of which nothing but the name could be read.
    """

    moref: str
    name: str
    instance_name: str
    host: Host
    hypervisor_version: str
    power_state: str
    cpu_number: int | None
    cores_per_socket: int | None
    cpu_speed_mhz: int | None
    memory_mib: int | None
    os_id: str
    os_display_name: str
    boot_type: str
    boot_mode: str
    disks: tuple[UnmanagedDisk, ...]
    nics: tuple[UnmanagedNic, ...]


def visited_hosts(world: World, cluster: Cluster) -> list[Host]:
    """The hosts that answer: Up and enabled in CloudStack, connected in vCenter."""
    return [
        host
        for host in world.cloud.hosts.values()
        if host.clusterid == cluster.id
        and host.state == "Up"
        and host.resourcestate == "Enabled"
        and host.moref in world.hosts
        and world.hosts[host.moref].connection_state == "connected"
    ]


def vms_of_hosts(world: World, hosts: Iterable[Host], *, name: str = "") -> dict[str, list[VM]]:
    """The VMs registered on each host by the host's id, only those called `name` if one is given."""
    by_moref: dict[str, list[VM]] = {host.moref: [] for host in hosts}
    for vm in world.vms.values():
        if vm.host in by_moref and (not name or vm.name == name):
            by_moref[vm.host].append(vm)
    return {host.id: by_moref[host.moref] for host in hosts}


def read_host(world: World, host: Host, vms: Iterable[VM], managed: frozenset[str]) -> dict[str, UnmanagedVm]:
    """The unmanaged VMs of one host by name; of two with one name the later stays.

    A VM whose configuration is out of reach ends the reading of this host: VMs behind it are lost.
    """
    found: dict[str, UnmanagedVm] = {}
    for vm in vms:
        if vm.connection_state in _UNREADABLE:
            break
        if not vm.template and vm.name not in managed:
            found[vm.name] = _read_vm(world, host, vm)
    return found


def managed_names(world: World, cluster: Cluster) -> frozenset[str]:
    """Names that hosts of this cluster are told to leave out.

    Instance names of CloudStack's VMs, its own included, that are or were last in the cluster, or on no host in its
    pod; names of templates on storage pools; and names derived from removed volumes of the zone whose disk chain has
    several files: the trap that hides VMs unmanaged after a snapshot.
    """
    cloud = world.cloud
    in_cluster = {host.id for host in cloud.hosts.values() if host.clusterid == cluster.id}
    present: list[Instance | SystemVm] = [one for one in cloud.instances.values() if not one.removed]
    present.extend(cloud.system_vms.values())
    names = {
        vm.instancename
        for vm in present
        if vm.hostid in in_cluster or vm.lasthostid in in_cluster or (not vm.hostid and vm.podid == cluster.podid)
    }
    names |= {template.installpath for template in cloud.templates.values() if template.installpath}
    for volume in [volume for volume in cloud.volumes.values() if volume.removed and len(volume.chaininfo) > 1]:
        owner = cloud.instances.get(volume.instanceid)
        if owner is not None and owner.zoneid == cluster.zoneid:
            for file in volume.chaininfo[1:]:
                names |= _names_of_file(file)
    return frozenset(names)


def _names_of_file(file: str) -> set[str]:
    # Cut at the last blank first, so that of a file `my vm.vmdk` only `vm` is left.
    base = file.split(" ")[-1].split("/")[-1].split(".")[0]
    prefix = base.split("-")[0]
    return {name for name in (base, prefix if prefix != "ROOT" else "") if name}


def _read_vm(world: World, host: Host, vm: VM) -> UnmanagedVm:
    if vm.connection_state == "invalid":
        return UnmanagedVm(
            moref=vm.moref,
            name=vm.name,
            instance_name=vm.name,
            host=host,
            hypervisor_version=world.hosts[vm.host].version,
            power_state="PowerUnknown",
            cpu_number=None,
            cores_per_socket=None,
            cpu_speed_mhz=None,
            memory_mib=None,
            os_id="",
            os_display_name="",
            boot_type="",
            boot_mode="",
            disks=(),
            nics=(),
        )
    internal_name = vm.custom_fields.get(_INTERNAL_NAME_FIELD, "")
    return UnmanagedVm(
        moref=vm.moref,
        name=vm.name,
        instance_name=internal_name if _INTERNAL_NAME.fullmatch(internal_name) else vm.name,
        host=host,
        hypervisor_version=world.hosts[vm.host].version,
        power_state=_POWER_STATES.get(vm.power_state, "PowerUnknown"),
        cpu_number=vm.cpus,
        cores_per_socket=max(vm.cores_per_socket, 1),
        cpu_speed_mhz=vm.cpu_reservation_mhz,
        memory_mib=vm.memory_mib,
        os_id=vm.guest_id,
        os_display_name=vm.guest_full_name,
        boot_type="UEFI" if vm.firmware == "efi" else "BIOS",
        boot_mode="SECURE" if vm.secure_boot else "LEGACY",
        disks=read_disks(world, vm),
        nics=read_nics(world, vm),
    )
