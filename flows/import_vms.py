"""The whole pipeline: discover, list, plan, check, import. The flow owns the concurrency of the imports."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import as_completed
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.plan_vms import plan_vms
from ingest.engine.events import StageDone, StageStarted, tell
from ingest.engine.importing import BatchResult, Pace
from ingest.errors import FindingsBlock, RemoteError, Stopped, UsageError
from ingest.model.outcome import Outcome, summary
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.import_batch import ImportOptions, ImportRun
from ingest.stages.run_folder import FLOW_RUN, RunFolder, existing_run_folder
from ingest.stages.validate import Validated, read_calls, read_validated
from tasks.approval import STATE_NAMES, Approval, approve_import
from tasks.import_batch import import_batch
from tasks.report_results import report_results
from tasks.run_names import stamped
from tasks.server_traffic import flush_to_server
from tasks.site import site_settings
from tasks.stop_signal import stop_signal

Concurrency = Annotated[int, Field(ge=1, le=100, description="Imports in flight at any moment, all batches together.")]
BatchSize = Annotated[int, Field(ge=1, le=25, description="Rows one import_batch task run takes at most.")]
Limit = Annotated[int, Field(ge=0)]
Grace = Annotated[float, Field(ge=0, le=3600)]


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
def import_stage(folder: str, options: ImportOptions) -> tuple[list[Outcome], bool, str]:
    """Hand the approved calls to import_batch task runs, wave by wave. The thread pool's size is the concurrency."""
    where = existing_run_folder(Path(folder))
    settings = site_settings()
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
                for future in as_completed(futures):
                    batch: BatchResult = future.result()
                    outcomes.extend(batch.outcomes)
                    systemic = systemic or batch.systemic
    tell(StageDone("import_batch", f"{len(outcomes)} rows"))
    return outcomes, stop.is_set(), systemic


@flow(name="import-vms", flow_run_name=stamped("import"))
def import_vms(
    dry_run: bool = True,
    max_concurrent_imports: Concurrency = 5,
    batch_size: BatchSize = 10,
    plan: str | None = None,
    rules: str | None = None,
    clusters: list[str] | None = None,
    datacenter: str | None = None,
    on_critical: Literal["exclude", "stop"] = "exclude",
    runs_folder: str | None = None,
    confirm_guesses: bool = False,
    checks: str | None = None,
    resume: str | None = None,
    canary: bool = False,
    failures_per_cause: Limit = 5,
    failures_total: Limit = 0,
    per_host: Limit = 0,
    per_datastore: Limit = 0,
    endpoint_slots: Limit = 0,
    grace_s: Grace = 20.0,
    tag: bool = False,
    approval: Approval = Approval(),
) -> State[ImportResult]:
    """Import unmanaged VMware VMs into CloudStack: discover, list, plan, check, import.

    Args:
        dry_run: Stop before the first write and show what would be sent (calls.csv).
        max_concurrent_imports: Imports in flight at any moment, all batches together.
        batch_size: Rows one import_batch task run takes, one after another.
        plan: An edited plan (CSV) on the worker. Empty: plan afresh with the rules.
        rules: Rules file (YAML) on the worker. Empty: the setting INGEST_RUN_RULES, else the built-in defaults.
        clusters: CloudStack clusters to list, by name or UUID. Empty: every VMware cluster.
        datacenter: vCenter datacenter to read, by name or path. Empty: all.
        on_critical: exclude leaves rows with critical findings out; stop imports nothing if there is one.
        runs_folder: Where the run's folder is made. Empty: the setting INGEST_RUN_FOLDER, else ./runs.
        confirm_guesses: Take every guess of the plan for confirmed; otherwise the column confirm decides, row by row.
        checks: Your own checks (a Great Expectations suite) on the worker. Empty: the setting INGEST_RUN_CHECKS.
        resume: Folder of an earlier run on the worker: its calls go on where it stopped; nothing is planned anew.
        canary: Import one VM of each kind first; a kind whose first VM was not imported is held.
        failures_per_cause: So many failures of one cause at one object hold the other rows that need it. 0: no limit.
        failures_total: So many failures of any kind stop the line. 0: no limit.
        per_host: Imports at once of VMs on one ESXi host. 0: no limit.
        per_datastore: Imports at once of VMs with a disk on one datastore. 0: no limit.
        endpoint_slots: Imports at once of all runs that share the ledger. 0: no limit.
        grace_s: Seconds running jobs are waited for after the run was told to stop.
        tag: Give imported VMs the tag ingest-run with the name of the run's folder.
        approval: Who decides before anything is written.
    """
    if resume and (plan or rules):
        raise UsageError("a run that is resumed has its plan", place=resume, cure="leave out plan and rules")
    there = existing_run_folder(Path(resume)) if resume else _begun_before(runs_folder)
    if there:
        folder, checked = there.path, read_validated(there)
    else:
        planned = plan_vms(
            rules=rules,
            clusters=clusters,
            datacenter=datacenter,
            plan=plan,
            runs_folder=runs_folder,
            confirm_guesses=confirm_guesses,
            checks=checks,
        )
        folder, checked = planned.folder, planned.checked
    if checked.blocked and on_critical == "stop":
        raise FindingsBlock(
            f"{checked.blocked} rows have critical findings; nothing was imported",
            place=str(checked.plan_csv),
            cure="mend the rows (column fix), or run again with on_critical=exclude to leave them out",
        )
    if dry_run:
        result = ImportResult(folder, checked, dry_run=True)
        return Completed(message=f"dry run: {len(checked.ready)} would be imported", data=result)
    run_folder = existing_run_folder(folder)
    run_folder.write(FLOW_RUN, f"{flow_run.id}\n".encode())
    decision = approve_import(run_folder, approval)
    if not decision.approved:
        concluded = conclude_from_journal(run_folder)
        result = ImportResult(folder, checked, concluded.outcomes, stopped=True)
        return Cancelled(
            name=STATE_NAMES[decision.verdict], message=f"{decision.text}; nothing was imported", data=result
        )
    options = ImportOptions(
        max_concurrent_imports=max_concurrent_imports,
        batch_size=batch_size,
        failures_per_cause=failures_per_cause,
        failures_total=failures_total,
        per_host=per_host,
        per_datastore=per_datastore,
        endpoint_slots=endpoint_slots,
        canary=canary,
        tag=tag,
        waves=decision.waves,
        approved_digest=decision.digest,
        pace=Pace(grace_s=grace_s),
    )
    runner: ThreadPoolTaskRunner[BatchResult] = ThreadPoolTaskRunner(max_workers=max_concurrent_imports)
    stage = import_stage.with_options(
        flow_run_name=f"{len(checked.ready)} VMs, {max_concurrent_imports} in flight",
        task_runner=runner,  # type: ignore[arg-type]  # Prefect declares it invariant
    )
    try:
        outcomes, stopped, systemic = stage(str(folder), options)
    except BaseException:
        # Interrupted or killed: what is known of every row stands in the journal; the results say it, then it goes on.
        conclude_from_journal(existing_run_folder(folder))
        raise
    concluded = report_results(str(folder), outcomes)
    result = ImportResult(folder, checked, concluded.outcomes, stopped=stopped, systemic=systemic)
    message = summary(result.outcomes)
    if systemic:
        raise RemoteError(
            f"stopped: {systemic} ({message})",
            place=str(concluded.results_csv),
            cure=f"mend the cause (`ingest doctor`), then: ingest run --resume {folder} --yes",
        )
    if stopped:
        return Cancelled(message=f"stopped: {message}", data=result)
    return Completed(message=message, data=result)


def _begun_before(runs_folder: str | None) -> RunFolder | None:
    """The folder an earlier attempt of this very flow run imports from: after Retry in the UI, a crashed worker, or an
    approval it was suspended for (which Prefect does not count as another attempt).
    """
    parent = Path(runs_folder) if runs_folder else site_settings().run.folder
    for path in parent.glob(f"*/{FLOW_RUN}"):
        if path.read_text(encoding="utf-8").strip() == str(flow_run.id):
            return existing_run_folder(path.parent)
    return None


def run_import(**parameters: Any) -> ImportResult:
    """Run the flow in this process and give its result, also of a run that was stopped. Raises what the flow raised.

    Whoever calls this has decided to import; only a run in the Prefect UI asks a person.
    """
    try:
        state = import_vms(**{"approval": Approval(mode="auto_approve")} | parameters, return_state=True)
    finally:
        flush_to_server()
    result = state.result(raise_on_failure=not state.is_cancelled())
    if not isinstance(result, ImportResult):
        raise Stopped(
            state.message or "the run was cancelled", cure="run again: what is imported is not listed any more"
        )
    return result
