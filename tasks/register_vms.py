"""VMs registered from datastores, as a task. Never retried by Prefect: the stage settles what it does not know."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.events import StageDone, StageStarted, StageStep, tell
from ingest.engine.ledger import open_ledger
from ingest.report.tables import record
from ingest.stages.register_vms import RegisterOptions, RegisterRow
from ingest.stages.register_vms import register_vms as register
from ingest.stages.run_folder import existing_run_folder
from tasks.artifacts import table
from tasks.site import site_settings


@task(name="register_vms", cache_policy=NO_CACHE, retries=0, persist_result=False)
def register_vms(folder: str, options: RegisterOptions, dry_run: bool, stop: threading.Event) -> list[RegisterRow]:
    """Register the VMs found on datastores, or show what would be registered; a row for each file."""
    tell(StageStarted("register_vms"))
    settings = site_settings()
    with open_ledger(settings.run) as ledger, ledger.keep_alive():
        rows = register(
            settings.vcenter,
            existing_run_folder(Path(folder)),
            options,
            ledger,
            dry_run=dry_run,
            stop=stop,
            progress=lambda text: tell(StageStep("register_vms", text)),
        )
    counts = ", ".join(f"{number} {status}" for status, number in Counter(row.status for row in rows).items())
    words = "A preview: nothing was registered." if dry_run else "Registered."
    table("register-vms", [record(row) for row in rows], f"{words} {counts or 'no VM found'}.")
    tell(StageDone("register_vms", counts or "no VM found"))
    return rows
