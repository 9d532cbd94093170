"""The next command for a VM, from where the ledger says it stands."""

from __future__ import annotations

import shlex

from ingest.engine.ledger.records import Entry


def next_step(entry: Entry) -> str:
    """What an operator does next: a command, or why there is nothing to do; '' when all is done."""
    if entry.holder and entry.alive:
        return f"wait: {entry.holder} is at work"
    vm = shlex.quote(entry.vm.name)
    match entry.state:
        case "imported" | "undone":
            return ""
        case "failed":
            return f"ingest history {vm}"
        case "incomplete":
            return f"ingest settle --vm {vm}"
        case _:
            return f"ingest run --resume {shlex.quote(entry.run_id)}"
