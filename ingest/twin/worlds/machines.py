"""Ordinary VMs of a made-up world: named, sized, placed, with disks, network cards and a guest."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

from ingest.twin.world import VM, Nic, World
from ingest.twin.worlds.parts import Parts, vlan_number
from ingest.twin.worlds.shape import Shape
from ingest.twin.worlds.site import ClusterSite, Site, Tenant
from ingest.twin.worlds.vocabulary import (
    CARDS,
    DATA_DISK_COUNTS,
    DATA_DISK_GIB,
    ENVIRONMENTS,
    GUESTS,
    NIC_COUNTS,
    ROLES,
    ROOT_DISK_GIB,
    SIZES,
    Guest,
)

Item = TypeVar("Item")
TOOLS_REPORTING_ADDRESSES = ("toolsOk", "toolsOld")


class Choice(Generic[Item]):
    """Picks one of several items by weight."""

    def __init__(self, weighted: Iterable[tuple[Item, float]]) -> None:
        pairs = list(weighted)
        self._items = [item for item, _ in pairs]
        self._cumulative = list(accumulate(weight for _, weight in pairs))

    def pick(self, source: random.Random) -> Item:
        """One item."""
        return source.choices(self._items, cum_weights=self._cumulative)[0]


GUEST = Choice((guest, guest.weight) for guest in GUESTS)
SIZE = Choice(((cpus, memory_mib), weight) for cpus, memory_mib, weight in SIZES)
CARD = Choice(CARDS)
DATA_DISKS = Choice(DATA_DISK_COUNTS)
NICS = Choice(NIC_COUNTS)


def host_label(name: str) -> str:
    """A guest's own idea of its host name: the VM's name, lower case, with hyphens for what no host name may hold."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63] or "guest"


@dataclass(slots=True)
class Machines:
    """Makes VMs with `parts` in the habits of `shape`. Owners differ in how many VMs they have."""

    parts: Parts
    shape: Shape
    tenants: list[Tenant]
    used_names: set[str] = field(default_factory=set)
    _numbers: Counter[str] = field(default_factory=Counter)
    _owner: Choice[Tenant] | None = None

    def tenant(self) -> Tenant:
        """One of the owners; the first have most."""
        if self._owner is None:
            self._owner = Choice((tenant, 1 / (index + 2)) for index, tenant in enumerate(self.tenants))
        return self._owner.pick(self.parts.random)

    def folder(self, site: Site, *names: str) -> str:
        """The folder of that path below the datacenter's VM folder."""
        parent = site.datacenter.vm_folder
        for name in names:
            parent = self.parts.folder(name, parent, site.datacenter.moref)
        return parent

    def make(self, site: Site, cluster: ClusterSite, tenant: Tenant, *, name: str = "", running: bool = False) -> VM:
        """A VM of that owner on a host of that cluster, on the owner's networks.

        `running`: on and with good tools in any case, else as often as the shape says.
        """
        source = self.parts.random
        on = source.random() >= self.shape.powered_off or running
        vm = self.bare(name or self.name(tenant), self.folder(site, tenant.domain, tenant.name), cluster)
        vm.power_state = "poweredOn" if on else "poweredOff"
        vm.cpus, vm.memory_mib = SIZE.pick(source)
        guest = GUEST.pick(source)
        self.set_guest(vm, guest)
        vm.tools_status = "toolsOk" if running else self._tools(on)
        if source.random() < self.shape.efi:
            vm.firmware = "efi"
            vm.secure_boot = source.random() < 0.3
        self._disks(vm, cluster, guest)
        groups = site.groups[tenant.name]
        card = CARD.pick(source)
        for network in source.sample(groups, min(NICS.pick(source), len(groups))):
            self.parts.nic(vm, network, card)
        self.set_addresses(vm, site)
        return vm

    def bare(self, name: str, folder: str, cluster: ClusterSite) -> VM:
        """A VM without disks, cards and guest on a connected host of the cluster, registered in the world."""
        hosts = [host for host in cluster.hosts if host.connection_state == "connected"]
        vm = VM(
            moref=self.parts.moref("vm-"),
            name=name,
            instance_uuid=self.parts.uuid(),
            bios_uuid=self.parts.uuid(),
            folder=folder,
            host=self.parts.random.choice(hosts).moref,
            resource_pool=cluster.compute.resource_pool,
        )
        self.parts.world.vms[vm.moref] = vm
        self.used_names.add(name)
        return vm

    def set_guest(self, vm: VM, guest: Guest) -> None:
        """Install that guest system."""
        vm.guest_id, vm.guest_full_name = guest.guest_id, guest.full_name

    def set_addresses(self, vm: VM, site: Site) -> None:
        """What VMware Tools report of the guest: its name, and an address out of each card's subnet."""
        if vm.power_state != "poweredOn" or vm.tools_status not in TOOLS_REPORTING_ADDRESSES:
            vm.guest_host_name = ""
            for nic in vm.nics:
                nic.ips = ()
            return
        vm.guest_host_name = host_label(vm.name)
        for nic in vm.nics:
            vlan = vlan_number(nic.port_vlan or site.vlans.get(nic.network))
            first = self.parts.address(site.datacenter.moref, vlan)
            nic.ips = (first,) if first else ()
            if nic.ips and self.parts.random.random() < self.shape.several_ips:
                second = self.parts.address(site.datacenter.moref, vlan)
                nic.ips += (second, _link_local(nic)) if second else (_link_local(nic),)

    def name(self, tenant: Tenant) -> str:
        """A name no other VM has yet: usually a valid host name."""
        source = self.parts.random
        role, environment = source.choice(ROLES), source.choice(ENVIRONMENTS)
        patterns: tuple[str, ...]
        if source.random() < self.shape.invalid_name:
            patterns = (
                f"{role}_{environment}_{{n:02d}}",
                f"{role}{{n:02d}}.{tenant.name}.example.org",
                f"{role.capitalize()} Server {{n}}",
                f"{role}-{environment}-{{n:02d}} (old)",
                f"{{n}}-{tenant.name}-{role}",
            )
        elif tenant.domain == "Customers":
            patterns = (f"{tenant.name}-{role}{{n:02d}}", f"{tenant.name}-{role}-{environment}-{{n:02d}}")
        else:
            patterns = (f"{role}{{n:02d}}", f"{role}-{environment}-{{n:02d}}", f"{tenant.name}-{role}-{{n:02d}}")
        pattern = source.choice(patterns)
        while True:
            self._numbers[pattern] += 1
            name = pattern.format(n=self._numbers[pattern])
            if name not in self.used_names:
                return name

    def _tools(self, on: bool) -> str:
        if not on:
            return "toolsNotRunning"
        if self.parts.random.random() < self.shape.tools_ok:
            return "toolsOk"
        return self.parts.random.choice(("toolsOld", "toolsOld", "toolsNotRunning", "toolsNotInstalled"))

    def _disks(self, vm: VM, cluster: ClusterSite, guest: Guest) -> None:
        source = self.parts.random
        home = source.choice(cluster.datastores)
        self.parts.disk(vm, home, source.choice(ROOT_DISK_GIB), guest.controller)
        for _ in range(DATA_DISKS.pick(source)):
            elsewhere = source.random() < 0.2
            datastore = source.choice(cluster.datastores) if elsewhere else home
            self.parts.disk(vm, datastore, source.choice(DATA_DISK_GIB), guest.controller)


def _link_local(nic: Nic) -> str:
    """The IPv6 address a guest derives from its MAC (RFC 4291, modified EUI-64)."""
    octets = [int(part, 16) for part in nic.mac.split(":")]
    octets[0] ^= 2
    groups = (octets[0] << 8 | octets[1], octets[2] << 8 | 0xFF, 0xFE00 | octets[3], octets[4] << 8 | octets[5])
    return "fe80::" + ":".join(f"{group:x}" for group in groups)


def account_for_space(world: World) -> None:
    """Make every datastore large enough for its disks: capacity in whole TiB, six tenths of the promise written."""
    promised: Counter[str] = Counter()
    for vm in world.vms.values():
        for disk in vm.disks:
            promised[disk.datastore] += disk.capacity_bytes
    tib = 1 << 40
    for datastore in world.datastores.values():
        used = promised[datastore.moref]
        datastore.capacity_bytes = max(4 * tib, -(-used * 14 // 10 // tib) * tib)
        datastore.free_bytes = datastore.capacity_bytes - used * 6 // 10
