"""A plan or a runbook rehearsed on a copy of its site; made to be scheduled. Touches nothing real."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from ingest.rehearsal.report import VERDICTS, sums
from ingest.rehearsal.results import Verdict
from tasks.parameters import SiteName
from tasks.rehearse import rehearse as rehearse_task
from tasks.run_names import stamped

STATE_NAMES: dict[Verdict, str] = {
    "well": "Completed",
    "rows fail": "RowsFail",
    "regressed": "Regressed",
    "stopped": "NotToItsEnd",
}
"""Names of the state a rehearsal ends in. What got worse, or came to no end, is of type Failed: nobody looks at a
weekly run that is green, and somebody counted on what it says. Rows that failed the last time too are Completed."""
_FAILED = frozenset({"regressed", "stopped"})


@flow(name="rehearse", flow_run_name=stamped("rehearse"))
def rehearse(
    what: str = "",
    snapshot: str = "",
    site: SiteName = "",
    import_seconds: float = 0.0,
    max_concurrent_imports: int = 5,
    tolerance: float = 0.1,
    runs_folder: str = "",
) -> State[Any]:
    """Go through a plan or a runbook on a copy of the site, in accelerated time. Touches nothing real.

    Args:
        what: Run folder, plan (CSV) or runbook (YAML) on the worker. Empty: the newest plan among the runs.
        snapshot: What the copy is made of, on the worker: a run folder, a world file, a recording. Empty: the snapshot
            beside the plan.
        site: Name of the site, for its runs folder; its credentials are not read.
        import_seconds: How long an import takes. 0: what the ledger knows of earlier ones; it is only read.
        max_concurrent_imports: Imports in flight at any moment.
        tolerance: Share by which durations may differ from the last rehearsal and count as the same.
        runs_folder: Where the runs are. Empty: the setting INGEST_RUN_FOLDER, else ./runs.
    """
    folder, found = rehearse_task(what, snapshot, site, import_seconds, max_concurrent_imports, tolerance, runs_folder)
    message = f"{VERDICTS[found.verdict]}: {sums(found)}"
    name = STATE_NAMES[found.verdict]
    if found.verdict in _FAILED:
        return Failed(name=name, message=message)
    return Completed(name=name, message=message, data=str(folder))
