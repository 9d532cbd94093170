"""Stage 1 as a task: what vCenter shows."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, tell
from ingest.stages.discover_networks import Discovered, Scope
from ingest.stages.discover_networks import discover_networks as discover
from ingest.stages.run_folder import existing_run_folder
from tasks.artifacts import markdown
from tasks.retrying import RETRY_DELAYS_S, only_transient
from tasks.site import site_settings


@task(
    name="discover_networks",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS_S),
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=only_transient,
)
def discover_networks(folder: str, datacenter: str | None = None, site: str = "") -> Discovered:
    """Read networks and VMs of the vCenter into the run's folder."""
    tell(StageStarted("discover_networks"))
    found = discover(site_settings(site).vcenter, existing_run_folder(Path(folder)), Scope(datacenter=datacenter))
    text = f"{counted(found.vms, 'VM')}, {counted(found.nics, 'NIC')} on {counted(found.networks, 'network')}"
    text += f", {counted(found.problems, 'problem')}"
    markdown(
        "discover-networks",
        f"**vCenter**: {text}, {counted(found.requests, 'request')}.\n\n`{found.networks_csv}`",
        text,
    )
    tell(StageDone("discover_networks", text))
    return found
