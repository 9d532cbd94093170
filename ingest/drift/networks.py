"""How the networks of a site differ, on both sides. Names are no identity: a port group is its managed object id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ingest.drift.changes import Change, Kind, What
from ingest.model.catalogue import Catalogue
from ingest.model.inventory import Inventory, Network, Nic, VirtualMachine, Vlan

_GUEST_TAGGING = 4095


@dataclass(frozen=True, slots=True)
class _Offer:
    """A standard port group as one host defines it."""

    host: str
    vlan: str
    vswitch: str


def network_changes(old: Inventory, new: Inventory) -> tuple[list[Change], Callable[[VirtualMachine, Nic], bool]]:
    """The changes of vCenter's networks, and whether a NIC's new VLAN is one of them."""
    before, after = (_networks(inventory) for inventory in (old, new))
    was_offered, is_offered = (_offers(inventory) for inventory in (old, new))
    changes: list[Change] = []
    changed_groups: set[str] = set()
    changed_offers: set[tuple[str, str, str]] = set()

    def add(network: Network, what: What, detail: str = "", was: str = "", now: str = "") -> None:
        changes.append(Change("network", network.name, network.moref, what, detail, was, now))

    for moref in before.keys() - after.keys():
        add(before[moref], "gone", was=_words(before[moref], was_offered))
    for moref in after.keys() - before.keys():
        add(after[moref], "new", now=_words(after[moref], is_offered))
    for moref in before.keys() & after.keys():
        was, now = before[moref], after[moref]
        if was.name != now.name:
            add(now, "renamed", was=was.name, now=now.name)
        if now.kind == "standard":
            left = was_offered.get((was.datacenter, was.name), {})
            right = is_offered.get((now.datacenter, now.name), {})
            moved: dict[tuple[str, str], list[str]] = defaultdict(list)
            for host in left.keys() & right.keys():
                if left[host].vlan != right[host].vlan:
                    moved[left[host].vlan, right[host].vlan].append(right[host].host)
                    changed_offers.add((now.datacenter, now.name, host))
            for (vlan_was, vlan_now), hosts in sorted(moved.items()):
                add(now, "vlan", f"on {', '.join(sorted(hosts))}", vlan_was or "none", vlan_now or "none")
        elif was.vlan != now.vlan:
            changed_groups.add(moref)
            add(now, "vlan", "", _vlan(was.vlan) or "none", _vlan(now.vlan) or "none")
        if was.switch_uuid != now.switch_uuid:
            add(now, "moved", "switch", was.switch_name, now.switch_name)

    def explained(vm: VirtualMachine, nic: Nic) -> bool:
        offered = (vm.datacenter, nic.network_name, vm.host_moref)
        return nic.network_moref in changed_groups or offered in changed_offers

    return changes, explained


def cloud_network_changes(old: Catalogue, new: Catalogue) -> Iterator[Change]:
    """The changes of CloudStack's guest networks."""
    kind: Kind = "CloudStack network"
    before, after = ({one.id: one for one in catalogue.networks if not one.issystem} for catalogue in (old, new))
    for key in before.keys() - after.keys():
        yield Change(kind, before[key].name, key, "gone", "", before[key].broadcasturi, "")
    for key in after.keys() - before.keys():
        yield Change(kind, after[key].name, key, "new", "", "", after[key].broadcasturi)
    for key in before.keys() & after.keys():
        was, now = before[key], after[key]
        if was.name != now.name:
            yield Change(kind, now.name, key, "renamed", "", was.name, now.name)
        if was.broadcasturi != now.broadcasturi:
            yield Change(kind, now.name, key, "vlan", "", was.broadcasturi or "none", now.broadcasturi or "none")


def _networks(inventory: Inventory) -> dict[str, Network]:
    return {network.moref: network for network in inventory.networks if not network.uplink}


_Offers = Mapping[tuple[str, str], Mapping[str, _Offer]]


def _offers(inventory: Inventory) -> _Offers:
    """Standard port groups by datacenter and name, then by host."""
    found: dict[tuple[str, str], dict[str, _Offer]] = defaultdict(dict)
    for host in inventory.hosts:
        for group in host.portgroups:
            vlan = "trunk 0-4094" if group.vlan_id == _GUEST_TAGGING else str(group.vlan_id or "")
            found[host.datacenter, group.name][host.moref] = _Offer(host.name, vlan, group.vswitch)
    return found


def _words(network: Network, offers: _Offers) -> str:
    """A network in a line: its switch and VLAN."""
    if network.kind == "standard":
        offered = offers.get((network.datacenter, network.name), {}).values()
        switch = ", ".join(sorted({offer.vswitch for offer in offered}))
        vlan = ", ".join(sorted({offer.vlan or "none" for offer in offered}))
    else:
        switch, vlan = network.switch_name, _vlan(network.vlan) or "none"
    return f"{switch or network.kind}, VLAN {vlan}"


def _vlan(vlan: Vlan | None) -> str:
    return vlan.text if vlan else ""
