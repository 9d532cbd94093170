"""The choices made for one VM: each with its value, how sure it is, and the evidence in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ingest.model.catalogue import (
    DiskOffering,
    Network,
    ServiceOffering,
    StoragePool,
    UnmanagedDisk,
    UnmanagedInstance,
    UnmanagedNic,
)
from ingest.model.inventory import Nic, VirtualMachine
from ingest.plan import server
from ingest.plan.lookup import Lookup, Named, Owner
from ingest.plan.rules import Decided, network_fits

Confidence = Literal["certain", "likely", "guess"]
ORDER: tuple[Confidence, ...] = ("certain", "likely", "guess")


@dataclass(frozen=True, slots=True)
class Choice:
    """`value` is what goes into the sheet ('' when nothing could be chosen), `evidence` why."""

    value: str
    confidence: Confidence
    evidence: str


def weakest(choices: list[Choice]) -> Confidence:
    """The least sure of some choices; certain when there are none."""
    return max((choice.confidence for choice in choices), key=ORDER.index, default="certain")


def repair_hostname(name: str) -> str:
    """A valid host name made from any VM name: `db_prod 01.corp` gives `db-prod-01-corp`. '' when nothing is left."""
    decoded = re.sub(r"%(2f|5c|25)", "-", name, flags=re.IGNORECASE)
    text = re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9-]", "-", decoded)).strip("-")
    if text and not text[0].isalpha():
        text = f"vm-{text}"
    return text[:63].rstrip("-")


def hostname(vm: VirtualMachine, decided: Decided, taken: Callable[[str], bool]) -> Choice:
    """The VM's own name when the server accepts it, else a repaired one, numbered when `taken` says it is in use."""
    pattern = decided.value("host_name")
    if server.valid_hostname(vm.name) and not pattern and not taken(vm.name):
        return Choice(vm.name, "certain", "the VM's name")
    base = repair_hostname(vm.name)
    if pattern:
        base = repair_hostname(str(pattern).replace("{name}", base))
    if not base:
        return Choice("", "guess", "the VM's name has no letter or digit to keep")
    candidate, number = base, 1
    while taken(candidate):
        number += 1
        candidate = f"{base[: 62 - len(str(number))]}-{number}"
    why = f"by {decided.source('host_name')}" if pattern else "repaired from the VM's name"
    return Choice(candidate, "likely", why + (", numbered because the name is taken" if number > 1 else ""))


def owner_from_networks(listed: UnmanagedInstance, zone_id: str, lookup: Lookup) -> tuple[Owner, Choice]:
    """The one account or project that owns networks for all of the VM's VLANs; none when it is not exactly one."""
    by_nic = [
        {
            (network.account, network.domainid, network.projectid)
            for network in lookup.networks_by_uri.get(server.nic_uri(nic), [])
            if network.zoneid == zone_id and network.type != "Shared" and (network.account or network.projectid)
        }
        for nic in listed.nic
    ]
    telling = [owners for owners in by_nic if owners]
    owners = set.intersection(*telling) if telling else set()
    if len(owners) != 1:
        several = len(owners or set().union(*telling))
        why = f"{several} accounts have networks on its VLANs" if several else "no network tells"
        return Owner(), Choice("", "guess", f"owner unknown: {why}; the calling admin would own it")
    account, domain_id, project_id = owners.pop()
    path = lookup.domains[domain_id].path if domain_id in lookup.domains else ""
    if project_id:
        project = lookup.projects.get(project_id)
        return Owner("", domain_id, project_id, path), Choice(
            project.name if project else project_id, "likely", "owner of the networks on its VLANs"
        )
    return Owner(account, domain_id, "", path), Choice(account, "likely", "owner of the networks on its VLANs")


def network(
    nic: Nic, listed: UnmanagedNic | None, zone_id: str, owner: Owner, decided: Decided, lookup: Lookup
) -> tuple[Choice, Network | None]:
    """By rule; else the one usable network with the NIC's VLAN; else, untagged, one named like the port group."""
    vlan_id = nic.vlan.id if nic.vlan else None
    for rule_choice, rule in decided.networks:
        if network_fits(rule_choice, nic.network_name, vlan_id):
            found = lookup.network(rule_choice.network, zone_id, owner).object
            return Choice(rule_choice.network, "certain", f"by {rule}"), found
    uri = server.nic_uri(listed) if listed else ""
    if uri:
        same = [n for n in lookup.networks_by_uri.get(uri, []) if n.zoneid == zone_id]
        usable = [n for n in same if lookup.may_use_network(owner, n)]
        if len(usable) == 1:
            word = _word(usable[0], lookup.network(usable[0].name, zone_id, owner).object)
            return Choice(word, "certain", f"the only usable network with {uri}"), usable[0]
        if usable:
            first = sorted(usable, key=lambda n: (n.type != "L2", n.name, n.id))[0]
            return Choice(first.id, "guess", f"one of {len(usable)} usable networks with {uri}"), first
        return Choice("", "guess", f"{len(same)} networks have {uri}, none of them usable by the owner"), None
    named = [
        n
        for n in lookup.catalogue.networks
        if n.name == nic.network_name and n.zoneid == zone_id and lookup.may_use_network(owner, n)
    ]
    if len(named) == 1:
        word = _word(named[0], lookup.network(named[0].name, zone_id, owner).object)
        return Choice(word, "likely", "no VLAN to match; the network is named like the port group"), named[0]
    return Choice("", "guess", f"no VLAN to match on '{nic.network_name}', and no rule names a network"), None


def address(nic: Nic, target: Network | None, decided: Decided) -> Choice:
    """Nothing for L2; the rule's; the guest's one address when it fits the network; else `auto`."""
    if target is None or target.type == "L2":
        return Choice("", "certain", "")
    vlan_id = nic.vlan.id if nic.vlan else None
    for rule_choice, rule in decided.networks:
        if rule_choice.ip and network_fits(rule_choice, nic.network_name, vlan_id):
            return Choice(rule_choice.ip, "certain", f"by {rule}")
    if len(nic.ipv4) > 1:
        return Choice("", "guess", f"the guest reports {len(nic.ipv4)} addresses; name one")
    if not nic.ipv4:
        return Choice("auto", "likely", "the guest reports no address; CloudStack picks a free one")
    if server.inside(target, nic.ipv4[0]):
        return Choice(nic.ipv4[0], "certain", "the address the guest reports")
    return Choice("", "guess", f"the guest reports {nic.ipv4[0]}, which does not fit {target.name}; name one")


def service_offering(
    listed: UnmanagedInstance, zone_id: str, cluster_id: str, owner: Owner, decided: Decided, lookup: Lookup
) -> Choice:
    """By rule; else custom with a CPU speed, exact fixed, custom without one, (powered off only) the next larger fixed.

    A custom offering that leaves the CPU speed open fits only where a rule names the speed or the VM reserves one.
    """
    ruled = decided.value("service_offering")
    if ruled:
        return Choice(str(ruled), "certain", f"by {decided.source('service_offering')}")
    speed = decided.value("cpu_speed_mhz")
    root = listed.disk[0] if listed.disk else None

    def usable(offering: ServiceOffering) -> bool:
        if not lookup.may_use_offering(owner, offering, zone_id) or offering.hosttags:
            return False
        if root and _misses_tags(root, offering.storagetags, zone_id, cluster_id, lookup):
            return False
        caps = server.size_caps(lookup.catalogue.configuration)
        return not server.offering_objection(offering, listed, speed, caps)

    def word(offering: ServiceOffering) -> str:
        return _word(offering, lookup.service_offering(offering.name).object)

    fitting = [offering for offering in lookup.catalogue.service_offerings if usable(offering)]
    size = f"{listed.cpunumber} CPU and {listed.memory} MiB"
    custom = [o for o in fitting if o.cpunumber is None and o.cpuspeed is not None]
    if custom:
        best = min(custom, key=lambda o: (_span(o), o.name, o.id))
        sure: Confidence = "certain" if len(custom) == 1 else "likely"
        return Choice(word(best), sure, f"custom offering, takes {size} as they are")
    exact = [o for o in fitting if o.cpunumber == listed.cpunumber and o.memory == listed.memory]
    if exact:
        best = min(exact, key=lambda o: (o.name, o.id))
        sure = "certain" if len(exact) == 1 else "likely"
        return Choice(word(best), sure, f"fixed offering of exactly {size}")
    open_speed = [o for o in fitting if o.cpunumber is None]
    if open_speed:
        best = min(open_speed, key=lambda o: (_span(o), o.name, o.id))
        return Choice(word(best), "likely", f"custom offering without CPU speed, takes {size} as they are")
    larger = [
        o for o in fitting if o.cpunumber and o.memory and o.cpunumber >= listed.cpunumber and o.memory >= listed.memory
    ]
    if larger:
        best = min(larger, key=lambda o: (o.memory or 0, o.cpunumber or 0, o.name))
        return Choice(
            word(best), "guess", "powered off: the nearest larger fixed offering; the size changes at next start"
        )
    return Choice("", "guess", f"no offering fits {size}")


def _misses_tags(disk: UnmanagedDisk, tags: str, zone_id: str, cluster_id: str, lookup: Lookup) -> bool:
    """Whether the disk's datastore is a pool, but not one with these tags. Without any pool no offering helps."""

    def pools(wanted: str) -> list[StoragePool]:
        known = lookup.catalogue.storage_pools
        return server.pools_of(disk, known, zone_id=zone_id, cluster_id=cluster_id, tags=wanted)

    return bool(tags) and bool(pools("")) and not pools(tags)


def _word(chosen: Named, by_name: Named | None) -> str:
    """The name when it means exactly this object, else its UUID."""
    return chosen.name if by_name is not None and by_name.id == chosen.id else chosen.id


def _span(offering: ServiceOffering) -> int:
    details = offering.serviceofferingdetails
    return int(details.get("maxcpunumber") or 2**16) - int(details.get("mincpunumber") or 1)


def root_disk(vm: VirtualMachine) -> Choice:
    """The disk that boots, as far as vCenter tells: the only one, or the first of the first controller."""
    if not vm.disks:
        return Choice("", "guess", "the VM has no disk")
    first = min(vm.disks, key=lambda disk: (disk.controller_bus, disk.unit, disk.key))
    if len(vm.disks) == 1:
        return Choice(first.disk_id, "certain", "the only disk")
    return Choice(first.disk_id, "likely", f"{first.label}: lowest bus and unit of {len(vm.disks)} disks")


def disk_offering(
    disk: UnmanagedDisk, zone_id: str, cluster_id: str, owner: Owner, decided: Decided, lookup: Lookup
) -> Choice:
    """By rule; else a custom-size offering, else the smallest fixed one that holds the disk."""
    ruled = decided.value("disk_offering")
    if ruled:
        return Choice(str(ruled), "certain", f"by {decided.source('disk_offering')}")

    def usable(offering: DiskOffering) -> bool:
        return (
            lookup.may_use_offering(owner, offering, zone_id)
            and not server.disk_offering_objection(offering, disk)
            and not _misses_tags(disk, offering.tags, zone_id, cluster_id, lookup)
        )

    fitting = [offering for offering in lookup.catalogue.disk_offerings if usable(offering)]
    if not fitting:
        return Choice("", "guess", "no disk offering fits its size and datastore")
    best = min(fitting, key=lambda o: (not o.iscustomized, bool(o.tags), o.disksize or 0, o.name, o.id))
    word = _word(best, lookup.disk_offering(best.name).object)
    if best.iscustomized:
        return Choice(word, "likely", "custom-size disk offering")
    return Choice(word, "likely", f"smallest fixed offering that holds it ({best.disksize} GiB)")
