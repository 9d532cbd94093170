"""The folder an earlier attempt of this very flow run worked in."""

from __future__ import annotations

from prefect.runtime import flow_run

from ingest.stages import elsewhere
from ingest.stages.run_folder import RunFolder
from tasks.site import site_settings


def note_flow_run(folder: RunFolder) -> None:
    """Say in the folder, and where it is published, which flow run works there."""
    elsewhere.note_flow_run(folder, str(flow_run.id))


def begun_before(runs_folder: str, site: str) -> RunFolder | None:
    """The folder an earlier attempt of this flow run works in: after Retry in the UI, a crashed worker, or an answer it
    was suspended for (which Prefect does not count as another attempt). None for the first one."""
    return elsewhere.begun_by(str(flow_run.id), site_settings(site).run.at(runs_folder))
