"""`ingest status`: where VMs stand, who works on them, and the next command."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ingest.cli.output import Format, show, talk
from ingest.engine.ledger import Entry, State, open_ledger
from ingest.engine.ledger.advice import next_step
from ingest.engine.ledger.moments import iso
from ingest.errors import UsageError
from ingest.report.tables import record
from ingest.settings import load_settings

SHORT = ("vm", "state", "since", "holder", "run_id", "next")
COLUMNS = (
    *("vm", "instance_uuid", "cluster_id", "moref", "state", "since", "holder", "alive", "run_id", "actor"),
    *("plan_digest", "job_id", "vm_id", "error", "next"),
)
FINISHED = ("imported", "failed", "undone")


def status(*, run: str = "", state: State | None = None, config: Path | None = None, format: Format = "table") -> int:
    """Say where VMs stand, across all runs: state, holder, and the next command. Changes nothing.

    Without --run and --state those of all runs that are not finished: claimed, intended, submitted, unknown,
    incomplete. Needs the ledger only.

    Parameters
    ----------
    run
        Only VMs of this run: its id or its folder. Finished ones too.
    state
        Only VMs in this state.
    config
        TOML file with settings.
    format
        Format on stdout.
    """
    run_id = Path(run).resolve().name if run else ""
    with open_ledger(load_settings(config).run, must_exist=True) as ledger:
        if run_id and not ledger.runs(run_id) and not ledger.entries(run_id=run_id):
            raise UsageError(f"no run {run_id}", place=f"ledger {ledger.place}", cure="ingest status shows all")
        entries = ledger.entries(run_id=run_id, state=state or "")
        folders = {one.run_id: one.folder for one in ledger.runs()}
    if not run_id and state is None:
        entries = [entry for entry in entries if entry.state not in FINISHED]
    rows = [_row(entry, folders.get(entry.run_id, entry.run_id)) for entry in entries]
    show(rows, SHORT if format == "table" else COLUMNS, format)
    counts = Counter(entry.state for entry in entries)
    talk.print(", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "nothing is unfinished")
    return 0


def _row(entry: Entry, folder: str) -> dict[str, Any]:
    vm = record(entry.vm)
    facts = {name: value for name, value in record(entry).items() if name in COLUMNS}
    row = vm | facts | {"vm": entry.vm.name, "since": iso(entry.updated_at), "next": next_step(entry, folder)}
    return {name: row[name] for name in COLUMNS}
