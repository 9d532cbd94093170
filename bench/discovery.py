"""Discovery of a vCenter: requests, seconds, CPU seconds and memory, by size and by reader.

The twin's vCenter runs in a process of its own. "cold" is its first read ever, which renders every VM's properties;
"warm" reads find them rendered, so that what is left is the client.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.measuring import Cost, in_fresh_process, measured, median
from bench.table import ratio, show
from bench.twin_process import TwinOrder, TwinProcess

SIZES = (500, 5_000)
WARM_READS = 3
CALL_DELAY_S = 0.02
PAGE_OBJECTS = 1_000

# The targets are stated for 10,000 VMs; seconds shrink with the size, memory does not.
TARGET_VMS = 10_000
TARGET_REQUESTS = 36
TARGET_WALL_S = {"stream": 5.0, "objects": 15.0}
TARGET_CPU_S = {"stream": 4.0}
TARGET_PEAK_MIB = {"stream": 150.0}

How = Literal["stream", "objects"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One discovery. `requests` counts connecting and logging out too; `digest` stands for everything it found."""

    vms: int
    nics: int
    requests: int
    cost: Cost
    digest: str


def read(environment: dict[str, str], how: How) -> Reading:
    """Connect, read everything, log out; in this process, which should be a fresh one."""
    os.environ.update(environment)
    from ingest.settings import load_settings
    from ingest.vsphere.inventory import read_inventory
    from ingest.vsphere.session import connect

    endpoint = load_settings().vcenter
    with measured() as cost:
        with connect(endpoint) as vcenter:
            inventory = read_inventory(vcenter, how=how)
        requests = vcenter.requests
    return Reading(
        vms=len(inventory.vms),
        nics=sum(len(vm.nics) for vm in inventory.vms),
        requests=requests,
        cost=cost,
        digest=hashlib.sha256(repr(replace(inventory, requests=0)).encode()).hexdigest(),
    )


def main(repeat: int = 1, sizes: Sequence[int] = SIZES) -> None:
    readings: dict[tuple[int, str], Reading] = {}
    for vms in sizes:
        with TwinProcess(TwinOrder(vms)) as twin:
            readings[vms, "stream, cold"] = in_fresh_process(read, twin.environment, "stream")
            readings[vms, "stream"] = _warm(twin, "stream", WARM_READS * repeat)
            readings[vms, "objects"] = _warm(twin, "objects", WARM_READS * repeat)
            twin.delay_every_soap_call(CALL_DELAY_S)
            readings[vms, _delayed()] = in_fresh_process(read, twin.environment, "stream")
    show(
        f"discovery: shape realistic, warm = median of {WARM_READS * repeat}, each in a fresh client process",
        ("read", "VMs", "NICs", "requests", "wall s", "CPU s", "peak MiB", "before MiB"),
        [_row(name, reading) for (_, name), reading in readings.items()],
    )
    small, large = sizes[0], sizes[-1]
    print()
    for name in ("stream", "objects"):
        one, many = readings[small, name].cost, readings[large, name].cost
        ratio(f"{name}: wall, {large} / {small} VMs", many.wall_s, one.wall_s, " s", f"size {large / small:g}x")
        ratio(f"{name}: CPU, {large} / {small} VMs", many.cpu_s, one.cpu_s, " s")
        ratio(f"{name}: own memory, {large} / {small} VMs", _own_mib(many), _own_mib(one), " MiB")
    stream, objects = readings[large, "stream"], readings[large, "objects"]
    ratio(f"requests, {large} / {small} VMs", stream.requests, readings[small, "stream"].requests)
    ratio(f"objects / stream: wall, {large} VMs", objects.cost.wall_s, stream.cost.wall_s, " s")
    ratio(f"objects / stream: CPU, {large} VMs", objects.cost.cpu_s, stream.cost.cpu_s, " s")
    ratio(f"objects / stream: peak, {large} VMs", objects.cost.peak_mib, stream.cost.peak_mib, " MiB")
    ratio(f"cold / warm: wall, {large} VMs", readings[large, "stream, cold"].cost.wall_s, stream.cost.wall_s, " s")
    for vms in sizes:
        same = readings[vms, "stream"].digest == readings[vms, "objects"].digest
        print(f"stream and objects give equal inventories of {vms} VMs: {'yes' if same else 'NO'}")
    _show_targets(readings, sizes)


def _warm(twin: TwinProcess, how: How, times: int) -> Reading:
    """The median of every figure of several reads, which all found the same."""
    found = [in_fresh_process(read, twin.environment, how) for _ in range(times)]
    costs = [reading.cost for reading in found]
    return replace(
        found[0],
        requests=max(reading.requests for reading in found),
        cost=Cost(
            wall_s=median(cost.wall_s for cost in costs),
            cpu_s=median(cost.cpu_s for cost in costs),
            base_mib=median(cost.base_mib for cost in costs),
            peak_mib=median(cost.peak_mib for cost in costs),
        ),
    )


def _row(name: str, reading: Reading) -> Sequence[str]:
    cost = reading.cost
    return (
        name,
        f"{reading.vms:,}",
        f"{reading.nics:,}",
        str(reading.requests),
        f"{cost.wall_s:.2f}",
        f"{cost.cpu_s:.2f}",
        f"{cost.peak_mib:.0f}",
        f"{cost.base_mib:.0f}",
    )


def _show_targets(readings: dict[tuple[int, str], Reading], sizes: Sequence[int]) -> None:
    rows = []

    def add(what: str, measured_value: float, target: float, digits: int) -> None:
        within = "yes" if measured_value <= target else "NO"
        factor = f"{measured_value / target:.2f}x"
        rows.append((what, factor, f"{measured_value:.{digits}f}", f"{target:.{digits}f}", within))

    for vms in sizes:
        allowed = TARGET_REQUESTS + math.ceil(vms / PAGE_OBJECTS) - 1
        add(f"{vms:,} VMs: requests", readings[vms, "stream"].requests, allowed, 0)
    vms = sizes[-1]
    share = vms / TARGET_VMS
    for how, target in TARGET_WALL_S.items():
        add(f"{vms:,} VMs, {how}: wall s", readings[vms, how].cost.wall_s, target * share, 2)
    for how, target in TARGET_CPU_S.items():
        add(f"{vms:,} VMs, {how}: CPU s", readings[vms, how].cost.cpu_s, target * share, 2)
    for how, target in TARGET_PEAK_MIB.items():
        add(f"{vms:,} VMs, {how}: peak MiB", readings[vms, how].cost.peak_mib, target, 0)
    show("discovery against its targets", ("figure", "ratio", "measured", "target", "within"), rows)


def _own_mib(cost: Cost) -> float:
    return cost.peak_mib - cost.base_mib


def _delayed() -> str:
    return f"stream, {CALL_DELAY_S * 1000:g} ms a call"
