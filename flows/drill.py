"""A rehearsal in which things go wrong, and its grade. Touches nothing real."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from tasks.drill import drill as drill_task
from tasks.parameters import SiteName
from tasks.run_names import stamped


@flow(name="drill", flow_run_name=stamped("drill"))
def drill(
    what: str = "",
    snapshot: str = "",
    seed: int = 1,
    site: SiteName = "",
    import_seconds: float = 0.0,
    max_concurrent_imports: int = 5,
    runs_folder: str = "",
) -> State[Any]:
    """Go through a plan or a runbook on a copy of the site while things go wrong, and grade it. Touches nothing real.

    Args:
        what: Run folder, plan (CSV) or runbook (YAML) on the worker. Empty: the newest plan among the runs.
        snapshot: What the copy is made of, on the worker: a run folder, a world file, a recording. Empty: the snapshot
            beside the plan.
        seed: Which trouble. The same seed and site give the same.
        site: Name of the site, for its runs folder; its credentials are not read.
        import_seconds: How long an import takes. 0: what the ledger knows of earlier ones; it is only read.
        max_concurrent_imports: Imports in flight at any moment.
        runs_folder: Where the runs are. Empty: the setting INGEST_RUN_FOLDER, else ./runs.
    """
    found = drill_task(what, snapshot, seed, site, import_seconds, max_concurrent_imports, runs_folder)
    if not found.grade.passed:
        return Failed(name="DrillFailed", message=found.words)
    return Completed(message=found.words, data=found)
