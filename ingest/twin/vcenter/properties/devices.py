"""`config.hardware.device` of a VM: controllers, disks, Ethernet cards and the rest, as vSphere lists them.

Device keys follow vSphere: IDE 200, PCI 100, SCSI 1000, SATA 15000, NVMe 31000; disks and cards bring their own.
Devices that are the same in every VM are built and rendered once and shared.
"""

from __future__ import annotations

import uuid
from functools import lru_cache

from ingest.twin.vcenter.properties.cards import ethernet_card
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import VM, Disk

_DISK_UUIDS = uuid.UUID("6000c29d-0000-4000-8000-000000000000")
_CONTROLLERS = {
    # controller: (class, first key, label, key of the bus it sits on)
    "lsilogic": ("VirtualLsiLogicController", 1000, "SCSI controller", 100),
    "lsisas1068": ("VirtualLsiLogicSASController", 1000, "SCSI controller", 100),
    "buslogic": ("VirtualBusLogicController", 1000, "SCSI controller", 100),
    "pvscsi": ("ParaVirtualSCSIController", 1000, "SCSI controller", 100),
    "sata": ("VirtualAHCIController", 15000, "SATA controller", 100),
    "nvme": ("VirtualNVMEController", 31000, "NVME controller", 100),
}
_SUMMARIES = {
    "lsilogic": "LSI Logic",
    "lsisas1068": "LSI Logic SAS",
    "buslogic": "BusLogic",
    "pvscsi": "VMware paravirtual SCSI",
    "sata": "AHCI",
    "nvme": "NVME Controller",
}
_SCSI = frozenset({"lsilogic", "lsisas1068", "buslogic", "pvscsi"})


def controller_key(disk: Disk) -> int:
    """The device key of the controller a disk is attached to."""
    return 200 + disk.bus if disk.controller == "ide" else _CONTROLLERS[disk.controller][1] + disk.bus


def devices(scene: Scene, vm: VM) -> list[Value]:
    """The whole device list. Order as in vSphere: fixed devices, controllers, disks, CD-ROM, cards, the rest."""
    found: list[Value] = list(_fixed_devices())
    for name, bus in sorted({(disk.controller, disk.bus) for disk in vm.disks if disk.controller != "ide"}):
        units = tuple(disk.key for disk in vm.disks if (disk.controller, disk.bus) == (name, bus))
        found.append(_controller(name, bus, units))
    found += [_disk(scene, disk) for disk in vm.disks]
    found += _cdrom(vm)
    found += [ethernet_card(scene, vm, nic, position) for position, nic in enumerate(vm.nics)]
    others = [name for name in vm.extra_devices if name != "VirtualCdrom"]
    found += [_extra_device(name, position) for position, name in enumerate(others)]
    return found


def description(label: str, summary: str) -> Data:
    """A device's `deviceInfo`."""
    return Data("Description", label=label, summary=summary)


@lru_cache(maxsize=1)
def _fixed_devices() -> tuple[Data, ...]:
    return (
        Data("VirtualIDEController", key=200, deviceInfo=description("IDE 0", "IDE 0"), busNumber=0),
        Data("VirtualIDEController", key=201, deviceInfo=description("IDE 1", "IDE 1"), busNumber=1),
        Data("VirtualPS2Controller", key=300, deviceInfo=description("PS2 controller 0", "PS2 controller 0"),
             busNumber=0, device=[600, 700]),
        Data("VirtualPCIController", key=100, deviceInfo=description("PCI controller 0", "PCI controller 0"),
             busNumber=0, device=[500, 12000]),
        Data("VirtualSIOController", key=400, deviceInfo=description("SIO controller 0", "SIO controller 0"),
             busNumber=0),
        Data("VirtualKeyboard", key=600, deviceInfo=description("Keyboard", "Keyboard"), controllerKey=300,
             unitNumber=0),
        Data("VirtualPointingDevice", key=700, deviceInfo=description("Pointing device", "Pointing device; Device"),
             backing=Data("VirtualPointingDeviceDeviceBackingInfo", deviceName="", useAutoDetect=False,
                          hostPointingDevice="autodetect"),
             controllerKey=300, unitNumber=1),
        Data("VirtualMachineVideoCard", key=500, deviceInfo=description("Video card", "Video card"), controllerKey=100,
             unitNumber=0, videoRamSizeInKB=4096, numDisplays=1, useAutoDetect=False, enable3DSupport=False,
             use3dRenderer="automatic", graphicsMemorySizeInKB=262144),
        Data("VirtualMachineVMCIDevice", key=12000,
             deviceInfo=description("VMCI device", "Device on the virtual machine PCI bus that provides support for "
                                                   "the virtual machine communication interface"),
             controllerKey=100, unitNumber=17, id=-1, allowUnrestrictedCommunication=False, filterEnable=True),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _controller(name: str, bus: int, device_keys: tuple[int, ...]) -> Data:
    kind, first_key, label, parent = _CONTROLLERS[name]
    members: dict[str, Value] = {
        "key": first_key + bus,
        "deviceInfo": description(f"{label} {bus}", _SUMMARIES[name]),
        "controllerKey": parent,
        "unitNumber": 3 + bus,
        "busNumber": bus,
        "device": list(device_keys),
    }
    if name in _SCSI:
        members |= {"hotAddRemove": True, "sharedBus": "noSharing", "scsiCtlrUnitNumber": 7}
    if name == "nvme":
        members |= {"sharedBus": "noSharing"}
    return Data(kind, **members)


def _disk(scene: Scene, disk: Disk) -> Data:
    capacity_kib = disk.capacity_bytes // 1024
    return Data(
        "VirtualDisk",
        key=disk.key,
        deviceInfo=description(disk.label, f"{capacity_kib:,} KB"),
        backing=disk_backing(scene, disk),
        controllerKey=controller_key(disk),
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


def disk_backing(scene: Scene, disk: Disk) -> Data:
    """Where the disk's bytes are. Anything but a flat file is what CloudStack drops from its listing."""
    common: dict[str, Value] = {
        "fileName": disk.file_name,
        "datastore": Ref("Datastore", disk.datastore) if disk.datastore in scene.world.datastores else None,
        "backingObjectId": "",
        "diskMode": disk.mode,
        "uuid": _disk_uuid(disk.file_name),
        "contentId": "fffffffe" * 4,
    }
    if disk.backing == "rdm":
        device = f"vml.0200{disk.key:08x}60003ff44dc75adc{disk.key:016x}4c554e202020"
        return Data("VirtualDiskRawDiskMappingVer1BackingInfo", **common, lunUuid=device[4:], deviceName=device,
                    compatibilityMode="physicalMode", sharing=disk.sharing)  # fmt: skip
    if disk.backing == "seflat":
        return Data("VirtualDiskSeSparseBackingInfo", **common, writeThrough=False, digestEnabled=False, grainSize=0,
                    parent=_parent(disk, "VirtualDiskSeSparseBackingInfo", common["datastore"]))  # fmt: skip
    return Data("VirtualDiskFlatVer2BackingInfo", **common, split=False, writeThrough=False, thinProvisioned=True,
                digestEnabled=False, sharing=disk.sharing,
                parent=_parent(disk, "VirtualDiskFlatVer2BackingInfo", common["datastore"]))  # fmt: skip


def _parent(disk: Disk, kind: str, datastore: Value) -> Data | None:
    if not disk.parent_file:
        return None
    return Data(
        kind, fileName=disk.parent_file, datastore=datastore, diskMode=disk.mode, uuid=_disk_uuid(disk.parent_file)
    )


def _disk_uuid(file_name: str) -> str:
    return str(uuid.uuid5(_DISK_UUIDS, file_name))


def _cdrom(vm: VM) -> list[Value]:
    """An empty drive in every VM; with an ISO when the world names `VirtualCdrom` among the extra devices."""
    taken = {disk.key for disk in vm.disks}
    free = [number for number in (3002, 3000, 3003, 3001) if number not in taken]
    if not free:
        return []
    datastore = vm.disks[0].datastore if vm.disks and "VirtualCdrom" in vm.extra_devices else ""
    return [_cdrom_device(free[0], "VirtualCdrom" in vm.extra_devices, datastore)]


@lru_cache(maxsize=1024)
def _cdrom_device(key: int, with_iso: bool, datastore: str) -> Data:
    if with_iso:
        backing = Data("VirtualCdromIsoBackingInfo", fileName="[iso] installer.iso",
                       datastore=Ref("Datastore", datastore) if datastore else None)  # fmt: skip
    else:
        backing = Data("VirtualCdromRemotePassthroughBackingInfo", deviceName="", useAutoDetect=False, exclusive=False)
    return Data(
        "VirtualCdrom",
        key=key,
        deviceInfo=description("CD/DVD drive 1", "ISO [iso] installer.iso" if with_iso else "Remote device"),
        backing=backing,
        connectable=connect_info(connected=with_iso, start_connected=with_iso),
        controllerKey=200 + (key - 3000) // 2,
        unitNumber=key % 2,
    )


@lru_cache(maxsize=4)
def connect_info(connected: bool, start_connected: bool) -> Data:
    """A device's `connectable`."""
    return Data("VirtualDeviceConnectInfo", startConnected=start_connected, allowGuestControl=True,
                connected=connected, status="ok" if connected else "untried")  # fmt: skip


@lru_cache(maxsize=256)
def _extra_device(kind: str, position: int) -> Data:
    """A device the world knows by its class only: passthrough, vGPU, vTPM, USB, sound..."""
    members: dict[str, Value] = {
        "key": 13000 + position,
        "deviceInfo": description(f"{kind} {position + 1}", kind.removeprefix("Virtual")),
        "controllerKey": 100,
        "unitNumber": 30 + position,
    }
    if kind == "VirtualPCIPassthrough":
        members["backing"] = Data("VirtualPCIPassthroughDeviceBackingInfo", deviceName="", id="0000:3b:00.0",
                                  deviceId="1eb8", systemId="BYPASS", vendorId=4318)  # fmt: skip
    return Data(kind, **members)
