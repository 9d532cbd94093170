"""The folder an earlier attempt of this very flow run worked in."""

from __future__ import annotations

from prefect.runtime import flow_run

from ingest.stages.run_folder import FLOW_RUN, RunFolder, existing_run_folder
from tasks.parameters import path
from tasks.site import site_settings


def note_flow_run(folder: RunFolder) -> None:
    """Say in the folder which flow run works there."""
    folder.write(FLOW_RUN, f"{flow_run.id}\n".encode())


def begun_before(runs_folder: str, site: str) -> RunFolder | None:
    """The folder an earlier attempt of this flow run works in: after Retry in the UI, a crashed worker, or an answer it
    was suspended for (which Prefect does not count as another attempt). None for the first one."""
    parent = path(runs_folder) or site_settings(site).run.folder
    for note in parent.glob(f"*/{FLOW_RUN}"):
        if note.read_text(encoding="utf-8").strip() == str(flow_run.id):
            return existing_run_folder(note.parent)
    return None
