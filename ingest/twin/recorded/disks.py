"""Disks of a recorded VM: on which controller, in which form, over which files."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ingest.twin.files import datastore_named, split_path
from ingest.twin.recorded.documents import integer, kind_of
from ingest.twin.world import VM, Controller, Disk, DiskBacking, World
from ingest.twin.worlds.parts import moref_number

CONTROLLERS: dict[str, Controller] = {
    "VirtualLsiLogicController": "lsilogic",
    "VirtualLsiLogicSASController": "lsisas1068",
    "VirtualBusLogicController": "buslogic",
    "ParaVirtualSCSIController": "pvscsi",
    "VirtualIDEController": "ide",
    "VirtualAHCIController": "sata",
    "VirtualNVMEController": "nvme",
}
_FORMS: dict[str, DiskBacking] = {
    "VirtualDiskSeSparseBackingInfo": "seflat",
    "VirtualDiskSparseVer1BackingInfo": "sparse",
    "VirtualDiskSparseVer2BackingInfo": "sparse",
    "VirtualDiskRawDiskMappingVer1BackingInfo": "rdm",
    "VirtualDiskRawDiskVer2BackingInfo": "raw",
    "VirtualDiskPartitionedRawDiskVer2BackingInfo": "raw",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A disk controller."""

    controller: Controller
    bus: int
    shared_bus: str


def controllers(devices: list[Element]) -> dict[int, Place]:
    """The disk controllers among the devices of a VM, by key."""
    found = {}
    for device in devices:
        name = CONTROLLERS.get(kind_of(device))
        if name is not None:
            number = integer(device.findtext("busNumber", ""))
            shared = device.findtext("sharedBus") or "noSharing"
            found[integer(device.findtext("key", ""))] = Place(name, number, shared)
    return found


def read_disk(world: World, vm: VM, device: Element, place: Place) -> Disk:
    """The disk; the VM has its host already."""
    key = integer(device.findtext("key", ""))
    backing = device.find("backing")
    form = _FORMS.get(kind_of(backing), "flat") if backing is not None else "flat"

    def said(name: str, default: str = "") -> str:
        return backing.findtext(name, default) if backing is not None else default

    file_name, datastore = said("fileName"), said("datastore")
    if form == "raw":  # a device of the host; where its description is, its path tells alone
        file_name = said("descriptorFileName")
        split = split_path(file_name)
        found = datastore_named(world, split[0], world.compute_of(vm).datacenter) if split else None
        datastore = found.moref if found else ""
    below = _chain(backing)
    capacity = integer(device.findtext("capacityInBytes", ""))
    return Disk(
        key=key,
        label=device.findtext("deviceInfo/label", ""),
        disk_id=device.findtext("diskObjectId", "") or f"{moref_number(vm.moref)}-{key}",
        capacity_bytes=capacity or integer(device.findtext("capacityInKB", "")) * 1024,
        file_name=file_name,
        datastore=datastore if datastore in world.datastores else "",
        controller=place.controller,
        bus=place.bus,
        unit=integer(device.findtext("unitNumber", "")),
        backing=form,
        mode=said("diskMode", "persistent"),
        sharing=said("sharing", "sharingNone"),
        parent_file=below[0] if below else "",
        ancestors=tuple(below[1:]),
        shared_bus=place.shared_bus,
        rdm_mode=said("compatibilityMode", "physicalMode"),
    )


def _chain(backing: Element | None) -> list[str]:
    """The files below a disk's own, nearest first."""
    found = []
    below = backing.find("parent") if backing is not None else None
    while below is not None:
        found.append(below.findtext("fileName", ""))
        below = below.find("parent")
    return [name for name in found if name]
