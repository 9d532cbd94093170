"""From a VM's row to the VM of the model: joined with its place, host, networks and datastores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from ingest.model.inventory import PowerState, VirtualMachine
from ingest.vsphere.disks import read_disks
from ingest.vsphere.nics import Fabric, read_nic
from ingest.vsphere.paths import datacenter_of_vm, is_standalone, path_of_vm
from ingest.vsphere.rows import PINNING_KINDS, DatastoreRow, VmRow

_POWER_STATES: dict[str, PowerState] = {state: state for state in get_args(PowerState)}


def read_vm(
    row: VmRow, fabric: Fabric, datastores: Mapping[str, DatastoreRow], custom_fields: Mapping[int, str]
) -> VirtualMachine:
    """One VM. Never fails: what cannot be joined is empty, or a NIC with a problem code."""
    host = fabric.hosts.get(row.host)
    datacenter = datacenter_of_vm(row, host, fabric.places)
    compute = fabric.places.get(host.parent) if host else None
    cluster = compute if compute is not None and not is_standalone(compute) else None
    cards = sorted((device for device in row.devices if device.is_card), key=lambda device: device.key)
    return VirtualMachine(
        moref=row.moref,
        name=row.name,
        instance_uuid=row.instance_uuid,
        path=path_of_vm(row, datacenter, fabric.places),
        datacenter=datacenter.name if datacenter else "",
        datacenter_moref=datacenter.moref if datacenter else "",
        cluster=cluster.name if cluster else "",
        cluster_moref=cluster.moref if cluster else "",
        host=host.name if host else "",
        host_moref=row.host,
        power_state=_POWER_STATES.get(row.power_state, "unknown"),
        connection_state=row.connection_state,
        template=row.template,
        managed_by=row.managed_by,
        cpus=row.cpus,
        cores_per_socket=row.cores_per_socket,
        memory_mib=row.memory_mib,
        cpu_reservation_mhz=row.cpu_reservation_mhz,
        guest_id=row.guest_id,
        guest_full_name=row.guest_full_name,
        guest_host_name=row.guest_host_name,
        tools_status=row.tools_status,
        firmware=row.firmware or "bios",
        secure_boot=row.secure_boot,
        boot_disk_key=row.boot_disk_key,
        in_vapp=bool(row.parent_vapp),
        has_snapshot=row.has_snapshot,
        consolidation_needed=row.consolidation_needed,
        question=row.question,
        ft_role=row.ft_role,
        encrypted=row.encrypted,
        passthrough=tuple(sorted(device.kind for device in row.devices if device.kind in PINNING_KINDS)),
        iso=_image(row),
        annotation=row.annotation,
        custom_fields=tuple(sorted((custom_fields.get(key, str(key)), value) for key, value in row.custom_values)),
        nics=tuple(
            read_nic(card, host, datacenter.moref if datacenter else "", fabric, row.guest_nics) for card in cards
        ),
        disks=read_disks(row.moref, row.devices, datastores),
        unreadable=not row.has_config,
    )


def _image(row: VmRow) -> str:
    """The ISO in the first CD-ROM drive that has one and is connected, now or at the next start."""
    for device in row.devices:
        image = device.backing.file_name if device.kind == "VirtualCdrom" and device.backing else ""
        if image and (device.connected or device.start_connected):
            return image
    return ""
