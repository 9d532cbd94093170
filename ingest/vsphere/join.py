"""From the rows of one read to the inventory: joined, restricted to the scope, sorted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.model.inventory import Datastore, Host, Inventory, Network, Switch, Vlan
from ingest.vsphere.machines import read_vm
from ingest.vsphere.nics import Fabric, is_nsx
from ingest.vsphere.paths import Places, clusters, datacenters, is_standalone
from ingest.vsphere.problems import find_problems
from ingest.vsphere.rows import (
    DatastoreRow,
    HostRow,
    Missing,
    NetworkRow,
    PlaceRow,
    PortGroupRow,
    SwitchRow,
    VmRow,
)
from ingest.vsphere.scope import Scope
from ingest.vsphere.vlans import resolve_vlan


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything one read brought, unjoined. `custom_fields` maps field keys to names."""

    server: str = ""
    product: str = ""
    version: str = ""
    api_type: str = ""
    instance_uuid: str = ""
    places: tuple[PlaceRow, ...] = ()
    hosts: tuple[HostRow, ...] = ()
    switches: tuple[SwitchRow, ...] = ()
    portgroups: tuple[PortGroupRow, ...] = ()
    networks: tuple[NetworkRow, ...] = ()
    datastores: tuple[DatastoreRow, ...] = ()
    vms: tuple[VmRow, ...] = ()
    custom_fields: Mapping[int, str] = field(default_factory=dict)
    port_vlans: Mapping[tuple[str, str], Vlan | None] = field(default_factory=dict)
    missing: tuple[Missing, ...] = ()
    gone: tuple[str, ...] = ()
    scope: Scope = field(default_factory=Scope)


def build_inventory(seen: Seen) -> Inventory:
    """The inventory of the chosen scope. Networks and datastores are those of the chosen datacenter; with a cluster
    chosen, those its hosts reach or its VMs use. `requests` is left at 0."""
    scope = seen.scope
    places = Places(seen.places)
    fabric = Fabric.of(places, seen.hosts, seen.switches, seen.portgroups, seen.networks, seen.port_vlans)
    stores = {row.moref: row for row in seen.datastores}
    vms = tuple(
        sorted(
            (
                read_vm(row, fabric, stores, seen.custom_fields)
                for row in seen.vms
                if scope.has_vm(row, fabric.hosts.get(row.host), places)
            ),
            key=lambda vm: (vm.path, vm.moref),
        )
    )
    used = {nic.network_moref for vm in vms for nic in vm.nics} | {
        disk.datastore_moref for vm in vms for disk in vm.disks
    }
    reachable = {*places[scope.compute].reachable, *used} if scope.compute else None

    def wanted(moref: str, parent: str) -> bool:
        return scope.has_place(parent, places) and (reachable is None or moref in reachable)

    networks = [*_distributed(seen, fabric), *_other(seen, places)]
    parents = {row.moref: row.parent for row in seen.portgroups} | {row.moref: row.parent for row in seen.networks}
    switches = [_switch(row, places) for row in seen.switches if scope.has_place(row.parent, places)]
    inventory = Inventory(
        server=seen.server,
        product=seen.product,
        version=seen.version,
        api_type=seen.api_type,
        instance_uuid=seen.instance_uuid,
        datacenters=tuple(row for row in datacenters(places) if not scope.datacenter or row.moref == scope.datacenter),
        clusters=tuple(
            row
            for row in clusters(places)
            if scope.has_place(row.moref, places) and (not scope.compute or row.moref == scope.compute)
        ),
        hosts=tuple(
            sorted(
                (_host(row, places) for row in seen.hosts if scope.has_host(row, places)),
                key=lambda host: (host.name, host.moref),
            )
        ),
        switches=tuple(sorted(switches, key=lambda switch: (switch.name, switch.moref))),
        networks=tuple(
            sorted(
                (network for network in networks if wanted(network.moref, parents[network.moref])),
                key=lambda network: (network.name, network.moref),
            )
        ),
        datastores=tuple(
            sorted(
                (_datastore(row, places) for row in seen.datastores if wanted(row.moref, row.parent)),
                key=lambda datastore: (datastore.name, datastore.moref),
            )
        ),
        vms=vms,
    )
    return find_problems(inventory, seen.missing, seen.gone)


def _datacenter_name(parent: str, places: Places) -> str:
    datacenter = places.datacenter(parent)
    return datacenter.name if datacenter else ""


def _host(row: HostRow, places: Places) -> Host:
    compute = places.get(row.parent)
    return Host(
        moref=row.moref,
        name=row.name,
        datacenter=_datacenter_name(row.parent, places),
        cluster=compute.name if compute and not is_standalone(compute) else "",
        compute_moref=row.parent,
        connection_state=row.connection_state,
        in_maintenance=row.in_maintenance,
        version=row.version,
        portgroups=tuple(sorted(row.portgroups or (), key=lambda group: (group.name, group.vswitch))),
    )


def _switch(row: SwitchRow, places: Places) -> Switch:
    return Switch(
        row.moref,
        row.name,
        row.uuid,
        _datacenter_name(row.parent, places),
        tuple(sorted(row.pvlans)),
        tuple(sorted(row.uplink_portgroups)),
    )


def _distributed(seen: Seen, fabric: Fabric) -> list[Network]:
    uplinks = {moref for switch in seen.switches for moref in switch.uplink_portgroups}
    networks = []
    for row in seen.portgroups:
        switch = fabric.switches.get(row.switch)
        nsx = is_nsx(row)
        networks.append(
            Network(
                moref=row.moref,
                name=row.name,
                kind="dvs",
                datacenter=_datacenter_name(row.parent, fabric.places),
                switch_name=switch.name if switch else "",
                switch_uuid=switch.uuid if switch else "",
                portgroup_key=row.key,
                vlan=None if nsx else resolve_vlan(row.vlan, switch)[0],
                uplink=row.uplink_tag or row.moref in uplinks,
                vlan_override_allowed=row.vlan_override_allowed,
                nsx=nsx,
                binding=row.binding,
            )
        )
    return networks


def _other(seen: Seen, places: Places) -> list[Network]:
    return [
        Network(
            moref=row.moref,
            name=row.name,
            kind="opaque" if row.kind == "OpaqueNetwork" else "standard",
            datacenter=_datacenter_name(row.parent, places),
            opaque_id=row.opaque_id,
            opaque_type=row.opaque_type,
            nsx=row.opaque_type.startswith("nsx."),
        )
        for row in seen.networks
    ]


def _datastore(row: DatastoreRow, places: Places) -> Datastore:
    return Datastore(
        row.moref,
        row.name,
        _datacenter_name(row.parent, places),
        row.type,
        row.capacity_bytes,
        row.free_bytes,
        row.remote_host,
        row.remote_path,
        row.url,
        next((place.name for place in places.chain(row.parent) if place.kind == "StoragePod"), ""),
    )
