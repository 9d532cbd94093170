"""Every reference inside a world, and which of them lead nowhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ingest.twin.world import World

Path = tuple[str | int, ...]
# (dictionary of the world, field, dictionaries it may point into); '' always means: nothing.
VSPHERE = (
    ("datacenters", "vm_folder", ("folders",)),
    ("datacenters", "host_folder", ("folders",)),
    ("datacenters", "network_folder", ("folders",)),
    ("datacenters", "datastore_folder", ("folders",)),
    ("datacenters", "parent", ("folders",)),
    ("folders", "parent", ("folders", "datacenters")),
    ("folders", "datacenter", ("datacenters",)),
    ("computes", "datacenter", ("datacenters",)),
    ("computes", "parent", ("folders",)),
    ("resource_pools", "compute", ("computes",)),
    ("vapps", "folder", ("folders",)),
    ("vapps", "compute", ("computes",)),
    ("hosts", "compute", ("computes",)),
    ("switches", "datacenter", ("datacenters",)),
    ("switches", "parent", ("folders",)),
    ("switches", "uplink", ("networks",)),
    ("networks", "datacenter", ("datacenters",)),
    ("networks", "parent", ("folders",)),
    ("networks", "switch", ("switches",)),
    ("datastores", "datacenter", ("datacenters",)),
    ("datastores", "parent", ("folders",)),
    ("vms", "folder", ("folders",)),
    ("vms", "vapp", ("vapps",)),
    ("vms", "host", ("hosts",)),
    ("vms", "ft_partner", ("vms",)),
)
CLOUD = (
    ("pods", "zoneid", ("zones",)),
    ("clusters", "zoneid", ("zones",)),
    ("clusters", "podid", ("pods",)),
    ("hosts", "clusterid", ("clusters",)),
    ("hosts", "zoneid", ("zones",)),
    ("hosts", "podid", ("pods",)),
    ("domains", "parentid", ("domains",)),
    ("accounts", "domainid", ("domains",)),
    ("users", "accountid", ("accounts",)),
    ("projects", "domainid", ("domains",)),
    ("projects", "accountid", ("accounts",)),
    ("networks", "zoneid", ("zones",)),
    ("networks", "accountid", ("accounts",)),
    ("networks", "domainid", ("domains",)),
    ("networks", "projectid", ("projects",)),
    ("networks", "networkofferingid", ("network_offerings",)),
    ("networks", "physicalnetworkid", ("physical_networks",)),
    ("physical_networks", "zoneid", ("zones",)),
    ("service_offerings", "diskofferingid", ("disk_offerings",)),
    ("storage_pools", "zoneid", ("zones",)),
    ("storage_pools", "clusterid", ("clusters",)),
    ("storage_pools", "parent", ("storage_pools",)),
    ("templates", "zoneid", ("zones",)),
    ("templates", "ostypeid", ("os_types",)),
    ("os_mappings", "ostypeid", ("os_types",)),
    ("instances", "zoneid", ("zones",)),
    ("instances", "podid", ("pods",)),
    ("instances", "clusterid", ("clusters",)),
    ("instances", "hostid", ("hosts",)),
    ("instances", "lasthostid", ("hosts",)),
    ("instances", "accountid", ("accounts",)),
    ("instances", "domainid", ("domains",)),
    ("instances", "projectid", ("projects",)),
    ("instances", "userid", ("users",)),
    ("system_vms", "podid", ("pods",)),
    ("system_vms", "hostid", ("hosts",)),
    ("system_vms", "lasthostid", ("hosts",)),
    ("volumes", "instanceid", ("instances",)),
    ("volumes", "poolid", ("storage_pools",)),
)


def dangling(world: World) -> Iterator[tuple[Path, str]]:
    """(key path, what is wrong) for every reference that leads nowhere and every key that is not its object's id."""
    yield from _references(world, VSPHERE, ())
    yield from _references(world.cloud, CLOUD, ("cloud",))
    yield from _across(world)
    kinds = {source for source, _, _ in VSPHERE}
    for kind in sorted(kinds):
        yield from _keys(getattr(world, kind), "moref", (kind,))
    yield from _keys(world.unregistered, "key", ("unregistered",))
    for kind in sorted({source for source, _, _ in CLOUD} | {"zones", "os_types", "network_offerings"}):
        yield from _keys(getattr(world.cloud, kind), "id", ("cloud", kind))


def _references(
    holder: Any, table: tuple[tuple[str, str, tuple[str, ...]], ...], base: Path
) -> Iterator[tuple[Path, str]]:
    for source, field, targets in table:
        known = [getattr(holder, target) for target in targets]
        for key, item in getattr(holder, source).items():
            value = getattr(item, field)
            if value and not any(value in collection for collection in known):
                yield (*base, source, key, field), f"{value} is none of the {' or '.join(targets)}"


def _across(world: World) -> Iterator[tuple[Path, str]]:
    """References of lists, and those from CloudStack to vSphere."""
    pools = {compute.resource_pool for compute in world.computes.values()} | {*world.resource_pools, *world.vapps}
    for kind in ("resource_pools", "vapps"):
        for moref, pool in getattr(world, kind).items():
            yield from _one(pool.parent, pools, "resource pools", (kind, moref, "parent"))
    for moref, datastore in world.datastores.items():
        for index, host_moref in enumerate(datastore.hosts):
            yield from _one(host_moref, world.hosts, "hosts", ("datastores", moref, "hosts", index))
    for moref, vm in world.vms.items():
        here: Path = ("vms", moref)
        yield from _one(vm.resource_pool, pools, "resource pools", (*here, "resource_pool"))
        if not vm.folder and not vm.vapp:
            yield (*here, "folder"), "a VM is in a folder or in a vApp"
        for index, nic in enumerate(vm.nics):
            if not nic.switch:  # a card that names its switch may keep the key of a port group that is gone
                yield from _one(nic.network, world.networks, "networks", (*here, "nics", index, "network"))
            yield from _one(nic.switch, world.switches, "switches", (*here, "nics", index, "switch"))
        for index, disk in enumerate(vm.disks):
            yield from _one(disk.datastore, world.datastores, "datastores", (*here, "disks", index, "datastore"))
    for key, stored in world.unregistered.items():
        yield from _one(stored.datastore, world.datastores, "datastores", ("unregistered", key, "datastore"))
        for index, nic in enumerate(stored.vm.nics):
            place: Path = ("unregistered", key, "vm", "nics", index)
            if not nic.switch:
                yield from _one(nic.network, world.networks, "networks", (*place, "network"))
            yield from _one(nic.switch, world.switches, "switches", (*place, "switch"))
        for index, disk in enumerate(stored.vm.disks):
            place = ("unregistered", key, "vm", "disks", index, "datastore")
            yield from _one(disk.datastore, world.datastores, "datastores", place)
    cloud = world.cloud
    for key, cluster in cloud.clusters.items():
        yield from _one(cluster.compute, world.computes, "computes", ("cloud", "clusters", key, "compute"))
    for key, host in cloud.hosts.items():
        yield from _one(host.moref, world.hosts, "hosts", ("cloud", "hosts", key, "moref"))
    for key in cloud.zone_configuration:
        yield from _one(key, cloud.zones, "zones", ("cloud", "zone_configuration", key))
    for index, limit in enumerate(cloud.limits):
        owners: Collection[str] = cloud.accounts if limit.owner == "account" else cloud.domains
        yield from _one(limit.ownerid, owners, f"{limit.owner}s", ("cloud", "limits", index, "ownerid"))
    for key, offering in cloud.network_offerings.items():
        for index, zoneid in enumerate(offering.zoneids):
            here = ("cloud", "network_offerings", key, "zoneids", index)
            yield from _one(zoneid, cloud.zones, "zones", here)
        for index, domainid in enumerate(offering.domainids):
            here = ("cloud", "network_offerings", key, "domainids", index)
            yield from _one(domainid, cloud.domains, "domains", here)
    for key, network in cloud.networks.items():
        for index, accountid in enumerate(network.permissions):
            path: Path = ("cloud", "networks", key, "permissions", index)
            yield from _one(accountid, cloud.accounts, "accounts", path)
    for key, instance in cloud.instances.items():
        for index, card in enumerate(instance.nics):
            place = ("cloud", "instances", key, "nics", index, "networkid")
            yield from _one(card.networkid, cloud.networks, "networks", place)


def _one(value: str, known: Collection[str], target: str, path: Path) -> Iterator[tuple[Path, str]]:
    if value and value not in known:
        yield path, f"{value} is none of the {target}"


def _keys(items: dict[str, Any], field: str, base: Path) -> Iterator[tuple[Path, str]]:
    for key, item in items.items():
        if getattr(item, field) != key:
            yield (*base, key, field), f"{getattr(item, field)} stands under the key {key}"
