"""Guest networks and network offerings (CloudStack: NetworkServiceImpl.searchForNetworks)."""

from __future__ import annotations

import ipaddress
from functools import partial

from ingest.twin.cloud import Account, Cloud, Network, NetworkOffering
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import boolean, entity, text
from ingest.twin.cloudstack.records import Json, compact, owner_fields, time_text
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, network_visible, scope_of
from ingest.twin.cloudstack.vlans import physical_network_of, pvlan_of


def list_networks(service: Service, call: Call) -> Listing:
    """Guest networks in scope; system networks only when asked for, project networks as `projectid` says."""
    cloud, arguments = service.cloud, call.arguments
    scope = scope_of(cloud, call)
    # The scope consumes domainid, so it is no filter of its own.
    rows = select(arguments, cloud.networks.values(), id="id", name="name", zoneid="zoneid")
    shown = [
        network
        for network in rows
        if not network.removed
        and network.issystem == arguments.flag("issystem")
        and _matches(cloud, call, network)
        and network_visible(cloud, scope, network)
    ]
    return Listing("network", shown, partial(rendered_network, cloud, for_admin=call.account.accounttype == 1))


def _matches(cloud: Cloud, call: Call, network: Network) -> bool:
    arguments, is_admin = call.arguments, call.account.accounttype == 1
    vlan = arguments.text("vlan") if is_admin else ""
    physical = physical_network_of(cloud, network)
    offering = offering_of(cloud, network)
    return (
        arguments.text("type").lower() in ("", network.type.lower())
        and (not vlan or network.broadcasturi in (vlan, f"vlan://{vlan}"))
        and arguments.text("traffictype").lower() in ("", "guest")
        and arguments.text("acltype").lower() in ("", network.acltype.lower())
        and arguments.text("physicalnetworkid") in ("", physical.id if physical else None)
        and arguments.text("networkofferingid") in ("", offering.id if offering else None)
        and _in_filter(arguments.text("networkfilter"), network)
        and (not arguments.given("canusefordeploy") or arguments.flag("canusefordeploy"))
    )


def _in_filter(wanted: str, network: Network) -> bool:
    """`networkfilter`: Account, Domain, AccountDomain, Shared or All; anything else counts as All."""
    match wanted:
        case "Account":
            return network.acltype == "Account"
        case "Domain":
            return network.acltype == "Domain"
        case "Shared":
            return network.type == "Shared"
        case _:
            return True


def rendered_network(cloud: Cloud, network: Network, *, for_admin: bool = True) -> Json:
    """A network object, as lists and createNetwork show it; only root admins see how it is isolated."""
    zone = cloud.zones.get(network.zoneid)
    offering = offering_of(cloud, network)
    physical = physical_network_of(cloud, network)
    cidr = ipaddress.ip_network(network.cidr, strict=False) if network.cidr else None
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
            "physicalnetworkid": physical.id if physical else None,
            "networkofferingid": offering.id if offering else None,
            "networkofferingname": offering.name if offering else None,
            "networkofferingdisplaytext": offering.name if offering else None,
            "networkofferingavailability": "Optional",
            "networkofferingconservemode": False,
            "specifyvlan": offering is not None and offering.specifyvlan,
            "specifyipranges": offering is not None and offering.specifyipranges,
            "ispersistent": offering is not None and offering.ispersistent,
            **(_isolation(network) if for_admin else {}),
            "cidr": network.cidr,
            "gateway": network.gateway,
            "netmask": str(cidr.netmask) if cidr else None,
            "networkdomain": network.networkdomain,
            "acltype": network.acltype,
            "subdomainaccess": network.subdomainaccess if network.acltype == "Domain" else None,
            **_owner(cloud, network),
            "issystem": network.issystem,
            "isdefault": False,
            "restartrequired": False,
            "strechedl2subnet": False,
            "canusefordeploy": True,
            "displaynetwork": True,
            "created": time_text(network.created) if network.created else None,
            "service": [{"name": name} for name in offering.services] if offering else [],
            "details": {},
            "tags": [],
        }
    )


def _isolation(network: Network) -> Json:
    scheme, _, value = network.broadcasturi.partition("://")
    return {
        "broadcastdomaintype": scheme.capitalize() if scheme else "Vlan",
        "broadcasturi": network.broadcasturi,
        # A private VLAN has no single number.
        "vlan": "N/A" if pvlan_of(network.broadcasturi) else value,
    }


def _owner(cloud: Cloud, network: Network) -> Json:
    owner = owner_fields(cloud, network.accountid)
    domain = cloud.domains.get(network.domainid)
    place = {"domainid": network.domainid}
    if domain is not None:
        place |= {"domain": domain.name, "domainpath": domain.path}
    return owner | place


def offering_of(cloud: Cloud, network: Network) -> NetworkOffering | None:
    """The offering a network was made of; for networks without one the first that fits."""
    own = cloud.network_offerings.get(network.networkofferingid)
    if own is not None:
        return own
    with_vlan = network.type != "Isolated" and bool(network.broadcasturi)
    fitting = [row for row in cloud.network_offerings.values() if row.guestiptype == network.type]
    return next((row for row in fitting if row.specifyvlan == with_vlan), next(iter(fitting), None))


def list_network_offerings(service: Service, call: Call) -> Listing:
    """Network offerings of every state unless one is asked for."""
    cloud, arguments = service.cloud, call.arguments
    rows = select(arguments, cloud.network_offerings.values(), id="id", name="name", state="state")
    zoneid, domainid = arguments.text("zoneid"), arguments.text("domainid")
    shown = [
        row
        for row in rows
        if arguments.text("guestiptype").lower() in ("", row.guestiptype.lower())
        and arguments.text("traffictype").lower() in ("", "guest")
        and all(
            not arguments.given(name) or arguments.flag(name) == getattr(row, name)
            for name in ("specifyvlan", "specifyipranges", "ispersistent", "forvpc")
        )
        and (not zoneid or not row.zoneids or zoneid in row.zoneids)
        and (not domainid or domainid in row.domainids)
        and _offered(call.account, row)
    ]
    return Listing("networkoffering", shown, partial(_network_offering, cloud))


def _offered(caller: Account, offering: NetworkOffering) -> bool:
    return caller.accounttype == 1 or not offering.domainids or caller.domainid in offering.domainids


def _network_offering(cloud: Cloud, offering: NetworkOffering) -> Json:
    return compact(
        {
            "id": offering.id,
            "name": offering.name,
            "displaytext": offering.name,
            "state": offering.state,
            "traffictype": "Guest",
            "guestiptype": offering.guestiptype,
            "specifyvlan": offering.specifyvlan,
            "specifyipranges": offering.specifyipranges,
            "ispersistent": offering.ispersistent,
            "forvpc": offering.forvpc,
            "isdefault": offering.name.startswith("Default"),
            "availability": "Optional",
            "conservemode": False,
            "egressdefaultpolicy": False,
            "tags": offering.tags,
            "domainid": ",".join(offering.domainids),
            "domain": ",".join(cloud.domains[domainid].path for domainid in offering.domainids),
            "zoneid": ",".join(offering.zoneids),
            "zone": ",".join(cloud.zones[zoneid].name for zoneid in offering.zoneids),
            "service": [{"name": name} for name in offering.services],
        }
    )


COMMANDS: tuple[Command, ...] = (
    listing(
        "listNetworks",
        list_networks,
        entity("id", "networks"),
        text("name", since="4.22.0"),
        entity("zoneid", "zones"),
        text("type"),
        *OWNER_PARAMETERS,
        entity("physicalnetworkid", "physical_networks"),
        text("vlan", since="4.17.0"),
        text("traffictype"),
        boolean("issystem"),
        text("acltype"),
        boolean("canusefordeploy"),
        entity("networkofferingid", "network_offerings", since="4.9"),
        text("networkfilter", since="4.17.0"),
    ),
    listing(
        "listNetworkOfferings",
        list_network_offerings,
        entity("id", "network_offerings"),
        text("name"),
        text("guestiptype"),
        text("traffictype"),
        boolean("specifyvlan"),
        boolean("specifyipranges"),
        boolean("ispersistent"),
        boolean("forvpc"),
        text("state"),
        entity("zoneid", "zones", since="4.13"),
        entity("domainid", "domains", since="4.13"),
    ),
)
