"""Guest networks and network offerings (CloudStack: NetworkServiceImpl.searchForNetworks)."""

from __future__ import annotations

import uuid
from functools import partial

from ingest.twin.cloud import Cloud, Network
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import boolean, entity, text
from ingest.twin.cloudstack.records import Json, compact, owner_fields
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, network_visible, scope_of

# (name, guest type, whether a VLAN is given at creation)
_OFFERINGS = (
    ("DefaultL2NetworkOffering", "L2", False),
    ("DefaultL2NetworkOfferingVlan", "L2", True),
    ("DefaultSharedNetworkOffering", "Shared", True),
    ("DefaultIsolatedNetworkOfferingWithSourceNatService", "Isolated", False),
)


def list_networks(service: Service, call: Call) -> Listing:
    """Guest networks in scope; system networks only when asked for, project networks as `projectid` says."""
    cloud, arguments = service.cloud, call.arguments
    scope = scope_of(cloud, call)
    # The scope consumes domainid, so it is no filter of its own.
    rows = select(arguments, cloud.networks.values(), id="id", name="name", zoneid="zoneid", acltype="acltype")
    guest_type, vlan = arguments.text("type").lower(), arguments.text("vlan")
    traffic = arguments.text("traffictype").lower()
    shown = [
        network
        for network in rows
        if not network.removed
        and network.issystem == arguments.flag("issystem")
        and (not guest_type or network.type.lower() == guest_type)
        and (not vlan or network.broadcasturi in (vlan, f"vlan://{vlan}"))
        and traffic in ("", "guest")
        and network_visible(cloud, scope, network)
    ]
    return Listing("network", shown, partial(_network, cloud))


def _network(cloud: Cloud, network: Network) -> Json:
    zone = cloud.zones.get(network.zoneid)
    scheme, _, value = network.broadcasturi.partition("://")
    return compact(
        {
            "id": network.id,
            "name": network.name,
            "displaytext": network.displaytext or network.name,
            "type": network.type,
            "traffictype": "Guest",
            "state": network.state,
            "zoneid": network.zoneid,
            "zonename": zone.name if zone else None,
            "networkofferingid": _offering_id(_offering_of(network)),
            "networkofferingname": _offering_of(network),
            "specifyvlan": network.type != "Isolated" and bool(network.broadcasturi),
            "ispersistent": False,
            "broadcastdomaintype": scheme.capitalize() if scheme else "Vlan",
            "broadcasturi": network.broadcasturi,
            # A private VLAN has no single number.
            "vlan": "N/A" if scheme == "pvlan" else value,
            "cidr": network.cidr,
            "gateway": network.gateway,
            "acltype": network.acltype,
            "subdomainaccess": network.subdomainaccess if network.acltype == "Domain" else None,
            **_owner(cloud, network),
            "issystem": network.issystem,
            "canusefordeploy": True,
            "service": [],
            "details": {},
        }
    )


def _owner(cloud: Cloud, network: Network) -> Json:
    owner = owner_fields(cloud, network.accountid)
    domain = cloud.domains.get(network.domainid)
    place = {"domainid": network.domainid}
    if domain is not None:
        place |= {"domain": domain.name, "domainpath": domain.path}
    return owner | place


def _offering_of(network: Network) -> str:
    with_vlan = network.type != "Isolated" and bool(network.broadcasturi)
    for name, guest_type, specify_vlan in _OFFERINGS:
        if guest_type == network.type and (guest_type != "L2" or specify_vlan == with_vlan):
            return name
    return ""


def list_network_offerings(service: Service, call: Call) -> Listing:
    """The offerings every installation starts with."""
    arguments = call.arguments
    guest_type, name = arguments.text("guestiptype").lower(), arguments.text("name")
    rows = [
        {
            "id": _offering_id(offering),
            "name": offering,
            "displaytext": offering,
            "state": "Enabled",
            "traffictype": "Guest",
            "guestiptype": kind,
            "specifyvlan": specify_vlan,
            "specifyipranges": kind == "Shared",
            "ispersistent": False,
            "service": [],
        }
        for offering, kind, specify_vlan in _OFFERINGS
        if guest_type in ("", kind.lower())
        and name in ("", offering)
        and arguments.text("id") in ("", _offering_id(offering))
        and (not arguments.given("specifyvlan") or arguments.flag("specifyvlan") == specify_vlan)
    ]
    return Listing("networkoffering", rows if arguments.text("state") in ("", "Enabled") else [], dict)


def _offering_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name)) if name else ""


COMMANDS: tuple[Command, ...] = (
    listing(
        "listNetworks",
        list_networks,
        entity("id", "networks"),
        text("name"),
        entity("zoneid", "zones"),
        text("type"),
        *OWNER_PARAMETERS,
        text("vlan"),
        text("traffictype"),
        boolean("issystem"),
        text("acltype"),
        boolean("canusefordeploy"),
        text("networkfilter"),
    ),
    listing(
        "listNetworkOfferings",
        list_network_offerings,
        text("id"),
        text("name"),
        text("guestiptype"),
        boolean("specifyvlan"),
        text("state"),
        entity("zoneid", "zones"),
        entity("domainid", "domains"),
    ),
)
