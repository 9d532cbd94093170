"""assignVirtualMachine: another owner for a stopped VM (CloudStack: UserVmManagerImpl.moveVmToUser)."""

from __future__ import annotations

import ipaddress
import itertools

from ingest.twin.cloud import Account, Cloud, Instance, InstanceNic, Network, new_id
from ingest.twin.cloudstack.checks_networks import used_addresses
from ingest.twin.cloudstack.commands import Command, plain
from ingest.twin.cloudstack.lists_instances import rendered_instance
from ingest.twin.cloudstack.owners import resolved_owner
from ingest.twin.cloudstack.parameters import entities, entity, text
from ingest.twin.cloudstack.records import Json, described, number_of, project_of_account
from ingest.twin.cloudstack.refusals import ApiException, InvalidParameter, RuntimeFailure, ServerError
from ingest.twin.cloudstack.service import Call, Service
from ingest.twin.cloudstack.visibility import usable_in_domain


def assign_virtual_machine(service: Service, call: Call) -> Json:
    """Invalid parameters stay 431; every other failure is 530 `Failed to move vm ...`."""
    cloud = service.cloud
    instance = cloud.instances[call.arguments.text("virtualmachineid")]
    try:
        owner = resolved_owner(cloud, call.arguments, call.account)
        _check(cloud, instance, owner)
        networks = _networks(cloud, instance, owner, call.arguments.words("networkids"))
        nics = [_nic(cloud, network, number) for number, network in enumerate(networks)]
    except InvalidParameter as error:
        raise ApiException(431, error.text) from error
    except ServerError as error:
        raise ApiException(530, f"Failed to move vm {error.text}") from error
    project = project_of_account(cloud, owner.id)
    instance.nics = nics
    instance.accountid, instance.domainid = owner.id, owner.domainid
    instance.projectid = project.id if project else ""
    return {"virtualmachine": rendered_instance(cloud, instance)}


def _check(cloud: Cloud, instance: Instance, owner: Account) -> None:
    if instance.removed:
        raise InvalidParameter(f"There is no vm by that id {number_of(cloud.instances, instance.id)}")
    if instance.state == "Running":
        what = described("VM instance", cloud.instances, instance.id, instance.instancename, name_key="instanceName")
        raise InvalidParameter(f"Unable to move VM [{what}] in [{instance.state}] state.")
    if owner.id == instance.accountid:
        raise InvalidParameter(f"The new account [{owner.name}] is the same as the old account.")


def _networks(cloud: Cloud, instance: Instance, owner: Account, ids: tuple[str, ...]) -> list[Network]:
    """The networks asked for, else the new owner's first Isolated one of the zone."""
    in_zone = [row for row in cloud.networks.values() if row.zoneid == instance.zoneid and not row.removed]
    if not ids:
        own = [row for row in in_zone if row.type == "Isolated" and row.accountid == owner.id]
        if not own:
            raise InvalidParameter("Unable to find an isolated network of the new account; specify networkids")
        return own[:1]
    chosen: list[Network] = []
    for networkid in ids:
        network = next((row for row in in_zone if row.id == networkid), None)
        if network is None:
            raise InvalidParameter(f"Unable to find specified Network ID {networkid}")
        usable = (
            usable_in_domain(cloud, network, owner.domainid)
            if network.acltype == "Domain"
            else network.accountid == owner.id
        )
        if not usable:
            raise InvalidParameter(f"Unable to use network with id= {networkid}, permission denied")
        chosen.append(network)
    return chosen


def _nic(cloud: Cloud, network: Network, number: int) -> InstanceNic:
    """The old NIC is gone, and its MAC with it: the card in vCenter gets the new one at the next start."""
    used = {nic.macaddress for other in cloud.instances.values() for nic in other.nics}
    macs = (f"02:01:02:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}" for n in itertools.count(number))
    mac = next(mac for mac in macs if mac not in used)
    return InstanceNic(new_id(), network.id, mac, _free_address(cloud, network), number == 0, number)


def _free_address(cloud: Cloud, network: Network) -> str:
    if network.type == "L2" or not network.cidr:
        return ""
    used = used_addresses(cloud, network.id) | {network.gateway}
    block = ipaddress.IPv4Network(network.cidr, strict=False)
    first = ipaddress.IPv4Address(network.startip) if network.startip else block[1]
    last = ipaddress.IPv4Address(network.endip) if network.endip else block[-2]
    for address in (str(ipaddress.IPv4Address(value)) for value in range(int(first), int(last) + 1)):
        if address not in used:
            return address
    raise RuntimeFailure(f"Cannot find a free IP to assign to VM NIC on network {network.name}")


COMMANDS: tuple[Command, ...] = (
    plain(
        "assignVirtualMachine",
        assign_virtual_machine,
        entity("virtualmachineid", "instances", required=True),
        text("account"),
        entity("domainid", "domains"),
        entity("projectid", "projects"),
        entities("networkids", "networks"),
    ),
)
