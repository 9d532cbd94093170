"""listVlanIpRanges: the addresses Shared networks hand out (CloudStack: ListVlanIpRangesCmd, VlanIpRangeResponse)."""

from __future__ import annotations

import ipaddress
import uuid
from functools import partial

from ingest.twin.cloud import Cloud, Network
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import boolean, entity, text
from ingest.twin.cloudstack.records import Json, compact, owner_fields
from ingest.twin.cloudstack.service import Call, Listing, Service


def list_vlan_ip_ranges(service: Service, call: Call) -> Listing:
    """One range for each network that has one; the twin has no public ranges (`forvirtualnetwork`)."""
    arguments = call.arguments
    wanted = {
        "id": arguments.text("networkid"),
        "zoneid": arguments.text("zoneid"),
        "broadcasturi": f"vlan://{arguments.text('vlan')}" if arguments.text("vlan") else "",
    }
    shown = [
        network
        for network in service.cloud.networks.values()
        if network.startip
        and not network.removed
        and arguments.text("id") in ("", _id(network))
        and all(getattr(network, column) == value for column, value in wanted.items() if value)
    ]
    public_only = arguments.flag("forvirtualnetwork")
    return Listing("vlaniprange", [] if public_only else shown, partial(_range, service.cloud))


def _id(network: Network) -> str:
    return str(uuid.uuid5(uuid.UUID(int=0), f"range of {network.id}"))


def _range(cloud: Cloud, network: Network) -> Json:
    mask = str(ipaddress.ip_network(network.cidr, strict=False).netmask) if network.cidr else ""
    return compact(
        {
            "id": _id(network),
            "forvirtualnetwork": False,
            "zoneid": network.zoneid,
            "vlan": network.broadcasturi,
            **owner_fields(cloud, network.accountid),
            "gateway": network.gateway,
            "netmask": mask,
            "cidr": network.cidr,
            "startip": network.startip,
            "endip": network.endip,
            "networkid": network.id,
        }
    )


COMMANDS: tuple[Command, ...] = (
    listing(
        "listVlanIpRanges",
        list_vlan_ip_ranges,
        text("id"),
        entity("networkid", "networks"),
        entity("zoneid", "zones"),
        text("vlan"),
        boolean("forvirtualnetwork"),
    ),
)
