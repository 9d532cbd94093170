"""NICs: adapter, network, host name and address. A36-A46; A37 to A46 NIC by NIC."""

from __future__ import annotations

from ingest.model.catalogue import Network, UnmanagedNic
from ingest.plan import server
from ingest.plan.lookup import Owner
from ingest.plan.predict.hearing import Hearing, Refusal, Undecidable
from ingest.plan.predict.verdict import UNSAID


def check_nics(hearing: Hearing) -> None:
    """Every NIC gets its network, put into `hearing.networks`."""
    nics, wanted = hearing.machine.nic, dict(hearing.request.nic_networks)
    for nic in nics:
        if hearing.addresses.get(nic.id) == "auto" and len(nic.ipaddresses) > 1:
            raise Refusal(
                "A36",
                530,
                f"Multiple IP addresses ({nic.ipaddresses[0]}, {nic.ipaddresses[1]}) present for nic ID: {nic.id}. IP "
                "address cannot be assigned automatically, only single IP address auto-assigning supported",
            )
    for nic in nics:
        if nic.adaptertype != nics[0].adaptertype:
            raise Refusal(
                "A37",
                530,
                f"Multiple network adapter of different type ({nics[0].adaptertype}, {nic.adaptertype}) are not "
                "supported for import. Please make sure that all network adapters are of the same type",
            )
        network = _mapped(hearing, nic, wanted[nic.id]) if nic.id in wanted else _found(hearing, nic)
        _check_hostname(hearing, network)
        _check_address(hearing, nic, network)
        hearing.networks.append(network)


def _mapped(hearing: Hearing, nic: UnmanagedNic, network_id: str) -> Network:
    network = hearing.facts.networks.get(network_id)
    if network is None:
        raise Undecidable
    if network.zoneid != hearing.cluster.zoneid:
        raise Refusal(
            "A39",
            530,
            f"Network(ID: {network.id}) for nic(ID: {nic.id}) belongs to a different zone than VM to be imported",
        )
    if not _may_use(hearing, network):
        if network.type == "Shared" and network.acltype == "Domain":
            domain_id = hearing.owner.domain.id if hearing.owner.domain else UNSAID
            text = f"Shared network id={network.id} is not available in domain id={domain_id}"
        else:
            text = f"Unable to use network with id= {network.id}, permission denied"
        raise Refusal("A40", 530, text)
    uri = server.nic_uri(nic)
    if network.type != "Isolated" and uri and uri != network.broadcasturi:
        kind, check = ("PVLAN", "A42") if nic.isolatedpvlan else ("VLAN", "A41")
        raise Refusal(
            check,
            530,
            f"{kind} of network(ID: {network.id}) {network.broadcasturi or 'null'} is found different from the VLAN of "
            f"nic(ID: {nic.id}) {uri} during VM import",
        )
    return network


def _may_use(hearing: Hearing, network: Network) -> bool:
    named = hearing.owner.named
    if not named.caller:
        return hearing.facts.lookup.may_use_network(named, network)
    if network.account and hearing.facts.lookup.may_use_network(Owner(), network):
        hearing.doubt("the catalogue does not say which root admin the key belongs to")
    return hearing.facts.lookup.may_use_network(Owner(), network)


def _found(hearing: Hearing, nic: UnmanagedNic) -> Network:
    """The network the server finds by itself: the first of its database of that VLAN that the owner may use."""
    uri = server.nic_uri(nic)
    fitting = [
        network
        for network in (hearing.facts.networks_of_uri(hearing.cluster.zoneid, uri) if uri else ())
        if _may_use(hearing, network)
    ]
    if not fitting:
        raise Refusal("A46", 530, f"Suitable network for nic(ID: {nic.id}) not found during VM import")
    if len(fitting) > 1:
        names = ", ".join(network.name for network in fitting)
        hearing.doubt(f"{nic.id} is not mapped: the server takes the first in its database of {names}")
        raise Undecidable
    return fitting[0]


def _check_hostname(hearing: Hearing, network: Network) -> None:
    if (network.id, hearing.hostname) in hearing.state.names:
        raise Refusal(
            "A43",
            431,
            f"VM with Name [{hearing.hostname}] already exists in the network [{network.name}] domain [{UNSAID}]. "
            "Cannot import another VM with the same name. Please try again with a different name.",
        )


def _check_address(hearing: Hearing, nic: UnmanagedNic, network: Network) -> None:
    if network.type == "L2":
        return
    wanted = hearing.addresses.get(nic.id, "")
    if not wanted:
        raise Refusal(
            "A44",
            530,
            f"NIC(ID: {nic.id}) needs a valid IP address for it to be associated with network(ID: {network.id}). "
            "nicipaddresslist parameter of API can be used for this",
        )
    address = server.assigned_address(nic, wanted)
    if address == "auto":
        return
    if (network.id, address) in hearing.state.addresses or not server.inside(network, address):
        text = f"IP address {address} for NIC(ID: {nic.id}) is not available in network(ID: {network.id})"
        raise Refusal("A45", 530, text)
    if hearing.state.picked[network.id]:
        hearing.doubt(f"a row before lets the server pick an address of {network.name}: it could pick {address}")
