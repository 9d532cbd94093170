"""The vSphere side of a world, part by part: numbering, folders, networks, VMs, disks and network cards.

Both makers of worlds (made up, copied from an inventory) build with these, so that ids, keys and paths follow
vCenter's own conventions in one place.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import dataclass, field

from ingest.model.inventory import Vlan
from ingest.twin.world import (
    VM,
    Backing,
    Compute,
    Controller,
    Datacenter,
    Datastore,
    Disk,
    DiskBacking,
    Folder,
    Network,
    Nic,
    World,
)

GIB = 1 << 30
# Device keys as vCenter numbers them: SCSI 2000 + 16 per bus, IDE 3000, AHCI SATA 16000, NVMe 32000.
FIRST_DISK_KEY: dict[Controller, int] = {
    "lsilogic": 2000,
    "lsisas1068": 2000,
    "buslogic": 2000,
    "pvscsi": 2000,
    "ide": 3000,
    "sata": 16000,
    "nvme": 32000,
}
DISKS_PER_BUS: dict[Controller, int] = {"ide": 2, "sata": 30, "nvme": 15}
SCSI_RESERVED_UNIT = 7  # the controller's own


def moref_number(moref: str) -> int:
    """The digits at the end of a managed object id (`vm-37` -> 37, `group-v3` -> 3), 0 when it has none."""
    digits = ""
    for letter in reversed(moref):
        if not letter.isdigit():
            break
        digits = letter + digits
    return int(digits or 0)


@dataclass(slots=True)
class Parts:
    """Adds parts to `world`. All randomness, UUIDs included, comes from `random`: same seed, same world."""

    world: World
    random: random.Random
    last_number: int = 0
    _folder_paths: dict[tuple[str, str], str] = field(default_factory=dict)
    _ports: Counter[str] = field(default_factory=Counter)
    _addresses: Counter[tuple[str, int]] = field(default_factory=Counter)
    _macs: int = 0

    def moref(self, prefix: str) -> str:
        """A new managed object id; the numbers run over all types, as on a real vCenter."""
        self.last_number += 1
        return f"{prefix}{self.last_number}"

    def uuid(self) -> str:
        """A version 4 UUID out of the seeded randomness."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def mac(self) -> str:
        """A new address out of the block vCenter assigns from (00:50:56:80:00:00 to :bf:ff:ff), no two alike."""
        scattered = (self._macs * 0x2545F + 0x1234) % (1 << 22)  # an odd factor permutes the block
        self._macs += 1
        return f"00:50:56:{0x80 + (scattered >> 16):02x}:{scattered >> 8 & 0xFF:02x}:{scattered & 0xFF:02x}"

    def root(self) -> None:
        """The root folder `group-d1`."""
        self.world.folders["group-d1"] = Folder("group-d1", "Datacenters", "", "")
        self.last_number = max(self.last_number, 1)

    def datacenter(self, name: str, *, parent: str = "group-d1", moref: str = "") -> Datacenter:
        """A datacenter with its four folders."""
        moref = moref or self.moref("datacenter-")
        kinds = {"vm": "group-v", "host": "group-h", "datastore": "group-s", "network": "group-n"}
        folders = {kind: self.moref(prefix) for kind, prefix in kinds.items()}
        for kind, folder in folders.items():
            self.world.folders[folder] = Folder(folder, kind, moref, moref)
        made = Datacenter(moref, name, folders["vm"], folders["host"], folders["network"], folders["datastore"], parent)
        self.world.datacenters[moref] = made
        return made

    def folder(self, name: str, parent: str, datacenter: str, prefix: str = "group-v") -> str:
        """The folder of that name in that parent, made when it is not there. Returns its id."""
        known = self._folder_paths.get((parent, name))
        if known is None:
            known = self._folder_paths[parent, name] = self.moref(prefix)
            self.world.folders[known] = Folder(known, name, parent, datacenter)
        return known

    def compute(
        self, name: str, datacenter: Datacenter, *, is_cluster: bool, parent: str = "", moref: str = ""
    ) -> Compute:
        """A cluster, or the wrapper of a standalone host, with its root resource pool."""
        moref = moref or self.moref("domain-c" if is_cluster else "domain-s")
        made = Compute(
            moref, name, datacenter.moref, parent or datacenter.host_folder, is_cluster, self.moref("resgroup-")
        )
        self.world.computes[moref] = made
        return made

    def disk(
        self,
        vm: VM,
        datastore: Datastore,
        size_gib: float,
        controller: Controller,
        *,
        backing: DiskBacking = "flat",
        directory: str = "",
    ) -> Disk:
        """A disk on the next free unit of that controller type; the first disk names the files' directory."""
        bus, unit, key = self._free_unit(vm, controller)
        if not directory:
            first = vm.disks[0].file_name if vm.disks else ""
            directory = first.partition("] ")[2].partition("/")[0] or vm.name
        suffix = f"_{len(vm.disks)}" if vm.disks else ""
        made = Disk(
            key=key,
            label=f"Hard disk {len(vm.disks) + 1}",
            disk_id=f"{moref_number(vm.moref)}-{key}",
            capacity_bytes=int(size_gib * GIB),
            file_name=f"[{datastore.name}] {directory}/{vm.name}{suffix}.vmdk",
            datastore=datastore.moref,
            controller=controller,
            bus=bus,
            unit=unit,
            backing=backing,
        )
        vm.disks.append(made)
        return made

    @staticmethod
    def _free_unit(vm: VM, controller: Controller) -> tuple[int, int, int]:
        first_key = FIRST_DISK_KEY[controller]
        scsi = first_key == FIRST_DISK_KEY["pvscsi"]
        taken = {disk.key for disk in vm.disks}
        # Two SCSI controllers of different type are two controllers: the second type starts on the next bus.
        buses = {d.bus for d in vm.disks if FIRST_DISK_KEY[d.controller] == first_key and d.controller != controller}
        size = DISKS_PER_BUS.get(controller, 16)
        for bus in range(4):
            for unit in range(size):
                key = first_key + bus * size + unit
                if bus in buses or key in taken or (scsi and unit == SCSI_RESERVED_UNIT):
                    continue
                return bus, unit, key
        raise ValueError(f"{vm.name} has no free unit on a {controller} controller")

    def nic(self, vm: VM, network: Network, card: str = "VirtualVmxnet3") -> Nic:
        """A network card on that network. A port is taken unless the group is ephemeral and the VM is off."""
        made = Nic(
            key=4000 + len(vm.nics),
            label=f"Network adapter {len(vm.nics) + 1}",
            mac=self.mac(),
            network=network.moref,
            card=card,
        )
        self.attach(vm, made, network)
        vm.nics.append(made)
        return made

    def attach(self, vm: VM, nic: Nic, network: Network) -> None:
        """Put an existing card on that network."""
        nic.network = network.moref
        backing: Backing = network.kind
        nic.backing = backing
        nic.device_name = network.name if network.kind == "standard" else ""
        nic.port_key = ""
        nic.port_vlan = None
        if network.kind == "dvs" and (network.binding != "ephemeral" or vm.power_state == "poweredOn"):
            nic.port_key = str(self._ports[network.switch])
            self._ports[network.switch] += 1

    def address(self, datacenter: str, vlan: int) -> str:
        """The next free address of the VLAN's subnet, '' when all 1,000 are used. See `subnet`."""
        used = self._addresses[datacenter, vlan]
        if used >= 1000:
            return ""
        self._addresses[datacenter, vlan] += 1
        second, third = subnet(self.site_number(datacenter), vlan)
        host = 11 + used
        return f"10.{second}.{third + (host >> 8)}.{host & 255}"

    def site_number(self, datacenter: str) -> int:
        """Position of the datacenter in the world, from 0."""
        return list(self.world.datacenters).index(datacenter)


def subnet(site: int, vlan: int) -> tuple[int, int]:
    """Second and third byte of the /22 that belongs to a VLAN: 10.(64 * site + vlan / 64).(4 * (vlan % 64)).0/22.

    Every VLAN has its own; the fifth datacenter uses the ranges of the first again, as separate sites do.
    """
    return 64 * (site % 4) + vlan // 64, 4 * (vlan % 64)


def vlan_number(vlan: Vlan | None) -> int:
    """The number guests' addresses are derived from: the VLAN, a PVLAN's primary, 0 for anything else."""
    if vlan is None:
        return 0
    return (vlan.primary if vlan.kind == "pvlan" else vlan.id) or 0
