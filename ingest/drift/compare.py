"""The whole comparison of two snapshots of one site."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.drift.changes import Change, Drift, What, in_order
from ingest.drift.identity import matched
from ingest.drift.machines import machine_changes
from ingest.drift.networks import cloud_network_changes, network_changes
from ingest.model.inventory import VirtualMachine
from ingest.model.snapshot import Snapshot
from ingest.plan.pairing import Pair, pair


def drift(old: Snapshot, new: Snapshot) -> Drift:
    """What changed from `old` to `new`, which must be of one vCenter and CloudStack, asked for the same."""
    vms = matched(old.inventory.vms, new.inventory.vms)
    networks, explained = network_changes(old.inventory, new.inventory)
    before, after = ({id(one.vm): one for one in pair(each.inventory, each.catalogue)} for each in (old, new))
    changes: list[Change] = [*networks, *cloud_network_changes(old.catalogue, new.catalogue)]
    changes += [_alone(vm, "gone", before[id(vm)]) for vm in vms.gone]
    changes += [_alone(vm, "new", after[id(vm)]) for vm in vms.new]
    for was, now in vms.both:
        changes += machine_changes(was, now, explained)
        changes += _standing(before[id(was)], after[id(now)])
    return Drift(old.taken_at, new.taken_at, len(old.inventory.vms), len(new.inventory.vms), in_order(changes))


def _alone(vm: VirtualMachine, what: What, one: Pair) -> Change:
    text = f"{vm.cluster or vm.host or vm.datacenter}, {_stands(one)}"
    before, after = (text, "") if what == "gone" else ("", text)
    return Change("VM", vm.name, vm.moref, what, "", before, after, vm.instance_uuid)


def _standing(was: Pair, now: Pair) -> Iterator[Change]:
    """What became of a VM in CloudStack."""
    left, right = _stands(was), _stands(now)
    if left == right or was.skip or now.skip:
        return
    if right == "managed":
        what: What = "managed"
    elif left == "managed":
        what = "unmanaged"
    else:
        what = "shown" if right == "listed" else "hidden"
    after = f"{right}: {now.absent}" if right == "not listed" else right
    yield Change("VM", now.vm.name, now.vm.moref, what, "", left, after, now.vm.instance_uuid)


def _stands(one: Pair) -> str:
    if one.managed:
        return "managed"
    return "listed" if one.listed or one.duplicate else "not listed"
