"""Importing 1,000 VMs whose jobs take 2 s +- 50 %: the makespan against the ideal, the sum of all jobs / in flight.

Through the engine alone (threads) with 25 and with 100 in flight, through the flow's import stage on a local Prefect
server with 25, and for comparison the first VMs one after another in a loop over the sheet, as the CloudStack manual
suggests. Every run has a fresh twin, in a process of its own, whose journal says what really ran and for how long.

The ideal cannot be reached by anybody who does not know beforehand how long each job takes: at the end slots stand idle
while the last jobs run. `floor` is what a client without any delay of its own would need for the same jobs in the same
order, each begun as soon as a slot is free.

Memory is measured in a second run, of ten times as many VMs with short jobs.
"""

from __future__ import annotations

import heapq
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import import_runs
from bench.import_runs import ImportRun
from bench.measuring import in_fresh_process, median
from bench.table import ratio, show
from bench.twin_process import TwinOrder, TwinProcess, TwinReport
from ingest.cli.local_server import prefect_server

JOB_S = 2.0
SHORT_JOB_S = 0.2
MORE = 10
BATCH_SIZE = 10
BY_HAND = 20
TARGET_RATIO, TARGET_REQUESTS, TARGET_CPU_MS = 1.05, 8.0, 20.0


@dataclass(frozen=True, slots=True)
class Case:
    """One way to import: engine, flow, or loop (one after another, only the first `BY_HAND` VMs)."""

    through: str
    in_flight: int

    @property
    def name(self) -> str:
        return f"{self.through}, {self.in_flight} in flight"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one case gave: seconds, and per VM the medians of what its time went to.

    `ideal_s` is the sum of the jobs' true durations / in flight, `floor_s` the same with the idle slots at the end.
    `start_s` from the call to the first intent, `end_s`
    from the last outcome to the return. `submit_s` from a row's intent to the job's creation, `job_s` the job itself,
    `notice_s` from the job's end until the client had the outcome on disk.
    """

    case: Case
    makespan_s: float
    ideal_s: float
    floor_s: float
    peak_in_flight: int
    imported: int
    requests_per_vm: float
    start_s: float
    end_s: float
    submit_s: float
    job_s: float
    notice_s: float
    client_cpu_s: float
    twin_cpu_s: float
    peak_mib: float

    @property
    def cpu_ms(self) -> float:
        """Client CPU for each VM."""
        return 1000 * self.client_cpu_s / max(self.imported, 1)


def main(repeat: int = 1, sizes: Sequence[int] = (1000,)) -> None:
    for vms in sizes:
        _of_size(vms, repeat)
        _memory(vms, MORE * vms)


def _memory(few: int, many: int) -> None:
    """Peak memory of the engine for few and for many VMs, with short jobs: how much a VM adds."""
    peaks = []
    for vms in (few, many):
        order = TwinOrder(vms, shape="clean", import_s=0.5 * SHORT_JOB_S, jitter_s=SHORT_JOB_S)
        with home_folder() as home, TwinProcess(order) as twin:
            planned = home / "planned"
            planned.mkdir()
            in_fresh_process(import_runs.plan, twin.environment, planned)
            run = in_fresh_process(import_runs.through_engine, twin.environment, planned, 25, BATCH_SIZE)
        if run.statuses["imported"] != vms:
            raise AssertionError(f"{run.statuses} of {vms} VMs")
        peaks.append(run.cost.peak_mib)
    ratio(f"peak memory, {many} VMs / {few} VMs", peaks[1], peaks[0], " MiB")
    print(f"  {1024 * (peaks[1] - peaks[0]) / (many - few):.1f} KiB for each VM more")


def _of_size(vms: int, repeat: int) -> None:
    order = TwinOrder(vms, shape="clean", import_s=0.5 * JOB_S, jitter_s=JOB_S)
    with home_folder() as home:
        planned = home / "planned"
        planned.mkdir()
        with TwinProcess(order) as twin:
            ready = in_fresh_process(import_runs.plan, twin.environment, planned)
        print(f"\nimports: {ready} of {vms} VMs planned, jobs of {JOB_S:g} s +- 50 %, batches of at most {BATCH_SIZE}")
        cases = [Case("engine", 25), Case("engine", 100), Case("loop", 1)]
        found = [median_of(case, order, planned, home, repeat) for case in cases]
        with prefect_server(home / "prefect"):
            found.append(median_of(Case("flow", 25), order, planned, home, repeat))
    show(
        "imports: ideal = sum of the jobs / in flight; submit, job, notice = seconds per VM, medians",
        (
            "case",
            "makespan s",
            "ideal s",
            "floor s",
            "ratio",
            "peak",
            "imported",
            "requests/VM",
            "start",
            "end",
            "submit",
            "job",
            "notice",
            "CPU ms/VM",
            "peak MiB",
            "twin CPU s",
        ),
        [_row(one) for one in found],
    )
    print()
    loop = next(one for one in found if one.case.through == "loop")
    for one in found:
        name = one.case.name
        target = "" if one is loop else f"target {TARGET_RATIO:g}x"
        ratio(f"{name}: makespan / ideal", one.makespan_s, one.ideal_s, " s", target)
        if one is not loop:
            ratio(f"{name}: makespan / floor", one.makespan_s, one.floor_s, " s")
            ratio(f"{name}: requests per VM", one.requests_per_vm, TARGET_REQUESTS, "", "of the target")
            ratio(f"{name}: CPU per VM", one.cpu_ms, TARGET_CPU_MS, " ms", "of the target")
            ratio(
                f"{name}: seconds per VM, loop / {one.case.through}",
                loop.makespan_s / loop.imported,
                one.makespan_s / one.imported,
                " s",
            )


@contextmanager
def home_folder() -> Iterator[Path]:
    """A folder for everything the runs leave behind; the Prefect client keeps its files there as well."""
    before = os.environ.get("PREFECT_HOME")
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as name:
        os.environ["PREFECT_HOME"] = str(Path(name) / "prefect-client")
        try:
            yield Path(name)
        finally:
            if before is None:
                del os.environ["PREFECT_HOME"]
            else:
                os.environ["PREFECT_HOME"] = before


def median_of(case: Case, order: TwinOrder, planned: Path, home: Path, times: int) -> Measurement:
    """The run with the median makespan of several."""
    runs = sorted((measure(case, order, planned, home) for _ in range(times)), key=lambda one: one.makespan_s)
    return runs[(len(runs) - 1) // 2]


def measure(case: Case, order: TwinOrder, planned: Path, home: Path) -> Measurement:
    folder = Path(tempfile.mkdtemp(dir=home)) / "run"
    shutil.copytree(planned, folder)
    with TwinProcess(order) as twin:
        before = twin.report()
        if case.through == "loop":
            run = in_fresh_process(import_runs.by_hand, twin.environment, folder, BY_HAND)
        else:
            work = import_runs.through_engine if case.through == "engine" else import_runs.through_flow
            run = in_fresh_process(work, twin.environment, folder, case.in_flight, BATCH_SIZE)
        return _measurement(case, run, before, twin.report())


def _measurement(case: Case, run: ImportRun, before: TwinReport, after: TwinReport) -> Measurement:
    both = [(steps, after.jobs[job_id]) for job_id, steps in run.steps.items() if job_id in after.jobs]
    ended = run.started + run.cost.wall_s
    calls = sum(after.api_requests.values()) - sum(before.api_requests.values())
    durations = [completed - created for created, completed in sorted(after.jobs.values())]
    return Measurement(
        case=case,
        makespan_s=run.cost.wall_s,
        ideal_s=sum(durations) / case.in_flight,
        floor_s=_floor_s(durations, case.in_flight),
        peak_in_flight=after.peak_in_flight,
        imported=run.statuses["imported"],
        requests_per_vm=calls / max(run.statuses["imported"], 1),
        start_s=max(min((steps.intent for steps in run.steps.values()), default=ended) - run.started, 0.0),
        end_s=ended - max((steps.outcome for steps in run.steps.values()), default=ended),
        submit_s=median(created - steps.intent for steps, (created, _) in both),
        job_s=median(durations),
        notice_s=median(steps.outcome - completed for steps, (_, completed) in both),
        client_cpu_s=run.cost.cpu_s,
        twin_cpu_s=after.cpu_s - before.cpu_s,
        peak_mib=run.cost.peak_mib,
    )


def _floor_s(durations: Sequence[float], in_flight: int) -> float:
    """When the last job is over if each, in this order, begins the moment a slot is free."""
    slots = [0.0] * in_flight
    for duration_s in durations:
        heapq.heapreplace(slots, slots[0] + duration_s)
    return max(slots)


def _row(one: Measurement) -> Sequence[str]:
    return (
        one.case.name,
        f"{one.makespan_s:.2f}",
        f"{one.ideal_s:.2f}",
        f"{one.floor_s:.2f}",
        f"{one.makespan_s / one.ideal_s:.3f}x",
        str(one.peak_in_flight),
        str(one.imported),
        f"{one.requests_per_vm:.2f}",
        f"{one.start_s:.2f}",
        f"{one.end_s:.2f}",
        f"{one.submit_s:.3f}",
        f"{one.job_s:.3f}",
        f"{one.notice_s:.3f}",
        f"{one.cpu_ms:.1f}",
        f"{one.peak_mib:.0f}",
        f"{one.twin_cpu_s:.2f}",
    )
