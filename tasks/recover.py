"""A recovery as Prefect sees it: its larger steps and its batches as task runs. Never retried by Prefect."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from ingest.engine.importing import BatchResult
from ingest.model.request import PlannedImport
from ingest.stages.import_batch import ImportRun
from tasks.import_batch import import_batch
from tasks.interruption import as_they_end

Result = TypeVar("Result")


class AsTasks:
    """Runs the steps of a recovery as tasks of the flow that calls it, and each round of batches as a flow of its own,
    whose thread pool is as large as imports may be in flight."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def step(self, name: str, work: Callable[[], Result]) -> Result:
        """One larger step as a task run."""

        return _as_task(name, work)()

    def beside(self, name: str, work: Callable[[], Result]) -> Callable[[], Result]:
        """One larger step as a task run beside others."""
        return _as_task(name, work).submit().result

    def batches(self, run: ImportRun, members: Sequence[Sequence[PlannedImport]]) -> list[BatchResult]:
        """The batches of a round as task runs."""
        runner: ThreadPoolTaskRunner[BatchResult] = ThreadPoolTaskRunner(max_workers=run.options.max_concurrent_imports)
        count = sum(len(rows) for rows in members)

        @flow(name="import-wave", flow_run_name=f"{count} VMs", task_runner=runner, persist_result=False)  # type: ignore[arg-type]
        def import_wave() -> list[BatchResult]:
            futures = [
                import_batch.submit(run, next(self._numbers), rows[0].vm, len(rows), tuple(rows)) for rows in members
            ]
            return [future.result() for future in as_they_end(futures, run.stop)]

        return import_wave()


def _as_task(name: str, work: Callable[[], Result]) -> Task[[], Result]:
    @task(name=name, cache_policy=NO_CACHE, retries=0, persist_result=False)
    def run_step() -> Result:
        return work()

    return run_step
