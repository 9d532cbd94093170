"""Checks A24 to A35 of an import job: root and data disks, their offerings and storage pools.

Source: CloudStack's UnmanagedVMsManagerImpl.getRootAndDataDisks, checkUnmanagedDiskAndOfferingForImport and
getStoragePool.
"""

from __future__ import annotations

from ingest.twin.cloud import Cloud, DiskOffering, StoragePool
from ingest.twin.cloudstack.import_request import DiskPlan, Target
from ingest.twin.cloudstack.limits import Reservation
from ingest.twin.cloudstack.owners import check_offering_access
from ingest.twin.cloudstack.records import described, words
from ingest.twin.cloudstack.refusals import ResourceAllocation, RuntimeFailure
from ingest.twin.cloudstack.unmanaged import UnmanagedVm
from ingest.twin.cloudstack.unmanaged_devices import UnmanagedDisk

_GIB = 1 << 30


def planned_disks(cloud: Cloud, target: Target, vm: UnmanagedVm, reservation: Reservation) -> tuple[DiskPlan, ...]:
    """The volumes to be, root first, data disks in list order, with the owner's limits reserved for each."""
    root, data = _root_and_data_disks(target, vm)
    plans = [_planned_root(cloud, target, root)]
    _reserve(target, root, reservation)
    for disk in data:
        _check_a31_controller(data[0], disk)
        plans.append(_planned_data_disk(cloud, target, disk))
        _reserve(target, disk, reservation)
    return tuple(plans)


def _reserve(target: Target, disk: UnmanagedDisk, reservation: Reservation) -> None:
    """A30, A35: the owner may have one volume more, and its bytes."""
    try:
        reservation.add("volume", 1)
        reservation.add("primary_storage", disk.capacity_bytes)
    except ResourceAllocation as error:
        raise RuntimeFailure(f"Volume resource allocation error for owner: {target.owner.id}. {error.text}") from error


def _root_and_data_disks(target: Target, vm: UnmanagedVm) -> tuple[UnmanagedDisk, list[UnmanagedDisk]]:
    """A24 to A26: the root disk is the one that has no offering."""
    disks, mapped = vm.disks, target.disk_offerings
    if not disks:
        raise RuntimeFailure(f"No attached disks found for the unmanaged VM: {target.displayname}")
    if len(mapped) != len(disks) - 1:
        raise RuntimeFailure(
            f"VM has total {len(disks)} disks for which {len(mapped)} disk offering mappings provided. "
            f"{len(disks) - 1} disks need a disk offering for import"
        )
    unmapped = [disk for disk in disks if disk.id not in mapped]
    if len(unmapped) != 1:
        raise RuntimeFailure(
            f"VM has total {len(disks)} disks, disk offering mapping not provided for {len(unmapped) - 1} disks. "
            f"Disk IDs that may need a disk offering - {', '.join(disk.id for disk in unmapped)}"
        )
    return unmapped[0], [disk for disk in disks if disk.id in mapped]


def _planned_root(cloud: Cloud, target: Target, root: UnmanagedDisk) -> DiskPlan:
    """A27 to A29. The root volume uses the disk offering bound to the compute offering; sizes are not compared."""
    if not root.controller:
        raise RuntimeFailure(f"VM import failed. Unable to retrieve root disk details for VM: {target.displayname} ")
    _check_capacity(root)
    bound = cloud.disk_offerings.get(target.offering.diskofferingid)
    tags = bound.tags if bound else target.offering.storagetags
    return DiskPlan(root, target.offering.diskofferingid, _pool(cloud, target, root, tags))


def _check_a31_controller(first: UnmanagedDisk, disk: UnmanagedDisk) -> None:
    if first.controller != disk.controller:
        raise RuntimeFailure(
            f"Multiple data disk controllers of different type ({first.controller}, {disk.controller}) are not "
            "supported for import. Please make sure that all data disk controllers are of the same type"
        )


def _planned_data_disk(cloud: Cloud, target: Target, disk: UnmanagedDisk) -> DiskPlan:
    """A32 to A35 for one data disk."""
    offering = cloud.disk_offerings[target.disk_offerings[disk.id]]
    description = described("Disk offering", cloud.disk_offerings, offering.id, offering.name)
    check_offering_access(cloud, target.owner, offering, target.zone.id, description)
    _check_capacity(disk)
    _check_a34_offering_size(offering, disk)
    return DiskPlan(disk, offering.id, _pool(cloud, target, disk, offering.tags))


def _check_capacity(disk: UnmanagedDisk) -> None:
    """A28, A33."""
    if disk.capacity_bytes <= 0:
        raise RuntimeFailure(f"Size of disk(ID: {disk.id}) is found invalid during VM import")


def _check_a34_offering_size(offering: DiskOffering, disk: UnmanagedDisk) -> None:
    if offering.iscustomized:
        return
    if offering.disksize <= 0:
        raise RuntimeFailure(f"Size of fixed disk offering(ID: {offering.id}) is found invalid during VM import")
    if offering.disksize * _GIB < disk.capacity_bytes:
        raise RuntimeFailure(
            f"Size of disk offering(ID: {offering.id}) {offering.disksize}GB is found less than the size of "
            f"disk(ID: {disk.id}) {disk.capacity_bytes // _GIB}GB during VM import"
        )


def _pool(cloud: Cloud, target: Target, disk: UnmanagedDisk, tags: str) -> StoragePool:
    """A29, A35: the storage pool of a disk's datastore."""
    accepted = [
        pool
        for pool in cloud.storage_pools.values()
        if pool.zoneid == target.zone.id and words(tags) <= words(pool.tags)
    ]
    if disk.datastore_type:
        for pool in accepted:
            nearby = pool.clusterid in ("", target.cluster.id)
            if nearby and (pool.host, pool.path) == (disk.datastore_host, disk.datastore_path):
                return pool
    # A substring is searched, over the pools of the whole zone: `ds1` also finds `/DC/ds10`, or another cluster's.
    wanted = disk.datastore_path or disk.datastore_name
    for pool in accepted:
        if wanted in pool.path or pool.id == disk.datastore_name:
            return pool
    raise RuntimeFailure(
        f"Storage pool for disk {disk.label}({disk.id}) with datastore: {disk.datastore_name} "
        f"not found in zone ID: {target.zone.id}"
    )
