"""`ingest settle`: what is true of the rows a run left unknown; with --yes half-imported VMs are given back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ingest.cli.output import Format, show, talk
from ingest.engine.ledger import open_ledger
from ingest.errors import UsageError
from ingest.report.tables import record
from ingest.settings import load_settings
from ingest.stages.elsewhere import run_folder_at
from ingest.stages.run_folder import JOURNAL, RESULTS
from ingest.stages.settle import SETTLED_COLUMNS, settle_run

_OPEN = frozenset({"unknown", "incomplete", "running"})


def settle(
    run_folder: Path | None = None,
    *,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative=())] = False,
    patience: float = 20.0,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """Say what became of rows whose outcome a run did not learn; with --yes give half-imported VMs back.

    Without --yes nothing is written to CloudStack; what is certain goes into the run's results either way.
    Exit codes: 0 every row is certain, 4 some need another look or a hand.

    Parameters
    ----------
    run_folder
        The folder of the run. Without it the newest run that imported.
    yes
        Give VMs back that were imported in part, so that they can be imported again.
    patience
        Seconds each row is looked at again while it may still change.
    config
        TOML file with settings.
    format
        Format of the list on stdout.
    """
    settings = load_settings(config)
    folder = run_folder_at(run_folder or _newest(settings.run.folder), settings.run)
    with talk.status("asking CloudStack"), open_ledger(settings.run) as ledger, ledger.keep_alive():
        rows = settle_run(settings.cloudstack, folder, cure=yes, patience_s=patience, ledger=ledger)
    show([record(row) for row in rows], SETTLED_COLUMNS, format)
    counts = Counter(row.state for row in rows)
    talk.print(", ".join(f"{number} {state}" for state, number in counts.items()) or "every row was settled already")
    talk.print(f"results: {folder.file(RESULTS)}", markup=False)
    if counts["incomplete"] and not yes:
        talk.print(f"nothing was changed; to give back: ingest settle {folder.path} --yes", markup=False)
    return 4 if any(row.state in _OPEN for row in rows) else 0


def _newest(parent: Path) -> Path:
    """Folders are named by their time."""
    found = sorted(path.parent for path in parent.glob(f"*/{JOURNAL}"))
    if not found:
        raise UsageError("no run here has imported anything", place=str(parent), cure="name the run's folder")
    return found[-1]
