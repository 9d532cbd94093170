"""Comparing two snapshots of a site: reading both, the comparison, all files. One VM in twenty changed overnight."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measuring import Cost, in_fresh_process, measured, median
from bench.plan import make_snapshot
from bench.table import ratio, show

SIZES = (1_000, 10_000)
TARGET_VMS = 10_000
TARGET_WALL_S = 10.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: its changes, the cost of comparing alone, and of everything, files read and written included."""

    changes: int
    compare: Cost
    everything: Cost


def make_nights(vms: int, folder: str) -> None:
    """Two run folders; in the second every twentieth VM has another name, host, MAC and disk, in turn."""
    from ingest.model.snapshot import Source, read_snapshot, to_json
    from ingest.stages.run_folder import SNAPSHOT, SOURCE

    for name in ("mon", "tue"):
        Path(folder, name).mkdir()
    make_snapshot(vms, str(Path(folder, "mon")))
    monday = read_snapshot(Path(folder, "mon", SNAPSHOT)).model_copy(update={"taken_at": "2026-01-01T02:00:00+00:00"})
    machines = list(monday.inventory.vms)
    for number in range(0, len(machines), 20):
        vm = machines[number]
        kind = number // 20 % 4
        nic, disk = vm.nics[0], vm.disks[0]
        if kind == 0:
            vm = dataclasses.replace(vm, name=f"{vm.name}-b")
        elif kind == 1:
            vm = dataclasses.replace(vm, host_moref="host-0", host="elsewhere")
        elif kind == 2:
            vm = dataclasses.replace(vm, nics=(dataclasses.replace(nic, mac="00:50:56:00:00:00"), *vm.nics[1:]))
        else:
            vm = dataclasses.replace(vm, disks=(dataclasses.replace(disk, capacity_bytes=1 << 50), *vm.disks[1:]))
        machines[number] = vm
    inventory = dataclasses.replace(monday.inventory, vms=tuple(machines))
    tuesday = monday.model_copy(update={"inventory": inventory, "taken_at": "2026-01-02T02:00:00+00:00"})
    for name, snapshot in (("mon", monday), ("tue", tuesday)):
        Path(folder, name, SNAPSHOT).write_bytes(to_json(snapshot))
        source = Source(vcenter="twin", cloudstack="twin", taken_at=snapshot.taken_at)
        Path(folder, name, SOURCE).write_text(source.model_dump_json(), encoding="utf-8")


def compare(folder: str) -> Comparison:
    """Find the last snapshot, compare, write every file, in this process, which should be a fresh one."""
    from ingest.drift.compare import drift
    from ingest.model.snapshot import read_snapshot
    from ingest.stages.drift import drift_of
    from ingest.stages.run_folder import SNAPSHOT, RunFolder

    with measured() as everything:
        found = drift_of(RunFolder(Path(folder, "tue")))
    before, after = (read_snapshot(Path(folder, name, SNAPSHOT)) for name in ("mon", "tue"))
    with measured() as comparing:
        drift(before, after)
    return Comparison(len(found.drift.changes) if found.drift else 0, comparing, everything)


def main(repeat: int = 1, sizes: Sequence[int] = SIZES) -> None:
    found: dict[int, list[Comparison]] = {}
    for vms in sizes:
        folder = tempfile.mkdtemp(prefix="bench-drift-")
        try:
            in_fresh_process(make_nights, vms, folder)
            found[vms] = [in_fresh_process(compare, folder) for _ in range(repeat)]
        finally:
            shutil.rmtree(folder)
    show(
        f"drift: two NICs, two disks a VM, one VM in twenty changed, median of {repeat}, each in a fresh process",
        ("VMs", "changes", "compare s", "everything s", "CPU s", "peak MiB"),
        [
            (
                f"{vms:,}",
                f"{runs[0].changes:,}",
                f"{median(one.compare.wall_s for one in runs):.2f}",
                f"{median(one.everything.wall_s for one in runs):.2f}",
                f"{median(one.everything.cpu_s for one in runs):.2f}",
                f"{median(one.everything.peak_mib for one in runs):.0f}",
            )
            for vms, runs in found.items()
        ],
    )
    print()
    small, large = (median(one.everything.wall_s for one in found[vms]) for vms in (sizes[0], sizes[-1]))
    ratio(f"wall, {sizes[-1]:,} / {sizes[0]:,} VMs", large, small, " s", f"size {sizes[-1] / sizes[0]:g}x")
    ratio(f"{sizes[-1]:,} VMs: wall / target", large, TARGET_WALL_S * sizes[-1] / TARGET_VMS, " s")
