"""Virtual machines and volumes (CloudStack: UserVmJoinDaoImpl, VolumeJoinDaoImpl)."""

from __future__ import annotations

import json
from functools import partial

from ingest.twin.cloud import Cloud, Instance, InstanceNic, Volume
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import Kind, Parameter, entity, text
from ingest.twin.cloudstack.records import Json, compact, owner_fields, time_text
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, scope_of


def list_virtual_machines(service: Service, call: Call) -> Listing:
    """User VMs in scope. `name` is the hostname; there is no filter for instance names or MACs."""
    cloud, arguments = service.cloud, call.arguments
    scope = scope_of(cloud, call)
    ids, networkid = arguments.words("ids"), arguments.text("networkid")
    keyword = arguments.text("keyword").lower()
    wanted = {
        column: arguments.text(column)
        for column in ("id", "name", "zoneid", "clusterid", "hostid", "podid", "state")
        if arguments.text(column)
    }
    storage = arguments.text("storageid")
    on_pool = (
        {v.instanceid for v in cloud.volumes.values() if v.poolid == storage and not v.removed} if storage else set()
    )
    shown = [
        instance
        for instance in cloud.instances.values()
        if not instance.removed
        and scope.shows(instance.accountid)
        and all(getattr(instance, column) == value for column, value in wanted.items())
        and (not ids or instance.id in ids)
        and (not networkid or any(nic.networkid == networkid for nic in instance.nics))
        and (not storage or instance.id in on_pool)
        and (not keyword or _matches(instance, keyword))
    ]
    if arguments.text("hypervisor").lower() not in ("", "vmware"):
        shown = []
    details = arguments.words("details")
    with_nics = not details or "all" in details or "nics" in details
    return Listing("virtualmachine", shown, partial(rendered_instance, cloud, with_nics=with_nics))


def _matches(instance: Instance, keyword: str) -> bool:
    texts = (instance.displayname, instance.name, instance.instancename, *(nic.ipaddress for nic in instance.nics))
    return instance.state.lower() == keyword or any(keyword in text.lower() for text in texts)


def rendered_instance(cloud: Cloud, instance: Instance, *, with_nics: bool = True) -> Json:
    """A virtual machine object, as lists and finished import jobs show it."""
    host = cloud.hosts.get(instance.hostid)
    zone = cloud.zones.get(instance.zoneid)
    offering = cloud.service_offerings.get(instance.serviceofferingid)
    os_type = cloud.os_types.get(instance.guestosid)
    template = cloud.templates.get(instance.templateid)
    fields: Json = {
        "id": instance.id,
        "name": instance.name,
        "displayname": instance.displayname,
        "instancename": instance.instancename,
        "state": instance.state,
        **owner_fields(cloud, instance.accountid),
        "zoneid": instance.zoneid,
        "zonename": zone.name if zone else None,
        "hostid": instance.hostid,
        "hostname": host.name if host else None,
        "templateid": instance.templateid,
        "templatename": template.name if template else "system-default-vm-import-dummy-template.iso",
        "serviceofferingid": instance.serviceofferingid,
        "serviceofferingname": offering.name if offering else None,
        "cpunumber": instance.cpunumber,
        "cpuspeed": instance.cpuspeed,
        "memory": instance.memory,
        "guestosid": instance.guestosid,
        "osdisplayname": os_type.description if os_type else None,
        "hypervisor": "VMware",
        "userid": instance.userid,
        "haenable": instance.haenable,
        "created": time_text(instance.created),
        "details": dict(instance.details),
        "tags": [],
    }
    if with_nics:
        fields["nic"] = [_nic(cloud, nic) for nic in instance.nics]
    return compact(fields)


def _nic(cloud: Cloud, nic: InstanceNic) -> Json:
    network = cloud.networks.get(nic.networkid)
    return compact(
        {
            "id": nic.id,
            "networkid": nic.networkid,
            "networkname": network.name if network else None,
            "macaddress": nic.macaddress,
            "ipaddress": nic.ipaddress,
            "broadcasturi": network.broadcasturi if network else None,
            "type": network.type if network else None,
            "traffictype": "Guest",
            "isdefault": nic.isdefault,
            "deviceid": str(nic.deviceid),
        }
    )


def list_volumes(service: Service, call: Call) -> Listing:
    cloud, arguments = service.cloud, call.arguments
    scope = scope_of(cloud, call)
    rows = select(
        arguments,
        cloud.volumes.values(),
        id="id",
        name="name",
        virtualmachineid="instanceid",
        storageid="poolid",
        type="type",
    )
    zoneid = arguments.text("zoneid")
    shown = [
        volume
        for volume in rows
        if not volume.removed
        and (owner := cloud.instances.get(volume.instanceid)) is not None
        and scope.shows(owner.accountid)
        and (not zoneid or owner.zoneid == zoneid)
    ]
    return Listing("volume", shown, partial(_volume, cloud))


def _volume(cloud: Cloud, volume: Volume) -> Json:
    instance = cloud.instances[volume.instanceid]
    pool = cloud.storage_pools.get(volume.poolid)
    return compact(
        {
            "id": volume.id,
            "name": volume.name,
            "type": volume.type,
            "state": "Ready",
            "size": volume.size_bytes,
            "path": volume.path,
            "chaininfo": json.dumps({"diskChain": volume.chaininfo}) if volume.chaininfo else None,
            "deviceid": volume.deviceid,
            "storageid": volume.poolid,
            "storage": pool.name if pool else None,
            "diskofferingid": volume.diskofferingid,
            "virtualmachineid": volume.instanceid,
            "vmname": instance.name,
            "zoneid": instance.zoneid,
            **owner_fields(cloud, instance.accountid),
        }
    )


COMMANDS: tuple[Command, ...] = (
    listing(
        "listVirtualMachines",
        list_virtual_machines,
        entity("id", "instances"),
        Parameter("ids", Kind.ENTITIES, table="instances"),
        text("name"),
        text("state"),
        entity("zoneid", "zones"),
        entity("clusterid", "clusters"),
        entity("hostid", "hosts"),
        entity("podid", "pods"),
        entity("storageid", "storage_pools"),
        entity("networkid", "networks"),
        *OWNER_PARAMETERS,
        Parameter("details", Kind.WORDS),
        text("hypervisor"),
    ),
    listing(
        "listVolumes",
        list_volumes,
        entity("id", "volumes"),
        text("name"),
        entity("virtualmachineid", "instances"),
        entity("storageid", "storage_pools"),
        entity("zoneid", "zones"),
        text("type"),
        *OWNER_PARAMETERS,
    ),
)
