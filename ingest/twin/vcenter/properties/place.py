"""Properties of what holds others: folders, datacenters, compute resources, resource pools, virtual apps."""

from __future__ import annotations

from ingest.twin.vcenter.properties.entity import CREATED, ENTITY, Builders, allocation
from ingest.twin.vcenter.properties.host import CORES, CPU_MHZ, MEMORY_BYTES
from ingest.twin.vcenter.scene import ROOT_FOLDER, Pool, Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import Compute, Folder, VApp

_CHILD_TYPES = {
    "vm_folder": ["Folder", "VirtualMachine", "VirtualApp"],
    "host_folder": ["Folder", "ComputeResource"],
    "network_folder": ["Folder", "Network", "DistributedVirtualSwitch"],
    "datastore_folder": ["Folder", "Datastore", "StoragePod"],
}


def _child_types(scene: Scene, folder: Folder) -> Value:
    """What the folder may hold follows from which of a datacenter's four trees it is in."""
    moref = folder.moref
    while True:
        for datacenter in scene.world.datacenters.values():
            for name, types in _CHILD_TYPES.items():
                if getattr(datacenter, name) == moref:
                    return list(types)
        above = scene.world.folders.get(moref)
        if above is None or not above.parent:
            return ["Folder", "Datacenter"]
        moref = above.parent


def _folder_parent(scene: Scene, folder: Folder) -> Value:
    return None if folder.moref == ROOT_FOLDER else scene.ref(folder.parent)


FOLDER: Builders = ENTITY | {
    "parent": _folder_parent,
    "childType": _child_types,
    "childEntity": lambda scene, folder: scene.refs(scene.children[folder.moref]),
}

DATACENTER: Builders = ENTITY | {
    "vmFolder": lambda _scene, item: Ref("Folder", item.vm_folder),
    "hostFolder": lambda _scene, item: Ref("Folder", item.host_folder),
    "datastoreFolder": lambda _scene, item: Ref("Folder", item.datastore_folder),
    "networkFolder": lambda _scene, item: Ref("Folder", item.network_folder),
    "datastore": lambda scene, item: scene.refs(scene.datastores_of_datacenter[item.moref]),
    "network": lambda scene, item: scene.refs(scene.networks_of_datacenter[item.moref]),
    "configuration": lambda _scene, _item: Data("DatacenterConfigInfo"),
}


def _hosts(scene: Scene, compute: Compute) -> list[str]:
    return scene.hosts_of_compute[compute.moref]


def _compute_summary(scene: Scene, compute: Compute) -> Value:
    hosts = [scene.world.hosts[moref] for moref in _hosts(scene, compute)]
    count = len(hosts)
    effective = sum(1 for host in hosts if host.connection_state == "connected" and not host.in_maintenance)
    members: dict[str, Value] = {
        "totalCpu": count * CORES * CPU_MHZ,
        "totalMemory": count * MEMORY_BYTES,
        "numCpuCores": min(count * CORES, 32767),
        "numCpuThreads": min(count * CORES * 2, 32767),
        "effectiveCpu": effective * CORES * CPU_MHZ,
        "effectiveMemory": effective * MEMORY_BYTES >> 20,
        "numHosts": count,
        "numEffectiveHosts": effective,
        "overallStatus": "green",
    }
    if compute.is_cluster:
        return Data("ClusterComputeResourceSummary", **members, currentFailoverLevel=0, numVmotions=0)
    return Data("ComputeResourceSummary", **members)


def _networks(scene: Scene, compute: Compute) -> Value:
    return scene.refs([network for host in _hosts(scene, compute) for network in scene.networks_of_host[host]])


COMPUTE: Builders = ENTITY | {
    "resourcePool": lambda _scene, compute: Ref("ResourcePool", compute.resource_pool),
    "host": lambda scene, compute: scene.refs(_hosts(scene, compute)),
    "datastore": lambda scene, compute: scene.refs(
        [store for host in _hosts(scene, compute) for store in scene.datastores_of_host[host]]
    ),
    "network": _networks,
    "summary": _compute_summary,
    "configurationEx": lambda _scene, compute: _cluster_config("ClusterConfigInfoEx") if compute.is_cluster else None,
}
CLUSTER: Builders = COMPUTE | {
    "configuration": lambda _scene, _compute: _cluster_config("ClusterConfigInfo"),
    "summaryEx": _compute_summary,
}


def _cluster_config(kind: str) -> Data:
    high_availability = Data("ClusterDasConfigInfo", enabled=True)
    balancing = Data("ClusterDrsConfigInfo", enabled=True, defaultVmBehavior="fullyAutomated", vmotionRate=3)
    return Data(kind, dasConfig=high_availability, drsConfig=balancing)


def _pool_config(ref: Ref) -> Data:
    return Data("ResourceConfigSpec", entity=ref, lastModified=CREATED, cpuAllocation=allocation(0, 4000),
                memoryAllocation=allocation(0, 163840))  # fmt: skip


def _usage() -> Data:
    return Data("ResourcePoolResourceUsage", reservationUsed=0, reservationUsedForVm=0, unreservedForPool=0,
                unreservedForVm=0, overallUsage=0, maxUsage=0)  # fmt: skip


def _pool_runtime() -> Data:
    return Data("ResourcePoolRuntimeInfo", memory=_usage(), cpu=_usage(), overallStatus="green")


def _pool_summary(_scene: Scene, pool: Pool) -> Value:
    config = _pool_config(Ref("ResourcePool", pool.moref))
    return Data("ResourcePoolSummary", name=pool.name, config=config, runtime=_pool_runtime())


RESOURCE_POOL: Builders = ENTITY | {
    "owner": lambda scene, pool: scene.ref(pool.compute),
    "resourcePool": lambda scene, pool: scene.refs(scene.pools_of[pool.moref]),
    "vm": lambda scene, pool: scene.refs(scene.vms_of[pool.moref]),
    "summary": _pool_summary,
    "runtime": lambda _scene, _pool: _pool_runtime(),
    "config": lambda _scene, pool: _pool_config(Ref("ResourcePool", pool.moref)),
}


def _app_summary(scene: Scene, vapp: VApp) -> Value:
    config = _pool_config(Ref("VirtualApp", vapp.moref))
    members = [scene.world.vms[moref] for moref in scene.vms_of[vapp.moref] if moref in scene.world.vms]
    state = "started" if any(vm.power_state == "poweredOn" for vm in members) else "stopped"
    return Data("VirtualAppSummary", name=vapp.name, config=config, runtime=_pool_runtime(), vAppState=state,
                suspended=False, installBootRequired=False)  # fmt: skip


VIRTUAL_APP: Builders = ENTITY | {
    "owner": lambda scene, vapp: scene.ref(vapp.compute),
    "resourcePool": lambda scene, vapp: scene.refs(scene.pools_of[vapp.moref]),
    "vm": lambda scene, vapp: scene.refs(scene.vms_of[vapp.moref]),
    "parentFolder": lambda scene, vapp: scene.ref(vapp.folder),
    "parentVApp": lambda scene, vapp: scene.ref(vapp.parent) if vapp.parent in scene.world.vapps else None,
    "summary": _app_summary,
    "runtime": lambda _scene, _vapp: _pool_runtime(),
    "config": lambda _scene, vapp: _pool_config(Ref("VirtualApp", vapp.moref)),
    "datastore": lambda scene, vapp: scene.refs(
        scene.datastores_of_datacenter[scene.world.computes[vapp.compute].datacenter]
    ),
}
