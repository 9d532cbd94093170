"""The twin itself: how long a world of 10,000 VMs takes to make, to read and to keep, and what it costs in memory.

The world is generated, saved and loaded in a process of its own. The servers run in another one, and only it is charged
with their memory; clients are further processes. "cold" is the first read of the vCenter ever, which renders every
property of every VM; "warm" is the same read again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.discovery import Reading, read
from bench.measuring import Cost, in_fresh_process, measured
from bench.table import ratio, show
from bench.twin_process import TwinOrder, TwinProcess, made_world

SIZES = (1_000, 3_000, 10_000)

# The targets are stated for 10,000 VMs; seconds shrink with the size, memory does not.
TARGET_VMS = 10_000
TARGET_BUILD_S = 2.0
TARGET_READ_S = 15.0
TARGET_PEAK_MIB = 400e6 / (1 << 20)


@dataclass(frozen=True, slots=True)
class Made:
    """One world: made, saved and loaded again. `equal` is whether what was loaded is what was saved."""

    build: Cost
    save: Cost
    load: Cost
    file_mib: float
    equal: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """listUnmanagedInstances of every cluster. `slowest_s` is the longest single answer."""

    clusters: int
    vms: int
    cost: Cost
    slowest_s: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """Everything about one size. `idle_mib` is the twin's memory before anybody asked, `peak_mib` the most ever."""

    made: Made
    cold: Reading
    warm: Reading
    listed: Listed
    idle_mib: float
    peak_mib: float
    twin_cpu_s: float


class _Figure(NamedTuple):
    """A line of the growth and target tables."""

    name: str
    unit: str
    values: list[float]


def make_and_keep(order: TwinOrder, folder: Path) -> Made:
    """Generate the world, save and load it; in this process, which should be a fresh one."""
    from ingest.twin import generator, worldfile  # noqa: F401  their import is not the world's to pay

    file = folder / "world.json"
    with measured() as build:
        world = made_world(order)
    with measured() as save:
        worldfile.save_world(world, file)
    with measured() as load:
        again = worldfile.load_world(file)
    return Made(build, save, load, file.stat().st_size / (1 << 20), again == world)


def list_everything(environment: dict[str, str]) -> Listed:
    """Ask CloudStack for the unmanaged VMs of every VMware cluster, one call after another."""
    import os
    import time

    os.environ.update(environment)
    from ingest.cloudstack.client import CloudStackClient
    from ingest.settings import load_settings

    found, times = 0, []
    with CloudStackClient(load_settings().cloudstack) as client, measured() as cost:
        clusters = client.list_clusters()
        for cluster in clusters:
            began = time.perf_counter()
            found += len(client.list_unmanaged_instances(cluster.id))
            times.append(time.perf_counter() - began)
    return Listed(len(clusters), found, cost, max(times, default=0.0))


def measure(order: TwinOrder) -> Measurement:
    """All figures of one size."""
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder:
        made = in_fresh_process(make_and_keep, order, Path(folder))
    with TwinProcess(order) as twin:
        idle = twin.report()
        cold = in_fresh_process(read, twin.environment, "stream")
        warm = in_fresh_process(read, twin.environment, "stream")
        listed = in_fresh_process(list_everything, twin.environment)
        end = twin.report()
    return Measurement(made, cold, warm, listed, idle.resident_mib, end.peak_mib, end.cpu_s - idle.cpu_s)


def main(repeat: int = 1, sizes: Sequence[int] = SIZES) -> None:
    found = {vms: [measure(TwinOrder(vms)) for _ in range(repeat)] for vms in sizes}
    figures = [
        _Figure("world made", "s", [median(one.made.build.wall_s for one in found[vms]) for vms in sizes]),
        _Figure("cold read over SOAP", "s", [median(one.cold.cost.wall_s for one in found[vms]) for vms in sizes]),
        _Figure("warm read over SOAP", "s", [median(one.warm.cost.wall_s for one in found[vms]) for vms in sizes]),
        _Figure("all clusters listed", "s", [median(one.listed.cost.wall_s for one in found[vms]) for vms in sizes]),
        _Figure("slowest cluster", "s", [median(one.listed.slowest_s for one in found[vms]) for vms in sizes]),
        _Figure("world saved", "s", [median(one.made.save.wall_s for one in found[vms]) for vms in sizes]),
        _Figure("world loaded", "s", [median(one.made.load.wall_s for one in found[vms]) for vms in sizes]),
        _Figure("world file", "MiB", [found[vms][0].made.file_mib for vms in sizes]),
        _Figure("twin's CPU for all reads", "s", [median(one.twin_cpu_s for one in found[vms]) for vms in sizes]),
        _Figure("twin's memory, idle", "MiB", [median(one.idle_mib for one in found[vms]) for vms in sizes]),
        _Figure("twin's memory, peak", "MiB", [median(one.peak_mib for one in found[vms]) for vms in sizes]),
    ]
    show(
        f"twin: shape realistic, by number of VMs, medians of {repeat}",
        ("figure", "unit", *(f"{vms:,}" for vms in sizes), f"{sizes[-1]:,} / {sizes[0]:,}"),
        [_row(figure) for figure in figures],
    )
    print()
    for vms in sizes:
        one = found[vms][0]
        print(
            f"{vms:,} VMs: {one.cold.vms:,} read in {one.cold.requests} requests, {one.listed.vms:,} listed of "
            f"{one.listed.clusters} clusters; loaded world equal to the saved one: {'yes' if one.made.equal else 'NO'}"
        )
    print()
    _show_targets({figure.name: figure.values[-1] for figure in figures}, sizes[-1])


def _row(figure: _Figure) -> Sequence[str]:
    digits = 2 if figure.unit == "s" else 0
    growth = f"{figure.values[-1] / figure.values[0]:.1f}x" if figure.values[0] else "-"
    return (figure.name, figure.unit, *(f"{value:.{digits}f}" for value in figure.values), growth)


def _show_targets(measured_values: dict[str, float], vms: int) -> None:
    share = vms / TARGET_VMS
    for name, target, unit in (
        ("world made", TARGET_BUILD_S * share, " s"),
        ("cold read over SOAP", TARGET_READ_S * share, " s"),
        ("twin's memory, peak", TARGET_PEAK_MIB, " MiB"),
    ):
        within = "within" if measured_values[name] <= target else "NOT within"
        ratio(f"{vms:,} VMs, {name} / target", measured_values[name], target, unit, within)
