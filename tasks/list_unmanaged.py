"""Stage 2 as a task: what CloudStack shows."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, StageStep, tell
from ingest.stages.list_unmanaged import Listed
from ingest.stages.list_unmanaged import list_unmanaged as list_
from ingest.stages.run_folder import existing_run_folder
from tasks.artifacts import markdown
from tasks.retrying import RETRY_DELAYS_S, only_transient
from tasks.site import site_settings


@task(
    name="list_unmanaged",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS_S),
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=only_transient,
)
def list_unmanaged(folder: str, clusters: list[str] | None = None, site: str = "") -> Listed:
    """Read CloudStack's unmanaged instances and catalogue into the run's folder."""
    tell(StageStarted("list_unmanaged"))
    found = list_(
        site_settings(site).cloudstack,
        existing_run_folder(Path(folder)),
        clusters or (),
        progress=lambda detail: tell(StageStep("list_unmanaged", detail)),
    )
    text = (
        f"{counted(found.shown, 'VM')} shown in {counted(found.clusters, 'cluster')}, {found.not_shown} not shown, "
        f"{found.fewer_devices} with fewer devices than in vCenter"
    )
    markdown("list-unmanaged", f"**CloudStack**: {text}.\n\n`{found.unmanaged_csv}`", text)
    tell(StageDone("list_unmanaged", text))
    return found
