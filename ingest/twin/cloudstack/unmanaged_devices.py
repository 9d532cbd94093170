"""Disks and NICs of a VM as CloudStack reads them from vSphere; what it cannot read is missing.

Source: CloudStack's VmwareHelper.getUnmanageInstanceDisks and getUnmanageInstanceNics, DiskControllerType,
VirtualEthernetCardType.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ingest.model.inventory import Vlan
from ingest.twin.world import VM, Disk, Nic, World

_KNOWN_CONTROLLERS = frozenset({"lsilogic", "lsisas1068", "buslogic", "pvscsi", "ide"})
_KNOWN_CARDS = {"VirtualVmxnet3": "Vmxnet3", "VirtualVmxnet2": "Vmxnet2", "VirtualPCNet32": "PCNet32"}


class Unreadable(Exception):
    """Reading this device fails; CloudStack logs it and goes on without the device."""


@dataclass(frozen=True, slots=True)
class UnmanagedDisk:
    """`controller` is `none` for SATA and NVMe, then without `controller_unit`; '' when the VM shows no controller for
    the disk. `chain` starts with `image_path`.
    """

    id: str
    label: str
    capacity_bytes: int
    image_path: str
    controller: str
    controller_unit: int | None
    position: int
    datastore_name: str
    datastore_host: str
    datastore_path: str
    datastore_type: str
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnmanagedNic:
    """`vlan` None where CloudStack leaves it unset; 0 and 4095 are kept on standard port groups."""

    id: str
    mac: str
    adapter_type: str
    network_name: str
    vlan: int | None
    pvlan: int | None
    pvlan_type: str
    ip_addresses: tuple[str, ...]


def read_disks(world: World, vm: VM) -> tuple[UnmanagedDisk, ...]:
    """The readable disks, sorted by the digits of their labels."""
    found: list[UnmanagedDisk] = []
    for disk in vm.disks:
        try:
            found.append(_disk(world, disk))
        except Unreadable:
            continue
    return tuple(sorted(found, key=lambda disk: _digits(disk.label)))


def read_nics(world: World, vm: VM) -> tuple[UnmanagedNic, ...]:
    """The readable NICs, sorted by the digits of their labels."""
    found: list[UnmanagedNic] = []
    for nic in vm.nics:
        try:
            found.append(_nic(world, vm, nic))
        except Unreadable:
            continue
    return tuple(sorted(found, key=lambda nic: _digits(nic.id)))


def _disk(world: World, disk: Disk) -> UnmanagedDisk:
    datastore = world.datastores.get(disk.datastore)
    if disk.backing != "flat" or datastore is None:
        raise Unreadable
    known = disk.controller in _KNOWN_CONTROLLERS
    network_storage = datastore.type.upper().startswith("NFS")
    return UnmanagedDisk(
        id=disk.disk_id,
        label=disk.label,
        capacity_bytes=disk.capacity_bytes,
        image_path=disk.file_name,
        controller=disk.controller if known else "none" if disk.controller else "",
        controller_unit=disk.bus if known else None,
        position=disk.unit,
        datastore_name=datastore.name,
        datastore_host=datastore.remote_host if network_storage else "",
        datastore_path=datastore.remote_path if network_storage else "",
        datastore_type=datastore.type if network_storage else "",
        chain=(disk.file_name, disk.parent_file, *disk.ancestors) if disk.parent_file else (disk.file_name,),
    )


def _nic(world: World, vm: VM, nic: Nic) -> UnmanagedNic:
    network_name = ""
    vlan: int | None = None
    pvlan: int | None = None
    pvlan_type = ""
    match nic.backing:
        case "standard":
            network_name, vlan = _standard(world, vm, nic)
        case "dvs":
            vlan, pvlan, pvlan_type = _distributed(world, vm, nic)
        case "opaque":
            pass
        case _:
            raise Unreadable
    return UnmanagedNic(
        id=nic.label,
        mac=nic.mac.lower(),
        adapter_type=_KNOWN_CARDS.get(nic.card, "E1000"),
        network_name=network_name,
        vlan=vlan,
        pvlan=pvlan,
        pvlan_type=pvlan_type,
        ip_addresses=tuple(ip for ip in nic.ips if _is_ipv4(ip)) if _reports(vm) else (),
    )


def _reports(vm: VM) -> bool:
    return vm.tools_status == "toolsOk" and not vm.guest_stage


def _standard(world: World, vm: VM, nic: Nic) -> tuple[str, int]:
    network = world.networks.get(nic.network)
    name = nic.device_name or (network.name if network else "")
    for portgroup in world.hosts[vm.host].portgroups:
        if portgroup.name == name:
            return name, portgroup.vlan_id
    raise Unreadable


def _distributed(world: World, vm: VM, nic: Nic) -> tuple[int | None, int | None, str]:
    network = world.networks.get(nic.network)
    if network is None or (network.binding == "ephemeral" and vm.power_state == "poweredOff"):
        # An ephemeral group gives a port to running VMs only; without a port key the look-up fails.
        raise Unreadable
    vlan: Vlan | None = network.vlan
    if network.vlan_override_allowed and nic.port_vlan is not None:
        vlan = nic.port_vlan
    if vlan is None or vlan.kind in ("none", "trunk"):
        return None, None, ""
    if vlan.kind == "id":
        return (vlan.id if vlan.id is not None and 1 <= vlan.id <= 4094 else None), None, ""
    switch = world.switches.get(network.switch)
    for primary, secondary, pvlan_type in switch.pvlans if switch else []:
        if secondary == vlan.secondary:
            return primary, secondary, pvlan_type
    return None, None, ""


def _digits(label: str) -> int:
    return int("".join(character for character in label if character in "0123456789") or "0")


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
