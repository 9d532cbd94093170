"""What can still fail once the VM's row is written: volumes, NICs, the move to another host. C2-C4.

A failure there is cleaned up, but NICs written before it keep their MACs in the network, and a Shared network's
address stays allocated (CloudStack: UnmanagedVMsManagerImpl.cleanupFailedImportVM).
"""

from __future__ import annotations

import re

from ingest.model.catalogue import Network, UnmanagedNic
from ingest.plan import server
from ingest.plan.predict.hearing import Hearing, Refusal
from ingest.plan.predict.verdict import UNSAID

_MAC = re.compile(r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}")
_JAVA_LONG = re.compile(r"[+-]?[0-9]{1,18}")


def check_volumes(hearing: Hearing) -> None:
    """C1, C2: what details do to the root volume."""
    details = dict(hearing.request.details)
    if "rootdisksize" in details and hearing.template is None:
        raise Refusal("C1", 431, f"Unable to look up template by id {UNSAID}")
    for key in ("miniops", "maxiops"):
        text = details.get(key)
        if text is not None and not _JAVA_LONG.fullmatch(text):
            raise Refusal(
                "C2",
                530,
                f'Failed to import volumes while importing vm: {hearing.display_name}. For input string: "{text}"',
            )


def write_nics(hearing: Hearing) -> None:
    """C3: address, MAC syntax, MAC unique in the network unless forced; what is written goes into the effects."""
    for nic, network in zip(hearing.machine.nic, hearing.networks, strict=True):
        _take_address(hearing, nic, network)
        mac = nic.macaddress.lower()
        if not mac:
            hearing.doubt(f"{nic.id} has no MAC address")
            continue
        if not _MAC.fullmatch(mac):
            raise _nic_refusal(hearing, f"The mac address {nic.macaddress} is not valid")
        pair = (network.id, mac)
        if pair not in hearing.state.macs and pair not in hearing.effects.macs:
            hearing.effects.macs.append(pair)
        elif not hearing.request.forced:
            raise _nic_refusal(
                hearing,
                f"NIC with MAC address {nic.macaddress} exists on network {UNSAID} and forced flag is disabled",
            )


def _take_address(hearing: Hearing, nic: UnmanagedNic, network: Network) -> None:
    if network.type == "L2":
        return
    effects, facts = hearing.effects, hearing.facts
    address = server.assigned_address(nic, hearing.addresses[nic.id])
    if address == "auto":
        size = facts.range_size(network) if network.type == "Shared" else None
        taken = sum(place == network.id for place, _ in hearing.state.addresses) + hearing.state.picked[network.id]
        if size is not None and size <= taken + effects.picked.count(network.id):
            raise _nic_refusal(hearing, f"Cannot find a free IP to assign to VM NIC on network {network.name}")
        if network.type == "Shared" and size is None:
            hearing.doubt(f"the address range of {network.name} is not listed")
        effects.picked.append(network.id)
        return
    within = facts.in_range(network, address) if network.type == "Shared" else True
    if within is False or (network.id, address) in effects.addresses:
        raise _nic_refusal(hearing, f"Unable to acquire Guest IP  address for network {network.name}")
    if within is None:
        hearing.doubt(f"the address range of {network.name} is not listed")
    effects.addresses.append((network.id, address))


def _nic_refusal(hearing: Hearing, cause: str) -> Refusal:
    text = f"Failed to import NICs while importing vm: {hearing.display_name}. {cause}"
    return Refusal("C3", 530, text)


def move(hearing: Hearing) -> None:
    """C4: with `migrateallowed` the VM goes to a host that has the tags, if its own has not."""
    tags = ",".join((hearing.offering.hosttags, hearing.template.templatetag if hearing.template else ""))
    if server.has_host_tags(hearing.facts.hosts.get(hearing.machine.hostid), tags):
        return
    neighbours = [host for host in hearing.facts.catalogue.hosts if host.clusterid == hearing.cluster.id]
    if any(server.is_usable(host) and server.has_host_tags(host, tags) for host in neighbours):
        return
    raise Refusal(
        "C4",
        530,
        f"VM import failed for unmanaged vm: {hearing.request.name} during vm migration, no deployment destination "
        "found",
    )
