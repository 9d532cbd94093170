"""Importing 200 VMs whose jobs take 1 s, 20 in flight: the makespan against the ideal of 200 / 20 x 1 s.

Once through the engine alone (threads over `import_rows`), once through the flow's import stage on a local Prefect
server. Every run has a fresh twin, in a process of its own, whose journal says how many imports really ran at a time.
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

VMS = 200
IN_FLIGHT = 20
JOB_S = 1.0
SLOW_POLL_S = 2.0
IDEAL_S = VMS / IN_FLIGHT * JOB_S
ORDER = TwinOrder(VMS, shape="clean", import_s=JOB_S)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to import everything."""

    through: str  # engine or flow
    batch_size: int
    poll_every_s: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one case gave: seconds, and per VM the medians of what its time went to.

    `start_s` from the call to the first intent, `end_s` from the last outcome to the return. `submit_s` from a row's
    intent to the job's creation, `job_s` the job itself, `notice_s` from the job's end until the
    client had the outcome on disk.
    """

    case: Case
    makespan_s: float
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


def main(repeat: int = 1) -> None:
    with _home() as home, TwinProcess(ORDER) as twin:
        planned = home / "planned"
        planned.mkdir()
        ready = in_fresh_process(import_runs.plan, twin.environment, planned)
        calls = planned / "calls.json"
        defaults = in_fresh_process(import_runs.flow_defaults)
        poll_s, batch = defaults["poll_every_s"], int(defaults["batch_size"])
        cases = [
            Case("engine", 1, poll_s),
            *(Case("engine", size, SLOW_POLL_S) for size in (1, 5)),
            Case("flow", batch, poll_s),
            Case("flow", 5, SLOW_POLL_S),
        ]
        print(f"\nimports: {ready} of {VMS} VMs planned; the flow's defaults: poll {poll_s:g} s, batches of {batch}")
        engine_cases = [case for case in cases if case.through == "engine"]
        found = [_median_of(case, calls, home, repeat) for case in engine_cases]
        with prefect_server(home / "prefect"):
            found += [_median_of(case, calls, home, repeat) for case in cases if case.through == "flow"]
    show(
        f"imports: {VMS} VMs, jobs of {JOB_S:g} s, {IN_FLIGHT} in flight, ideal {IDEAL_S:g} s; "
        f"floor = the best that whole batches allow; submit, job, notice = seconds per VM, medians",
        (
            "through",
            "batch",
            "poll s",
            "makespan s",
            "ratio",
            "floor s",
            "peak",
            "imported",
            "requests/VM",
            "start",
            "end",
            "submit",
            "job",
            "notice",
            "client CPU s",
            "twin CPU s",
        ),
        [_row(one) for one in found],
    )
    print()
    for one in found:
        case = one.case
        name = f"{case.through}, batches of {case.batch_size}, poll {case.poll_every_s:g} s: makespan / ideal"
        ratio(name, one.makespan_s, IDEAL_S, " s")


@contextmanager
def _home() -> Iterator[Path]:
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


def _median_of(case: Case, calls: Path, home: Path, times: int) -> Measurement:
    """The run with the median makespan of several."""
    runs = sorted((_measure(case, calls, home) for _ in range(times)), key=lambda one: one.makespan_s)
    return runs[(len(runs) - 1) // 2]


def _measure(case: Case, calls: Path, home: Path) -> Measurement:
    folder = Path(tempfile.mkdtemp(dir=home))
    shutil.copy(calls, folder)
    work = import_runs.through_engine if case.through == "engine" else import_runs.through_flow
    with TwinProcess(ORDER) as twin:
        before = twin.report()
        run = in_fresh_process(work, twin.environment, folder, IN_FLIGHT, case.batch_size, case.poll_every_s)
        return _measurement(case, run, before, twin.report())


def _measurement(case: Case, run: ImportRun, before: TwinReport, after: TwinReport) -> Measurement:
    both = [(steps, after.jobs[job_id]) for job_id, steps in run.steps.items() if job_id in after.jobs]
    ended = run.started + run.cost.wall_s
    calls = sum(after.api_requests.values()) - sum(before.api_requests.values())
    return Measurement(
        case=case,
        makespan_s=run.cost.wall_s,
        floor_s=_floor_s(case.batch_size),
        peak_in_flight=after.peak_in_flight,
        imported=run.statuses["imported"],
        requests_per_vm=calls / VMS,
        start_s=max(min((steps.intent for steps in run.steps.values()), default=ended) - run.started, 0.0),
        end_s=ended - max((steps.outcome for steps in run.steps.values()), default=ended),
        submit_s=median(created - steps.intent for steps, (created, _) in both),
        job_s=median(completed - created for _, (created, completed) in both),
        notice_s=median(steps.outcome - completed for steps, (_, completed) in both),
        client_cpu_s=run.cost.cpu_s,
        twin_cpu_s=after.cpu_s - before.cpu_s,
    )


def _floor_s(batch_size: int) -> float:
    """The makespan when nothing but the jobs takes time: batches in order, each to the slot that is free first."""
    slots = [0.0] * IN_FLIGHT
    for start in range(0, VMS, batch_size):
        free_at = heapq.heappop(slots)
        heapq.heappush(slots, free_at + min(batch_size, VMS - start) * JOB_S)
    return max(slots)


def _row(one: Measurement) -> Sequence[str]:
    return (
        one.case.through,
        str(one.case.batch_size),
        f"{one.case.poll_every_s:g}",
        f"{one.makespan_s:.2f}",
        f"{one.makespan_s / IDEAL_S:.2f}x",
        f"{one.floor_s:.2f}",
        str(one.peak_in_flight),
        str(one.imported),
        f"{one.requests_per_vm:.2f}",
        f"{one.start_s:.2f}",
        f"{one.end_s:.2f}",
        f"{one.submit_s:.3f}",
        f"{one.job_s:.3f}",
        f"{one.notice_s:.3f}",
        f"{one.client_cpu_s:.2f}",
        f"{one.twin_cpu_s:.2f}",
    )
