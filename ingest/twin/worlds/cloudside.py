"""The CloudStack side that fits a vSphere side: zones, hosts, owners, networks, offerings, pools, guest mappings.

CloudStack knows one VMware datacenter per zone and manages hosts through clusters, so a datacenter without a cluster
has no zone and a standalone host is unknown to it. Names of clusters and paths of pools follow CloudStack's own
conventions (`vcenter/datacenter/cluster`, `/datacenter/datastore`).

Ownership: a network belongs to the account or project whose VMs use it. An import looks networks up for the owner of
the new instance, so each VM has to be imported for the owner of its networks.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from ingest.model.inventory import Vlan
from ingest.twin import cloud as c
from ingest.twin.world import Datacenter, Datastore, World
from ingest.twin.worlds.offerings import furnish_offerings
from ingest.twin.worlds.parts import Parts, subnet
from ingest.twin.worlds.site import Tenant
from ingest.twin.worlds.vocabulary import GUESTS

UNTAGGED_URI = "vlan://untagged"
CONFIGURATION = {
    "default.page.size": "500",
    "job.expire.minutes": "1440",
    "vm.instancename.flag": "false",
    "unmanage.vm.preserve.nics": "false",
    "admin.is.allowed.to.deploy.anywhere": "false",
    "enforce.post.requests.and.timestamps": "false",
}
ISOLATED_VLAN = 2000
GUEST_VLANS = "2000-2099"  # what CloudStack gives to Isolated networks
SHARED_ADDRESSES = 1000


@dataclass(frozen=True, slots=True)
class Wire:
    """Something that wants a CloudStack network: a VLAN or PVLAN (`uri`), or one untagged or opaque group."""

    uri: str
    vlan: Vlan
    label: str  # name of an untagged or opaque group, '' otherwise


@dataclass(frozen=True, slots=True)
class Fit:
    """What to furnish. `owner` says whose network a wire gets, by datacenter id; the first tenant is the default."""

    tenants: Sequence[Tenant]
    owner: Callable[[str, Wire], str | None] = lambda datacenter, wire: None
    shared_vlan: int | None = None
    without_network: Collection[str] = ()  # URIs
    second_network: Collection[str] = ()  # URIs that get another network, of the last tenant
    without_pool: Collection[str] = ()  # datastore ids
    map_every_guest: bool = False  # else only the guests of the vocabulary


@dataclass(slots=True)
class Owner:
    """The account behind a tenant."""

    account: c.Account
    project: c.Project | None = None


@dataclass(slots=True)
class Furnishing:
    """One run of `furnish`: the cloud so far, and who owns what."""

    world: World
    parts: Parts
    fit: Fit
    owners: dict[str, Owner] = field(default_factory=dict)
    root: c.Domain = field(default_factory=lambda: c.Domain("", "ROOT", "ROOT"))
    admin: c.Account = field(default_factory=lambda: c.Account("", "admin", "", 1))

    @property
    def cloud(self) -> c.Cloud:
        """The CloudStack side under construction."""
        return self.world.cloud


def furnish(world: World, parts: Parts, fit: Fit) -> None:
    """Fill `world.cloud`, which must be empty, so that it fits the vSphere side. Ids come from the seeded parts."""
    work = Furnishing(world, parts, fit)
    work.cloud.configuration.update(CONFIGURATION)
    _owners(work)
    _guests(work)
    furnish_offerings(work.cloud, parts)
    for number, datacenter in enumerate(world.datacenters.values()):
        if any(compute.is_cluster and compute.datacenter == datacenter.moref for compute in world.computes.values()):
            _zone(work, datacenter, number)


def _owners(work: Furnishing) -> None:
    cloud, parts = work.cloud, work.parts
    work.root.id, work.admin.id = parts.uuid(), parts.uuid()
    work.admin.domainid = work.root.id
    cloud.domains[work.root.id] = work.root
    cloud.accounts[work.admin.id] = work.admin
    _user(work, work.admin, "admin")
    domains: dict[str, c.Domain] = {}
    for tenant in work.fit.tenants:
        domain = domains.get(tenant.domain)
        if domain is None:
            path = f"ROOT/{tenant.domain}"
            domain = c.Domain(parts.uuid(), tenant.domain, path, work.root.id, 1)
            domains[tenant.domain] = cloud.domains[domain.id] = domain
        if tenant.is_project:
            # The name CloudStack gives a project's account: PrjAcct-<project>-<number>.
            name = f"PrjAcct-{tenant.name}-{len(cloud.projects) + 1}"
            account = c.Account(parts.uuid(), name, domain.id, 5)
            project = c.Project(parts.uuid(), tenant.name, domain.id, account.id)
            cloud.projects[project.id] = project
            work.owners[tenant.name] = Owner(account, project)
        else:
            account = c.Account(parts.uuid(), tenant.name, domain.id)
            work.owners[tenant.name] = Owner(account)
            _user(work, account, tenant.name)
        cloud.accounts[account.id] = account


def _user(work: Furnishing, account: c.Account, name: str) -> None:
    user = c.User(work.parts.uuid(), name, account.id, _key(work.parts), _key(work.parts))
    work.cloud.users[user.id] = user


def _key(parts: Parts) -> str:
    """86 characters, like the keys CloudStack makes: 64 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(parts.random.getrandbits(512).to_bytes(64, "big")).decode().rstrip("=")


def _guests(work: Furnishing) -> None:
    """OS types, and a mapping for every version of a host: CloudStack maps per hypervisor version."""
    world, cloud, parts = work.world, work.cloud, work.parts
    versions = sorted({host.version for host in world.hosts.values() if host.version}) or ["8.0.2"]
    wanted = {guest.guest_id: guest.os_type for guest in GUESTS}
    if work.fit.map_every_guest:
        for vm in world.vms.values():
            if vm.guest_id:
                wanted.setdefault(vm.guest_id, vm.guest_full_name or vm.guest_id)
    types: dict[str, c.OsType] = {}
    for guest_id, description in wanted.items():
        os_type = types.get(description)
        if os_type is None:
            os_type = types[description] = c.OsType(parts.uuid(), description)
            cloud.os_types[os_type.id] = os_type
        for version in versions:
            mapping = c.OsMapping(parts.uuid(), os_type.id, version, guest_id)
            cloud.os_mappings[mapping.id] = mapping


def _zone(work: Furnishing, datacenter: Datacenter, number: int) -> None:
    cloud, parts = work.cloud, work.parts
    zone = c.Zone(parts.uuid(), datacenter.name)
    cloud.zones[zone.id] = zone
    # An id out of the zone's, so that the seeded ones of all other objects stay what they were.
    cable_id = str(uuid.uuid5(uuid.UUID(zone.id), "physical network"))
    cloud.physical_networks[cable_id] = c.PhysicalNetwork(cable_id, f"{datacenter.name}-guest", zone.id, GUEST_VLANS)
    pod = c.Pod(parts.uuid(), f"{datacenter.name}-pod1", zone.id)
    cloud.pods[pod.id] = pod
    _clusters(work, datacenter, pod)
    _networks(work, datacenter, zone, number)
    for datastore in work.world.datastores.values():
        if datastore.datacenter == datacenter.moref and datastore.moref not in work.fit.without_pool:
            pool = _pool(work, datacenter, datastore, zone)
            cloud.storage_pools[pool.id] = pool
    for os_type in list(cloud.os_types.values()):
        made = c.Template(parts.uuid(), os_type.description.split(" (")[0], zone.id, os_type.id)
        cloud.templates[made.id] = made


def _clusters(work: Furnishing, datacenter: Datacenter, pod: c.Pod) -> None:
    cloud, parts, world = work.cloud, work.parts, work.world
    for compute in world.computes.values():
        if not compute.is_cluster or compute.datacenter != datacenter.moref:
            continue
        name = f"{world.vcenter_name}/{datacenter.name}/{compute.name}"
        cluster = c.Cluster(parts.uuid(), name, pod.zoneid, pod.id, compute.moref)
        cloud.clusters[cluster.id] = cluster
        for host in world.hosts.values():
            if host.compute == compute.moref:
                state = "Up" if host.connection_state == "connected" else "Disconnected"
                resource = "Maintenance" if host.in_maintenance else "Enabled"
                made = c.Host(parts.uuid(), host.name, cluster.id, pod.zoneid, pod.id, host.moref, state, resource)
                cloud.hosts[made.id] = made


def _pool(work: Furnishing, datacenter: Datacenter, datastore: Datastore, zone: c.Zone) -> c.StoragePool:
    """Zone-wide: a datastore may be mounted by several clusters, and the vSphere side does not say by which."""
    network_share = datastore.type.startswith("NFS")
    return c.StoragePool(
        id=work.parts.uuid(),
        name=datastore.name,
        path=datastore.remote_path if network_share else f"/{datacenter.name}/{datastore.name}",
        zoneid=zone.id,
        host=datastore.remote_host if network_share else work.world.vcenter_name,
        type="NetworkFilesystem" if network_share else "VMFS",
        scope="ZONE",
        capacity_bytes=datastore.capacity_bytes,
    )


def wires(world: World, datacenter: str) -> list[Wire]:
    """What the datacenter's port groups carry, in inventory order, each once. Trunks carry too much for one network."""
    found: dict[tuple[str, str], Wire] = {}

    def add(vlan: Vlan, name: str) -> None:
        if vlan.kind == "id":
            wire = Wire(f"vlan://{vlan.id}", vlan, "")
        elif vlan.kind == "pvlan" and vlan.primary and vlan.pvlan_type:
            letter = vlan.pvlan_type[0]
            wire = Wire(f"pvlan://{vlan.primary}-{letter}{vlan.secondary}", vlan, "")
        elif vlan.kind == "none":
            wire = Wire(UNTAGGED_URI, vlan, name)
        else:
            return
        found.setdefault((wire.uri, wire.label), wire)

    for host in world.hosts.values():
        compute = world.computes[host.compute]
        if compute.datacenter == datacenter and compute.is_cluster:
            for group in host.portgroups:
                if not group.vmkernel and group.vlan_id != 4095:
                    add(Vlan("id", group.vlan_id) if group.vlan_id else Vlan("none"), group.name)
    for network in world.networks.values():
        if network.datacenter != datacenter or network.uplink:
            continue
        if network.kind == "opaque" or network.nsx_segment:  # the VLAN of an NSX segment's port group means nothing
            found.setdefault(("", network.name), Wire("", Vlan("none"), network.name))
        elif network.kind == "dvs" and network.vlan is not None:
            add(network.vlan, network.name)
    return list(found.values())


def _networks(work: Furnishing, datacenter: Datacenter, zone: c.Zone, number: int) -> None:
    fit = work.fit
    first, last = fit.tenants[0].name, fit.tenants[-1].name
    for wire in wires(work.world, datacenter.moref):
        if wire.uri in fit.without_network:
            continue
        if fit.shared_vlan is not None and wire.vlan == Vlan("id", fit.shared_vlan):
            _add_shared(work, zone, wire, number)
            continue
        _add_layer2(work, zone, wire, fit.owner(datacenter.moref, wire) or first)
        if wire.uri in fit.second_network:
            _add_layer2(work, zone, wire, last, suffix="-second")
    isolated = _owned(work, zone, f"{first}-isolated", "Isolated", first)
    isolated.broadcasturi, isolated.state = f"vlan://{ISOLATED_VLAN}", "Implemented"
    isolated.cidr, isolated.gateway = "192.168.100.0/24", "192.168.100.1"


def _add_layer2(work: Furnishing, zone: c.Zone, wire: Wire, tenant: str, suffix: str = "") -> None:
    if wire.label:
        name = f"l2-{wire.label}{suffix}"
    elif wire.vlan.kind == "pvlan":
        name = f"l2-{tenant}-pvlan-{wire.vlan.primary}-{wire.vlan.pvlan_type}{suffix}"
    else:
        name = f"l2-{tenant}-vlan-{wire.vlan.id}{suffix}"
    _owned(work, zone, name, "L2", tenant).broadcasturi = wire.uri


def _add_shared(work: Furnishing, zone: c.Zone, wire: Wire, number: int) -> None:
    """A Shared network for every domain, with the addresses the VMs on that VLAN report."""
    second, third = subnet(number, wire.vlan.id or 0)
    last = 10 + SHARED_ADDRESSES
    made = c.Network(
        id=work.parts.uuid(),
        name=f"shared-vlan-{wire.vlan.id}",
        type="Shared",
        zoneid=zone.id,
        accountid=work.admin.id,
        domainid=work.root.id,
        broadcasturi=wire.uri,
        cidr=f"10.{second}.{third}.0/22",
        gateway=f"10.{second}.{third}.1",
        startip=f"10.{second}.{third}.11",
        endip=f"10.{second}.{third + (last >> 8)}.{last & 255}",
        acltype="Domain",
    )
    made.displaytext = made.name
    work.cloud.networks[made.id] = made


def _owned(work: Furnishing, zone: c.Zone, name: str, kind: c.NetworkType, tenant: str) -> c.Network:
    owner = work.owners[tenant]
    made = c.Network(
        id=work.parts.uuid(),
        name=name,
        type=kind,
        zoneid=zone.id,
        accountid=owner.account.id,
        domainid=owner.account.domainid,
        projectid=owner.project.id if owner.project else "",
        displaytext=name,
    )
    work.cloud.networks[made.id] = made
    return made
