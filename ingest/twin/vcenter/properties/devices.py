"""`config.hardware.device` of a VM: controllers, disks, Ethernet cards and the rest, as vSphere lists them.

Device keys follow vSphere: IDE 200, PCI 100, SCSI 1000, SATA 15000, NVMe 31000; disks and cards bring their own.
"""

from __future__ import annotations

from functools import lru_cache

from ingest.twin.vcenter.properties.cards import ethernet_card
from ingest.twin.vcenter.properties.disks import disk_device
from ingest.twin.vcenter.properties.peripherals import PCI, cdrom, description, extra_devices, fixed_devices
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Value
from ingest.twin.world import VM, Disk

_CONTROLLERS = {
    # controller: (class, first key, label, summary)
    "lsilogic": ("VirtualLsiLogicController", 1000, "SCSI controller", "LSI Logic"),
    "lsisas1068": ("VirtualLsiLogicSASController", 1000, "SCSI controller", "LSI Logic SAS"),
    "buslogic": ("VirtualBusLogicController", 1000, "SCSI controller", "BusLogic"),
    "pvscsi": ("ParaVirtualSCSIController", 1000, "SCSI controller", "VMware paravirtual SCSI"),
    "sata": ("VirtualAHCIController", 15000, "SATA controller", "AHCI"),
    "nvme": ("VirtualNVMEController", 31000, "NVME controller", "NVME Controller"),
}
_SCSI = frozenset({"lsilogic", "lsisas1068", "buslogic", "pvscsi"})


def controller_key(disk: Disk) -> int:
    """The device key of the controller a disk is attached to."""
    return 200 + disk.bus if disk.controller == "ide" else _CONTROLLERS[disk.controller][1] + disk.bus


def devices(scene: Scene, vm: VM) -> list[Value]:
    """The whole device list. Order as in vSphere: fixed devices, controllers, disks, CD-ROM, cards, the rest."""
    used = sorted({(disk.controller, disk.bus) for disk in vm.disks if disk.controller != "ide"})
    controllers = []
    for name, bus in used:
        attached = [disk for disk in vm.disks if (disk.controller, disk.bus) == (name, bus)]
        shared = next((disk.shared_bus for disk in attached if disk.shared_bus != "noSharing"), "noSharing")
        controllers.append(_controller(name, bus, tuple(disk.key for disk in attached), shared))
    drive, others = cdrom(scene, vm), extra_devices(vm)
    drives = [drive] if drive is not None else []
    cards = [ethernet_card(scene, vm, nic, position) for position, nic in enumerate(vm.nics)]
    attached_to_ide = [(controller_key(disk), disk.key) for disk in vm.disks if disk.controller == "ide"]
    attached_to_ide += [(item.get("controllerKey"), item.get("key")) for item in drives]
    on_pci = [item.get("key") for item in [*controllers, *cards, *others] if item.get("controllerKey") == PCI]
    on_ide = [tuple(key for bus, key in attached_to_ide if bus == number) for number in (200, 201)]
    return [
        *fixed_devices(tuple(on_pci), (on_ide[0], on_ide[1])),
        *controllers,
        *(disk_device(scene, vm, disk, controller_key(disk)) for disk in vm.disks),
        *drives,
        *cards,
        *others,
    ]


@lru_cache(maxsize=4096)
def _controller(name: str, bus: int, device_keys: tuple[int, ...], shared_bus: str) -> Data:
    kind, first_key, label, summary = _CONTROLLERS[name]
    members: dict[str, Value] = {
        "key": first_key + bus,
        "deviceInfo": description(f"{label} {bus}", summary),
        "controllerKey": PCI,
        "unitNumber": 3 + bus,
        "busNumber": bus,
        "device": list(device_keys),
    }
    if name in _SCSI:
        members |= {"hotAddRemove": True, "sharedBus": shared_bus, "scsiCtlrUnitNumber": 7}
    if name == "nvme":
        members |= {"sharedBus": shared_bus}
    return Data(kind, **members)
