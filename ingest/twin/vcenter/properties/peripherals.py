"""Devices of a VM that are neither disks, disk controllers nor network cards.

Devices that are the same in every VM are built and rendered once and shared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import VM

PCI, SIO, USB, XHCI = 100, 400, 7000, 14000
INSTALLER_ISO = "[iso] installer.iso"
_UNKNOWN_KEY = 20000


def description(label: str, summary: str) -> Data:
    """A device's `deviceInfo`."""
    return Data("Description", label=label, summary=summary)


@lru_cache(maxsize=8)
def connect_info(connected: bool, start_connected: bool) -> Data:
    """A device's `connectable`."""
    return Data("VirtualDeviceConnectInfo", startConnected=start_connected, allowGuestControl=True,
                connected=connected, status="ok" if connected else "untried")  # fmt: skip


@lru_cache(maxsize=4096)
def fixed_devices(on_pci: tuple[int, ...], on_ide: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[Data, ...]:
    """What every VM has. `on_pci` and `on_ide` are the keys of what else sits on the PCI and the two IDE buses."""
    return (
        *(
            Data("VirtualIDEController", key=200 + bus, deviceInfo=description(f"IDE {bus}", f"IDE {bus}"),
                 busNumber=bus, device=list(keys))
            for bus, keys in enumerate(on_ide)
        ),
        Data("VirtualPS2Controller", key=300, deviceInfo=description("PS2 controller 0", "PS2 controller 0"),
             busNumber=0, device=[600, 700]),
        Data("VirtualPCIController", key=PCI, deviceInfo=description("PCI controller 0", "PCI controller 0"),
             busNumber=0, device=[500, 12000, *on_pci]),
        Data("VirtualSIOController", key=SIO, deviceInfo=description("SIO controller 0", "SIO controller 0"),
             busNumber=0),
        *_constant_devices(),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _constant_devices() -> tuple[Data, ...]:
    return (
        Data("VirtualKeyboard", key=600, deviceInfo=description("Keyboard", "Keyboard"), controllerKey=300,
             unitNumber=0),
        Data("VirtualPointingDevice", key=700, deviceInfo=description("Pointing device", "Pointing device; Device"),
             backing=Data("VirtualPointingDeviceDeviceBackingInfo", deviceName="", useAutoDetect=False,
                          hostPointingDevice="autodetect"),
             controllerKey=300, unitNumber=1),
        Data("VirtualMachineVideoCard", key=500, deviceInfo=description("Video card", "Video card"), controllerKey=PCI,
             unitNumber=0, videoRamSizeInKB=4096, numDisplays=1, useAutoDetect=False, enable3DSupport=False,
             use3dRenderer="automatic", graphicsMemorySizeInKB=262144),
        Data("VirtualMachineVMCIDevice", key=12000,
             deviceInfo=description("VMCI device", "Device on the virtual machine PCI bus that provides support for "
                                                   "the virtual machine communication interface"),
             controllerKey=PCI, unitNumber=17, id=-1, allowUnrestrictedCommunication=False, filterEnable=True),
    )  # fmt: skip


def cdrom(scene: Scene, vm: VM) -> Data | None:
    """The drive every VM has, on the first free IDE unit; None when disks take all four.

    It holds the VM's `iso`; `VirtualCdrom` among the extra devices stands for an installer's.
    """
    taken = {disk.key for disk in vm.disks}
    free = [number for number in (3002, 3000, 3003, 3001) if number not in taken]
    if not free:
        return None
    if vm.iso:
        return _cdrom(free[0], vm.iso, scene.datastore_of_file(vm, vm.iso), vm.power_state == "poweredOn")
    if "VirtualCdrom" in vm.extra_devices:
        return _cdrom(free[0], INSTALLER_ISO, vm.disks[0].datastore if vm.disks else "", True)
    return _cdrom(free[0], "", "", False)


@lru_cache(maxsize=1024)
def _cdrom(key: int, iso: str, datastore: str, connected: bool) -> Data:
    if iso:
        ref = Ref("Datastore", datastore) if datastore else None
        backing = Data("VirtualCdromIsoBackingInfo", fileName=iso, datastore=ref)
    else:
        backing = Data("VirtualCdromRemotePassthroughBackingInfo", deviceName="", useAutoDetect=False, exclusive=False)
    return Data(
        "VirtualCdrom",
        key=key,
        deviceInfo=description("CD/DVD drive 1", f"ISO {iso}" if iso else "Remote device"),
        backing=backing,
        connectable=connect_info(connected=connected, start_connected=bool(iso)),
        controllerKey=200 + (key - 3000) // 2,
        unitNumber=key % 2,
    )


@dataclass(frozen=True, slots=True)
class _Model:
    """How vSphere shows a kind of device: its first key, label, summary, what it sits on (0: nothing), the rest."""

    key: int
    label: str
    summary: str
    controller: int = PCI
    members: dict[str, Value] = field(default_factory=dict)


def _pci_backing() -> Data:
    return Data("VirtualPCIPassthroughDeviceBackingInfo", deviceName="", id="0000:3b:00.0", deviceId="1eb8",
                systemId="BYPASS", vendorId=4318)  # fmt: skip


_MODELS = {
    "VirtualTPM": _Model(11000, "Virtual TPM", "Trusted Platform Module"),
    "VirtualPCIPassthrough": _Model(13000, "PCI device {n}", "DirectPath I/O", members={"backing": _pci_backing()}),
    "VirtualUSBController": _Model(
        USB, "USB controller", "Auto connect Disabled",
        members={"busNumber": 0, "autoConnectDevices": False, "ehciEnabled": True},
    ),
    "VirtualUSBXHCIController": _Model(
        XHCI, "USB xHCI controller", "USB xHCI controller", members={"busNumber": 0, "autoConnectDevices": False}
    ),
    "VirtualUSB": _Model(
        16500, "USB {n}", "path:1/0/1", USB,
        {"backing": Data("VirtualUSBUSBBackingInfo", deviceName="path:1/0/1"), "connected": True, "vendor": 1423,
         "product": 25479},
    ),
    "VirtualFloppy": _Model(
        8000, "Floppy drive {n}", "Remote", SIO,
        {"backing": Data("VirtualFloppyRemoteDeviceBackingInfo", deviceName="", useAutoDetect=False),
         "connectable": connect_info(connected=False, start_connected=False)},
    ),
    "VirtualSerialPort": _Model(
        9000, "Serial port {n}", "Remote telnet://:7000", SIO,
        {"backing": Data("VirtualSerialPortURIBackingInfo", serviceURI="telnet://:7000", direction="server"),
         "connectable": connect_info(connected=True, start_connected=True), "yieldOnPoll": True},
    ),
    "VirtualHdAudioCard": _Model(5000, "Sound card", "Auto detect"),
    "VirtualWDT": _Model(18000, "Watchdog timer", "Watchdog timer", members={"runOnBoot": False, "running": False}),
    "VirtualPrecisionClock": _Model(19000, "Precision clock", "Precision clock"),
}  # fmt: skip


def extra_devices(vm: VM) -> list[Data]:
    """What the world knows by its class: vTPM, passthrough, USB, sound... and the vGPU profiles.

    A USB device without a controller in the list gets one.
    """
    # A world copied from an inventory names SR-IOV cards here as well; a card is shown once, as the card it is.
    kinds = [kind for kind in vm.extra_devices if kind not in ("VirtualCdrom", "VirtualSriovEthernetCard")]
    if "VirtualUSB" in kinds and not {"VirtualUSBController", "VirtualUSBXHCIController"} & set(kinds):
        kinds.insert(0, "VirtualUSBController")
    counted: Counter[str] = Counter()
    found = []
    for kind in kinds:
        # Classes without a model share one range of keys.
        number = counted[kind if kind in _MODELS else ""]
        counted[kind if kind in _MODELS else ""] += 1
        on = XHCI if kind == "VirtualUSB" and "VirtualUSBController" not in kinds else None
        found.append(_extra(kind, number, on))
    return found + [_vgpu(profile, counted["VirtualPCIPassthrough"] + n) for n, profile in enumerate(vm.vgpus)]


@lru_cache(maxsize=256)
def _extra(kind: str, number: int, controller: int | None) -> Data:
    model = _MODELS.get(kind) or _Model(_UNKNOWN_KEY, f"{kind} {{n}}", kind.removeprefix("Virtual"))
    label = model.label.format(n=number + 1 if kind != "VirtualPCIPassthrough" else number)
    return Data(
        kind,
        key=model.key + number,
        deviceInfo=description(label, model.summary),
        controllerKey=controller or model.controller,
        unitNumber=(30 if model.controller == PCI else 0) + number,
        **model.members,
    )


@lru_cache(maxsize=256)
def _vgpu(profile: str, number: int) -> Data:
    return Data(
        "VirtualPCIPassthrough",
        key=_MODELS["VirtualPCIPassthrough"].key + number,
        deviceInfo=description(f"PCI device {number}", f"NVIDIA GRID vGPU {profile}"),
        backing=Data("VirtualPCIPassthroughVmiopBackingInfo", vgpu=profile, migrateSupported=True),
        controllerKey=PCI,
        unitNumber=30 + number,
    )
