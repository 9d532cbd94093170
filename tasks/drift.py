"""What changed since the last snapshot, as a task."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.events import StageDone, StageStarted, tell
from ingest.report.tables import record
from ingest.stages.drift import Drifted, drift_of, power_in_words
from ingest.stages.run_folder import existing_run_folder
from tasks.artifacts import markdown, table


@task(name="report_drift", cache_policy=NO_CACHE)
def report_drift(folder: str, against: str | None = None) -> Drifted:
    """Compare the folder's snapshot with the last one of the same servers, or with the run folder `against`."""
    tell(StageStarted("report_drift"))
    found = drift_of(existing_run_folder(Path(folder)), Path(against) if against else None)
    text = found.summary
    if found.drift is None:
        markdown("drift", f"**Drift**: {text}.", text)
    else:
        told = [record(one) for one in found.drift.changes if one.what != "power"]
        power = power_in_words(found.drift)
        since = f"Since {found.drift.before}: {text}. {power}".strip()
        table("drift", told, f"{since} All changes: {found.drift_csv}")
    tell(StageDone("report_drift", text))
    return found
