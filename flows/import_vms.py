"""The whole pipeline: discover, list, plan, check, import. The flow owns the concurrency of the imports."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.plan_vms import plan_vms
from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, tell
from ingest.engine.importing import BUDGET_USED_UP, BatchResult
from ingest.errors import FindingsBlock, RemoteError, Stopped, UsageError
from ingest.model.outcome import Outcome, summary
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.elsewhere import run_folder_at
from ingest.stages.import_batch import ImportOptions, ImportRun
from ingest.stages.run_folder import existing_run_folder
from ingest.stages.validate import Validated, read_calls, read_validated
from tasks.approval import STATE_NAMES, approve_import
from tasks.automations import BUDGET_EVENT
from tasks.begun import begun_before, note_flow_run
from tasks.endings import cancelled
from tasks.import_batch import import_batch
from tasks.interruption import as_they_end
from tasks.live_artifacts import live_artifacts
from tasks.one_at_a_time import one_at_a_time
from tasks.parameters import Approval, Limits, Planning, Safety, Selection, SiteName, import_options
from tasks.report_results import report_results
from tasks.run_names import stamped
from tasks.server_traffic import flush_to_server
from tasks.site import site_settings
from tasks.stop_signal import stop_signal


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What a run did: its folder, what the checks said, an outcome for every row of the plan.

    `outcomes` is empty after a dry run. `systemic` says why the line was stopped, '' when it was not.
    """

    folder: Path
    checked: Validated
    outcomes: tuple[Outcome, ...] = ()
    dry_run: bool = False
    stopped: bool = False
    systemic: str = ""

    @property
    def counts(self) -> Counter[str]:
        """Outcomes by status."""
        return Counter(outcome.status for outcome in self.outcomes)


@flow(name="import-stage", validate_parameters=False)
def import_stage(folder: str, options: ImportOptions, site: str = "") -> tuple[list[Outcome], bool, str]:
    """Hand the approved calls to import_batch task runs, wave by wave. The thread pool's size is the concurrency."""
    where = existing_run_folder(Path(folder))
    settings = site_settings(site)
    needs_vcenter = any(call.power != "leave" for call in read_calls(where))
    vcenter = settings.vcenter if needs_vcenter else None
    with stop_signal() as stop, ImportRun(settings.cloudstack, vcenter, settings.run, where, stop, options) as run:
        tell(StageStarted("import_batch", len(run.calls)))
        numbers = itertools.count(1)
        outcomes: list[Outcome] = list(run.left_alone)
        systemic = ""
        for wave in run.waves():
            for members in run.rounds(wave):
                futures = [import_batch.submit(run, next(numbers), rows[0].vm, len(rows), rows) for rows in members]
                for future in as_they_end(futures, stop):
                    batch: BatchResult = future.result()
                    outcomes.extend(batch.outcomes)
                    systemic = systemic or batch.systemic
    tell(StageDone("import_batch", f"{counted(len(outcomes), 'row')}"))
    return outcomes, stop.is_set(), systemic


@flow(name="import-vms", flow_run_name=stamped("import"))
def import_vms(
    dry_run: bool = True,
    site: SiteName = "",
    resume: str = "",
    selection: Selection = Selection(),
    planning: Planning = Planning(),
    limits: Limits = Limits(),
    safety: Safety = Safety(),
    tag: bool = False,
    approval: Approval = Approval(),
    runs_folder: str = "",
) -> State[ImportResult]:
    """Import unmanaged VMware VMs into CloudStack: discover, list, plan, check, import.

    Args:
        dry_run: Stop before the first write and show what would be sent (calls.csv).
        site: Name of the site's credentials blocks: a-z, 0-9, dashes. Empty: the settings of the worker.
        resume: Folder of an earlier run (path, or URL): its calls go on where it stopped; nothing is planned anew.
        selection: Which VMs are looked at. Everything, unless named here.
        planning: Where the plan comes from: a fresh one, or an edited one.
        limits: How fast: imports in flight, per host, per datastore, of all runs.
        safety: What stops the line, and how carefully it starts.
        tag: Give imported VMs the tag ingest-run with the name of the run's folder.
        approval: Who decides before anything is written.
        runs_folder: Where the run's folder is made, a path or URL. Empty: the setting INGEST_RUN_FOLDER, else ./runs.
    """
    if resume and (planning.plan or planning.rules or planning.update):
        raise UsageError("a run that is resumed has its plan", place=resume, cure="leave out plan, update and rules")
    there = (
        run_folder_at(resume, site_settings(site).run.at(runs_folder)) if resume else begun_before(runs_folder, site)
    )
    if there:
        folder, checked = there.path, read_validated(there)
    else:
        # As a part of this run, not a run of its own: the form of the approval stands beside findings and plan.
        planned = plan_vms.fn(site=site, selection=selection, planning=planning, runs_folder=runs_folder)
        folder, checked = planned.folder, planned.checked
    if checked.blocked and safety.on_critical == "stop":
        raise FindingsBlock(
            f"{counted(checked.blocked, 'row')} with critical findings; nothing was imported",
            place=str(checked.plan_csv),
            cure="mend the rows (column fix), or run again with on_critical=exclude to leave them out",
        )
    if dry_run:
        result = ImportResult(folder, checked, dry_run=True)
        blocked = f", {checked.blocked} blocked" if checked.blocked else ""
        return Completed(message=f"dry run: {len(checked.ready)} would be imported{blocked}", data=result)
    run_folder = existing_run_folder(folder)
    note_flow_run(run_folder)
    decision = approve_import(run_folder, approval, site)
    if not decision.approved:
        concluded = conclude_from_journal(run_folder)
        result = ImportResult(folder, checked, concluded.outcomes, stopped=True)
        message = f"{decision.text}; nothing was imported"
        return cancelled(message, result, STATE_NAMES[decision.verdict])
    options = import_options(limits, safety, tag=tag, decision=decision)
    runner: ThreadPoolTaskRunner[BatchResult] = ThreadPoolTaskRunner(max_workers=options.max_concurrent_imports)
    stage = import_stage.with_options(
        flow_run_name=f"{counted(len(checked.ready), 'VM')}, {options.max_concurrent_imports} in flight",
        task_runner=runner,  # type: ignore[arg-type]  # Prefect declares it invariant
    )
    try:
        with one_at_a_time(site), live_artifacts():
            outcomes, stopped, systemic = stage(str(folder), options, site)
    except BaseException:
        # Interrupted or killed: what is known of every row stands in the journal; the results say it, then it goes on.
        conclude_from_journal(existing_run_folder(folder))
        raise
    concluded = report_results(str(folder), outcomes)
    result = ImportResult(folder, checked, concluded.outcomes, stopped=stopped, systemic=systemic)
    message = summary(result.outcomes)
    if systemic.startswith(BUDGET_USED_UP):
        emit_event(BUDGET_EVENT, {"prefect.resource.id": f"prefect.flow-run.{flow_run.id}"}, payload={"why": systemic})
    if systemic:
        wrong = Stopped if systemic.startswith(BUDGET_USED_UP) else RemoteError
        raise wrong(
            f"stopped: {systemic} ({message})",
            place=str(concluded.results_csv),
            cure=f"mend the cause (`ingest doctor`), then: ingest run --resume {folder} --yes",
        )
    if stopped:
        return cancelled(f"stopped: {message}", result)
    return Completed(message=message, data=result)


def run_import(**parameters: Any) -> ImportResult:
    """Run the flow in this process and give its result, also of a run that was stopped. Raises what the flow raised.

    Whoever calls this has decided to import; only a run in the Prefect UI asks a person.
    """
    try:
        state = import_vms(**({"approval": Approval(mode="auto_approve")} | parameters), return_state=True)
    finally:
        flush_to_server()
    result = state.result(raise_on_failure=not state.is_cancelled())
    if not isinstance(result, ImportResult):
        raise Stopped(
            state.message or "the run was cancelled", cure="run again: what is imported is not listed any more"
        )
    return result
