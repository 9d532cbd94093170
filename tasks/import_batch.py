"""Stage 5 as a task: one batch of rows, imported one after another.

One task run per batch, so that "task runs running" is "imports in flight". Never retried by Prefect: an import is not
idempotent, and what may be tried again is decided where the error is understood (`ingest.engine.importing`).
"""

from __future__ import annotations

import threading
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.importing import BatchResult, Pace
from ingest.model.request import PlannedImport
from ingest.stages.import_batch import import_batch as import_
from ingest.stages.run_folder import existing_run_folder
from tasks.site import site_settings


@task(
    name="import_batch",
    task_run_name="import #{number}: {first} ({count} VMs)",
    cache_policy=NO_CACHE,
    retries=0,
    persist_result=False,
)
def import_batch(
    folder: str,
    number: int,
    first: str,
    count: int,
    rows: tuple[PlannedImport, ...],
    pace: Pace,
    stop: threading.Event,
) -> BatchResult:
    """Import the rows of one batch; an outcome for each. `first` and `count` only name the task run."""
    return import_(site_settings().cloudstack, existing_run_folder(Path(folder)), rows, pace=pace, stop=stop)
