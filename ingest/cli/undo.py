"""`ingest undo`: imported VMs given back to vCenter alone. Shows first; acts with --yes."""

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
from ingest.stages.run_folder import UNDO
from ingest.stages.undo_import import UNDO_COLUMNS, UndoRow, undo_import

_DONE = frozenset({"undone", "already", "deleted", "to-undo", "to-delete"})


def undo(
    run_folder: Path | None = None,
    *,
    vm: str = "",
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative=())] = False,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """Give imported VMs back: those of a run, or one. Shows only, until --yes.

    Never destroys anything: CloudStack forgets the VM, vCenter keeps it. Networks the run made are deleted last, and
    only empty ones. Exit codes: 0 all can be or were given back, 3 something stands against some, 4 some were not
    given back, 5 stopped.

    Parameters
    ----------
    run_folder
        The folder of the run whose VMs are given back.
    vm
        Only this VM, by its name in vCenter, or without a folder also by its host or display name.
    yes
        Really give back. Without it only what would happen is shown.
    config
        TOML file with settings.
    format
        Format of the list on stdout.
    """
    if run_folder is None and not vm:
        raise UsageError("name a run's folder, or --vm and a VM", cure="ingest undo --help")
    settings = load_settings(config)
    folder = run_folder_at(run_folder, settings.run) if run_folder else None
    with talk.status("asking CloudStack"), open_ledger(settings.run) as ledger, ledger.keep_alive():
        rows = undo_import(settings.cloudstack, folder, vm=vm, dry_run=not yes, ledger=ledger)
    show([record(row) for row in rows], UNDO_COLUMNS, format)
    counts = Counter(row.status for row in rows)
    talk.print(", ".join(f"{number} {status}" for status, number in counts.items()) or "this run imported nothing")
    if folder is not None and yes:
        talk.print(f"list: {folder.file(UNDO)}", markup=False)
    elif counts["to-undo"] or counts["to-delete"]:
        words = " ".join(filter(None, [str(run_folder or ""), f"--vm '{vm}'" if vm else ""]))
        talk.print(f"nothing was changed; to give back: ingest undo {words} --yes", markup=False)
    return _exit_code(rows, yes=yes)


def _exit_code(rows: list[UndoRow], *, yes: bool) -> int:
    if all(row.status in _DONE for row in rows):
        return 0
    if any(row.status == "not-started" for row in rows):
        return 5
    return 4 if yes else 3
