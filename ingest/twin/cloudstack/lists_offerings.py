"""Compute and disk offerings, templates, guest operating systems."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TypeVar

from ingest.twin.cloud import Cloud, DiskOffering, OsMapping, OsType, ServiceOffering, Template
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import boolean, entity, integer, text
from ingest.twin.cloudstack.records import Json, compact, domain_and_parents, owner_fields
from ingest.twin.cloudstack.refusals import ApiException, InvalidParameter
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service

_TEMPLATE_FILTERS = frozenset(
    {"featured", "self", "selfexecutable", "sharedexecutable", "executable", "community", "all", "shared"}
)

Offering = TypeVar("Offering", ServiceOffering, DiskOffering)


def list_service_offerings(service: Service, call: Call) -> Listing:
    rows = select(
        call.arguments, service.cloud.service_offerings.values(), id="id", name="name", storagetype="storagetype"
    )
    arguments = call.arguments
    wanted = (arguments.number("cpunumber"), arguments.number("cpuspeed"), arguments.number("memory"))
    # No offering of the twin is one for system VMs.
    shown = [] if arguments.flag("issystem") else _offered(service.cloud, call, rows)
    return Listing(
        "serviceoffering",
        [row for row in shown if _supports(row, *wanted)],
        partial(_service_offering, service.cloud),
    )


def _supports(offering: ServiceOffering, cpus: int | None, speed_mhz: int | None, memory_mib: int | None) -> bool:
    """Whether a VM of that size fits: equal where the offering is fixed, within its limits where it is open."""
    if cpus is not None and offering.cpunumber is None:
        fits_cpus = (offering.mincpunumber or 1) <= cpus <= (offering.maxcpunumber or cpus)
    else:
        fits_cpus = cpus in (None, offering.cpunumber)
    if memory_mib is not None and offering.memory is None:
        fits_memory = (offering.minmemory or 32) <= memory_mib <= (offering.maxmemory or memory_mib)
    else:
        fits_memory = memory_mib in (None, offering.memory)
    return fits_cpus and fits_memory and (speed_mhz is None or offering.cpuspeed in (None, speed_mhz))


def list_disk_offerings(service: Service, call: Call) -> Listing:
    rows = select(
        call.arguments, service.cloud.disk_offerings.values(), id="id", name="name", storagetype="storagetype"
    )
    shown = [row for row in _offered(service.cloud, call, rows) if not row.hidden]
    return Listing("diskoffering", shown, partial(_disk_offering, service.cloud))


def _offered(cloud: Cloud, call: Call, rows: list[Offering]) -> list[Offering]:
    """Offerings of the state asked for (default Active), usable in the zone and domain asked for.

    Who is no root admin sees public ones and those of his domain and its parents.
    """
    state = call.arguments.text("state") or "Active"
    zoneid, domainid = call.arguments.text("zoneid"), call.arguments.text("domainid")
    reachable = {domain.id for domain in domain_and_parents(cloud, call.account.domainid)}
    domainids = {domainid}
    if call.arguments.flag("isrecursive"):
        domainids |= {
            below for below in cloud.domains if domainid in {domain.id for domain in domain_and_parents(cloud, below)}
        }
    if call.account.accounttype != 1:
        rows = [row for row in rows if not row.domainids or reachable & set(row.domainids)]
    return [
        row
        for row in rows
        if not row.removed
        and (state.lower() == "all" or row.state.lower() == state.lower())
        and (not zoneid or not row.zoneids or zoneid in row.zoneids)
        and (not domainid or domainids & set(row.domainids))
    ]


def _service_offering(cloud: Cloud, offering: ServiceOffering) -> Json:
    details = {
        "mincpunumber": offering.mincpunumber,
        "maxcpunumber": offering.maxcpunumber,
        "minmemory": offering.minmemory,
        "maxmemory": offering.maxmemory,
    }
    root = cloud.disk_offerings.get(offering.diskofferingid)
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
            "rootdisksize": root.disksize if root and root.disksize else None,
            "issystem": False,
            "offerha": offering.offerha,
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
    """Templates by filter; the twin's are the root admin's, and all public and featured."""
    cloud, wanted = service.cloud, call.arguments.text("templatefilter")
    rows = select(
        call.arguments, cloud.templates.values(), id="id", name="name", zoneid="zoneid", hypervisor="hypervisor"
    )
    if wanted not in _TEMPLATE_FILTERS:
        # Java's Enum.valueOf throws, and nobody catches it.
        raise ApiException(530, "Internal server error, unable to execute request.")
    if wanted == "all" and call.account.accounttype != 1:
        raise InvalidParameter("Filter all can be specified by root admin only")
    own = wanted in ("self", "selfexecutable")
    shown = [
        row
        for row in rows
        if not row.removed
        and (row.isready or wanted in ("all", "self"))
        and (not own or call.account.accounttype == 1)
        and wanted not in ("community", "sharedexecutable", "shared")
    ]
    return Listing("template", shown, partial(_template, cloud))


def _template(cloud: Cloud, template: Template) -> Json:
    os_type = cloud.os_types.get(template.ostypeid)
    zone = cloud.zones.get(template.zoneid)
    owner = next((account for account in cloud.accounts.values() if account.accounttype == 1), None)
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
            "isfeatured": True,
            "templatetag": template.templatetag,
            "details": dict(template.details),
            **(owner_fields(cloud, owner.id) if owner else {}),
        }
    )


def list_os_types(service: Service, call: Call) -> Listing:
    rows = select(
        call.arguments, service.cloud.os_types.values(), keyword="description", id="id", description="description"
    )
    category = call.arguments.text("oscategoryid")
    return Listing("ostype", [row for row in rows if category in ("", _category_id(row))], _os_type)


def _os_type(os_type: OsType) -> Json:
    return {
        "id": os_type.id,
        "name": os_type.description,
        "description": os_type.description,
        "oscategoryid": _category_id(os_type),
        "isuserdefined": False,
    }


def _category_id(os_type: OsType) -> str:
    """The twin has no table of categories: the family in the name is one."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"os category {os_type.description.split()[0]}"))


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
        text("state", since="4.19"),
        boolean("issystem"),
        boolean("isrecursive"),
        integer("cpunumber", since="4.15"),
        integer("memory", since="4.15"),
        integer("cpuspeed", since="4.15"),
    ),
    listing(
        "listDiskOfferings",
        list_disk_offerings,
        entity("id", "disk_offerings"),
        text("name"),
        entity("zoneid", "zones"),
        entity("domainid", "domains"),
        text("storagetype", since="4.19"),
        text("state", since="4.19"),
        boolean("isrecursive"),
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
    listing("listOsTypes", list_os_types, entity("id", "os_types"), text("description"), text("oscategoryid")),
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
