"""Stage 5 as a task: one batch of rows, imported one after another.

One task run per batch, so that "task runs running" is "imports in flight". Never retried by Prefect: an import is not
idempotent, and what may be tried again is decided where the error is understood (`ingest.engine.rows`).
"""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.importing import BatchResult
from ingest.model.request import PlannedImport
from ingest.stages.import_batch import ImportRun


@task(
    name="import_batch",
    task_run_name="import #{number}: {first} ({count} VMs)",
    cache_policy=NO_CACHE,
    retries=0,
    persist_result=False,
)
def import_batch(run: ImportRun, number: int, first: str, count: int, rows: tuple[PlannedImport, ...]) -> BatchResult:
    """Import the rows of one batch; an outcome for each. `number`, `first` and `count` only name the task run."""
    return run.import_batch(rows)
