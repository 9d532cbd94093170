"""`ingest register`: VMs found on datastores, registered in vCenter. Shows first; acts with --yes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from ingest.cli.output import Format, show, talk
from ingest.engine.ledger import open_ledger
from ingest.errors import UsageError
from ingest.report.tables import record
from ingest.settings import Settings, load_settings
from ingest.stages.register_vms import COLUMNS, DONE, RegisterOptions, register_vms
from ingest.stages.run_folder import (
    REGISTERED_CSV,
    UNREGISTERED,
    existing_run_folder,
    fresh_run_folder,
)
from ingest.stages.unregister_vms import COLUMNS as BACK_COLUMNS
from ingest.stages.unregister_vms import DONE as BACK_DONE
from ingest.stages.unregister_vms import unregister_vms

SHORT = ("status", "vm", "path", "host", "error", "cure")


def register(
    *,
    datastore: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    cluster: str = "",
    datacenter: str = "",
    folder: str = "",
    pool: str = "",
    host: str = "",
    below: str = "",
    at_once: PositiveInt = 8,
    undo: Path | None = None,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative=())] = False,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """Register the VMs whose files lie on datastores and that vCenter does not have. Shows only, until --yes.

    VMs that are registered, under whatever name, are left alone, and so are hidden folders: an array's own snapshots.
    Nothing is switched on. Running it again registers nothing twice. Exit codes: 0 all can be or were registered,
    3 some cannot be, 4 some were not, 5 stopped.

    Parameters
    ----------
    datastore
        Names, patterns ('replica-*') or ids of the datastores to look into.
    cluster
        Cluster that takes the VMs, by name, path or id.
    datacenter
        Datacenter, where the cluster's name is not unique.
    folder
        VM folder to put them into, by name, path or id; the datacenter's own without it.
    pool
        Resource pool, by name or id; the cluster's own without it.
    host
        Only this host of the cluster; without it hosts that have the datastore mounted for writing take turns.
    below
        Only this folder of the datastores and what is below it.
    at_once
        How many registrations are in flight.
    undo
        Instead of registering: unregister again what the run with this folder registered, if it is powered off and
        CloudStack does not manage it. Files stay.
    yes
        Really do it. Without it only what would happen is shown.
    config
        TOML file with settings.
    format
        Format of the list on stdout.
    """
    settings = load_settings(config)
    if undo is not None:
        return _undo(settings, undo, yes, format)
    if not datastore or not cluster:
        raise UsageError("name --datastore and --cluster", cure="ingest register --help")
    options = RegisterOptions(datastore, cluster, datacenter, folder, pool, host, below, at_once)
    with (
        fresh_run_folder(settings.run.folder, settings.run.published) as run,
        talk.status("asking vCenter") as line,
        open_ledger(settings.run) as ledger,
        ledger.keep_alive(),
    ):
        rows = register_vms(settings.vcenter, run, options, ledger, dry_run=not yes, progress=line.update)
    show([record(row) for row in rows], SHORT if format == "table" else COLUMNS, format)
    counts = Counter(row.status for row in rows)
    talk.print(", ".join(f"{number} {status}" for status, number in counts.items()) or "no VM was found there")
    talk.print(f"list: {run.file(REGISTERED_CSV)}", markup=False)
    if not yes and (counts["to-register"] or counts["to-settle"]):
        talk.print("nothing was registered; to register: the same command with --yes", markup=False)
    if yes and counts["registered"]:
        talk.print(f"to take it back: ingest register --undo {run.path}", markup=False)
    return _exit_code(counts, DONE, yes=yes)


def _undo(settings: Settings, folder: Path, yes: bool, format_: Format) -> int:
    run = existing_run_folder(folder)
    with (
        talk.status("asking vCenter") as line,
        open_ledger(settings.run, must_exist=True) as ledger,
        ledger.keep_alive(),
    ):
        rows = unregister_vms(
            settings.vcenter,
            settings.cloudstack,
            run,
            ledger,
            of_run=run.path.resolve().name,
            dry_run=not yes,
            progress=line.update,
        )
    show([record(row) for row in rows], BACK_COLUMNS, format_)
    counts = Counter(row.status for row in rows)
    talk.print(", ".join(f"{number} {status}" for status, number in counts.items()) or "nothing is left to take back")
    talk.print(f"list: {run.file(UNREGISTERED)}", markup=False)
    if not yes and counts["to-unregister"]:
        talk.print(f"nothing was changed; to unregister: ingest register --undo {folder} --yes", markup=False)
    return _exit_code(counts, BACK_DONE, yes=yes)


def _exit_code(counts: Counter[str], done: frozenset[str], *, yes: bool) -> int:
    if counts["not-started"]:
        return 5
    if counts.keys() <= done:
        return 0
    return 4 if yes else 3
