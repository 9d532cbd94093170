"""Virtual disks: joined with their controllers and datastores, named as CloudStack names them."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.model.inventory import Disk
from ingest.vsphere.rows import BackingRow, DatastoreRow, DeviceRow

_CONTROLLERS = {
    "VirtualLsiLogicController": "lsilogic",
    "VirtualLsiLogicSASController": "lsisas1068",
    "VirtualBusLogicController": "buslogic",
    "ParaVirtualSCSIController": "pvscsi",
    "VirtualIDEController": "ide",
    "VirtualSATAController": "sata",
    "VirtualAHCIController": "sata",
    "VirtualNVMEController": "nvme",
}
# The only backing CloudStack can read; a disk on any other is missing from its listing without an error.
_BACKINGS = {"VirtualDiskFlatVer2BackingInfo": "flat", "VirtualDiskRawDiskMappingVer1BackingInfo": "rdm"}
_NO_BACKING = BackingRow("")


def read_disks(
    vm_moref: str, devices: tuple[DeviceRow, ...], datastores: Mapping[str, DatastoreRow]
) -> tuple[Disk, ...]:
    """The disks of a VM in device key order.

    vCenter composes `diskObjectId` of the VM's number and the device key; where a server leaves the property unset
    (vcsim does), it is composed here the same way.
    """
    by_key = {device.key: device for device in devices}
    disks = [device for device in devices if device.kind == "VirtualDisk"]
    return tuple(
        _disk(vm_moref, disk, by_key.get(disk.controller_key), datastores)
        for disk in sorted(disks, key=lambda row: row.key)
    )


def _disk(
    vm_moref: str, device: DeviceRow, controller: DeviceRow | None, datastores: Mapping[str, DatastoreRow]
) -> Disk:
    backing = device.backing or _NO_BACKING
    datastore = datastores.get(backing.datastore)
    return Disk(
        key=device.key,
        label=device.label,
        disk_id=device.disk_id or f"{vm_moref.rpartition('-')[2]}-{device.key}",
        capacity_bytes=device.capacity_bytes,
        backing=_BACKINGS.get(backing.kind, backing.kind),
        file_name=backing.file_name,
        datastore_name=datastore.name if datastore else _datastore_in(backing.file_name),
        datastore_moref=backing.datastore,
        controller=_CONTROLLERS.get(controller.kind, "") if controller else "",
        controller_bus=controller.bus if controller else 0,
        unit=device.unit,
        mode=backing.disk_mode or "persistent",
        sharing=backing.sharing or "sharingNone",
        shared_bus=(controller.shared_bus if controller else "") or "noSharing",
        parent_file=backing.parent_file,
        ancestors=backing.ancestors,
    )


def _datastore_in(file_name: str) -> str:
    """The datastore of `[datastore] folder/file.vmdk`."""
    return file_name[1:].partition("]")[0] if file_name.startswith("[") else ""
