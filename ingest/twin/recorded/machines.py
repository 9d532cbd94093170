"""The VMs of a recorded inventory, device by device."""

from __future__ import annotations

from typing import cast, get_args
from xml.etree.ElementTree import Element

from ingest.model.inventory import PowerState
from ingest.twin.files import vmx_path
from ingest.twin.recorded.cards import read_card, unseen_cards
from ingest.twin.recorded.disks import CONTROLLERS, controllers, read_disk
from ingest.twin.recorded.documents import Document, Documents, integer, kind_of
from ingest.twin.recorded.places import Places
from ingest.twin.recorded.snapshots import read_snapshots
from ingest.twin.vcenter.properties.machine import UNREADABLE, disabled_methods
from ingest.twin.vcenter.properties.peripherals import INSTALLER_ISO
from ingest.twin.vcenter.schema import UnknownType, is_a
from ingest.twin.world import VM, Disk, World

# What the twin gives every VM by itself.
_EVERYWHERE = frozenset({
    "VirtualPS2Controller", "VirtualPCIController", "VirtualSIOController", "VirtualKeyboard", "VirtualPointingDevice",
    "VirtualMachineVideoCard", "VirtualMachineVMCIDevice", *CONTROLLERS,
})  # fmt: skip
_BOOTABLE_DISK = "VirtualMachineBootOptionsBootableDiskDevice"
# The only settings of a .vmx worth keeping: the others may hold anything, passwords included.
_SETTINGS = frozenset({"uuid.action", "disk.EnableUUID"})


def read_machines(documents: Documents, places: Places) -> None:
    """Add every VM that has a host."""
    pairs: dict[str, list[str]] = {}
    for document in documents.machines():
        if document.reference("runtime/host") in places.world.hosts:
            _Machine(document, documents, places).add()
            pair = document.get("config/ftInfo")
            if pair is not None:
                pairs[document.moref] = [item.text or "" for item in pair.iterfind("instanceUuids")]
        else:
            documents.leave("VirtualMachine without a host")
    for moref, uuids in pairs.items():
        _pair(places.world, places.world.vms[moref], uuids)


def _pair(world: World, vm: VM, uuids: list[str]) -> None:
    """Both VMs of a fault tolerant pair know each other. Of one that cannot be read the other one tells."""
    partner = world.vms.get(vm.ft_partner)
    if partner is None:
        vm.ft_partner = ""
    elif not partner.instance_uuid:
        partner.ft_role, partner.ft_partner = 3 - vm.ft_role, vm.moref
        partner.instance_uuid = next((uuid for uuid in uuids if uuid != vm.instance_uuid), "")


class _Machine:
    def __init__(self, document: Document, documents: Documents, places: Places) -> None:
        self.document = document
        self.documents = documents
        self.places = places
        self.world = places.world

    def add(self) -> None:
        document, world = self.document, self.world
        host = world.hosts[document.reference("runtime/host")]
        compute = world.computes[host.compute]
        power = document.text("runtime/powerState")
        vm = VM(
            moref=document.moref,
            name=document.text("name"),
            instance_uuid=document.text("config/instanceUuid"),
            bios_uuid=document.text("config/uuid"),
            folder="",
            host=host.moref,
            resource_pool=compute.resource_pool,
            power_state=cast("PowerState", power) if power in get_args(PowerState) else "poweredOff",
            connection_state=document.text("runtime/connectionState", "connected"),
            template=document.flag("config/template") or document.flag("summary/config/template"),
        )
        if vm.connection_state == "disconnected" and host.connection_state != "connected":
            vm.connection_state = "connected"  # it is its host that is gone
        self._place(vm, world.datacenters[compute.datacenter].vm_folder)
        self._state(vm)
        if vm.connection_state in UNREADABLE or document.get("config") is None:
            self._unseen(vm)
        else:
            self._config(vm)
            self._devices(vm)
        path = document.text("config/files/vmPathName") or document.text("summary/config/vmPathName")
        if path and path != vmx_path(world, vm):
            vm.vmx_path = path
        world.vms[vm.moref] = vm

    def _place(self, vm: VM, otherwise: str) -> None:
        vapp = self.document.reference("parentVApp")
        folder, pool = self.document.reference("parent"), self.document.reference("resourcePool")
        if vapp in self.world.vapps:
            vm.vapp = vm.resource_pool = vapp
        else:
            vm.folder = folder if folder in self.world.folders else otherwise
            if pool in self.world.resource_pools:
                vm.resource_pool = pool

    def _state(self, vm: VM) -> None:
        document = self.document
        vm.tools_status = document.text("guest/toolsStatus")
        old = document.text("guest/toolsVersionStatus") == "guestToolsNeedUpgrade"
        if vm.tools_status == "toolsNotRunning" and old and vm.power_state != "poweredOn":
            vm.tools_status = "toolsOld"
        vm.guest_host_name = document.text("guest/hostName")
        tree = document.get("snapshot")
        if tree is not None:
            read_snapshots(vm, tree)
        vm.consolidation_needed = document.flag("runtime/consolidationNeeded")
        vm.question = document.text("runtime/question/text")
        # vCenter mixes what solutions have disabled with what the VM's state forbids, which changes with the state.
        implied = set(disabled_methods(vm))
        disabled = [item.text or "" for item in document.items("disabledMethod")]
        vm.disabled_methods = [method for method in disabled if method not in implied]
        for item in document.items("customValue"):
            name = self.places.fields.get(integer(item.findtext("key", "")))
            if name:
                vm.custom_fields[name] = item.findtext("value", "")

    def _unseen(self, vm: VM) -> None:
        """vCenter shows no configuration: only that it has something in these datastores, on these networks."""
        document = self.document
        vm.firmware = "efi" if document.flag("capability/secureBootSupported") else "bios"
        size = document.number("summary/storage/committed")
        for index, moref in enumerate(item.text or "" for item in document.items("datastore")):
            datastore = self.world.datastores.get(moref)
            if datastore is not None:
                file_name = f"[{datastore.name}] {vm.name}/{vm.name}.vmdk"
                label = f"Hard disk {index + 1}"
                vm.disks.append(Disk(2000 + index, label, "", 0 if vm.disks else size, file_name, moref, unit=index))
        vm.nics = unseen_cards(self.places, vm, [item.text or "" for item in document.items("network")])

    def _config(self, vm: VM) -> None:
        document = self.document
        vm.cpus = document.number("config/hardware/numCPU", 1)
        vm.cores_per_socket = document.number("config/hardware/numCoresPerSocket", 1)
        vm.memory_mib = document.number("config/hardware/memoryMB")
        vm.cpu_reservation_mhz = document.number("config/cpuAllocation/reservation")
        vm.guest_id = document.text("config/guestId")
        vm.guest_full_name = document.text("config/guestFullName")
        vm.firmware = document.text("config/firmware") or "bios"
        vm.secure_boot = document.flag("config/bootOptions/efiSecureBootEnabled")
        options = document.get("config/bootOptions")
        order = options.findall("bootOrder") if options is not None else []
        disks = (item.findtext("deviceKey", "") for item in order if kind_of(item) == _BOOTABLE_DISK)
        vm.boot_disk_key = integer(next(disks, ""))
        vm.ft_role = document.number("config/ftInfo/role")
        vm.ft_partner = document.reference("config/ftInfo/secondaries") or document.reference("config/ftInfo/primaryVM")
        vm.encrypted = document.get("config/keyId") is not None
        vm.annotation = document.text("config/annotation")
        owner = document.text("config/managedBy/extensionKey")
        if owner:
            vm.managed_by = (owner, document.text("config/managedBy/type"))
        config = document.get("config")
        assert config is not None  # noqa: S101  the caller has looked
        for item in config.iterfind("extraConfig"):
            key = item.findtext("key", "")
            if key in _SETTINGS:
                vm.extra_config[key] = item.findtext("value", "")

    def _devices(self, vm: VM) -> None:
        hardware = self.document.get("config/hardware")
        devices = list(hardware.iterfind("device")) if hardware is not None else []
        places, addresses = controllers(devices), self._addresses()
        for device in devices:
            kind, backing = kind_of(device), device.find("backing")
            form = kind_of(backing) if backing is not None else ""
            if kind == "VirtualDisk":
                place = places.get(integer(device.findtext("controllerKey", "")))
                if place is None:
                    self.documents.leave("disks on a controller the twin does not know")
                else:
                    vm.disks.append(read_disk(self.world, vm, device, place))
            elif _is(kind, "VirtualEthernetCard"):
                ips = addresses.get(integer(device.findtext("key", "")), ())
                vm.nics.append(read_card(self.places, vm, device, ips))
            elif kind == "VirtualCdrom":
                if form == "VirtualCdromIsoBackingInfo":
                    self._iso(vm, device)
            elif form == "VirtualPCIPassthroughVmiopBackingInfo":
                vm.vgpus.append(device.findtext("backing/vgpu", ""))
            elif kind not in _EVERYWHERE:
                if _is(kind, "VirtualDevice"):
                    vm.extra_devices.append(kind)
                else:
                    self.documents.leave("devices of a type vSphere does not have")

    def _iso(self, vm: VM, device: Element) -> None:
        """The image in a drive, if the VM sees it or will when it starts."""
        name = device.findtext("backing/fileName", "")
        now = "connected" if vm.power_state == "poweredOn" else "startConnected"
        if not name or device.findtext(f"connectable/{now}") != "true":
            return
        if vm.iso or "VirtualCdrom" in vm.extra_devices:
            self.documents.leave("images in a VM's second drive")
        elif name == INSTALLER_ISO:
            vm.extra_devices.append("VirtualCdrom")
        else:
            vm.iso = name

    def _addresses(self) -> dict[int, tuple[str, ...]]:
        """What the guest reports of each card, by the card's device key."""
        guest = self.document.get("guest")
        return {
            integer(item.findtext("deviceConfigId", "")): tuple(one.text or "" for one in item.iterfind("ipAddress"))
            for item in (guest.iterfind("net") if guest is not None else ())
        }


def _is(kind: str, base: str) -> bool:
    try:
        return is_a(kind, base)
    except UnknownType:
        return False
