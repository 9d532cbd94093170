"""Which VM of the later snapshot is which of the earlier one.

Identity is instance UUID plus managed object id: files copied by hand give two VMs one UUID, so neither half is enough
alone. What is left over is the same VM when only one half changed, for the reason that half changes for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.model.inventory import VirtualMachine


@dataclass(frozen=True, slots=True)
class Matched:
    """VMs of both snapshots (was, is), and those of one alone."""

    both: tuple[tuple[VirtualMachine, VirtualMachine], ...]
    gone: tuple[VirtualMachine, ...]
    new: tuple[VirtualMachine, ...]


def matched(old: Sequence[VirtualMachine], new: Sequence[VirtualMachine]) -> Matched:
    """The VMs of two inventories of one vCenter, paired."""
    left = {_identity(vm): vm for vm in old}
    right = {_identity(vm): vm for vm in new}
    both = [(left.pop(key), right.pop(key)) for key in list(right) if key in left]
    # One object, another UUID: vCenter could not read it once, or its UUID was changed. vCenter gives a managed object
    # id once, but one restored from a backup counts from there again; so something else must agree as well.
    by_moref = {vm.moref: key for key, vm in left.items()}
    for key, vm in list(right.items()):
        was = by_moref.get(vm.moref)
        if was is not None and _agree(left[was], vm):
            both.append((left.pop(was), right.pop(key)))
    # One UUID, another object: unregistered and registered again. Told only where the UUID is nobody else's.
    before, after = _by_uuid(left.values()), _by_uuid(right.values())
    for uuid, ones in before.items():
        others = after.get(uuid, [])
        if uuid and len(ones) == len(others) == 1:
            both.append((left.pop(_identity(ones[0])), right.pop(_identity(others[0]))))
    return Matched(tuple(both), tuple(left.values()), tuple(right.values()))


def _identity(vm: VirtualMachine) -> tuple[str, str]:
    return vm.instance_uuid.lower(), vm.moref


def _agree(was: VirtualMachine, now: VirtualMachine) -> bool:
    if not was.instance_uuid or not now.instance_uuid:
        return True
    return was.name == now.name or bool({nic.mac for nic in was.nics} & {nic.mac for nic in now.nics} - {""})


def _by_uuid(vms: Iterable[VirtualMachine]) -> dict[str, list[VirtualMachine]]:
    found: dict[str, list[VirtualMachine]] = defaultdict(list)
    for vm in vms:
        found[vm.instance_uuid.lower()].append(vm)
    return found
