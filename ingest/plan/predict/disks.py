"""Disks: which is the root disk, their sizes, pools and limits. A24-A35, each disk through all checks in turn."""

from __future__ import annotations

from ingest.model.catalogue import DiskOffering, UnmanagedDisk
from ingest.plan import server
from ingest.plan.predict.hearing import Hearing, Refusal, Undecidable
from ingest.plan.predict.limits import charge, reserve
from ingest.plan.predict.printed import printed

_GIB = 1 << 30


def check_disks(hearing: Hearing) -> None:
    """The root disk is the one without an offering; the data disks follow in the order they are listed."""
    disks, offerings = hearing.machine.disk, dict(hearing.request.data_disk_offerings)
    root = _root(hearing)
    _check_root(hearing, root)
    data = [disk for disk in disks if disk is not root]
    for disk in data:
        first = data[0].controller
        if disk.controller != first:
            raise Refusal(
                "A31",
                530,
                f"Multiple data disk controllers of different type ({first}, {disk.controller}) are not supported for "
                "import. Please make sure that all data disk controllers are of the same type",
            )
        offering = hearing.facts.disk_offerings.get(offerings[disk.id])
        if offering is None:
            raise Undecidable
        _check_data(hearing, disk, offering)


def _root(hearing: Hearing) -> UnmanagedDisk:
    disks, offerings = hearing.machine.disk, dict(hearing.request.data_disk_offerings)
    if not disks:
        raise Refusal("A24", 530, f"No attached disks found for the unmanaged VM: {hearing.display_name}")
    count = len(disks)
    if len(offerings) != count - 1:
        raise Refusal(
            "A25",
            530,
            f"VM has total {count} disks for which {len(offerings)} disk offering mappings provided. {count - 1} disks "
            "need a disk offering for import",
        )
    without = [disk for disk in disks if disk.id not in offerings]
    if len(without) != 1:
        ids = ", ".join(disk.id for disk in without)
        raise Refusal(
            "A26",
            530,
            f"VM has total {count} disks, disk offering mapping not provided for {len(without) - 1} disks. "
            f"Disk IDs that may need a disk offering - {ids}",
        )
    return without[0]


def _check_root(hearing: Hearing, disk: UnmanagedDisk) -> None:
    if not disk.controller:
        text = f"VM import failed. Unable to retrieve root disk details for VM: {hearing.display_name} "
        raise Refusal("A27", 530, text)
    _check_capacity(disk, "A28")
    _check_pool(hearing, disk, hearing.offering.storagetags, "A29")
    _check_limits(hearing, disk, "A30")


def _check_data(hearing: Hearing, disk: UnmanagedDisk, offering: DiskOffering) -> None:
    if not hearing.facts.lookup.may_use_offering(hearing.owner.named, offering, hearing.cluster.zoneid):
        shown = printed("Disk offering", offering.id, offering.name)
        raise Refusal("A32", 530, f"There's no way to confirm {hearing.owner.printed} has access to {shown}")
    _check_capacity(disk, "A33")
    size_gib = offering.disksize or 0
    if not offering.iscustomized and size_gib <= 0:
        text = f"Size of fixed disk offering(ID: {offering.id}) is found invalid during VM import"
        raise Refusal("A34", 530, text)
    if server.too_small(offering, disk):
        raise Refusal(
            "A34",
            530,
            f"Size of disk offering(ID: {offering.id}) {size_gib}GB is found less than the size of disk(ID: {disk.id}) "
            f"{disk.capacity // _GIB}GB during VM import",
        )
    _check_pool(hearing, disk, offering.tags, "A35")
    _check_limits(hearing, disk, "A35")


def _check_capacity(disk: UnmanagedDisk, check: str) -> None:
    if disk.capacity <= 0:
        raise Refusal(check, 530, f"Size of disk(ID: {disk.id}) is found invalid during VM import")


def _check_pool(hearing: Hearing, disk: UnmanagedDisk, tags: str, check: str) -> None:
    zone_id = hearing.cluster.zoneid
    pools = hearing.facts.pools_of_zone(zone_id)
    if server.pools_of(disk, pools, zone_id=zone_id, cluster_id=hearing.cluster.id, tags=tags):
        return
    cluster = server.datastore_cluster(disk, pools, hearing.facts.datastores, zone_id=zone_id)
    if cluster:
        hearing.doubt(f"the members of datastore cluster {cluster} are not listed: {disk.datastorename} may be one")
        return
    raise Refusal(
        check,
        530,
        f"Storage pool for disk {disk.label}({disk.id}) with datastore: {disk.datastorename} not found in zone ID: "
        f"{zone_id}",
    )


def _check_limits(hearing: Hearing, disk: UnmanagedDisk, check: str) -> None:
    problem = f"Volume resource allocation error for owner: {hearing.owner.id}."
    reserve(hearing, "volume", 1, check=check, problem=problem)
    reserve(hearing, "primary_storage", disk.capacity, check=check, problem=problem)
    charge(hearing, "volume", 1)
    charge(hearing, "primary_storage", disk.capacity)
