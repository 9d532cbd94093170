"""Compute and disk offerings, templates, guest operating systems."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from ingest.twin.cloud import Cloud, DiskOffering, OsMapping, OsType, ServiceOffering, Template
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import entity, text
from ingest.twin.cloudstack.records import Json, compact
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service

Offering = TypeVar("Offering", ServiceOffering, DiskOffering)


def list_service_offerings(service: Service, call: Call) -> Listing:
    rows = select(
        call.arguments, service.cloud.service_offerings.values(), id="id", name="name", storagetype="storagetype"
    )
    return Listing("serviceoffering", _offered(call, rows), partial(_service_offering, service.cloud))


def list_disk_offerings(service: Service, call: Call) -> Listing:
    rows = select(
        call.arguments, service.cloud.disk_offerings.values(), id="id", name="name", storagetype="storagetype"
    )
    shown = [row for row in _offered(call, rows) if not row.hidden]
    return Listing("diskoffering", shown, partial(_disk_offering, service.cloud))


def _offered(call: Call, rows: list[Offering]) -> list[Offering]:
    """Offerings of the state asked for (default Active), usable in the zone and domain asked for."""
    state = call.arguments.text("state") or "Active"
    zoneid, domainid = call.arguments.text("zoneid"), call.arguments.text("domainid")
    return [
        row
        for row in rows
        if not row.removed
        and (state.lower() == "all" or row.state.lower() == state.lower())
        and (not zoneid or not row.zoneids or zoneid in row.zoneids)
        and (not domainid or domainid in row.domainids)
    ]


def _service_offering(cloud: Cloud, offering: ServiceOffering) -> Json:
    details = {
        "mincpunumber": offering.mincpunumber,
        "maxcpunumber": offering.maxcpunumber,
        "minmemory": offering.minmemory,
        "maxmemory": offering.maxmemory,
    }
    texts = {name: str(value) for name, value in details.items() if value is not None}
    return compact(
        {
            "id": offering.id,
            "name": offering.name,
            "displaytext": offering.name,
            "state": offering.state,
            "cpunumber": offering.cpunumber,
            "cpuspeed": offering.cpuspeed,
            "memory": offering.memory,
            "iscustomized": None in (offering.cpunumber, offering.cpuspeed, offering.memory),
            "serviceofferingdetails": texts or None,
            "hosttags": offering.hosttags,
            "storagetags": offering.storagetags,
            "storagetype": offering.storagetype,
            **_reach(cloud, offering.domainids, offering.zoneids),
            "diskofferingid": offering.diskofferingid,
            "issystem": False,
            "offerha": False,
            "limitcpuuse": False,
        }
    )


def _disk_offering(cloud: Cloud, offering: DiskOffering) -> Json:
    return compact(
        {
            "id": offering.id,
            "name": offering.name,
            "displaytext": offering.name,
            "state": offering.state,
            "disksize": offering.disksize,
            "iscustomized": offering.iscustomized,
            "iscustomizediops": False,
            "tags": offering.tags,
            "storagetype": offering.storagetype,
            **_reach(cloud, offering.domainids, offering.zoneids),
            "disksizestrictness": False,
        }
    )


def _reach(cloud: Cloud, domainids: list[str], zoneids: list[str]) -> Json:
    """Comma lists of the domains and zones an offering is restricted to; nothing for public ones."""
    return {
        "domainid": ",".join(domainids),
        "domain": ",".join(cloud.domains[domainid].path for domainid in domainids),
        "zoneid": ",".join(zoneids),
        "zone": ",".join(cloud.zones[zoneid].name for zoneid in zoneids),
    }


def list_templates(service: Service, call: Call) -> Listing:
    """Templates, whatever the filter: the twin's templates are all public, featured and executable."""
    cloud = service.cloud
    rows = select(
        call.arguments, cloud.templates.values(), id="id", name="name", zoneid="zoneid", hypervisor="hypervisor"
    )
    return Listing("template", [row for row in rows if not row.removed], partial(_template, cloud))


def _template(cloud: Cloud, template: Template) -> Json:
    os_type = cloud.os_types.get(template.ostypeid)
    zone = cloud.zones.get(template.zoneid)
    return compact(
        {
            "id": template.id,
            "name": template.name,
            "displaytext": template.name,
            "hypervisor": template.hypervisor,
            "ostypeid": template.ostypeid,
            "ostypename": os_type.description if os_type else None,
            "isready": template.isready,
            "format": template.format,
            "zoneid": template.zoneid,
            "zonename": zone.name if zone else None,
            "templatetype": "USER",
            "ispublic": True,
        }
    )


def list_os_types(service: Service, call: Call) -> Listing:
    rows = select(
        call.arguments, service.cloud.os_types.values(), keyword="description", id="id", description="description"
    )
    return Listing("ostype", rows, _os_type)


def _os_type(os_type: OsType) -> Json:
    return {"id": os_type.id, "name": os_type.description, "description": os_type.description, "isuserdefined": False}


def list_guest_os_mapping(service: Service, call: Call) -> Listing:
    arguments = call.arguments
    cloud = service.cloud
    rows = select(
        arguments,
        cloud.os_mappings.values(),
        keyword="osnameforhypervisor",
        id="id",
        ostypeid="ostypeid",
        hypervisorversion="hypervisorversion",
        osnameforhypervisor="osnameforhypervisor",
    )
    display = arguments.text("osdisplayname")
    shown = [row for row in rows if not display or cloud.os_types[row.ostypeid].description == display]
    matches = arguments.text("hypervisor").lower() in ("", "vmware")
    return Listing("guestosmapping", shown if matches else [], partial(_os_mapping, cloud))


def _os_mapping(cloud: Cloud, mapping: OsMapping) -> Json:
    os_type = cloud.os_types.get(mapping.ostypeid)
    return compact(
        {
            "id": mapping.id,
            "hypervisor": "VMware",
            "hypervisorversion": mapping.hypervisorversion,
            "ostypeid": mapping.ostypeid,
            "osdisplayname": os_type.description if os_type else None,
            "osnameforhypervisor": mapping.osnameforhypervisor,
            "isuserdefined": "false",
        }
    )


COMMANDS: tuple[Command, ...] = (
    listing(
        "listServiceOfferings",
        list_service_offerings,
        entity("id", "service_offerings"),
        text("name"),
        entity("zoneid", "zones"),
        entity("domainid", "domains"),
        text("storagetype"),
        text("state"),
    ),
    listing(
        "listDiskOfferings",
        list_disk_offerings,
        entity("id", "disk_offerings"),
        text("name"),
        entity("zoneid", "zones"),
        entity("domainid", "domains"),
        text("storagetype"),
        text("state"),
    ),
    listing(
        "listTemplates",
        list_templates,
        text("templatefilter", required=True),
        entity("id", "templates"),
        text("name"),
        entity("zoneid", "zones"),
        text("hypervisor"),
    ),
    listing("listOsTypes", list_os_types, entity("id", "os_types"), text("description")),
    listing(
        "listGuestOsMapping",
        list_guest_os_mapping,
        entity("id", "os_mappings"),
        entity("ostypeid", "os_types"),
        text("hypervisor"),
        text("hypervisorversion"),
        text("osdisplayname"),
        text("osnameforhypervisor"),
    ),
)
