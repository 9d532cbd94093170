"""createNetwork and deleteNetwork (CloudStack: NetworkServiceImpl.createGuestNetwork, NetworkOrchestrator)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import partial

from ingest.twin.cloud import Account, Cloud, Network, NetworkOffering, PhysicalNetwork, Zone, new_id
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.access import check_access
from ingest.twin.cloudstack.commands import Command, asynchronous, plain
from ingest.twin.cloudstack.jobs import JobPlan, RunningJob
from ingest.twin.cloudstack.limits import require
from ingest.twin.cloudstack.lists_networks import rendered_network
from ingest.twin.cloudstack.owners import resolved_owner
from ingest.twin.cloudstack.parameters import Arguments, boolean, entity, text
from ingest.twin.cloudstack.records import Json, described, project_of_account
from ingest.twin.cloudstack.refusals import (
    ApiException,
    InvalidParameter,
    PermissionDenied,
)
from ingest.twin.cloudstack.service import Call, Service
from ingest.twin.cloudstack.vlans import Pvlan, in_ranges, pvlan_of

_PVLAN_KINDS = {
    "p": "p",
    "promiscuous": "p",
    "c": "c",
    "community": "c",
    "i": "i",
    "isolated": "i",
}
_PVLAN_NAMES = {"p": "Promiscuous", "c": "Community", "i": "Isolated"}


@dataclass(frozen=True, slots=True)
class _Isolation:
    """The VLAN a caller gave: as sent, and as a broadcast URI; a private one when it has a secondary VLAN."""

    vlan: str
    bypass: bool
    pvlan: Pvlan | None

    @property
    def uri(self) -> str:
        if self.pvlan is not None:
            return self.pvlan.uri
        return self.vlan if "://" in self.vlan or not self.vlan else f"vlan://{self.vlan}"


def create_network(service: Service, call: Call) -> Json:
    """The network at once: nothing is made on the hypervisor before a VM in it starts."""
    cloud, arguments = service.cloud, call.arguments
    offering = cloud.network_offerings[arguments.text("networkofferingid")]
    zone = cloud.zones[arguments.text("zoneid")]
    if offering.state != "Enabled":
        raise InvalidParameter("Can't use specified network offering id as its state is not Enabled").about(
            offering.id, "networkOfferingId"
        )
    if zone.allocationstate != "Enabled" and call.account.accounttype != 1:
        raise PermissionDenied(
            f"Cannot perform this operation, Zone is currently disabled: "
            f"{described('Zone', cloud.zones, zone.id, zone.name)}"
        )
    physical = _physical_network(cloud, arguments, offering, zone)
    acltype = _acl_type(call, offering)
    owner = resolved_owner(cloud, arguments, call.account)
    domainid = arguments.text("domainid") if acltype == "Domain" and arguments.text("domainid") else owner.domainid
    # The command of ordinary users has no such parameters, and unknown ones are ignored.
    is_admin = call.account.accounttype == 1
    isolation = _isolation(arguments) if is_admin else _Isolation("", False, None)
    addresses = _addresses(arguments, offering)
    _check_name(cloud, arguments.text("name"), owner, acltype)
    if acltype == "Account":
        require(service.reservations, owner, {"network": 1})
    _check_vlan(cloud, offering, zone, physical, isolation)
    project = project_of_account(cloud, owner.id)
    network = Network(
        id=new_id(),
        name=arguments.text("name"),
        type=offering.guestiptype,
        zoneid=zone.id,
        accountid=owner.id,
        domainid=domainid,
        broadcasturi=isolation.uri,
        state=_first_state(offering),
        acltype=acltype,
        subdomainaccess=arguments.flag("subdomainaccess") or not arguments.given("subdomainaccess"),
        projectid=project.id if project else "",
        displaytext=arguments.text("displaytext") or arguments.text("name"),
        networkofferingid=offering.id,
        physicalnetworkid=physical.id,
        networkdomain=arguments.text("networkdomain"),
        created=service.world.clock.now(),
        cidr=addresses.get("cidr", ""),
        gateway=addresses.get("gateway", ""),
        startip=addresses.get("startip", ""),
        endip=addresses.get("endip", ""),
    )
    cloud.networks[network.id] = network
    return {"network": rendered_network(cloud, network, for_admin=is_admin)}


def _first_state(offering: NetworkOffering) -> str:
    if offering.ispersistent:
        return "Implemented"
    return "Setup" if offering.specifyvlan else "Allocated"


def _physical_network(cloud: Cloud, arguments: Arguments, offering: NetworkOffering, zone: Zone) -> PhysicalNetwork:
    wanted = arguments.text("physicalnetworkid")
    if wanted and offering.guestiptype == "Isolated":
        raise InvalidParameter("Physical network ID can be specified for networks of guest IP type Shared or L2 only.")
    for physical in cloud.physical_networks.values():
        if physical.zoneid == zone.id and wanted in ("", physical.id):
            return physical
    if wanted:
        raise InvalidParameter(f"Unable to find physical network by id {wanted} in zone {zone.name}")
    raise InvalidParameter(f"Unable to find physical network which match the tags {offering.tags or 'null'}")


def _acl_type(call: Call, offering: NetworkOffering) -> str:
    sent = call.arguments.text("acltype")
    if sent.lower() not in ("", "account", "domain"):
        raise InvalidParameter("Incorrect aclType specified. Check the API documentation for supported types")
    if offering.guestiptype != "Shared":
        if sent.lower() == "domain":
            raise InvalidParameter("AclType should be Account when creating network of type Isolated")
        return "Account"
    if sent.lower() == "account":
        return "Account"
    if call.account.accounttype != 1:
        if sent:
            raise PermissionDenied("Only Root Admin can create networks with acl type Domain")
        return "Account"
    return "Domain"


def _isolation(arguments: Arguments) -> _Isolation:
    """VLAN, and private VLAN with its type: promiscuous when both ids are equal, else isolated unless said."""
    vlan, secondary = arguments.text("vlan"), arguments.text("isolatedpvlan")
    sent, bypass = arguments.text("isolatedpvlantype"), arguments.flag("bypassvlanoverlapcheck")
    if not secondary and not sent:
        return _Isolation(vlan, bypass, None)
    if sent and sent.lower() not in _PVLAN_KINDS:
        raise InvalidParameter(f"Unexpected Private VLAN type: {sent}")
    if not vlan:
        raise InvalidParameter("VLAN ID has to be set in order to configure a Private VLAN")
    equal = vlan == secondary or not secondary
    kind = _PVLAN_KINDS[sent.lower()] if sent else "p" if equal else "i"
    if kind != "p" and equal:
        raise InvalidParameter(
            f"Private VLAN type is set to {_PVLAN_NAMES[kind]}, but VLAN ID and Secondary VLAN ID are equal"
        )
    primary = vlan.removeprefix("vlan://")
    return _Isolation(primary, bypass, Pvlan(primary, primary if kind == "p" else secondary, kind))


def _addresses(arguments: Arguments, offering: NetworkOffering) -> dict[str, str]:
    """`cidr`, `gateway`, `startip`, `endip` of the network; L2 networks have none."""
    gateway, netmask = arguments.text("gateway"), arguments.text("netmask")
    start, end = arguments.text("startip"), arguments.text("endip")
    if offering.guestiptype == "L2":
        if gateway or netmask or start:
            raise InvalidParameter("IP address, gateway and netmask cannot be given for networks of type L2")
        return {}
    if offering.guestiptype == "Shared":
        if not gateway or not netmask:
            raise InvalidParameter("Gateway/netmask are required when creating Shared networks.")
        if not start:
            raise InvalidParameter("Either IPv4 or IPv6 start and end address are mandatory")
    if not gateway or not netmask:
        return {"cidr": "10.1.1.0/24", "gateway": "10.1.1.1"}
    try:
        network = ipaddress.IPv4Network(f"{gateway}/{netmask}", strict=False)
        first, last = (ipaddress.IPv4Address(ip) for ip in (start or gateway, end or start or gateway))
    except ValueError:
        raise InvalidParameter("Invalid gateway, netmask or address range") from None
    if first not in network or last not in network or last < first:
        raise InvalidParameter(f"Invalid IP range {first}-{last} for the network {network}")
    if offering.guestiptype == "Isolated":
        return {"cidr": str(network), "gateway": gateway}
    return {"cidr": str(network), "gateway": gateway, "startip": str(first), "endip": str(last)}


def _check_name(cloud: Cloud, name: str, owner: Account, acltype: str) -> None:
    if acltype != "Account" or configuration.flag(cloud, "allow.duplicate.networkname"):
        return
    for network in cloud.networks.values():
        if network.accountid == owner.id and network.name == name and not network.removed:
            raise InvalidParameter(f"Another network with same name already exists within account: {owner.name}")


def _check_vlan(
    cloud: Cloud, offering: NetworkOffering, zone: Zone, physical: PhysicalNetwork, isolation: _Isolation
) -> None:
    if offering.specifyvlan and not isolation.vlan:
        raise InvalidParameter("Vlan has to be specified; corresponding offering says specifyVlan=true")
    if isolation.vlan and not offering.specifyvlan:
        raise InvalidParameter("Can't specify vlan; corresponding offering says specifyVlan=false")
    if not isolation.vlan:
        return
    vlan, shared = isolation.vlan.removeprefix("vlan://"), offering.guestiptype == "Shared"
    if not re.fullmatch(r"\d{1,4}|untagged", vlan) or (vlan.isdigit() and int(vlan) > 4095):
        raise InvalidParameter(f"Invalid VLAN ID: {vlan}")
    # The waiver helps Shared networks only.
    if in_ranges(physical.vlan, vlan) and not (isolation.bypass and shared):
        raise InvalidParameter(
            f"The VLAN tag to use for new guest network, {vlan} is already being used for dynamic vlan allocation for "
            f"the guest network in zone {zone.name}"
        )
    others = [other for other in cloud.networks.values() if other.zoneid == zone.id and not other.removed]
    if isolation.pvlan is not None and not isolation.bypass:
        _check_pvlan(others, zone, isolation.pvlan)
    elif shared and not isolation.bypass:
        if any(other.broadcasturi == isolation.uri and other.type != "L2" for other in others):
            raise InvalidParameter(
                f"There is an existing isolated/shared network that overlaps with vlan id:{vlan} in zone {zone.name}"
            )
    elif not shared and not (isolation.bypass and offering.guestiptype == "L2"):
        overlapping = (pvlan_of(other.broadcasturi) for other in others)
        primaries = {pvlan.primary for pvlan in overlapping if pvlan is not None}
        if vlan in primaries or any(other.broadcasturi == isolation.uri for other in others):
            raise InvalidParameter(
                f"Network with vlan {vlan} already exists or overlaps with other network vlans in zone {zone.name}"
            )


def _check_pvlan(others: list[Network], zone: Zone, wanted: Pvlan) -> None:
    """A promiscuous VLAN and several communities share a primary; a secondary VLAN exists once, the isolated too."""
    for other in others:
        known = pvlan_of(other.broadcasturi)
        if known is None or known.primary != wanted.primary:
            continue
        if known == wanted or known.secondary == wanted.secondary or known.kind == wanted.kind == "i":
            raise InvalidParameter(
                f"Network with primary vlan {wanted.primary} and secondary vlan {wanted.secondary} type "
                f"{_PVLAN_NAMES[wanted.kind]} already exists or overlaps with other network pvlans in zone {zone.name}"
            )


def delete_network(service: Service, call: Call) -> JobPlan:
    cloud = service.cloud
    network = cloud.networks[call.arguments.text("id")]
    check_access(cloud, call, network.accountid, described("Network", cloud.networks, network.id, network.name))
    return JobPlan(
        cmd="org.apache.cloudstack.api.command.user.network.DeleteNetworkCmd",
        run=partial(_delete, service, network),
        event_type="NETWORK.DELETE",
        event_text=f"Deleting network: {network.id}",
        ownerid=network.accountid,
        resource=("Network", network.id),
        userid=call.user.id,
    )


def _delete(service: Service, network: Network, job: RunningJob) -> Json:
    """Networks of VMs stay; VMs given back by unmanageVirtualMachine no longer count."""
    cloud = service.cloud
    with service.world.lock:
        job.check()
        job.event("Started")
        if network.removed:
            raise InvalidParameter("unable to find network with specified id").about(network.id, "networkId")
        if network.issystem:
            raise InvalidParameter("Network with specified id is system and can't be removed").about(
                network.id, "networkId"
            )
        if any(
            nic.networkid == network.id
            for instance in cloud.instances.values()
            if not instance.removed
            for nic in instance.nics
        ):
            raise ApiException(530, "Failed to delete network")
        network.removed = True
        job.event("Completed")
        return {"success": True}


COMMANDS: tuple[Command, ...] = (
    plain(
        "createNetwork",
        create_network,
        text("name", required=True),
        text("displaytext"),
        entity("networkofferingid", "network_offerings", required=True),
        entity("zoneid", "zones", required=True),
        entity("physicalnetworkid", "physical_networks"),
        text("gateway"),
        text("netmask"),
        text("startip"),
        text("endip"),
        text("isolatedpvlan"),
        text("isolatedpvlantype", since="4.14.0"),
        text("networkdomain"),
        text("account"),
        entity("projectid", "projects"),
        entity("domainid", "domains"),
        boolean("subdomainaccess"),
        text("acltype"),
        boolean("displaynetwork"),
        text("externalid", since="4.14.0"),
        text("vlan"),
        boolean("bypassvlanoverlapcheck"),
    ),
    asynchronous("deleteNetwork", delete_network, entity("id", "networks", required=True), boolean("forced")),
)
