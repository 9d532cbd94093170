"""VMs that a run registered taken out of the inventory again, as a task. Never retried by Prefect."""

from __future__ import annotations

import threading
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, StageStep, tell
from ingest.engine.ledger import open_ledger
from ingest.report.tables import record
from ingest.stages.run_folder import existing_run_folder
from ingest.stages.unregister_vms import UnregisterRow
from ingest.stages.unregister_vms import unregister_vms as unregister
from tasks.artifacts import table
from tasks.site import site_settings


@task(name="unregister_vms", cache_policy=NO_CACHE, retries=0, persist_result=False)
def unregister_vms(folder: str, of_run: str, dry_run: bool, stop: threading.Event) -> list[UnregisterRow]:
    """Unregister what the run `of_run` registered, or show what would happen; a row for each VM."""
    tell(StageStarted("unregister_vms"))
    settings = site_settings()
    with open_ledger(settings.run) as ledger, ledger.keep_alive():
        rows = unregister(
            settings.vcenter,
            settings.cloudstack,
            existing_run_folder(Path(folder)),
            ledger,
            of_run=of_run,
            dry_run=dry_run,
            stop=stop,
            progress=lambda text: tell(StageStep("unregister_vms", text)),
        )
    words = "A preview: nothing was unregistered." if dry_run else "Unregistered."
    table("unregister-vms", [record(row) for row in rows], words)
    tell(StageDone("unregister_vms", f"{counted(len(rows), 'row')}"))
    return rows
