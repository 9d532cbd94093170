"""What a row shares with others, from the planned call and the snapshot: its shape, its objects, what it must not race.

Computed once, before the first import; nothing here asks a server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ingest.model.catalogue import Network
from ingest.model.inventory import VirtualMachine
from ingest.model.request import ImportRequest, PlannedImport
from ingest.model.snapshot import Snapshot

AUTO = "auto"
HOST, DATASTORE, NETWORK = "host", "datastore", "network"
ADDRESSES, NAME, HOSTNAME = "addresses", "name", "hostname"
RACES = (ADDRESSES, NAME, HOSTNAME)
"""Kinds of keys that never let two rows run at the same time (see `races_of`)."""


class Key(NamedTuple):
    """Something rows meet at: a kind and an identity."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What decides which way an import takes through the server. Rows of equal shape fail or succeed alike.

    `networks` are the types with how the address comes about (`L2`, `Shared auto`, `Isolated given`), `controllers` the
    kinds of disk controllers, each once per controller, `adapters` the NIC types, `system` a family of guest systems.
    """

    offering: str
    networks: tuple[str, ...]
    controllers: tuple[str, ...]
    adapters: tuple[str, ...]
    system: str
    power_state: str

    @property
    def text(self) -> str:
        """Short form for people."""
        parts = (
            f"{self.offering} offering",
            " + ".join(self.networks) or "no network",
            " + ".join(self.controllers) or "no controller",
            " + ".join(self.adapters) or "no NIC",
            self.system,
            self.power_state,
        )
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Shared:
    """An object of the server a row needs, and every name its texts may call it by (ids and names)."""

    kind: str
    id: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one row: its shape, the objects it needs, the places whose load may be limited, what it must not race at."""

    shape: Shape
    objects: tuple[Shared, ...] = ()
    places: frozenset[Key] = frozenset()
    races: frozenset[Key] = frozenset()

    @property
    def keys(self) -> frozenset[Key]:
        """Everything to hold while the row is imported (`Gates.hold`)."""
        return self.places | self.races


class Landscape:
    """The snapshot, indexed for `traits`. A VM or object it does not know leaves its part of the traits empty."""

    def __init__(self, snapshot: Snapshot) -> None:
        catalogue = snapshot.catalogue
        self._vms = {vm.moref: vm for vm in snapshot.inventory.vms}
        self._networks = {network.id: network for network in catalogue.networks}
        self._offerings = {offering.id: offering for offering in catalogue.service_offerings}
        self._disk_offerings = {offering.id: offering for offering in catalogue.disk_offerings}
        self._clusters = {cluster.id: cluster for cluster in catalogue.clusters}
        self._projects = {project.id: project for project in catalogue.projects}
        self._level2 = frozenset(network.id for network in catalogue.networks if network.type == "L2")

    def traits(self, planned: PlannedImport) -> Traits:
        """The traits of one row."""
        vm = self._vms.get(planned.moref)
        if vm is not None and planned.instance_uuid and vm.instance_uuid != planned.instance_uuid:
            vm = None  # the managed object id now belongs to another VM
        networks = [self._networks.get(network_id) for _, network_id in planned.request.nic_networks]
        return Traits(
            shape=self._shape(planned.request, vm),
            objects=tuple(self._objects(planned.request, vm)),
            places=frozenset(_places(vm, networks)),
            races=races_of(planned, no_addresses=self._level2),
        )

    def _shape(self, request: ImportRequest, vm: VirtualMachine | None) -> Shape:
        offering = self._offerings.get(request.service_offering_id)
        addresses = dict(request.nic_addresses)
        networks = set()
        for label, network_id in request.nic_networks:
            network = self._networks.get(network_id)
            kind = network.type if network is not None else "unknown"
            how = "" if kind == "L2" else _how(addresses.get(label, ""))
            networks.add(f"{kind} {how}".strip())
        controllers = {(disk.controller or "none", disk.controller_bus) for disk in vm.disks} if vm else set()
        return Shape(
            offering="unknown" if offering is None else "custom" if offering.iscustomized else "fixed",
            networks=tuple(sorted(networks)),
            controllers=tuple(sorted(kind for kind, _ in controllers)),
            adapters=tuple(sorted({nic.adapter for nic in vm.nics})) if vm else (),
            system=system_family(vm.guest_id if vm else ""),
            power_state=vm.power_state if vm else "unknown",
        )

    def _objects(self, request: ImportRequest, vm: VirtualMachine | None) -> Iterable[Shared]:
        cluster = self._clusters.get(request.cluster_id)
        yield _shared("cluster", request.cluster_id, cluster.name if cluster else "")
        offering = self._offerings.get(request.service_offering_id)
        yield _shared("offering", request.service_offering_id, offering.name if offering else "")
        for offering_id in sorted({offering_id for _, offering_id in request.data_disk_offerings}):
            disk_offering = self._disk_offerings.get(offering_id)
            yield _shared("offering", offering_id, disk_offering.name if disk_offering else "")
        for network_id in sorted({network_id for _, network_id in request.nic_networks}):
            network = self._networks.get(network_id)
            yield _shared(NETWORK, network_id, network.name if network else "")
        # The server ignores the project when an account is given, as the import itself does.
        if request.account:
            yield _shared("owner", f"{request.domain_id}/{request.account}", request.account)
        elif request.project_id:
            project = self._projects.get(request.project_id)
            names = (project.name, project.projectaccountname) if project else ()
            yield _shared("owner", request.project_id, *names)
        yield _shared("hostname", request.hostname or request.name)
        if vm is not None:
            yield _shared(HOST, vm.host_moref, vm.host)
            for moref, name in sorted({(disk.datastore_moref, disk.datastore_name) for disk in vm.disks}):
                yield _shared(DATASTORE, moref, name)
            for mac in sorted({nic.mac for nic in vm.nics}):
                yield _shared("mac", mac)


def races_of(planned: PlannedImport, *, no_addresses: frozenset[str] = frozenset()) -> frozenset[Key]:
    """What no two rows may do at the same time, because the server has no lock for it.

    Drawing `auto` addresses from one network, taking one VM name, one hostname in one network. `no_addresses` are the
    networks that ignore an address (L2). Without a hostname the server takes the VM's name.
    """
    request = planned.request
    networks = dict(request.nic_networks)
    drawn = {networks[label] for label, address in request.nic_addresses if address == AUTO and label in networks}
    hostname = request.hostname or request.name
    return frozenset(
        {
            Key(NAME, request.name),
            *(Key(ADDRESSES, network_id) for network_id in drawn - no_addresses),
            *(Key(HOSTNAME, f"{hostname}@{network_id}") for network_id in networks.values()),
        }
    )


def system_family(guest_id: str) -> str:
    """The family of a vSphere guest id (`win2019srvNext_64Guest`): windows, linux, other, or unknown for ''."""
    if not guest_id:
        return "unknown"
    if guest_id.startswith("win"):
        return "windows"
    if guest_id.startswith(_NEITHER) or guest_id in ("otherGuest", "otherGuest64"):
        return "other"
    return "linux"


_NEITHER = ("darwin", "dos", "eCom", "freebsd", "netware", "openServer", "os2", "solaris", "unixWare", "vmkernel")


def _how(address: str) -> str:
    if not address:
        return ""
    return AUTO if address == AUTO else "given"


def _shared(kind: str, identity: str, *names: str) -> Shared:
    return Shared(kind, identity, frozenset({identity, *names} - {""}))


def _places(vm: VirtualMachine | None, networks: Iterable[Network | None]) -> Iterable[Key]:
    for network in networks:
        if network is not None and network.type != "L2":  # L2 networks hand out no addresses
            yield Key(NETWORK, network.id)
    if vm is not None:
        yield Key(HOST, vm.host_moref)
        for disk in vm.disks:
            yield Key(DATASTORE, disk.datastore_moref)
