"""`ingest settle`: what is true of the rows a run left unknown; with --yes half-imported VMs are given back, and VMs
that were switched off for an import that failed are switched on again."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ingest.cli.output import Format, show, talk
from ingest.engine.ledger import open_ledger
from ingest.errors import SettingsError, UsageError
from ingest.report.tables import record
from ingest.settings import Settings, load_settings
from ingest.stages.elsewhere import run_folder_at
from ingest.stages.power_switch import VCenterPower
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

    VMs that were switched off for an import that did not come about are switched on again then, too. Without --yes
    nothing is written to CloudStack or vCenter; what is certain goes into the run's results either way.
    Exit codes: 0 every row is certain, 4 some need another look or a hand.

    Parameters
    ----------
    run_folder
        The folder of the run. Without it the newest run that imported.
    yes
        Give VMs back that were imported in part, so that they can be imported again; switch on what ran before.
    patience
        Seconds the rows are looked at again while they may still change, all together.
    config
        TOML file with settings.
    format
        Format of the list on stdout.
    """
    settings = load_settings(config)
    folder = run_folder_at(run_folder or _newest(settings.run.folder), settings.run)
    with (
        talk.status("asking CloudStack"),
        open_ledger(settings.run) as ledger,
        ledger.keep_alive(),
        _power(settings) as power,
    ):
        rows = settle_run(settings.cloudstack, folder, cure=yes, patience_s=patience, ledger=ledger, power=power)
    show([record(row) for row in rows], SETTLED_COLUMNS, format)
    counts = Counter(row.state for row in rows)
    talk.print(", ".join(f"{number} {state}" for state, number in counts.items()) or "every row was settled already")
    talk.print(f"results: {folder.file(RESULTS)}", markup=False)
    if not yes and any("RUN_FOLDER --yes" in row.cure for row in rows):
        talk.print(f"nothing was changed; to do what the cures say: ingest settle {folder.path} --yes", markup=False)
    return 4 if any(row.state in _OPEN for row in rows) else 0


def _power(settings: Settings) -> AbstractContextManager[VCenterPower | None]:
    """Connected only when a VM is to be switched on; CloudStack alone is enough for everything else."""
    try:
        return VCenterPower(settings.vcenter)
    except SettingsError:
        return nullcontext()


def _newest(parent: Path) -> Path:
    """Folders are named by their time."""
    found = sorted(path.parent for path in parent.glob(f"*/{JOURNAL}"))
    if not found:
        raise UsageError("no run here has imported anything", place=str(parent), cure="name the run's folder")
    return found[-1]
