"""Properties of `Datastore` and of datastore clusters (`StoragePod`)."""

from __future__ import annotations

from ingest.twin.vcenter.properties.entity import CREATED, ENTITY, Builders
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import Datastore, Folder

_TIB = 1 << 40
BROWSER_PREFIX = "datastoreBrowser-"
NAS_TYPES = frozenset({"NFS", "NFS41", "CIFS"})


def _url(datastore: Datastore) -> str:
    return datastore.url or f"ds:///vmfs/volumes/{datastore.moref}/"


def _summary(scene: Scene, datastore: Datastore) -> Value:
    return Data(
        "DatastoreSummary",
        datastore=Ref("Datastore", datastore.moref),
        name=datastore.name,
        url=_url(datastore),
        capacity=datastore.capacity_bytes,
        freeSpace=datastore.free_bytes,
        uncommitted=0,
        accessible=datastore.accessible,
        multipleHostAccess=len(scene.hosts_of_datastore(datastore.moref)) > 1,
        type=datastore.type,
        maintenanceMode=datastore.maintenance_mode,
    )


def _info(_scene: Scene, datastore: Datastore) -> Value:
    common: dict[str, Value] = {
        "name": datastore.name,
        "url": _url(datastore),
        "freeSpace": datastore.free_bytes,
        "maxFileSize": 64 * _TIB,
        "maxVirtualDiskCapacity": 62 * _TIB,
        "maxMemoryFileSize": 64 * _TIB,
        "timestamp": CREATED,
    }
    if datastore.type in NAS_TYPES:
        nas = Data("HostNasVolume", type=datastore.type, name=datastore.name, capacity=datastore.capacity_bytes,
                   remoteHost=datastore.remote_host, remotePath=datastore.remote_path, userName="",
                   remoteHostNames=[datastore.remote_host], securityType="AUTH_SYS")  # fmt: skip
        return Data("NasDatastoreInfo", **common, nas=nas)
    if datastore.type == "vsan":
        return Data("VsanDatastoreInfo", **common)
    if datastore.type == "VVOL":
        return Data("VvolDatastoreInfo", **common)
    if datastore.type == "PMEM":
        return Data("PMemDatastoreInfo", **common, pmem=Data("HostPMemVolume", type="PMEM", name=datastore.name,
                    capacity=datastore.capacity_bytes, uuid=datastore.moref, version="1"))  # fmt: skip
    return Data(
        "VmfsDatastoreInfo",
        **common,
        maxPhysicalRDMFileSize=64 * _TIB,
        maxVirtualRDMFileSize=62 * _TIB,
        vmfs=_vmfs(datastore),
    )


def _vmfs(datastore: Datastore) -> Data:
    extent = Data("HostScsiDiskPartition", diskName=f"naa.6000{datastore.moref.encode().hex()}", partition=1)
    return Data(
        "HostVmfsVolume",
        type="VMFS",
        name=datastore.name,
        capacity=datastore.capacity_bytes,
        blockSizeMb=1,
        blockSize=1024,
        maxBlocks=63963136,
        majorVersion=6,
        version="6.82",
        uuid=datastore.moref,
        extent=[extent],
        vmfsUpgradable=False,
        ssd=False,
        local=len(datastore.hosts) == 1,
    )


def _hosts(scene: Scene, datastore: Datastore) -> Value:
    usable, mode = datastore.accessible, "readOnly" if datastore.read_only else "readWrite"
    mount = Data("HostMountInfo", path=f"/vmfs/volumes/{datastore.moref}", accessMode=mode, mounted=True,
                 accessible=usable, inaccessibleReason=None if usable else "AllPathsDown_Timeout")  # fmt: skip
    return [
        Data("DatastoreHostMount", key=Ref("HostSystem", moref), mountInfo=mount)
        for moref in scene.hosts_of_datastore(datastore.moref)
    ]


DATASTORE: Builders = ENTITY | {
    "browser": lambda _scene, datastore: Ref("HostDatastoreBrowser", f"{BROWSER_PREFIX}{datastore.moref}"),
    "summary": _summary,
    "info": _info,
    "host": _hosts,
    "vm": lambda scene, datastore: scene.refs(scene.vms_of[datastore.moref]),
    "capability": lambda _scene, _datastore: Data(
        "DatastoreCapability", directoryHierarchySupported=True, rawDiskMappingsSupported=True,
        perFileThinProvisioningSupported=True,
    ),
}  # fmt: skip


def _pod_summary(scene: Scene, pod: Folder) -> Value:
    found = [scene.world.datastores[moref] for moref in scene.children[pod.moref] if moref in scene.world.datastores]
    capacity, free = (sum(getattr(item, name) for item in found) for name in ("capacity_bytes", "free_bytes"))
    return Data("StoragePodSummary", name=pod.name, capacity=capacity, freeSpace=free)


STORAGE_POD: Builders = ENTITY | {
    "childType": lambda _scene, _pod: ["Datastore"],
    "childEntity": lambda scene, pod: scene.refs(scene.children[pod.moref]),
    "summary": _pod_summary,
}
