"""The VMs of a recorded inventory, device by device."""

from __future__ import annotations

from typing import cast, get_args
from xml.etree.ElementTree import Element

from ingest.model.inventory import PowerState
from ingest.twin.files import vmx_path
from ingest.twin.recorded.documents import Document, Documents, integer, kind_of
from ingest.twin.recorded.places import Places
from ingest.twin.vcenter.properties.machine import UNREADABLE
from ingest.twin.vcenter.schema import UnknownType, is_a
from ingest.twin.world import VM, Controller, Disk, DiskBacking, Nic
from ingest.twin.worlds.parts import moref_number

_CONTROLLERS: dict[str, Controller] = {
    "VirtualLsiLogicController": "lsilogic",
    "VirtualLsiLogicSASController": "lsisas1068",
    "VirtualBusLogicController": "buslogic",
    "ParaVirtualSCSIController": "pvscsi",
    "VirtualIDEController": "ide",
    "VirtualAHCIController": "sata",
    "VirtualNVMEController": "nvme",
}
# What the twin gives every VM by itself.
_EVERYWHERE = frozenset({
    "VirtualPS2Controller", "VirtualPCIController", "VirtualSIOController", "VirtualKeyboard", "VirtualPointingDevice",
    "VirtualMachineVideoCard", "VirtualMachineVMCIDevice", *_CONTROLLERS,
})  # fmt: skip
_BOOTABLE_DISK = "VirtualMachineBootOptionsBootableDiskDevice"
_NO_MAC = "00:00:00:00:00:00"
# The only settings of a .vmx worth keeping: the others may hold anything, passwords included.
_SETTINGS = frozenset({"uuid.action", "disk.EnableUUID"})


def read_machines(documents: Documents, places: Places) -> None:
    """Add every VM that has a host."""
    for document in documents.machines():
        if document.reference("runtime/host") in places.world.hosts:
            _Machine(document, documents, places).add()
        else:
            documents.leave("VirtualMachine without a host")


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
        folder = self.document.reference("parent")
        if vapp in self.world.vapps:
            vm.vapp = vm.resource_pool = vapp
        else:
            vm.folder = folder if folder in self.world.folders else otherwise

    def _state(self, vm: VM) -> None:
        document = self.document
        vm.tools_status = document.text("guest/toolsStatus")
        old = document.text("guest/toolsVersionStatus") == "guestToolsNeedUpgrade"
        if vm.tools_status == "toolsNotRunning" and old and vm.power_state != "poweredOn":
            vm.tools_status = "toolsOld"
        vm.guest_host_name = document.text("guest/hostName")
        vm.snapshot = document.get("snapshot") is not None
        vm.consolidation_needed = document.flag("runtime/consolidationNeeded")
        vm.question = document.text("runtime/question/text")
        vm.disabled_methods = [item.text or "" for item in document.items("disabledMethod")]
        for item in document.items("customValue"):
            name = self.places.fields.get(integer(item.findtext("key", "")))
            if name:
                vm.custom_fields[name] = item.findtext("value", "")

    def _unseen(self, vm: VM) -> None:
        """vCenter shows no configuration: only that it has something in these datastores, on these networks."""
        document = self.document
        size = document.number("summary/storage/committed")
        for index, moref in enumerate(item.text or "" for item in document.items("datastore")):
            datastore = self.world.datastores.get(moref)
            if datastore is not None:
                file_name = f"[{datastore.name}] {vm.name}/{vm.name}.vmdk"
                label = f"Hard disk {index + 1}"
                vm.disks.append(Disk(2000 + index, label, "", 0 if vm.disks else size, file_name, moref, unit=index))
        cards = {key: (network, port) for key, network, port in self.places.connected.get(vm.moref, ())}
        networks = [item.text or "" for item in document.items("network")]
        plugged = {network for network, _ in cards.values()}
        others = [moref for moref in networks if moref in self.world.networks and moref not in plugged]
        first = max(cards, default=3999) + 1
        cards |= {first + index: (moref, "") for index, moref in enumerate(others)}
        for key, (moref, port) in sorted(cards.items()):
            backing = self.world.networks[moref].kind
            vm.nics.append(Nic(key, f"Network adapter {key - 3999}", _NO_MAC, moref, backing, port_key=port))

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
        devices = [(kind_of(item), item) for item in hardware.iterfind("device")] if hardware is not None else []
        controllers: dict[int, tuple[Controller, int]] = {}
        for kind, device in devices:
            name = _CONTROLLERS.get(kind)
            if name is not None:
                number = integer(device.findtext("busNumber", ""))
                controllers[integer(device.findtext("key", ""))] = (name, number)
        addresses = self._addresses()
        for kind, device in devices:
            if kind == "VirtualDisk":
                self._disk(vm, device, controllers)
            elif _is(kind, "VirtualEthernetCard"):
                self._card(vm, kind, device, addresses)
            elif kind == "VirtualCdrom":
                backing = device.find("backing")
                connected = device.findtext("connectable/connected") == "true"
                if backing is not None and kind_of(backing) == "VirtualCdromIsoBackingInfo" and connected:
                    vm.extra_devices.append(kind)
            elif kind not in _EVERYWHERE:
                if _is(kind, "VirtualDevice"):
                    vm.extra_devices.append(kind)
                else:
                    self.documents.leave("devices of a type vSphere does not have")

    def _disk(self, vm: VM, device: Element, controllers: dict[int, tuple[Controller, int]]) -> None:
        key = integer(device.findtext("key", ""))
        at = controllers.get(integer(device.findtext("controllerKey", "")))
        if at is None:
            self.documents.leave("disks on a controller the twin does not know")
            return
        backing = device.find("backing")
        kind = kind_of(backing) if backing is not None else ""
        form: DiskBacking = "flat" if "Flat" in kind else "seflat" if "SeSparse" in kind else "rdm"

        def said(name: str, default: str = "") -> str:
            return backing.findtext(name, default) if backing is not None else default

        datastore = said("datastore")
        capacity = integer(device.findtext("capacityInBytes", ""))
        vm.disks.append(
            Disk(
                key=key,
                label=device.findtext("deviceInfo/label", ""),
                disk_id=device.findtext("diskObjectId", "") or f"{moref_number(vm.moref)}-{key}",
                capacity_bytes=capacity or integer(device.findtext("capacityInKB", "")) * 1024,
                file_name=said("fileName"),
                datastore=datastore if datastore in self.world.datastores else "",
                controller=at[0],
                bus=at[1],
                unit=integer(device.findtext("unitNumber", "")),
                backing=form,
                mode=said("diskMode", "persistent"),
                sharing=said("sharing", "sharingNone"),
                parent_file=said("parent/fileName"),
            )
        )

    def _addresses(self) -> dict[int, tuple[str, ...]]:
        """What the guest reports of each card, by the card's device key."""
        guest = self.document.get("guest")
        return {
            integer(item.findtext("deviceConfigId", "")): tuple(one.text or "" for one in item.iterfind("ipAddress"))
            for item in (guest.iterfind("net") if guest is not None else ())
        }

    def _card(self, vm: VM, kind: str, device: Element, addresses: dict[int, tuple[str, ...]]) -> None:
        key = integer(device.findtext("key", ""))
        starts = device.findtext("connectable/startConnected", "true") == "true"
        connected = device.findtext("connectable/connected", "true") == "true"
        nic = Nic(
            key=key,
            label=device.findtext("deviceInfo/label", ""),
            mac=device.findtext("macAddress", ""),
            network="",
            backing="none",
            card=kind,
            connected=connected if vm.power_state == "poweredOn" else starts,
            start_connected=starts,
            ips=addresses.get(key, ()),
        )
        backing = device.find("backing")
        if backing is not None:
            self._plug(nic, backing)
        vm.nics.append(nic)

    def _plug(self, nic: Nic, backing: Element) -> None:
        kind, world = kind_of(backing), self.world
        if kind == "VirtualEthernetCardNetworkBackingInfo":
            nic.backing, nic.device_name = "standard", backing.findtext("deviceName", "")
            network = backing.findtext("network", "")
            nic.network = network if network in world.networks else ""
        elif kind == "VirtualEthernetCardOpaqueNetworkBackingInfo":
            nic.backing = "opaque"
            nic.network = self.places.opaque.get(backing.findtext("opaqueNetworkId", ""), "")
        elif kind == "VirtualEthernetCardDistributedVirtualPortBackingInfo":
            nic.backing, nic.port_key = "dvs", backing.findtext("port/portKey", "")
            nic.network = self.places.groups.get(backing.findtext("port/portgroupKey", ""), "")
            if nic.network:
                switch = world.networks[nic.network].switch
                nic.port_vlan = self.places.ports.get((switch, nic.port_key)) if nic.port_key else None


def _is(kind: str, base: str) -> bool:
    try:
        return is_a(kind, base)
    except UnknownType:
        return False
