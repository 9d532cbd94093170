"""`ingest history`: all that was ever noted of a VM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ingest.cli.output import Format, show, talk
from ingest.engine.ledger import HistoryLine, open_ledger
from ingest.errors import UsageError
from ingest.report.tables import record
from ingest.settings import load_settings

SHORT = ("at", "vm", "what", "state", "run_id", "actor", "job_id", "error")
COLUMNS = (
    *("number", "at", "vm", "vm_key", "what", "state", "run_id", "actor", "holder", "plan_digest", "job_id"),
    *("request_digest", "vm_id", "error", "detail", "line_id", "previous", "hash"),
)


def history(
    vm: str = "",
    *,
    run: str = "",
    verify: Annotated[bool, Parameter(negative=())] = False,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """Show all that was ever noted of a VM, or of a run with its approval. Changes nothing.

    Exit code 4 when the history is to be verified and is not what was written.

    Parameters
    ----------
    vm
        Name of the VM, or its identity: instance UUID, or cluster id/moref. Without it every VM of the run.
    run
        Only what this run noted: its id or its folder.
    verify
        Compute the chain of hashes over the whole ledger again.
    config
        TOML file with settings.
    format
        Format on stdout.
    """
    if not vm and not run:
        raise UsageError(
            "neither a VM nor a run is named", cure="ingest history VM, or ingest history --run RUN_FOLDER"
        )
    with open_ledger(load_settings(config).run, must_exist=True) as ledger:
        lines = ledger.history(vm, run_id=Path(run).resolve().name if run else "")
        if not lines:
            raise UsageError(f"nothing is known of {vm or run}", place=f"ledger {ledger.place}", cure="ingest status")
        broken = ledger.verify_chain() if verify else None
    show([_row(line, format) for line in lines], SHORT if format == "table" else COLUMNS, format)
    if broken:
        talk.print(f"[red]the history is not what was written:[/] line {broken.number}: {broken.why}")
        return 4
    if verify:
        talk.print("every line of the history is as it was written")
    return 0


def _row(line: HistoryLine, format_: Format) -> dict[str, Any]:
    detail = line.detail if format_ == "json" else json.dumps(line.detail, ensure_ascii=False)
    row = record(line) | {"detail": detail if line.detail or format_ == "json" else ""}
    return {name: row[name] for name in COLUMNS}
