"""Datacenters, clusters, hosts, switches, networks and datastores of a made-up world: all that VMs are put into."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ingest.model.inventory import PvlanType, Vlan
from ingest.twin.world import (
    Compute,
    Datacenter,
    Datastore,
    Host,
    HostPortGroup,
    Network,
    Switch,
    VApp,
)
from ingest.twin.worlds.parts import Parts
from ingest.twin.worlds.shape import Shape
from ingest.twin.worlds.vocabulary import CITIES, TENANT_TIERS, TENANTS

PVLAN_PRIMARY = 3100
SHARED_VLAN = 50
MISSING_VLAN = 666
DRIFTING_VLAN = 300
GUEST_TAGGING = 4095
EVERY_VLAN = Vlan("trunk", ranges=((0, 4094),))
VMS_PER_DATASTORE = 100
HOSTS_PER_CLUSTER = 16


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who owns VMs and the networks they use: an account in a domain below ROOT, or a project."""

    name: str
    domain: str
    is_project: bool = False


@dataclass(slots=True)
class ClusterSite:
    """A cluster with what its VMs may use."""

    compute: Compute
    hosts: list[Host]
    datastores: list[Datastore]
    vapp: VApp | None = None


@dataclass(slots=True)
class Site:
    """A datacenter. `groups` are each tenant's networks; `special` the networks that only oddities use, by purpose."""

    datacenter: Datacenter
    number: int
    clusters: list[ClusterSite] = field(default_factory=list)
    standalone: list[tuple[Host, Datastore]] = field(default_factory=list)
    groups: dict[str, list[Network]] = field(default_factory=dict)
    special: dict[str, Network] = field(default_factory=dict)
    vlans: dict[str, Vlan] = field(default_factory=dict)  # by network moref
    traps: list[Datastore] = field(default_factory=list)
    unpooled: Datastore | None = None

    def all_hosts(self) -> list[Host]:
        """Every host, those of clusters first."""
        return [host for cluster in self.clusters for host in cluster.hosts] + [host for host, _ in self.standalone]


def make_tenants(count: int) -> list[Tenant]:
    """The first `count` tenants: departments, one project, customers."""
    named = [Tenant(*words) for words in TENANTS[:count]]
    return named + [Tenant(f"customer{n:02d}", "Customers") for n in range(1, count - len(named) + 1)]


def tenant_count(shape: Shape, size: int) -> int:
    """As asked for, or one per 120 VMs within 4 and 60."""
    return shape.tenants or min(max(size // 120, 4), 60)


def lay_out(parts: Parts, shape: Shape, size: int, tenants: list[Tenant]) -> list[Site]:
    """Empty datacenters for `size` VMs; the one without clusters, when the shape has it, comes last."""
    parts.root()
    count = shape.datacenters or max(1, math.ceil(size / 4000))
    sites = []
    for number in range(count):
        share = math.ceil(size / count)
        sites.append(_site(parts, shape, share, number, tenants))
    if shape.edge_datacenter:
        sites.append(_edge_site(parts, number=count))
    _disconnect(sites, shape.disconnected_hosts)
    return sites


def _site(parts: Parts, shape: Shape, size: int, number: int, tenants: list[Tenant]) -> Site:
    city = CITIES[number % len(CITIES)]
    name = f"{city}{number // len(CITIES) + 1}"
    site = Site(parts.datacenter(name), number)
    hosts = max(4, math.ceil(size / shape.vms_per_host))
    clusters = shape.clusters_per_datacenter or max(2, math.ceil(hosts / HOSTS_PER_CLUSTER))
    hosts_each = max(2, math.ceil(hosts / clusters))
    for index in range(clusters):
        site.clusters.append(_cluster(parts, site, index + 1, hosts_each, math.ceil(size / clusters)))
    for index in range(shape.standalone_hosts):
        _standalone(parts, site, index + 1)
    for _ in range(shape.datastore_traps):
        site.traps += [_datastore(parts, site, f"ds{len(site.traps) // 2 + 1}{zero}", "VMFS") for zero in ("", "0")]
    site.unpooled = _datastore(parts, site, f"{name}-archive", "VMFS")
    _switches_and_networks(parts, shape, site, tenants)
    return site


def _edge_site(parts: Parts, number: int) -> Site:
    site = Site(parts.datacenter("edge-lab"), number)
    _standalone(parts, site, 1)
    site.special["untagged"] = _standard(parts, site, "VM Network", 0)
    return site


def _host(parts: Parts, site: Site, compute: Compute, name: str) -> Host:
    moref = parts.moref("host-")
    kernel = [
        HostPortGroup("Management Network", 0, vmkernel=True),
        HostPortGroup("vMotion", 3001, "vSwitch1", vmkernel=True),
    ]
    host = Host(moref, f"{name}.{site.datacenter.name}.example.org", compute.moref, portgroups=kernel)
    parts.world.hosts[moref] = host
    return host


def _cluster(parts: Parts, site: Site, index: int, hosts: int, size: int) -> ClusterSite:
    name = f"{site.datacenter.name}-c{index}"
    compute = parts.compute(name, site.datacenter, is_cluster=True)
    members = [_host(parts, site, compute, f"esx{index:02d}{n:02d}") for n in range(1, hosts + 1)]
    count = max(2, math.ceil(size / VMS_PER_DATASTORE))
    # Equal width, so that no name is part of another: CloudStack looks pools up by substring.
    width = max(2, len(str(count)))
    stores = [_datastore(parts, site, f"{name}-vmfs-{n:0{width}d}", "VMFS") for n in range(1, count + 1)]
    shares = max(1, count // 4)
    stores += [_datastore(parts, site, f"{name}-nfs-{n:0{width}d}", "NFS") for n in range(1, shares + 1)]
    return ClusterSite(compute, members, stores)


def _standalone(parts: Parts, site: Site, index: int) -> None:
    name = f"esx-solo{index:02d}"
    compute = parts.compute(f"{name}.{site.datacenter.name}.example.org", site.datacenter, is_cluster=False)
    host = _host(parts, site, compute, name)
    site.standalone.append((host, _datastore(parts, site, f"{site.datacenter.name}-solo{index:02d}-local", "VMFS")))


def _datastore(parts: Parts, site: Site, name: str, kind: str) -> Datastore:
    moref = parts.moref("datastore-")
    made = Datastore(moref, name, site.datacenter.moref, site.datacenter.datastore_folder, kind)
    if kind == "NFS":
        made.remote_host = f"nas{site.number + 1:02d}.{site.datacenter.name}.example.org"
        made.remote_path = f"/export/{name}"
    made.url = f"ds:///vmfs/volumes/{parts.uuid()}/"
    parts.world.datastores[moref] = made
    return made


def _switch(parts: Parts, site: Site, name: str) -> Switch:
    made = Switch(parts.moref("dvs-"), name, parts.uuid(), site.datacenter.moref, site.datacenter.network_folder)
    parts.world.switches[made.moref] = made
    uplink = _distributed(parts, site, made, f"{name}-DVUplinks-{made.moref.removeprefix('dvs-')}", EVERY_VLAN)
    uplink.uplink = True
    made.uplink = uplink.moref
    return made


def _distributed(parts: Parts, site: Site, switch: Switch, name: str, vlan: Vlan) -> Network:
    moref = parts.moref("dvportgroup-")
    dc = site.datacenter
    made = Network(moref, name, "dvs", dc.moref, dc.network_folder, switch.moref, vlan)
    parts.world.networks[moref] = made
    site.vlans[moref] = vlan
    return made


def _standard(parts: Parts, site: Site, name: str, vlan_id: int) -> Network:
    """A standard port group of one VLAN on every host of the datacenter, and the one network object they share."""
    moref = parts.moref("network-")
    made = Network(moref, name, "standard", site.datacenter.moref, site.datacenter.network_folder)
    parts.world.networks[moref] = made
    site.vlans[moref] = EVERY_VLAN if vlan_id == GUEST_TAGGING else Vlan("id", vlan_id) if vlan_id else Vlan("none")
    for host in site.all_hosts():
        host.portgroups.append(HostPortGroup(name, vlan_id))
    return made


def _switches_and_networks(parts: Parts, shape: Shape, site: Site, tenants: list[Tenant]) -> None:
    inner = _switch(parts, site, f"{site.datacenter.name}-dvs-prod")
    outer = _switch(parts, site, f"{site.datacenter.name}-dvs-dmz")
    vlan_id = 200
    for index, tenant in enumerate(tenants):
        # VLAN10, VLAN100, VLAN101: matched by substring, a card on VLAN10 would get the VLAN of another group.
        own = 10 if index == 0 else 99 + index
        groups = [_standard(parts, site, f"VLAN{own}", own)]
        for tier in TENANT_TIERS:
            vlan_id += 1
            name = f"{tenant.name}-{tier}-{vlan_id}"
            groups.append(_distributed(parts, site, inner, name, Vlan("id", vlan_id)))
        site.groups[tenant.name] = groups
    _private_vlans(parts, site, outer, tenants[min(1, len(tenants) - 1)])
    _special_networks(parts, shape, site, inner)


def _private_vlans(parts: Parts, site: Site, switch: Switch, tenant: Tenant) -> None:
    kinds: tuple[tuple[PvlanType, int], ...] = (("promiscuous", 0), ("isolated", 1), ("community", 2))
    for kind, offset in kinds:
        secondary = PVLAN_PRIMARY + offset
        switch.pvlans.append((PVLAN_PRIMARY, secondary, kind))
        vlan = Vlan("pvlan", primary=PVLAN_PRIMARY, secondary=secondary, pvlan_type=kind)
        group = _distributed(parts, site, switch, f"{tenant.name}-dmz-{kind}", vlan)
        site.groups[tenant.name].append(group)


def _special_networks(parts: Parts, shape: Shape, site: Site, switch: Switch) -> None:
    special = site.special
    special["untagged"] = _standard(parts, site, "VM Network", 0)
    special["guest_tagging"] = _standard(parts, site, "guest-trunk", GUEST_TAGGING)
    special["native"] = _distributed(parts, site, switch, "native-lan", Vlan("none"))
    special["trunk"] = _distributed(parts, site, switch, "trunk-all", Vlan("trunk", ranges=((1, 99), (200, 299))))
    special["shared"] = _distributed(parts, site, switch, "shared-services", Vlan("id", SHARED_VLAN))
    special["ephemeral"] = _distributed(parts, site, switch, "recovery-ephemeral", Vlan("id", 190))
    special["ephemeral"].binding = "ephemeral"
    special["override"] = _distributed(parts, site, switch, "per-port", Vlan("id", 191))
    special["override"].vlan_override_allowed = True
    for index in range(shape.opaque_networks):
        moref = parts.moref("network-o")
        made = Network(
            moref, f"nsx-segment-{index + 1}", "opaque", site.datacenter.moref, site.datacenter.network_folder
        )
        made.opaque_id = parts.uuid()
        parts.world.networks[moref] = made
        special.setdefault("opaque", made)
    rates = shape.rates
    if rates.missing_network_nic:
        special["missing"] = _distributed(parts, site, switch, "legacy-scada", Vlan("id", MISSING_VLAN))
    if rates.drifting_portgroup_nic:
        special["drifting"] = _standard(parts, site, "Legacy", DRIFTING_VLAN)
        site.clusters[0].hosts[-1].portgroups[-1].vlan_id = DRIFTING_VLAN + 1
    if rates.orphan_nic:
        # What vCenters keep for cards whose network is gone: a network called "none" that no host has.
        moref = parts.moref("network-")
        none = Network(moref, "none", "standard", site.datacenter.moref, site.datacenter.network_folder)
        parts.world.networks[moref] = none
        special["none"] = none


def _disconnect(sites: list[Site], count: int) -> None:
    for host in [c.hosts[-1] for site in sites for c in site.clusters if len(c.hosts) > 2][:count]:
        host.connection_state = "disconnected"
