"""Virtual machines and volumes (CloudStack: UserVmJoinDaoImpl, VolumeJoinDaoImpl)."""

from __future__ import annotations

import json
from functools import partial

from ingest.twin.cloud import Cloud, Instance, InstanceNic, Volume
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import entities, entity, map_of, text, words
from ingest.twin.cloudstack.records import Json, compact, owner_fields, time_text
from ingest.twin.cloudstack.refusals import InvalidParameter
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, scope_of

# In the order of the server's enumeration, as its refusal lists them.
_SECTIONS = (
    "all",
    "group",
    "nics",
    "stats",
    "secgrp",
    "tmpl",
    "servoff",
    "diskoff",
    "backoff",
    "iso",
    "volume",
    "min",
    "affgrp",
)
ALL_SECTIONS = frozenset(_SECTIONS)


def list_virtual_machines(service: Service, call: Call) -> Listing:
    """User VMs in scope. `name` is the hostname; there is no filter for instance names or MACs."""
    cloud, arguments = service.cloud, call.arguments
    scope = scope_of(cloud, call)
    ids, networkid = arguments.words("ids"), arguments.text("networkid")
    keyword, for_admin = arguments.text("keyword").lower(), call.account.accounttype == 1
    sections = _sections(arguments.words("details"))
    tags = {group.get("key", ""): group.get("value", "") for group in arguments.groups("tags")}
    wanted = {
        column: arguments.text(column)
        for column in ("id", "name", "zoneid", "clusterid", "hostid", "podid", "state")
        if arguments.text(column)
    }
    storage = arguments.text("storageid")
    on_pool = (
        {v.instanceid for v in cloud.volumes.values() if v.poolid == storage and not v.removed} if storage else set()
    )
    by_id = cloud.instances.get(wanted.get("id", ""))
    rows = [by_id] if by_id is not None else cloud.instances.values()
    shown = [
        instance
        for instance in rows
        if not instance.removed
        and scope.shows(instance.accountid)
        and all(getattr(instance, column) == value for column, value in wanted.items())
        and (not ids or instance.id in ids)
        and (not networkid or any(nic.networkid == networkid for nic in instance.nics))
        and (not storage or instance.id in on_pool)
        and (not keyword or _matches(instance, keyword, for_admin=for_admin))
        and (not tags or any(instance.tags.get(key) == value for key, value in tags.items()))
    ]
    if arguments.text("hypervisor").lower() not in ("", "vmware"):
        shown = []
    render = partial(rendered_instance, cloud, sections=sections, for_admin=for_admin)
    return Listing("virtualmachine", shown, render)


def _sections(details: tuple[str, ...]) -> frozenset[str]:
    """The parts of a VM asked for: every one without `details` and for `all`, none for `min`."""
    if not set(details) <= set(_SECTIONS):
        allowed = f"[{', '.join(_SECTIONS)}]"
        raise InvalidParameter(
            f"The details parameter contains a non permitted value. The allowed values are {allowed}"
        )
    return ALL_SECTIONS if not details or "all" in details else frozenset(details)


def _matches(instance: Instance, keyword: str, *, for_admin: bool) -> bool:
    texts = [instance.displayname, instance.name, *(nic.ipaddress for nic in instance.nics)]
    if for_admin:
        texts.append(instance.instancename)
    return instance.state.lower() == keyword or any(keyword in text.lower() for text in texts)


def rendered_instance(
    cloud: Cloud, instance: Instance, *, sections: frozenset[str] = ALL_SECTIONS, for_admin: bool = True
) -> Json:
    """A virtual machine object, as lists and finished jobs show it. Only root admins see where and as what it runs."""
    host = cloud.hosts.get(instance.hostid)
    zone = cloud.zones.get(instance.zoneid)
    offering = cloud.service_offerings.get(instance.serviceofferingid)
    os_type = cloud.os_types.get(instance.guestosid)
    fields: Json = {
        "id": instance.id,
        "name": instance.name,
        "displayname": instance.displayname,
        "state": instance.state,
        **owner_fields(cloud, instance.accountid),
        "zoneid": instance.zoneid,
        "zonename": zone.name if zone else None,
        "guestosid": instance.guestosid,
        "osdisplayname": os_type.description if os_type else None,
        "hypervisor": "VMware",
        "userid": instance.userid,
        "haenable": instance.haenable,
        "created": time_text(instance.created),
        "details": dict(instance.details),
        "tags": [_tag(cloud, instance, key, value) for key, value in instance.tags.items()],
        "affinitygroup": [],
    }
    if for_admin:
        fields |= {
            "instancename": instance.instancename,
            "hostid": instance.hostid,
            "hostname": host.name if host else None,
        }
    if "tmpl" in sections:
        fields |= _template_fields(cloud, instance)
    if "iso" in sections and instance.isoid:
        fields["isoid"] = instance.isoid
    if "servoff" in sections:
        fields |= {
            "serviceofferingid": instance.serviceofferingid,
            "serviceofferingname": offering.name if offering else None,
            "cpunumber": instance.cpunumber,
            "cpuspeed": instance.cpuspeed,
            "memory": instance.memory,
        }
    if "diskoff" in sections and offering is not None:
        fields["diskofferingid"] = offering.diskofferingid
    if "volume" in sections:
        fields |= {"rootdeviceid": 0, "rootdevicetype": "ROOT"}
    if "nics" in sections:
        fields["nic"] = [_nic(cloud, nic, for_admin=for_admin) for nic in instance.nics]
    if "secgrp" in sections:
        fields["securitygroup"] = []
    return compact(fields)


def _template_fields(cloud: Cloud, instance: Instance) -> Json:
    """An import without a template belongs to a hidden ISO record."""
    template = cloud.templates.get(instance.templateid)
    dummy = "system-default-vm-import-dummy-template.iso"
    return {
        "templateid": instance.templateid,
        "templatename": template.name if template else dummy,
        "templatedisplaytext": template.name if template else "VM Import Default Template",
        "templateformat": template.format if template else "ISO",
        "passwordenabled": False,
    }


def _tag(cloud: Cloud, instance: Instance, key: str, value: str) -> Json:
    return compact(
        {
            "key": key,
            "value": value,
            "resourcetype": "UserVm",
            "resourceid": instance.id,
            **owner_fields(cloud, instance.accountid),
        }
    )


def _nic(cloud: Cloud, nic: InstanceNic, *, for_admin: bool) -> Json:
    network = cloud.networks.get(nic.networkid)
    return compact(
        {
            "id": nic.id,
            "networkid": nic.networkid,
            "networkname": network.name if network else None,
            "macaddress": nic.macaddress,
            "ipaddress": nic.ipaddress,
            "broadcasturi": network.broadcasturi if network and for_admin else None,
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
    zoneid, ids = arguments.text("zoneid"), arguments.words("ids")
    for_admin = call.account.accounttype == 1
    shown = [
        volume
        for volume in rows
        if not volume.removed
        and (owner := cloud.instances.get(volume.instanceid)) is not None
        and scope.shows(owner.accountid)
        and (not zoneid or owner.zoneid == zoneid)
        and (not ids or volume.id in ids)
    ]
    return Listing("volume", shown, partial(_volume, cloud, for_admin=for_admin))


def _volume(cloud: Cloud, volume: Volume, *, for_admin: bool) -> Json:
    instance = cloud.instances[volume.instanceid]
    pool = cloud.storage_pools.get(volume.poolid)
    offering = cloud.disk_offerings.get(volume.diskofferingid)
    zone = cloud.zones.get(instance.zoneid)
    placed: Json = {
        "path": volume.path,
        "chaininfo": json.dumps({"diskChain": volume.chaininfo}) if volume.chaininfo else None,
        "storageid": volume.poolid,
        "storage": pool.name if pool else None,
    }
    return compact(
        {
            "id": volume.id,
            "name": volume.name,
            "type": volume.type,
            "state": "Ready",
            "size": volume.size_bytes,
            **(placed if for_admin else {}),
            "deviceid": volume.deviceid,
            "storagetype": "shared",
            "hypervisor": "VMware",
            "diskofferingid": volume.diskofferingid,
            "diskofferingname": offering.name if offering else None,
            "virtualmachineid": volume.instanceid,
            "vmname": instance.name,
            "vmdisplayname": instance.displayname,
            "vmstate": instance.state,
            "zoneid": instance.zoneid,
            "zonename": zone.name if zone else None,
            "tags": [],
            **owner_fields(cloud, instance.accountid),
        }
    )


COMMANDS: tuple[Command, ...] = (
    listing(
        "listVirtualMachines",
        list_virtual_machines,
        entity("id", "instances"),
        entities("ids", "instances", since="4.4"),
        text("name"),
        text("state"),
        entity("zoneid", "zones"),
        entity("clusterid", "clusters"),
        entity("hostid", "hosts"),
        entity("podid", "pods"),
        entity("storageid", "storage_pools"),
        entity("networkid", "networks"),
        *OWNER_PARAMETERS,
        words("details"),
        map_of("tags"),
        text("hypervisor"),
    ),
    listing(
        "listVolumes",
        list_volumes,
        entity("id", "volumes"),
        entities("ids", "volumes", since="4.9"),
        text("name"),
        entity("virtualmachineid", "instances"),
        entity("storageid", "storage_pools"),
        entity("zoneid", "zones"),
        text("type"),
        *OWNER_PARAMETERS,
    ),
)
