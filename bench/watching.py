"""Waiting for 200 imports of 2 s +- 50 %, 25 in flight: how many questions, and how late the end of a job is noticed.

Once each job asked about by itself, once by the shared list of running jobs. Every run has a fresh twin, in a process
of its own, whose clock says when a job was really over.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench import import_runs
from bench.measuring import Cost, in_fresh_process, measured
from bench.table import ratio, show
from bench.twin_process import TwinOrder, TwinProcess, TwinReport

VMS = 200
IN_FLIGHT = 25
JOB_S = 2.0
ORDER = TwinOrder(VMS, shape="clean", import_s=0.5 * JOB_S, jitter_s=JOB_S)
QUESTIONS = ("listAsyncJobs", "queryAsyncJobResult")

How = Literal["each", "watcher"]


@dataclass(frozen=True, slots=True)
class Waited:
    """When the client knew that a job was over, by job id, seconds since the epoch; and what it cost."""

    noticed: dict[str, float]
    cost: Cost


@dataclass(frozen=True, slots=True)
class Measurement:
    """One way to wait."""

    name: str
    jobs: int
    questions: float
    delays_s: tuple[float, ...]
    makespan_s: float
    client_cpu_s: float

    @property
    def delay_s(self) -> float:
        return statistics.fmean(self.delays_s)


def main(repeat: int = 1) -> None:
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as name:
        folder = Path(name)
        with TwinProcess(ORDER) as twin:
            in_fresh_process(import_runs.plan, twin.environment, folder)
        found = [
            _median_of("each, every 0.5 s", "each", 0.5, folder, repeat),
            _median_of("each, every 2 s", "each", 2.0, folder, repeat),
            _median_of("watcher", "watcher", 0.0, folder, repeat),
        ]
    show(
        f"watching: {VMS} jobs of {JOB_S:g} s +- 50 %, {IN_FLIGHT} in flight, ideal {VMS * JOB_S / IN_FLIGHT:g} s",
        ("waiting", "jobs", "questions/job", "delay ms", "share", "later than 10 %", "makespan s", "CPU ms/job"),
        [_row(one) for one in found],
    )
    each, _, watcher = found
    ratio("notice delay, watcher / each 0.5 s", 1000 * watcher.delay_s, 1000 * each.delay_s, " ms")
    ratio("questions, watcher / each 0.5 s", watcher.questions, each.questions, " per job")
    ratio("notice delay / job", watcher.delay_s, JOB_S, " s", "target 0.03x")


def wait_for_jobs(environment: dict[str, str], folder: Path, how: How, every_s: float) -> Waited:
    """Import the planned calls of `folder`, and note when each job was known to be over."""
    os.environ.update(environment)
    from ingest.cloudstack.client import CloudStackClient
    from ingest.cloudstack.jobs import wait_for_job
    from ingest.engine.schedule.watcher import JobWatcher
    from ingest.model.request import PlannedImport
    from ingest.settings import load_settings
    from ingest.stages.run_folder import existing_run_folder
    from ingest.stages.validate import read_calls

    calls = read_calls(existing_run_folder(folder))
    with ExitStack() as open_now:
        client = open_now.enter_context(CloudStackClient(load_settings().cloudstack))
        watcher = open_now.enter_context(JobWatcher(client)) if how == "watcher" else None

        def import_(call: PlannedImport) -> tuple[str, float]:
            job_id = client.import_unmanaged_instance(replace(call.request, custom_job_id=str(uuid.uuid4())))
            if watcher is not None:
                watcher.wait(job_id, timeout_s=60)
            else:
                wait_for_job(client, job_id, every_s=every_s, timeout_s=60)
            return job_id, time.time()

        pool = open_now.enter_context(ThreadPoolExecutor(IN_FLIGHT))
        with measured() as cost:
            noticed = dict(pool.map(import_, calls))
    return Waited(noticed, cost)


def _median_of(name: str, how: How, every_s: float, folder: Path, times: int) -> Measurement:
    """The run with the median delay of several."""
    runs = sorted((_measure(name, how, every_s, folder) for _ in range(times)), key=lambda one: one.delay_s)
    return runs[(len(runs) - 1) // 2]


def _measure(name: str, how: How, every_s: float, folder: Path) -> Measurement:
    with TwinProcess(ORDER) as twin:
        before = twin.report()
        waited = in_fresh_process(wait_for_jobs, twin.environment, folder, how, every_s)
        after = twin.report()
    delays = tuple(at - after.jobs[job_id][1] for job_id, at in waited.noticed.items())
    asked = (_asked(after) - _asked(before)) / len(delays)
    return Measurement(name, len(delays), asked, delays, waited.cost.wall_s, waited.cost.cpu_s)


def _asked(report: TwinReport) -> int:
    return sum(report.api_requests.get(command, 0) for command in QUESTIONS)


def _row(one: Measurement) -> tuple[str, ...]:
    late = sum(delay > 0.1 * JOB_S for delay in one.delays_s)
    return (
        one.name,
        str(one.jobs),
        f"{one.questions:.2f}",
        f"{1000 * one.delay_s:.0f}",
        f"{100 * one.delay_s / JOB_S:.1f} %",
        str(late),
        f"{one.makespan_s:.2f}",
        f"{1000 * one.client_cpu_s / one.jobs:.1f}",
    )
