"""What changes for a VM when CloudStack stops and starts it for the first time after the import.

An import changes nothing on the VM. From the first start through CloudStack on, its size, limits, network and devices
follow what was recorded (CloudStack: VmwareResource, StartCommand; the manual's section on importing VMs).
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest.plan.cells import is_yes
from ingest.plan.resolve import ResolvedDisk, ResolvedNic, ResolvedRow

GIB = 1 << 30


def next_start(row: ResolvedRow) -> tuple[str, ...]:
    """One sentence per change, the most telling first; empty for a row that is not ready to import."""
    if row.pair is None or row.pair.listed is None or row.offering is None:
        return ()
    return (*_size(row), *_nics(row), *_disks(row), *_guest(row))


def _size(row: ResolvedRow) -> Iterator[str]:
    assert row.pair is not None  # noqa: S101  next_start has looked
    assert row.offering is not None  # noqa: S101  next_start has looked
    vm, offering = row.pair.vm, row.offering
    if offering.cpunumber not in (None, vm.cpus):
        yield f"CPUs {vm.cpus} -> {offering.cpunumber}"
    if offering.memory not in (None, vm.memory_mib):
        yield f"memory {vm.memory_mib} -> {offering.memory} MiB"
    speed = offering.cpuspeed or row.cpu_speed_mhz or vm.cpu_reservation_mhz
    reserved = f", instead of a reservation of {vm.cpu_reservation_mhz} MHz" if vm.cpu_reservation_mhz else ""
    yield f"CPU and memory shares, limits and reservations follow {offering.name} ({speed} MHz){reserved}"


def _nics(row: ResolvedRow) -> Iterator[str]:
    seen = [nic for nic in row.nics if nic.listed and nic.network]
    for nic in seen:
        today = nic.nic.network_name or "nothing"
        yield f"{nic.nic.label} moves from {today} to a port group of CloudStack for {_network(nic)}"
    if seen and is_yes(row.row["forced"]):
        yield "a NIC whose MAC was already used gets a new one"
    lost = [nic.nic.label for nic in row.nics if not nic.listed]
    if lost:
        yield f"{', '.join(lost)} are unknown to CloudStack and may be removed"


def _network(nic: ResolvedNic) -> str:
    assert nic.network is not None  # noqa: S101  callers have looked
    return f"{nic.network.name} ({nic.network.broadcasturi})" if nic.network.broadcasturi else nic.network.name


def _disks(row: ResolvedRow) -> Iterator[str]:
    for disk in row.disks:
        if disk.listed is None:
            yield f"{disk.disk.label} is unknown to CloudStack and may be detached"
        elif disk.listed.controller == "none":
            yield f"{disk.disk.label} may come back on another controller than {disk.disk.controller or 'today'}"
        yield from _size_of(disk)


def _size_of(disk: ResolvedDisk) -> Iterator[str]:
    offering = disk.offering
    if offering is None or disk.is_root or offering.iscustomized or not offering.disksize:
        return
    if offering.disksize * GIB > disk.disk.capacity_bytes:
        size = disk.disk.capacity_bytes / GIB
        yield f"{disk.disk.label} keeps {size:.10g} GiB, though its offering says {offering.disksize} GiB"


def _guest(row: ResolvedRow) -> Iterator[str]:
    assert row.pair is not None  # noqa: S101  next_start has looked
    if row.template is not None and row.template.ostypename:
        yield f"the guest OS type becomes {row.template.ostypename}, that of the template {row.template.name}"
    if row.pair.vm.power_state == "poweredOn":
        yield "the console works only after that stop and start"
