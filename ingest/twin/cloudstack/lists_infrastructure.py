"""Zones, pods, clusters, hosts, VMware datacenters, physical networks and storage pools."""

from __future__ import annotations

from collections import Counter
from functools import partial

from ingest.twin.cloud import Cloud, Cluster, Host, PhysicalNetwork, Pod, StoragePool, Zone
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import boolean, entities, entity, text
from ingest.twin.cloudstack.records import Json, compact, number_of
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.world import World


def list_zones(service: Service, call: Call) -> Listing:
    zones = select(call.arguments, service.cloud.zones.values(), id="id", name="name", networktype="networktype")
    ids = call.arguments.words("ids")
    # Only root admins are shown disabled zones.
    shown = [zone for zone in zones if call.account.accounttype == 1 or zone.allocationstate == "Enabled"]
    return Listing("zone", [zone for zone in shown if not ids or zone.id in ids], _zone)


def _zone(zone: Zone) -> Json:
    return {
        "id": zone.id,
        "name": zone.name,
        "networktype": zone.networktype,
        "allocationstate": zone.allocationstate,
        "securitygroupsenabled": False,
        "localstorageenabled": True,
        "type": "Core",
    }


def list_pods(service: Service, call: Call) -> Listing:
    cloud = service.cloud
    pods = select(call.arguments, cloud.pods.values(), id="id", name="name", zoneid="zoneid")
    # Every pod of the twin is enabled.
    matches = call.arguments.text("allocationstate") in ("", "Enabled")
    return Listing("pod", pods if matches else [], partial(_pod, cloud))


def _pod(cloud: Cloud, pod: Pod) -> Json:
    return compact(
        {
            "id": pod.id,
            "name": pod.name,
            "zoneid": pod.zoneid,
            "zonename": _zone_name(cloud, pod.zoneid),
            "allocationstate": "Enabled",
        }
    )


def list_clusters(service: Service, call: Call) -> Listing:
    cloud = service.cloud
    clusters = select(
        call.arguments,
        cloud.clusters.values(),
        id="id",
        name="name",
        zoneid="zoneid",
        podid="podid",
        hypervisor="hypervisortype",
        allocationstate="allocationstate",
        managedstate="managedstate",
    )
    return Listing("cluster", clusters, partial(_cluster, cloud))


def _cluster(cloud: Cloud, cluster: Cluster) -> Json:
    pod = cloud.pods.get(cluster.podid)
    return compact(
        {
            "id": cluster.id,
            "name": cluster.name,
            "podid": cluster.podid,
            "podname": pod.name if pod else None,
            "zoneid": cluster.zoneid,
            "zonename": _zone_name(cloud, cluster.zoneid),
            "hypervisortype": cluster.hypervisortype,
            "clustertype": "ExternalManaged",
            "allocationstate": cluster.allocationstate,
            "managedstate": cluster.managedstate,
            "resourcedetails": {"url": f"http://{cluster.name}"},
        }
    )


def list_hosts(service: Service, call: Call) -> Listing:
    arguments = call.arguments
    hosts = select(
        arguments,
        service.cloud.hosts.values(),
        id="id",
        name="name",
        clusterid="clusterid",
        zoneid="zoneid",
        podid="podid",
        state="state",
        resourcestate="resourcestate",
    )
    # Every host of the twin is a VMware hypervisor host.
    matches = arguments.text("type") in ("", "Routing") and arguments.text("hypervisor").lower() in ("", "vmware")
    return Listing("host", hosts if matches else [], partial(_host, service.world))


def _host(world: World, host: Host) -> Json:
    cloud = world.cloud
    cluster = cloud.clusters.get(host.clusterid)
    true_host = world.hosts.get(host.moref)
    return compact(
        {
            "id": host.id,
            "name": host.name,
            "state": host.state,
            "resourcestate": host.resourcestate,
            "type": "Routing",
            "clusterid": host.clusterid,
            "clustername": cluster.name if cluster else None,
            "podid": host.podid,
            "zoneid": host.zoneid,
            "zonename": _zone_name(cloud, host.zoneid),
            "hypervisor": "VMware",
            "hypervisorversion": true_host.version if true_host else None,
            "hosttags": host.hosttags,
            "explicithosttags": host.hosttags,
        }
    )


def list_vmware_datacenters(service: Service, call: Call) -> Listing:
    """One VMware datacenter per zone, known from the names of the zone's clusters."""
    zoneid = call.arguments.text("zoneid")
    names = {
        tuple(cluster.name.split("/")[:2])
        for cluster in service.cloud.clusters.values()
        if cluster.zoneid == zoneid and cluster.name.count("/") >= 2
    }
    number = number_of(service.cloud.zones, zoneid)
    rows = [
        {"id": zoneid, "name": datacenter, "vcenter": vcenter, "zoneid": number}
        for vcenter, datacenter in sorted(names)[:1]
    ]
    return Listing("VMwareDC", rows, dict)


def list_physical_networks(service: Service, call: Call) -> Listing:
    """With the VLAN ranges CloudStack allocates from: no L2 network can be created on one of those."""
    cloud = service.cloud
    rows = select(call.arguments, cloud.physical_networks.values(), id="id", name="name", zoneid="zoneid")
    return Listing("physicalnetwork", rows, partial(_physical_network, cloud))


def _physical_network(cloud: Cloud, network: PhysicalNetwork) -> Json:
    return compact(
        {
            "id": network.id,
            "name": network.name,
            "state": network.state,
            "zoneid": network.zoneid,
            "zonename": _zone_name(cloud, network.zoneid),
            "broadcastdomainrange": "ZONE",
            "vlan": network.vlan,
            "isolationmethods": network.isolationmethods,
            "tags": network.tags,
        }
    )


def list_storage_pools(service: Service, call: Call) -> Listing:
    """Pools of their own: members of datastore clusters are left out even when asked for by id."""
    cloud, podid = service.cloud, call.arguments.text("podid")
    pools = select(
        call.arguments,
        [pool for pool in cloud.storage_pools.values() if not pool.parent and podid in ("", _podid(cloud, pool))],
        id="id",
        name="name",
        path="path",
        ipaddress="host",
        zoneid="zoneid",
        clusterid="clusterid",
        scope="scope",
        status="state",
    )
    used_bytes: Counter[str] = Counter()
    for volume in cloud.volumes.values():
        used_bytes[volume.poolid] += 0 if volume.removed else volume.size_bytes
    return Listing("storagepool", pools, partial(_storage_pool, cloud, used_bytes))


def _podid(cloud: Cloud, pool: StoragePool) -> str | None:
    cluster = cloud.clusters.get(pool.clusterid)
    return cluster.podid if cluster else None


def _storage_pool(cloud: Cloud, used_bytes: Counter[str], pool: StoragePool) -> Json:
    cluster = cloud.clusters.get(pool.clusterid)
    return compact(
        {
            "id": pool.id,
            "name": pool.name,
            "path": pool.path,
            "ipaddress": pool.host,
            "type": pool.type,
            "scope": pool.scope,
            "state": pool.state,
            "tags": pool.tags,
            "istagarule": False,
            "clusterid": pool.clusterid,
            "clustername": cluster.name if cluster else None,
            "podid": cluster.podid if cluster else None,
            "zoneid": pool.zoneid,
            "zonename": _zone_name(cloud, pool.zoneid),
            "hypervisor": "VMware",
            "disksizetotal": pool.capacity_bytes,
            "disksizeallocated": used_bytes[pool.id],
            "disksizeused": used_bytes[pool.id],
        }
    )


def _zone_name(cloud: Cloud, zoneid: str) -> str | None:
    zone = cloud.zones.get(zoneid)
    return zone.name if zone else None


COMMANDS: tuple[Command, ...] = (
    listing(
        "listZones",
        list_zones,
        entity("id", "zones"),
        entities("ids", "zones", since="4.19.0"),
        text("name"),
        boolean("available"),
        text("networktype"),
    ),
    listing(
        "listPods", list_pods, entity("id", "pods"), text("name"), entity("zoneid", "zones"), text("allocationstate")
    ),
    listing(
        "listClusters",
        list_clusters,
        entity("id", "clusters"),
        text("name"),
        entity("zoneid", "zones"),
        entity("podid", "pods"),
        text("hypervisor"),
        text("allocationstate"),
        text("managedstate"),
    ),
    listing(
        "listHosts",
        list_hosts,
        entity("clusterid", "clusters"),
        entity("id", "hosts"),
        text("name"),
        entity("podid", "pods"),
        text("state"),
        text("type"),
        entity("zoneid", "zones"),
        text("resourcestate"),
        text("hypervisor"),
    ),
    listing("listVmwareDcs", list_vmware_datacenters, entity("zoneid", "zones", required=True)),
    listing(
        "listPhysicalNetworks",
        list_physical_networks,
        entity("id", "physical_networks"),
        entity("zoneid", "zones"),
        text("name"),
    ),
    listing(
        "listStoragePools",
        list_storage_pools,
        entity("clusterid", "clusters"),
        text("ipaddress"),
        text("name"),
        text("path"),
        entity("podid", "pods"),
        entity("zoneid", "zones"),
        entity("id", "storage_pools"),
        text("scope"),
        text("status"),
    ),
)
