"""Undo: imported VMs given back to vCenter alone. Starts with a preview."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from ingest.errors import UsageError
from ingest.stages.undo_import import UndoRow
from tasks.approval import STATE_NAMES, approve_undo
from tasks.endings import cancelled, given_back
from tasks.parameters import Approval, SiteName
from tasks.run_names import stamped
from tasks.stop_signal import stop_signal
from tasks.undo_import import undo_import as undo_task

_FINE = frozenset({"undone", "already", "deleted"})


@flow(name="undo-import", flow_run_name=stamped("undo"))
def undo_import(
    run_folder: str = "",
    vm: str = "",
    dry_run: bool = True,
    site: SiteName = "",
    approval: Approval = Approval(),
) -> State[list[UndoRow]]:
    """Give imported VMs back: CloudStack forgets them, vCenter keeps them as they are. Never destroys anything.

    Args:
        run_folder: The folder (path, or URL) of the run whose VMs are given back; networks it made are deleted last.
        vm: Only this VM, by its name in vCenter. Needed without a run folder.
        dry_run: Show what would happen and what stands against it; change nothing.
        site: Name of the site's credentials blocks. Empty: the settings of the worker.
        approval: Who decides, after a preview, before anything is given back.
    """
    if not run_folder and not vm:
        raise UsageError("neither a run's folder nor a VM is named", cure="fill in run_folder or vm")
    if not dry_run and approval.mode != "auto_approve":
        with stop_signal() as stop:
            rows = undo_task(run_folder or None, vm, True, stop, site)
        decision = approve_undo(rows, run_folder, approval, site)
        if not decision.approved:
            message = f"{decision.text}; nothing was given back"
            return cancelled(message, rows, STATE_NAMES[decision.verdict])
    with stop_signal() as stop:
        rows = undo_task(run_folder or None, vm, dry_run, stop, site)
    return given_back(
        rows,
        well=_FINE,
        cure=lambda row: row.error or "see the artifact undo, then run this again",
        dry_run=dry_run,
        stopped=stop.is_set(),
    )
