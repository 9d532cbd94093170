"""Verification: whether CloudStack has a VM, and whether it has all of it. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from ingest.engine.proof import Difference, Expected, differences
from ingest.errors import Refused
from ingest.model.catalogue import VirtualMachine, Volume
from ingest.model.request import ImportRequest


class ShowsVms(Protocol):
    """What verification needs of a CloudStack client."""

    def list_virtual_machines(
        self, *, vm_id: str | None = None, zone_id: str | None = None, name: str | None = None
    ) -> list[VirtualMachine]:
        """The managed VMs."""
        ...

    def list_volumes(self, vm_id: str | None = None) -> list[Volume]:
        """The volumes of a VM."""
        ...


@dataclass(frozen=True, slots=True)
class Verified:
    """What CloudStack has of a VM.

    `complete`: all that was expected (`differences` then holds what is not grave). `incomplete`: the VM with grave
    differences. `absent`: no managed VM that could be this one. `others` are the ids of further VMs over the same
    disks: the VM was imported more than once.
    """

    state: Literal["complete", "incomplete", "absent"]
    vm_id: str = ""
    differences: tuple[Difference, ...] = ()
    others: tuple[str, ...] = ()


def verify(
    client: ShowsVms, expected: Expected, request: ImportRequest, vm_id: str = "", *, zone_id: str = ""
) -> Verified:
    """Look at the VM by its id; without one, or when it is gone, look for it by host name, then among all VMs.

    `zone_id` keeps the last look to one zone. With an id this takes two calls. A VM is found when a disk and the
    instance name or a MAC agree, or, before any volume is written, instance name and MACs. Raises what the client does.
    """
    if vm_id:
        found = [(one, client.list_volumes(one.id)) for one in by_id(client, vm_id)]
        if found:
            return _judged(expected, request, found)
    found = _ours(client, expected, client.list_virtual_machines(name=expected.hostname))
    if not found:
        found = _ours(client, expected, client.list_virtual_machines(zone_id=zone_id or None))
    return _judged(expected, request, found)


def by_id(client: ShowsVms, vm_id: str) -> list[VirtualMachine]:
    """The managed VM of an id, as a list of one or none: the server refuses ids it has forgotten."""
    try:
        return client.list_virtual_machines(vm_id=vm_id)
    except Refused as error:
        if is_unknown_id(error):
            return []
        raise


def is_unknown_id(error: Refused) -> bool:
    """Whether the server refused a list because it has no object of the id asked for."""
    return error.code == 431 and "parameter id " in error.text


def _ours(
    client: ShowsVms, expected: Expected, machines: Iterable[VirtualMachine]
) -> list[tuple[VirtualMachine, list[Volume]]]:
    found = []
    for machine in machines:
        if not _may_be(expected, machine):
            continue
        volumes = client.list_volumes(machine.id)
        if _is_ours(expected, machine, volumes):
            found.append((machine, volumes))
    return found


def _macs(machine: VirtualMachine) -> set[str]:
    return {nic.macaddress.lower() for nic in machine.nic}


def _may_be(expected: Expected, machine: VirtualMachine) -> bool:
    return machine.instancename == expected.instance_name or bool(expected.macs & _macs(machine))


def _is_ours(expected: Expected, machine: VirtualMachine, volumes: list[Volume]) -> bool:
    """Names repeat between clusters, and MACs on copies: neither proves anything against other disks."""
    if volumes:
        disks = {(disk.file, disk.size_bytes) for disk in expected.disks}
        return any((volume.path, volume.size) in disks for volume in volumes)
    named = machine.instancename == expected.instance_name
    return named and (not machine.nic or not expected.nics or bool(expected.macs & _macs(machine)))


def _judged(expected: Expected, request: ImportRequest, found: list[tuple[VirtualMachine, list[Volume]]]) -> Verified:
    """The most complete of the VMs found."""
    if not found:
        return Verified("absent")
    judged = [(machine.id, differences(expected, machine, volumes, request)) for machine, volumes in found]
    vm_id, differing = min(judged, key=lambda one: sum(difference.grave for difference in one[1]))
    others = tuple(other for other, _ in judged if other != vm_id)
    whole = not others and not any(difference.grave for difference in differing)
    return Verified("complete" if whole else "incomplete", vm_id, differing, others)
