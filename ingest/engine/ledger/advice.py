"""The next command for a VM, from where the ledger says it stands."""

from __future__ import annotations

import shlex

from ingest.engine.ledger.records import Entry


def next_step(entry: Entry, run_folder: str) -> str:
    """What an operator does next: a command, or why there is nothing to do; '' when all is done.

    `run_folder` is where the run that had the VM last keeps its files.
    """
    if entry.holder and entry.alive:
        return f"wait: {entry.holder} is at work"
    vm, folder = shlex.quote(entry.vm.name), shlex.quote(run_folder)
    match entry.state:
        case "imported" | "undone":
            return ""
        case "failed":
            return f"ingest history {vm}"
        case "incomplete":
            return f"ingest settle {folder}"
        case _:
            return f"ingest run --resume {folder} --yes"
