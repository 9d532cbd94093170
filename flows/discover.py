"""Look at a site and say what changed since the last look. Changes nothing anywhere; made to be scheduled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from ingest.stages.drift import Drifted
from ingest.stages.run_folder import fresh_run_folder
from tasks.discover_networks import discover_networks
from tasks.drift import report_drift
from tasks.list_unmanaged import list_unmanaged
from tasks.parameters import Selection, SiteName
from tasks.run_names import stamped
from tasks.site import site_settings


@dataclass(frozen=True, slots=True)
class DiscoverResult:
    """Where the snapshot is, and what changed."""

    folder: Path
    drifted: Drifted


@flow(name="discover", flow_run_name=stamped("discover"))
def discover(
    site: SiteName = "",
    selection: Selection = Selection(),
    against: str = "",
    runs_folder: str = "",
) -> State[DiscoverResult]:
    """Take a snapshot of both sides and compare it with the last one. Changes nothing.

    Args:
        site: Name of the site's credentials blocks. Empty: the settings of the worker.
        selection: Which VMs are looked at. Everything, unless named here.
        against: Run folder on the worker to compare with. Empty: the last one of the same servers and selection.
        runs_folder: Where the run's folder is made, a path or URL. Empty: the setting INGEST_RUN_FOLDER, else ./runs.
    """
    run = site_settings(site).run.at(runs_folder)
    with fresh_run_folder(run.folder, run.published) as folder:
        discover_networks(str(folder.path), selection.datacenter or None, site)
        list_unmanaged(str(folder.path), selection.clusters, site)
        drifted = report_drift(str(folder.path), against or None)
    return Completed(message=drifted.summary, data=DiscoverResult(folder.path, drifted))
