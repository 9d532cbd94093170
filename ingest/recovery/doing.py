"""How a recovery lets its batches and its larger steps be run: by itself on threads, or as tasks of whoever calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from ingest.engine.importing import BatchResult
from ingest.model.request import PlannedImport
from ingest.stages.import_batch import ImportRun

Result = TypeVar("Result")


class Doing(Protocol):
    """Runs what it is given, and gives back what came of it."""

    def step(self, name: str, work: Callable[[], Result]) -> Result:
        """One larger step, such as `register_vms`."""
        ...

    def beside(self, name: str, work: Callable[[], Result]) -> Callable[[], Result]:
        """One larger step beside whatever follows. The function given waits for its end, and raises what it raised."""
        ...

    def batches(self, run: ImportRun, members: Sequence[Sequence[PlannedImport]]) -> list[BatchResult]:
        """The batches of one round, as many at once as the run allows."""
        ...


class OnThreads:
    """In this process, without anything else."""

    def step(self, name: str, work: Callable[[], Result]) -> Result:
        return work()

    def beside(self, name: str, work: Callable[[], Result]) -> Callable[[], Result]:
        pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        future = pool.submit(work)
        pool.shutdown(wait=False)
        return future.result

    def batches(self, run: ImportRun, members: Sequence[Sequence[PlannedImport]]) -> list[BatchResult]:
        with ThreadPoolExecutor(run.options.max_concurrent_imports, thread_name_prefix="import") as pool:
            try:
                return list(pool.map(run.import_batch, members))
            except BaseException:
                run.stop.set()
                raise
