"""Planning and checking from a snapshot: seconds, CPU seconds and memory, by size, against their targets.

Every VM has two NICs and two disks. The snapshot is read over the wire from a twin in a process of its own, then
planned and checked in a fresh one each time: reading it, the plan, the checks with verdicts, and all files.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measuring import Cost, in_fresh_process, measured, median
from bench.table import ratio, show

SIZES = (1_000, 3_000, 10_000)
TARGET_VMS = 10_000
TARGET_WALL_S = 60.0
TARGET_PEAK_MIB = 1024.0


@dataclass(frozen=True, slots=True)
class Planning:
    """One plan: rows, rows ready, findings, and the costs of the stages enrich_csv and validate."""

    rows: int
    ready: int
    findings: int
    enrich: Cost
    validate: Cost


def make_snapshot(vms: int, folder: str) -> int:
    """Write the snapshot of a clean site of so many VMs with two NICs and two disks each; gives its bytes."""
    from ingest.model.snapshot import to_json
    from ingest.stages.run_folder import SNAPSHOT
    from ingest.twin.generator import CLEAN, generate
    from tests.plan.twin_site import running

    world = generate(vms, seed=1, shape=CLEAN)
    for number, vm in enumerate(world.vms.values()):
        first = vm.nics[0]
        second = dataclasses.replace(
            first,
            key=first.key + 1,
            label="Network adapter 2",
            mac=f"00:50:56:ff:{number >> 8 & 255:02x}:{number & 255:02x}",
            port_key=f"{first.port_key}b" if first.port_key else "",
            ips=(),
        )
        vm.nics[1:] = [second] if len(vm.nics) < 2 else vm.nics[1:2]
        root = vm.disks[0]
        data = dataclasses.replace(
            root,
            key=root.key + 1,
            label="Hard disk 2",
            disk_id=f"{root.disk_id.partition('-')[0]}-{root.key + 1}",
            unit=root.unit + 1,
            file_name=root.file_name.replace(".vmdk", "_1.vmdk"),
        )
        vm.disks[1:] = [data] if len(vm.disks) < 2 else vm.disks[1:2]
    with running(world) as site:
        text = to_json(site.snapshot())
    Path(folder, SNAPSHOT).write_bytes(text)
    return len(text)


def plan(folder: str) -> Planning:
    """Run both stages in this process, which should be a fresh one."""
    from ingest.stages.enrich_csv import enrich_csv
    from ingest.stages.run_folder import RunFolder
    from ingest.stages.validate import validate

    run = RunFolder(Path(folder))
    with measured() as enriching:
        planned = enrich_csv(run)
    with measured() as validating:
        checked = validate(run)
    return Planning(planned.rows, len(checked.ready), len(checked.findings), enriching, validating)


def main(repeat: int = 1, sizes: Sequence[int] = SIZES) -> None:
    found: dict[int, list[Planning]] = {}
    bytes_of: dict[int, int] = {}
    for vms in sizes:
        folder = tempfile.mkdtemp(prefix="bench-plan-")
        try:
            bytes_of[vms] = in_fresh_process(make_snapshot, vms, folder)
            found[vms] = [in_fresh_process(plan, folder) for _ in range(repeat)]
        finally:
            shutil.rmtree(folder)
    show(
        f"plan and check: two NICs, two disks a VM, median of {repeat}, each in a fresh process",
        ("VMs", "ready", "findings", "snapshot MiB", "enrich s", "validate s", "CPU s", "peak MiB"),
        [_row(vms, bytes_of[vms], plans) for vms, plans in found.items()],
    )
    print()
    small, large = sizes[0], sizes[-1]
    for name, one in (("wall", _wall), ("CPU", _cpu), ("peak memory", _peak)):
        unit = " MiB" if name == "peak memory" else " s"
        note = f"size {large / small:g}x"
        ratio(f"{name}, {large:,} / {small:,} VMs", one(found[large]), one(found[small]), unit, note)
    share = large / TARGET_VMS
    ratio(f"{large:,} VMs: wall / target", _wall(found[large]), TARGET_WALL_S * share, " s")
    ratio(f"{large:,} VMs: peak / target", _peak(found[large]), TARGET_PEAK_MIB, " MiB")


def _row(vms: int, snapshot_bytes: int, plans: list[Planning]) -> Sequence[str]:
    return (
        f"{vms:,}",
        f"{plans[0].ready:,}",
        f"{plans[0].findings:,}",
        f"{snapshot_bytes / (1 << 20):.1f}",
        f"{median(one.enrich.wall_s for one in plans):.1f}",
        f"{median(one.validate.wall_s for one in plans):.1f}",
        f"{_cpu(plans):.1f}",
        f"{_peak(plans):.0f}",
    )


def _wall(plans: list[Planning]) -> float:
    return median(one.enrich.wall_s + one.validate.wall_s for one in plans)


def _cpu(plans: list[Planning]) -> float:
    return median(one.enrich.cpu_s + one.validate.cpu_s for one in plans)


def _peak(plans: list[Planning]) -> float:
    return median(one.validate.peak_mib for one in plans)
