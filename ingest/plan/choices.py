"""The choices made for one VM: each with its value, how sure it is, and the evidence in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ingest.counting import counted
from ingest.model.catalogue import (
    DiskOffering,
    Network,
    ServiceOffering,
    StoragePool,
    UnmanagedDisk,
    UnmanagedInstance,
    UnmanagedNic,
)
from ingest.model.inventory import Disk, Nic, VirtualMachine
from ingest.plan import server
from ingest.plan.lookup import Lookup, Named, Owner
from ingest.plan.rules import Decided

Confidence = Literal["certain", "likely", "guess"]
ORDER: tuple[Confidence, ...] = ("certain", "likely", "guess")
_MOST_OTHERS = 3
_USUAL_SPEED_MHZ = 1000


@dataclass(frozen=True, slots=True)
class Choice:
    """`value` is what goes into the sheet ('' when nothing could be chosen), `evidence` why, `others` runners-up."""

    value: str
    confidence: Confidence
    evidence: str
    others: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Value, evidence, confidence and runners-up, as the column `reason` shows them."""
        others = f", else {' or '.join(self.others)}" if self.others else ""
        return f"{self.value or '-'}: {self.evidence} ({self.confidence}{others})"


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
        return Owner(), Choice("", "guess", f"owner unknown, {why}: the calling admin would own it")
    account, domain_id, project_id = owners.pop()
    path = lookup.domains[domain_id].path if domain_id in lookup.domains else ""
    if project_id:
        project = lookup.projects.get(project_id)
        return Owner("", domain_id, project_id, path), Choice(
            project.name if project else project_id, "likely", "owner of the networks on its VLANs"
        )
    return Owner(account, domain_id, "", path), Choice(account, "likely", "owner of the networks on its VLANs")


def display_name(vm: VirtualMachine, decided: Decided) -> Choice:
    """By rule: `{name}` and `{folder}` stand for the VM's. Nothing otherwise: CloudStack then shows the VM's name."""
    pattern = decided.value("display_name")
    if not pattern:
        return Choice("", "certain", "")
    folder = vm.path.rsplit("/", 2)[-2] if vm.path.count("/") > 1 else ""
    text = str(pattern).replace("{name}", vm.name).replace("{folder}", folder)
    return Choice(text, "certain", f"by {decided.source('display_name')}")


def network(
    number: int,
    nic: Nic,
    listed: UnmanagedNic | None,
    zone_id: str,
    owner: Owner,
    decided: Decided,
    lookup: Lookup,
) -> tuple[Choice, Network | None]:
    """By rule; else the one usable network with the NIC's VLAN; else, untagged, one named like the port group.

    `number` counts the VM's NICs from 1. Several networks that would do, and a name alone, are guesses.
    """
    ruled, rule = decided.network(number, nic)
    if ruled:
        return Choice(ruled, "certain", f"by {rule}"), lookup.network(ruled, zone_id, owner).object

    def word(one: Network) -> str:
        return _word(one, lookup.network(one.name, zone_id, owner).object)

    uri = server.nic_uri(listed) if listed else ""
    if uri:
        same = [n for n in lookup.networks_by_uri.get(uri, []) if n.zoneid == zone_id]
        usable = sorted(
            (n for n in same if lookup.may_use_network(owner, n)), key=lambda n: (n.type != "L2", n.name, n.id)
        )
        if len(usable) == 1:
            return Choice(word(usable[0]), "certain", f"the only usable network with {uri}"), usable[0]
        if usable:
            others = tuple(word(n) for n in usable[1 : 1 + _MOST_OTHERS])
            why = f"one of {len(usable)} usable networks with {uri}"
            return Choice(word(usable[0]), "guess", why, others), usable[0]
        return Choice("", "guess", f"{counted(len(same), 'network')} with {uri}, not usable by the owner"), None
    named = [
        n
        for n in lookup.catalogue.networks
        if n.name == nic.network_name and n.zoneid == zone_id and lookup.may_use_network(owner, n)
    ]
    if len(named) == 1:
        why = "no VLAN to match, only its name is that of the port group"
        return Choice(word(named[0]), "guess", why), named[0]
    return Choice("", "guess", f"no VLAN to match on '{nic.network_name}', and no rule names a network"), None


def address(vm: VirtualMachine, number: int, nic: Nic, target: Network | None, decided: Decided) -> Choice:
    """Nothing for L2; the rule's; the guest's one address when it fits the network; else `auto`."""
    if target is None or target.type == "L2":
        return Choice("", "certain", "")
    ruled, rule = decided.address(vm, number, nic)
    if ruled == "none":
        return Choice("", "certain", f"none, by {rule}")
    if ruled and ruled != "guest":
        return Choice(ruled, "certain", f"by {rule}")
    if len(nic.ipv4) > 1:
        return Choice("", "guess", f"the guest reports {len(nic.ipv4)} addresses: name one", nic.ipv4[:_MOST_OTHERS])
    if not nic.ipv4:
        if ruled == "guest":
            return Choice("", "guess", f"the guest reports no address, and {rule} wants that one")
        return Choice("auto", "likely", "the guest reports no address: CloudStack picks a free one")
    if server.inside(target, nic.ipv4[0]):
        by = f", by {rule}" if ruled else ""
        return Choice(nic.ipv4[0], "certain", f"the address the guest reports{by}")
    return Choice("", "guess", f"the guest reports {nic.ipv4[0]}, which does not fit {target.name}: name one")


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

    host = lookup.hosts.get(listed.hostid)

    def usable(offering: ServiceOffering) -> bool:
        if not lookup.may_use_offering(owner, offering, zone_id):
            return False
        if server.host_tags_objection(offering, host, (), migrate_allowed=False):
            return False
        if root and _misses_tags(root, offering.storagetags, zone_id, cluster_id, lookup):
            return False
        caps = server.size_caps(lookup.catalogue.configuration)
        # A custom offering without a CPU speed can be given one: `cpu_speed` proposes it.
        return not server.offering_objection(offering, listed, speed or _USUAL_SPEED_MHZ, caps)

    def chosen(fitting: list[ServiceOffering], how: Confidence, why: str) -> Choice:
        # Offerings tied to host tags come last: they tie the VM to these hosts.
        order = sorted(fitting, key=lambda o: (bool(o.hosttags), _span(o), o.name, o.id))
        others = tuple(_word(o, lookup.service_offering(o.name).object) for o in order[1 : 1 + _MOST_OTHERS])
        return Choice(_word(order[0], lookup.service_offering(order[0].name).object), how, why, others)

    fitting = [offering for offering in lookup.catalogue.service_offerings if usable(offering)]
    size = f"{listed.cpunumber} CPU and {listed.memory} MiB"
    custom = [o for o in fitting if o.cpunumber is None and o.cpuspeed is not None]
    if custom:
        sure: Confidence = "certain" if len(custom) == 1 else "likely"
        return chosen(custom, sure, f"custom offering, takes {size} as they are")
    exact = [o for o in fitting if o.cpunumber == listed.cpunumber and o.memory == listed.memory]
    if exact:
        sure = "certain" if len(exact) == 1 else "likely"
        return chosen(exact, sure, f"fixed offering of exactly {size}")
    open_speed = [o for o in fitting if o.cpunumber is None]
    if open_speed:
        return chosen(open_speed, "likely", f"custom offering without CPU speed, takes {size} as they are")
    larger = sorted(
        (
            o
            for o in fitting
            if o.cpunumber and o.memory and o.cpunumber >= listed.cpunumber and o.memory >= listed.memory
        ),
        key=lambda o: (bool(o.hosttags), o.memory or 0, o.cpunumber or 0, o.name, o.id),
    )
    if larger:
        words = [_word(o, lookup.service_offering(o.name).object) for o in larger[: 1 + _MOST_OTHERS]]
        why = "powered off: the nearest larger fixed offering, the size changes at next start"
        return Choice(words[0], "guess", why, tuple(words[1:]))
    return Choice("", "guess", f"no offering fits {size}")


def cpu_speed(listed: UnmanagedInstance, offering: ServiceOffering | None, decided: Decided, lookup: Lookup) -> Choice:
    """By rule; for an offering that leaves the CPU speed open and a VM without a reservation, the usual speed here."""
    ruled = decided.value("cpu_speed_mhz")
    if ruled is not None:
        return Choice(str(ruled), "certain", f"by {decided.source('cpu_speed_mhz')}")
    if offering is None or offering.cpuspeed is not None or listed.cpuspeed:
        return Choice("", "certain", "")
    speeds = Counter(o.cpuspeed for o in lookup.catalogue.service_offerings if o.cpuspeed)
    usual, count = min(speeds.items(), key=lambda item: (-item[1], item[0]), default=(_USUAL_SPEED_MHZ, 0))
    seen = f"{count} offerings have it" if count else "no offering says what is usual here"
    return Choice(str(usual), "guess", f"the offering leaves the CPU speed open, the VM reserves none, {seen}")


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


def root_disk(vm: VirtualMachine, decided: Decided) -> Choice:
    """By rule; else the disk that boots: the one the boot order names, the only one, or the first by bus and unit."""
    if not vm.disks:
        return Choice("", "guess", "the VM has no disk")
    order = sorted(vm.disks, key=lambda disk: (disk.controller_bus, disk.unit, disk.key))
    label = decided.value("root_disk")
    if label:
        named = [disk for disk in order if disk.label.lower() == str(label).lower()]
        if named:
            return Choice(named[0].disk_id, "certain", f"{named[0].label}, by {decided.source('root_disk')}")
        return Choice("", "guess", f"{decided.source('root_disk')} names '{label}', which the VM does not have")
    booted = next((disk for disk in order if disk.key == vm.boot_disk_key), None)
    if booted is not None:
        return Choice(booted.disk_id, "certain", f"{booted.label}, by vCenter's boot order")
    if len(order) == 1:
        return Choice(order[0].disk_id, "certain", "the only disk")
    why = f"{order[0].label}: lowest bus and unit of {len(order)} disks"
    return Choice(order[0].disk_id, "likely", why, tuple(disk.disk_id for disk in order[1 : 1 + _MOST_OTHERS]))


def disk_offering(
    number: int,
    disk: Disk,
    listed: UnmanagedDisk,
    zone_id: str,
    cluster_id: str,
    owner: Owner,
    decided: Decided,
    lookup: Lookup,
) -> Choice:
    """By rule; else a custom-size offering, else the smallest fixed one that holds the `number`-th disk."""
    ruled, rule = decided.disk_offering(number, disk)
    if ruled:
        return Choice(ruled, "certain", f"by {rule}")

    def usable(offering: DiskOffering) -> bool:
        return (
            lookup.may_use_offering(owner, offering, zone_id)
            and not server.disk_offering_objection(offering, listed)
            and not _misses_tags(listed, offering.tags, zone_id, cluster_id, lookup)
        )

    fitting = sorted(
        (offering for offering in lookup.catalogue.disk_offerings if usable(offering)),
        key=lambda o: (not o.iscustomized, bool(o.tags), o.disksize or 0, o.name, o.id),
    )
    if not fitting:
        return Choice("", "guess", "no disk offering fits its size and datastore")
    words = [_word(o, lookup.disk_offering(o.name).object) for o in fitting[: 1 + _MOST_OTHERS]]
    best = fitting[0]
    why = (
        "custom-size disk offering"
        if best.iscustomized
        else f"smallest fixed offering that holds it ({best.disksize} GiB)"
    )
    return Choice(words[0], "likely", why, tuple(words[1:]))
