"""Checks A36 to A46 of an import job: adapters, networks, VLANs, hostname and addresses, NIC after NIC.

Source: CloudStack's UnmanagedVMsManagerImpl.getNicNetworks (and checkUnmanagedNic... methods), NetworkModelImpl.
"""

from __future__ import annotations

import ipaddress

from ingest.twin.cloud import Account, Cloud, Network
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.import_request import NicPlan, Target
from ingest.twin.cloudstack.refusals import InvalidParameter, PermissionDenied, RuntimeFailure, ServerError
from ingest.twin.cloudstack.unmanaged import UnmanagedVm
from ingest.twin.cloudstack.unmanaged_devices import UnmanagedNic
from ingest.twin.cloudstack.visibility import usable_in_domain


def planned_nics(cloud: Cloud, target: Target, vm: UnmanagedVm) -> tuple[NicPlan, ...]:
    """The NICs to be; all checks of one NIC come before those of the next."""
    addresses = _resolved_addresses(target, vm)
    plans: list[NicPlan] = []
    for nic in vm.nics:
        _check_a37_adapter(vm.nics[0], nic)
        address = addresses.get(nic.id, "")
        if nic.id in target.networks:
            network = _mapped_network(cloud, target, nic)
        else:
            network = _matching_network(cloud, target, nic)
        _check_a43_hostname(cloud, target, network)
        _check_a44_a45_address(cloud, network, nic, address)
        plans.append(NicPlan(nic, network, "" if network.type == "L2" else address))
    return tuple(plans)


def _resolved_addresses(target: Target, vm: UnmanagedVm) -> dict[str, str]:
    """A36: `auto` becomes the guest's only address; with several it is refused, whatever the network."""
    addresses = dict(target.addresses)
    for nic in vm.nics:
        if addresses.get(nic.id) != "auto":
            continue
        if len(nic.ip_addresses) > 1:
            raise RuntimeFailure(
                f"Multiple IP addresses ({', '.join(nic.ip_addresses[:2])}) present for nic ID: {nic.id}. IP address "
                "cannot be assigned automatically, only single IP address auto-assigning supported"
            )
        if nic.ip_addresses:
            addresses[nic.id] = nic.ip_addresses[0]
    return addresses


def _check_a37_adapter(first: UnmanagedNic, nic: UnmanagedNic) -> None:
    if first.adapter_type != nic.adapter_type:
        raise RuntimeFailure(
            f"Multiple network adapter of different type ({first.adapter_type}, {nic.adapter_type}) are not supported "
            "for import. Please make sure that all network adapters are of the same type"
        )


def _mapped_network(cloud: Cloud, target: Target, nic: UnmanagedNic) -> Network:
    """A38 to A42 for a NIC the caller mapped; the VLAN of an Isolated network is not compared then."""
    network = cloud.networks.get(target.networks[nic.id])
    if network is None or network.removed:
        raise RuntimeFailure(f"Network for nic ID: {nic.id} not found during VM import.")
    _check_network(cloud, target, nic, network, compare_vlan=network.type != "Isolated")
    return network


def _matching_network(cloud: Cloud, target: Target, nic: UnmanagedNic) -> Network:
    """A46: the first network of the zone, in database order, that passes; a NIC without VLAN finds none."""
    if nic.vlan:
        for network in cloud.networks.values():
            if network.zoneid != target.zone.id or network.removed or network.issystem:
                continue
            try:
                _check_network(cloud, target, nic, network, compare_vlan=True)
            except ServerError:
                continue
            return network
    raise RuntimeFailure(f"Suitable network for nic(ID: {nic.id}) not found during VM import")


def _check_network(cloud: Cloud, target: Target, nic: UnmanagedNic, network: Network, *, compare_vlan: bool) -> None:
    if network.zoneid != target.zone.id:
        raise RuntimeFailure(
            f"Network(ID: {network.id}) for nic(ID: {nic.id}) belongs to a different zone than VM to be imported"
        )
    _check_a40_permission(cloud, target.owner, network)
    if not compare_vlan or not nic.vlan:
        return
    uri = network.broadcasturi or "null"
    if nic.pvlan is None:
        if uri != f"vlan://{nic.vlan}":
            raise RuntimeFailure(
                f"VLAN of network(ID: {network.id}) {uri} is found different from the VLAN of nic(ID: {nic.id}) "
                f"vlan://{nic.vlan} during VM import"
            )
        return
    private = f"pvlan://{nic.vlan}-{nic.pvlan_type[:1]}{nic.pvlan}"
    if uri != private:
        raise RuntimeFailure(
            f"PVLAN of network(ID: {network.id}) {uri} is found different from the VLAN of nic(ID: {nic.id}) "
            f"{private} during VM import"
        )


def _check_a40_permission(cloud: Cloud, owner: Account, network: Network) -> None:
    """Only the owner counts, not the caller."""
    if owner.accounttype == 1 and configuration.flag(cloud, "admin.is.allowed.to.deploy.anywhere"):
        return
    if network.type == "Shared" and network.acltype == "Domain":
        if not usable_in_domain(cloud, network, owner.domainid):
            raise PermissionDenied(f"Shared network id={network.id} is not available in domain id={owner.domainid}")
    elif owner.id not in (network.accountid, *network.permissions):
        raise PermissionDenied(f"Unable to use network with id= {network.id}, permission denied")


def _check_a43_hostname(cloud: Cloud, target: Target, network: Network) -> None:
    for instance in cloud.instances.values():
        if (
            instance.name == target.hostname
            and not instance.removed
            and any(nic.networkid == network.id for nic in instance.nics)
        ):
            raise InvalidParameter(
                f"VM with Name [{target.hostname}] already exists in the network [{network.name}] "
                f"domain [{network.domainid}]. Cannot import another VM with the same name. "
                "Please try again with a different name."
            )


def _check_a44_a45_address(cloud: Cloud, network: Network, nic: UnmanagedNic, address: str) -> None:
    if network.type == "L2":
        return
    if not address:
        raise RuntimeFailure(
            f"NIC(ID: {nic.id}) needs a valid IP address for it to be associated with network(ID: {network.id}). "
            "nicipaddresslist parameter of API can be used for this"
        )
    if address != "auto" and not _is_available(cloud, network, address):
        raise RuntimeFailure(
            f"IP address {address} for NIC(ID: {nic.id}) is not available in network(ID: {network.id})"
        )


def _is_available(cloud: Cloud, network: Network, address: str) -> bool:
    in_cidr = bool(network.cidr) and ipaddress.ip_address(address) in ipaddress.ip_network(network.cidr, strict=False)
    return in_cidr and address != network.gateway and address not in used_addresses(cloud, network.id)


def used_addresses(cloud: Cloud, networkid: str) -> frozenset[str]:
    """Addresses of all NIC rows in a network; rows that a failed import left behind count as well."""
    return frozenset(
        nic.ipaddress
        for instance in cloud.instances.values()
        for nic in instance.nics
        if nic.networkid == networkid and nic.ipaddress
    )
