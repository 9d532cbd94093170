"""Virtual disks: the device, and the file, chain of files or raw device its bytes are in."""

from __future__ import annotations

import uuid
from functools import lru_cache

from ingest.twin.vcenter.properties.peripherals import description
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import VM, Disk

_DISK_UUIDS = uuid.UUID("6000c29d-0000-4000-8000-000000000000")
_BACKINGS = {
    "flat": "VirtualDiskFlatVer2BackingInfo",
    "seflat": "VirtualDiskSeSparseBackingInfo",
    "sparse": "VirtualDiskSparseVer2BackingInfo",
    "rdm": "VirtualDiskRawDiskMappingVer1BackingInfo",
}
_ENCRYPTABLE = frozenset({"flat", "seflat", "sparse"})


def disk_device(scene: Scene, vm: VM, disk: Disk, controller_key: int) -> Data:
    """The disk as a device."""
    capacity_kib = disk.capacity_bytes // 1024
    return Data(
        "VirtualDisk",
        key=disk.key,
        deviceInfo=description(disk.label, f"{capacity_kib:,} KB"),
        backing=_backing(scene, vm, disk),
        controllerKey=controller_key,
        unitNumber=disk.unit,
        capacityInKB=capacity_kib,
        capacityInBytes=disk.capacity_bytes,
        shares=Data("SharesInfo", shares=1000, level="normal"),
        storageIOAllocation=_io_allocation(),
        diskObjectId=disk.disk_id,
        nativeUnmanagedLinkedClone=False,
    )


@lru_cache(maxsize=1)
def _io_allocation() -> Data:
    shares = Data("SharesInfo", shares=1000, level="normal")
    return Data("StorageIOAllocationInfo", limit=-1, shares=shares, reservation=0)


def key_id(vm: VM) -> Data | None:
    """The key an encrypted VM and its disks are encrypted with."""
    if not vm.encrypted:
        return None
    return Data("CryptoKeyId", keyId=f"key-{vm.moref}", providerId=Data("KeyProviderId", id="native-key-provider"))


def _backing(scene: Scene, vm: VM, disk: Disk) -> Data:
    """Where the disk's bytes are. Anything but a flat file is what CloudStack drops from its listing."""
    if disk.backing == "raw":
        return Data("VirtualDiskRawDiskVer2BackingInfo", deviceName=_device_name(disk), useAutoDetect=False,
                    descriptorFileName=disk.file_name, uuid=_disk_uuid(disk.file_name),
                    sharing=disk.sharing)  # fmt: skip
    datastore = Ref("Datastore", disk.datastore) if disk.datastore in scene.world.datastores else None
    members: dict[str, Value] = {"backingObjectId": "", "contentId": "fffffffe" * 4}
    if disk.backing == "flat":
        # A disk with several writers has all its blocks from the start.
        thick = disk.sharing == "sharingMultiWriter"
        members |= {"split": False, "writeThrough": False, "thinProvisioned": not thick, "digestEnabled": False,
                    "eagerlyScrub": True if thick else None, "sharing": disk.sharing}  # fmt: skip
    elif disk.backing == "seflat":
        members |= {"writeThrough": False, "digestEnabled": False, "grainSize": 0}
    elif disk.backing == "sparse":
        members |= {"split": False, "writeThrough": False}
    else:
        name = _device_name(disk)
        members |= {"lunUuid": name[4:], "deviceName": name, "compatibilityMode": disk.rdm_mode,
                    "sharing": disk.sharing}  # fmt: skip
    if vm.encrypted and disk.backing in _ENCRYPTABLE:
        members["keyId"] = key_id(vm)
    below = [disk.parent_file, *disk.ancestors] if disk.parent_file else []
    return _file(scene, vm, disk, [disk.file_name, *below], datastore, members)


def _file(scene: Scene, vm: VM, disk: Disk, chain: list[str], datastore: Ref | None, members: dict[str, Value]) -> Data:
    """The backing of the first file of the chain, the next one as its parent."""
    name, *below = chain
    parent = None
    if below:
        # A linked clone's base may be on another datastore.
        known = scene.datastore_of_file(vm, below[0])
        parent = _file(scene, vm, disk, below, Ref("Datastore", known) if known else datastore, {})
    return Data(_BACKINGS[disk.backing], fileName=name, datastore=datastore, diskMode=disk.mode, uuid=_disk_uuid(name),
                parent=parent, **members)  # fmt: skip


def _device_name(disk: Disk) -> str:
    return f"vml.0200{disk.key:08x}60003ff44dc75adc{disk.key:016x}4c554e202020"


def _disk_uuid(file_name: str) -> str:
    return str(uuid.uuid5(_DISK_UUIDS, file_name))
