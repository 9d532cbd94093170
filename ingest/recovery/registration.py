"""The replicas of every site of a runbook registered, or only looked at."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial

from ingest.engine.events import StageDone, StageStarted, StageStep, tell
from ingest.engine.ledger import Ledger
from ingest.recovery.doing import Doing
from ingest.recovery.preconditions import patterns
from ingest.runbook.model import Runbook
from ingest.settings import Settings
from ingest.stages.register_vms import RegisterOptions, RegisterRow, register_vms, write_registered
from ingest.stages.run_folder import RunFolder


def register_sites(
    settings: Settings,
    folder: RunFolder,
    runbook: Runbook,
    ledger: Ledger,
    doing: Doing,
    stop: threading.Event,
    *,
    at_once: int,
    dry_run: bool,
) -> list[RegisterRow]:
    """Register what lies on the datastores of every site; a row for each file. Doing it again registers nothing twice.

    Raises as `register_vms`.
    """
    tell(StageStarted("register_vms"))
    rows: list[RegisterRow] = []
    for site in runbook.sites:
        chosen = RegisterOptions(
            datastores=patterns(site),
            cluster=site.cluster,
            datacenter=site.datacenter,
            folder=site.folder,
            pool=site.pool,
            host=site.host,
            below=site.below,
            at_once=at_once,
        )
        work = partial(
            register_vms, settings.vcenter, folder, chosen, ledger, dry_run=dry_run, stop=stop, progress=_step
        )
        rows += doing.step("register_vms", work)
    write_registered(folder, rows, dry_run=dry_run)
    counts = Counter(row.status for row in rows)
    tell(StageDone("register_vms", ", ".join(f"{number} {status}" for status, number in counts.items()) or "no site"))
    return rows


def _step(text: str) -> None:
    tell(StageStep("register_vms", text))
