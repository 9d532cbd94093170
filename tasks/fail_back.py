"""Giving a recovered site back as a task. Never retried by Prefect: the library looks before it acts."""

from __future__ import annotations

import threading
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.ledger import open_ledger
from ingest.recovery.fail_back import FailBackOptions, FailBackRow
from ingest.recovery.fail_back import fail_back as give_back
from ingest.report.tables import record
from ingest.stages.run_folder import existing_run_folder
from tasks.artifacts import table
from tasks.site import site_settings


@task(name="fail_back", cache_policy=NO_CACHE, retries=0, persist_result=False)
def fail_back(
    folder: str, options: FailBackOptions, dry_run: bool, stop: threading.Event, site: str = ""
) -> list[FailBackRow]:
    """Give back what the folder's recovery did, or show what would happen; a row for each step of each VM."""
    settings = site_settings(site)
    with open_ledger(settings.run) as ledger, ledger.keep_alive():
        rows = give_back(settings, existing_run_folder(Path(folder)), ledger, options, dry_run=dry_run, stop=stop)
    table("fail-back", [record(row) for row in rows], "A preview: nothing was changed." if dry_run else "Given back.")
    return rows
