"""From rows of networks_to_create.csv to createNetwork calls, and what the server would say to them.

The refusals are those of NetworkServiceImpl.createGuestNetwork and NetworkOrchestrator.createGuestNetwork, in words of
our own; the server's come back from the server.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model.catalogue import Catalogue, Network, NetworkOffering
from ingest.model.request import NetworkRequest
from ingest.plan.cells import is_yes
from ingest.plan.lookup import Lookup, nearest
from ingest.plan.sheet import Row

_PVLAN_LETTERS = {"isolated": "i", "community": "c", "promiscuous": "p", "i": "i", "c": "c", "p": "p"}
_HIGHEST_VLAN = 4094


@dataclass(frozen=True, slots=True)
class NetworkWish:
    """A row to create, understood: the call, the URI its network will carry, or the problem and its fix."""

    line: int
    request: NetworkRequest | None
    uri: str = ""
    problem: str = ""
    fix: str = ""


def understood(row: Row, catalogue: Catalogue) -> NetworkWish:
    """What a row asks for. The `problem` is the first thing that cannot be understood."""
    lookup = Lookup(catalogue)

    def no(problem: str, fix: str) -> NetworkWish:
        return NetworkWish(row.line, None, "", problem, fix)

    owner, problem = lookup.owner(row["account"], row["domain"], row["project"])
    if problem:
        return no(problem, "correct account, domain or project")
    offerings = [one for one in catalogue.network_offerings if row["network_offering"] in (one.id, one.name)]
    if len(offerings) != 1:
        near = nearest(row["network_offering"], (one.name for one in catalogue.network_offerings))
        count = "no" if not offerings else f"{len(offerings)}"
        return no(f"{count} network offerings are called '{row['network_offering']}'{near}", "name one, or its UUID")
    physical = [
        one
        for one in catalogue.physical_networks
        if one.zoneid == row["zone_id"] and row["physical_network"] in (one.id, one.name)
    ]
    if row["physical_network"] and len(physical) != 1:
        return no(f"'{row['physical_network']}' is no physical network of the zone", "name one, or leave it empty")
    letter = _PVLAN_LETTERS.get(row["isolated_pvlan_type"].lower(), "")
    if row["isolated_pvlan"] and not letter:
        return no(f"'{row['isolated_pvlan_type']}' is no type of private VLAN", "isolated, community or promiscuous")
    uri = f"pvlan://{row['vlan']}-{letter}{row['isolated_pvlan']}" if row["isolated_pvlan"] else ""
    if not uri and row["vlan"]:
        uri = f"vlan://{row['vlan']}"
    if not row["name"]:
        return no("the network has no name", "write one")
    return NetworkWish(
        row.line,
        NetworkRequest(
            name=row["name"],
            zone_id=row["zone_id"],
            offering_id=offerings[0].id,
            physical_network_id=physical[0].id if physical else "",
            vlan=row["vlan"],
            isolated_pvlan=row["isolated_pvlan"],
            isolated_pvlan_type=row["isolated_pvlan_type"],
            account=owner.account,
            domain_id=owner.domain_id if owner.account else "",
            project_id=owner.project_id,
            gateway=row["gateway"],
            netmask=row["netmask"],
            start_ip=row["start_ip"],
            end_ip=row["end_ip"],
            # Without it an administrator's Shared network is for the whole domain.
            acl_type="Account" if offerings[0].guestiptype == "Shared" and not owner.caller else "",
            bypass_vlan_overlap_check=is_yes(row["bypass_vlan_overlap_check"]),
        ),
        uri,
    )


def refused(wish: NetworkWish, catalogue: Catalogue, earlier: Sequence[NetworkWish] = ()) -> tuple[str, str]:
    """(what the server would object to, how to mend it), two empty texts when nothing. `earlier` are created before."""
    request = wish.request
    if request is None:
        return wish.problem, wish.fix
    offering = next(one for one in catalogue.network_offerings if one.id == request.offering_id)
    for found in (
        _offering(offering, request),
        _vlan(request),
        _private_vlan(request),
        _addresses(offering, request),
        _name(request, catalogue, earlier),
        _guest_range(offering, request, catalogue),
        _overlap(wish, request, catalogue, earlier),
    ):
        if found[0]:
            return found
    return "", ""


def _offering(offering: NetworkOffering, request: NetworkRequest) -> tuple[str, str]:
    if offering.state not in ("", "Enabled"):
        return f"network offering {offering.name} is {offering.state}", "choose another"
    if offering.specifyvlan and not request.vlan:
        return f"network offering {offering.name} wants a VLAN", "write one"
    if request.vlan and not offering.specifyvlan:
        return f"network offering {offering.name} takes no VLAN", "choose one that takes a VLAN"
    if request.physical_network_id and offering.guestiptype == "Isolated":
        return "an Isolated network takes no physical network", "empty it"
    return "", ""


def _vlan(request: NetworkRequest) -> tuple[str, str]:
    for name, text in (("VLAN", request.vlan), ("secondary VLAN", request.isolated_pvlan)):
        if text and not (text.isascii() and text.isdigit() and 0 < int(text) <= _HIGHEST_VLAN):
            return f"'{text}' is no {name} id", f"a number from 1 to {_HIGHEST_VLAN}"
    return "", ""


def _private_vlan(request: NetworkRequest) -> tuple[str, str]:
    if not request.isolated_pvlan:
        return "", ""
    if not request.vlan:
        return "a private VLAN needs its primary VLAN", "write it into vlan"
    promiscuous = _PVLAN_LETTERS.get(request.isolated_pvlan_type.lower()) == "p"
    if not promiscuous and request.vlan == request.isolated_pvlan:
        return "primary and secondary VLAN are equal, which only promiscuous allows", "correct one of them"
    return "", ""


def _addresses(offering: NetworkOffering, request: NetworkRequest) -> tuple[str, str]:
    if offering.guestiptype != "Shared":
        return "", ""
    if not (request.gateway and request.netmask):
        return "a Shared network needs gateway and netmask", "write them"
    if not request.start_ip:
        return "a Shared network needs a start of its address range", "write start_ip, and end_ip"
    try:
        network = ipaddress.IPv4Network(f"{request.gateway}/{request.netmask}", strict=False)
        first, last = (ipaddress.IPv4Address(text) for text in (request.start_ip, request.end_ip or request.start_ip))
    except ValueError as error:
        return f"addresses: {error}", "correct them"
    if first > last or first not in network or last not in network:
        return f"the range {first}-{last} is not inside {network}", "correct it"
    return "", ""


def _name(request: NetworkRequest, catalogue: Catalogue, earlier: Sequence[NetworkWish]) -> tuple[str, str]:
    if catalogue.configuration.get("allow.duplicate.networkname", "true") != "false":
        return "", ""
    owner = (request.account, request.domain_id, request.project_id)
    taken = {
        n.name for n in catalogue.networks if (n.account, n.domainid if n.account else "", n.projectid) == owner
    } | {
        one.request.name
        for one in earlier
        if one.request and (one.request.account, one.request.domain_id, one.request.project_id) == owner
    }
    if request.name in taken:
        return f"the owner already has a network called {request.name}", "choose another name"
    return "", ""


def _guest_range(offering: NetworkOffering, request: NetworkRequest, catalogue: Catalogue) -> tuple[str, str]:
    """A VLAN CloudStack hands out itself. The bypass waives that for Shared networks only."""
    if not request.vlan or (request.bypass_vlan_overlap_check and offering.guestiptype == "Shared"):
        return "", ""
    for physical in catalogue.physical_networks:
        mine = request.physical_network_id in ("", physical.id) and physical.zoneid == request.zone_id
        if mine and any(low <= int(request.vlan) <= high for low, high in _ranges(physical.vlan)):
            text = f"VLAN {request.vlan} lies in the range {physical.vlan} that CloudStack hands out on {physical.name}"
            return text, "take it out of the physical network's guest range in CloudStack, or use an Isolated network"
    return "", ""


def _ranges(text: str) -> list[tuple[int, int]]:
    found = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        low, _, high = part.partition("-")
        if low.isdigit() and (high or low).isdigit():
            found.append((int(low), int(high or low)))
    return found


def _overlap(
    wish: NetworkWish, request: NetworkRequest, catalogue: Catalogue, earlier: Sequence[NetworkWish]
) -> tuple[str, str]:
    """A VLAN another network has. Shared networks are compared with Shared and Isolated ones only."""
    if not wish.uri or request.bypass_vlan_overlap_check:
        return "", ""
    cure = "write yes into bypass_vlan_overlap_check if both are meant to share it"
    kinds = {offering.id: offering.guestiptype for offering in catalogue.network_offerings}
    shared = kinds[request.offering_id] == "Shared"
    for network in catalogue.networks:
        if network.zoneid == request.zone_id and _overlaps(wish.uri, shared, network.broadcasturi, network.type):
            owner = network.account or network.project or network.domainpath
            return f"network {network.name} of {owner} has {network.broadcasturi} already", cure
    for one in earlier:
        here = one.request is not None and one.request.zone_id == request.zone_id
        if one.request and here and _overlaps(wish.uri, shared, one.uri, kinds[one.request.offering_id]):
            return f"line {one.line} makes a network with {one.uri} before", cure
    return "", ""


def _overlaps(uri: str, shared: bool, other: str, other_type: str) -> bool:
    """Whether a network of `uri` cannot stand beside another one (CloudStack: NetworkDaoImpl, NetworkOrchestrator).

    Of private VLANs one secondary exists once in a primary, and one isolated one; a VLAN and a primary exclude each
    other.
    """
    if not other:
        return False
    mine, theirs = _private(uri), _private(other)
    if mine and theirs:
        same_secondary = mine[0] == theirs[0] and mine[2] == theirs[2]
        return same_secondary or (mine[0] == theirs[0] and mine[1] == theirs[1] == "i")
    if mine:
        return False
    if shared:
        return uri == other and other_type != "L2"
    return uri == other or (theirs is not None and uri == f"vlan://{theirs[0]}")


def _private(uri: str) -> tuple[str, str, str] | None:
    """(primary, letter, secondary) of a private VLAN's URI, None for any other."""
    found = re.fullmatch(r"pvlan://(\d+)-([icp])(\d+)", uri)
    return (found[1], found[2], found[3]) if found else None


def same_network(wish: NetworkWish, network: Network) -> bool:
    """Whether a network that is there is the one the wish asks for: zone, URI and owner."""
    request = wish.request
    if request is None or network.zoneid != request.zone_id or network.broadcasturi != wish.uri:
        return False
    if request.project_id:
        return network.projectid == request.project_id
    return bool(request.account) and (network.account, network.domainid) == (request.account, request.domain_id)
