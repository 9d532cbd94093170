"""Undo as a task. Never retried: what may be tried again is decided where the error is understood."""

from __future__ import annotations

import threading

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, StageStep, tell
from ingest.engine.ledger import open_ledger
from ingest.report.tables import record
from ingest.stages.elsewhere import run_folder_at
from ingest.stages.undo_import import UndoRow
from ingest.stages.undo_import import undo_import as undo
from tasks.artifacts import table
from tasks.site import site_settings


@task(name="undo_import", cache_policy=NO_CACHE, retries=0, persist_result=False)
def undo_import(folder: str | None, vm: str, dry_run: bool, stop: threading.Event, site: str = "") -> list[UndoRow]:
    """Give VMs back, or show what would happen; a row for each VM and network."""
    tell(StageStarted("undo_import"))
    settings = site_settings(site)
    with open_ledger(settings.run) as ledger, ledger.keep_alive():
        rows = undo(
            settings.cloudstack,
            run_folder_at(folder, settings.run) if folder else None,
            vm=vm,
            dry_run=dry_run,
            stop=stop,
            ledger=ledger,
            progress=lambda text: tell(StageStep("undo_import", text)),
        )
    table("undo", [record(row) for row in rows], "A preview: nothing was changed." if dry_run else "Given back.")
    tell(StageDone("undo_import", f"{counted(len(rows), 'row')}"))
    return rows
