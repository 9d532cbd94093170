"""Snapshots CloudStack knows: of volumes (listSnapshots) and of VMs (listVMSnapshot). Not those of vCenter."""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Cloud, Instance, Volume
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import entity
from ingest.twin.cloudstack.records import Json, compact, owner_fields
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, scope_of


def list_snapshots(service: Service, call: Call) -> Listing:
    """Volume snapshots in scope; they outlive their volume."""
    cloud = service.cloud
    scope, volumeid = scope_of(cloud, call), call.arguments.text("volumeid")
    keyword = call.arguments.text("keyword").lower()
    rows = [
        (snapshot, volume)
        for volume in cloud.volumes.values()
        if volumeid in ("", volume.id)
        and (owner := cloud.instances.get(volume.instanceid)) is not None
        and scope.shows(owner.accountid)
        for snapshot in volume.snapshots
        if keyword in snapshot.lower()
    ]
    return Listing("snapshot", rows, partial(_snapshot, cloud))


def _snapshot(cloud: Cloud, row: tuple[str, Volume]) -> Json:
    snapshot, volume = row
    return compact(
        {
            "id": snapshot,
            "name": snapshot,
            "volumeid": volume.id,
            "volumename": volume.name,
            "volumetype": volume.type,
            "snapshottype": "MANUAL",
            "state": "BackedUp",
            **owner_fields(cloud, cloud.instances[volume.instanceid].accountid),
        }
    )


def list_vm_snapshot(service: Service, call: Call) -> Listing:
    """VM snapshots in scope."""
    cloud = service.cloud
    scope, instanceid = scope_of(cloud, call), call.arguments.text("virtualmachineid")
    keyword = call.arguments.text("keyword").lower()
    rows = [
        (snapshot, instance)
        for instance in cloud.instances.values()
        if not instance.removed and instanceid in ("", instance.id) and scope.shows(instance.accountid)
        for snapshot in instance.snapshots
        if keyword in snapshot.lower()
    ]
    return Listing("vmSnapshot", rows, partial(_vm_snapshot, cloud))


def _vm_snapshot(cloud: Cloud, row: tuple[str, Instance]) -> Json:
    snapshot, instance = row
    return compact(
        {
            "id": f"{instance.id}-{snapshot}",
            "name": snapshot,
            "displayname": snapshot,
            "virtualmachineid": instance.id,
            "virtualmachinename": instance.name,
            "zoneid": instance.zoneid,
            "type": "Disk",
            "state": "Ready",
            **owner_fields(cloud, instance.accountid),
        }
    )


COMMANDS: tuple[Command, ...] = (
    listing("listSnapshots", list_snapshots, entity("volumeid", "volumes"), *OWNER_PARAMETERS),
    listing("listVMSnapshot", list_vm_snapshot, entity("virtualmachineid", "instances"), *OWNER_PARAMETERS),
)
