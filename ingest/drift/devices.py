"""How the cards and disks of one VM differ. A device is the same one while its vSphere device key is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ingest.model.inventory import Disk, Nic, VirtualMachine

GIB = 1 << 30


def nic_changes(
    was: VirtualMachine, now: VirtualMachine, explained: Callable[[VirtualMachine, Nic], bool]
) -> Iterator[tuple[str, str, str]]:
    """Cards added and removed; network, MAC, type, VLAN and connection of those that stayed: (detail, was, is)."""
    before, after = ({nic.key: nic for nic in vm.nics} for vm in (was, now))
    for key in sorted(before.keys() - after.keys()):
        yield f"{before[key].label} removed", _card(before[key]), ""
    for key in sorted(after.keys() - before.keys()):
        yield f"{after[key].label} added", "", _card(after[key])
    for key in sorted(before.keys() & after.keys()):
        old, new = before[key], after[key]
        if old == new:
            continue
        if _plug(old) != _plug(new):
            yield f"{new.label}: network", _network(old), _network(new)
        elif old.vlan != new.vlan and not explained(now, new):
            yield f"{new.label}: VLAN", _vlan(old), _vlan(new)
        if old.mac != new.mac:
            yield f"{new.label}: MAC", old.mac, new.mac
        if (old.adapter, old.card_class, old.sriov) != (new.adapter, new.card_class, new.sriov):
            yield f"{new.label}: type", old.card_class, new.card_class
        # `connected` follows the power; what counts is what the next start does.
        if old.start_connected != new.start_connected:
            yield f"{new.label}: connected at start", _yes(old.start_connected), _yes(new.start_connected)


def disk_changes(was: VirtualMachine, now: VirtualMachine) -> Iterator[tuple[str, str, str]]:
    """Disks added, removed, grown, replaced, on another controller: (detail, was, is)."""
    before, after = ({disk.key: disk for disk in vm.disks} for vm in (was, now))
    for key in sorted(before.keys() - after.keys()):
        yield f"{before[key].label} removed", _disk(before[key]), ""
    for key in sorted(after.keys() - before.keys()):
        yield f"{after[key].label} added", "", _disk(after[key])
    for key in sorted(before.keys() & after.keys()):
        old, new = before[key], after[key]
        if old.capacity_bytes != new.capacity_bytes or old.backing != new.backing:
            # vSphere cannot shrink a disk, so a smaller one in its place is another one.
            grown = old.backing == new.backing and new.capacity_bytes > old.capacity_bytes
            yield f"{new.label} {'grown' if grown else 'replaced'}", _disk(old), _disk(new)
        slots = [f"{disk.controller}{disk.controller_bus}:{disk.unit}" for disk in (old, new)]
        if slots[0] != slots[1]:
            yield f"{new.label}: controller", slots[0], slots[1]


def _plug(nic: Nic) -> tuple[str, ...]:
    """The network a card is in, whatever its name is now."""
    if nic.network_moref:
        return (nic.kind, nic.network_moref)
    return (nic.kind, nic.switch_uuid, nic.portgroup_key or nic.network_name)


def _network(nic: Nic) -> str:
    name = nic.network_name or nic.portgroup_key or "no network"
    return f"{name} (VLAN {nic.vlan.text})" if nic.vlan and nic.vlan.text else name


def _card(nic: Nic) -> str:
    return f"{_network(nic)}, {nic.mac}, {nic.adapter or nic.card_class}"


def _vlan(nic: Nic) -> str:
    return (nic.vlan.text or "none") if nic.vlan else ""


def _disk(disk: Disk) -> str:
    kind = "" if disk.backing == "flat" else f" {disk.backing}"
    return f"{disk.capacity_bytes / GIB:g} GiB{kind} on {disk.datastore_name or 'no datastore'}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
