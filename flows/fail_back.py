"""A recovered site given back, the last wave first. Starts with a preview."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from ingest.recovery.fail_back import DONE, FailBackOptions, FailBackRow
from ingest.stages.undo_import import UndoRow
from tasks.approval import STATE_NAMES, approve_undo
from tasks.endings import cancelled, given_back
from tasks.fail_back import fail_back as fail_back_task
from tasks.parameters import Approval, SiteName
from tasks.run_names import stamped
from tasks.stop_signal import stop_signal


@flow(name="fail-back", flow_run_name=stamped("fail-back"))
def fail_back(
    run_folder: str,
    unregister: bool = False,
    hard: bool = False,
    dry_run: bool = True,
    site: SiteName = "",
    approval: Approval = Approval(),
) -> State[list[FailBackRow]]:
    """Give back what a recovery did: stop what it started, give back what it imported. Never destroys anything.

    Args:
        run_folder: The folder of the recovery, on the worker.
        unregister: Take the VMs it registered out of vCenter's inventory afterwards. Their files stay.
        hard: Switch off what does not shut down by itself.
        dry_run: Show what would happen and what stands against it; change nothing.
        site: Name of the site's credentials blocks. Empty: the settings of the worker.
        approval: Who decides, after a preview, before anything is given back.
    """
    options = FailBackOptions(hard=hard, unregister=unregister)
    if not dry_run and approval.mode != "auto_approve":
        with stop_signal() as stop:
            rows = fail_back_task(run_folder, options, True, stop, site)
        shown = [UndoRow(row.step, 0, row.vm, "", row.status, row.error) for row in rows]
        decision = approve_undo(shown, run_folder, approval, site)
        if not decision.approved:
            return cancelled(f"{decision.text}; nothing was given back", rows, STATE_NAMES[decision.verdict])
    with stop_signal() as stop:
        rows = fail_back_task(run_folder, options, dry_run, stop, site)
    return given_back(
        rows,
        well=DONE,
        cure=lambda row: row.cure or "see the artifact fail-back, then run this again",
        dry_run=dry_run,
        stopped=stop.is_set(),
    )
