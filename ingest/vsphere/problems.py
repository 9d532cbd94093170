"""What an inventory holds that somebody should know: nothing is dropped in silence. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ingest.counting import counted
from ingest.model.inventory import Host, Inventory, Nic, Problem, VirtualMachine
from ingest.vsphere.nics import PROBLEMS
from ingest.vsphere.rows import Missing
from ingest.vsphere.vlans import vlan_of_id


def find_problems(inventory: Inventory, missing: Iterable[Missing] = (), gone: Iterable[str] = ()) -> Inventory:
    """The same inventory with `problems` filled, sorted by (code, object, detail)."""
    hosts = {host.moref: host for host in inventory.hosts}
    found = {
        *_unread(inventory, missing, gone),
        *_hosts(inventory),
        *_duplicate_macs(inventory.vms),
        *(problem for vm in inventory.vms for problem in _machine(vm)),
        *_differing_vlans(inventory.vms, hosts),
    }
    return replace(inventory, problems=tuple(sorted(found, key=lambda row: (row.code, row.object, row.detail))))


def _unread(inventory: Inventory, missing: Iterable[Missing], gone: Iterable[str]) -> Iterator[Problem]:
    names = {vm.moref: vm.path for vm in inventory.vms}
    for group in (inventory.hosts, inventory.switches, inventory.networks, inventory.datastores):
        names |= {thing.moref: thing.name for thing in group}
    unread: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in missing:
        unread[entry.moref, entry.fault].append(entry.path)
    for (moref, fault), paths in unread.items():
        shown = f"{names[moref]} ({moref})" if names.get(moref) else moref
        yield Problem("unreadable-property", shown, f"{fault}: {', '.join(sorted(set(paths)))}")
    for moref in gone:
        yield Problem("gone-while-reading", moref, "it was removed while the inventory was read")


def _hosts(inventory: Inventory) -> Iterator[Problem]:
    guests: dict[str, int] = defaultdict(int)
    for vm in inventory.vms:
        guests[vm.host_moref] += 1
    for host in inventory.hosts:
        affected = f"{counted(guests[host.moref], 'VM')} on it"
        if host.connection_state != "connected":
            state = host.connection_state or "unknown"
            yield Problem(
                "host-not-connected", host.name, f"{state}: CloudStack lists only hosts that are up; {affected}"
            )
        if host.in_maintenance:
            yield Problem("host-in-maintenance", host.name, f"CloudStack may leave out its VMs; {affected}")
        if not host.cluster and guests[host.moref]:
            yield Problem("host-standalone", host.name, f"CloudStack needs a cluster, this host is in none; {affected}")


def _machine(vm: VirtualMachine) -> Iterator[Problem]:
    if vm.unreadable:
        yield Problem("vm-unreadable", vm.path, f"vCenter cannot read its configuration ({vm.connection_state})")
    elif vm.connection_state not in ("connected", ""):
        yield Problem("vm-not-connected", vm.path, vm.connection_state)
    for nic in vm.nics:
        if nic.problem:
            name = f" ({nic.network_name})" if nic.network_name else ""
            yield Problem(nic.problem, _card(vm, nic), PROBLEMS[nic.problem] + name)
    adapters = sorted({nic.adapter for nic in vm.nics})
    if len(adapters) > 1:
        yield Problem("mixed-adapters", vm.path, f"CloudStack imports one adapter type only, not {', '.join(adapters)}")


def _duplicate_macs(vms: Iterable[VirtualMachine]) -> Iterator[Problem]:
    owners: dict[str, list[str]] = defaultdict(list)
    for vm in vms:
        for nic in vm.nics:
            if nic.mac:
                owners[nic.mac].append(_card(vm, nic))
    for mac, cards in owners.items():
        if len(cards) > 1:
            yield Problem("duplicate-mac", mac, "; ".join(sorted(cards)))


def _differing_vlans(vms: Iterable[VirtualMachine], hosts: dict[str, Host]) -> Iterator[Problem]:
    """A standard port group whose VLAN is another one on another host of the cluster the VM can move to."""
    by_cluster: dict[tuple[str, str], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for host in hosts.values():
        for group in host.portgroups:
            by_cluster[host.compute_moref, group.name][group.vlan_id].append(host.name)
    for vm in vms:
        here = hosts.get(vm.host_moref)
        compute = here.compute_moref if here else ""
        for nic in vm.nics:
            vlans = by_cluster.get((compute, nic.network_name), {}) if nic.kind == "standard" else {}
            if len(vlans) > 1:
                said = "; ".join(
                    f"{vlan_of_id(vlan_id).text or 'untagged'} on {', '.join(sorted(names))}"
                    for vlan_id, names in sorted(vlans.items())
                )
                yield Problem("vlan-differs-by-host", _card(vm, nic), f"{nic.network_name}: {said}")


def _card(vm: VirtualMachine, nic: Nic) -> str:
    return f"{vm.path}: {nic.label}"
