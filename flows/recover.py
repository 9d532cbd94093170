"""A site brought back after its runbook: checked, signed, registered, planned, then wave by wave, then reported."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from ingest.counting import counted
from ingest.errors import FindingsBlock, UsageError
from ingest.recovery.preview import preview
from ingest.recovery.sequence import Recovered, Recovery, RecoveryOptions, begin_folder
from ingest.recovery.sequence import recover as go_through
from ingest.rehearsal.papers import REHEARSALS
from ingest.rehearsal.runbook_run import keep_rehearsed
from ingest.report.tables import record
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import RunFolder, existing_run_folder, fresh_run_folder
from tasks.artifacts import markdown, table
from tasks.begun import begun_before, note_flow_run
from tasks.endings import cancelled
from tasks.one_at_a_time import one_at_a_time
from tasks.parameters import Approval, SiteName, path
from tasks.recover import AsTasks
from tasks.recovery_artifacts import recovery_artifacts
from tasks.recovery_report import recovery_report
from tasks.run_names import stamped
from tasks.signatures import InTheUi
from tasks.site import site_settings
from tasks.stop_signal import stop_signal


@flow(name="recover", flow_run_name=stamped("recover"))
def recover(
    runbook: str = "",
    plan: str = "",
    resume: str = "",
    dry_run: bool = True,
    site: SiteName = "",
    max_concurrent_imports: int = 10,
    confirm_guesses: bool = False,
    approval: Approval = Approval(),
    runs_folder: str = "",
) -> State[Recovered | None]:
    """Bring a site back from its replicated datastores after a runbook. Steps and gates are signed in this UI.

    Args:
        runbook: The runbook (YAML), a path on the worker.
        plan: The stored plan (CSV) on the worker. Empty: the one the runbook names.
        resume: Folder of an earlier recovery on the worker: it goes on where it stopped. Nothing is done twice.
        dry_run: Look at both sides and show what would happen; change nothing.
        site: Name of the site's credentials blocks. Empty: the settings of the worker.
        max_concurrent_imports: Imports in flight at any moment.
        confirm_guesses: Take what planning had to guess for confirmed.
        approval: How the run waits for signatures, and how long.
        runs_folder: Where the run's folder is made. Empty: the setting INGEST_RUN_FOLDER, else ./runs.
    """
    settings = site_settings(site)
    options = RecoveryOptions(
        imports=ImportOptions(max_concurrent_imports=max_concurrent_imports), confirm_guesses=confirm_guesses
    )
    folder = _folder(runbook, plan, resume, runs_folder, site)
    if dry_run:
        shown = preview(settings, folder, options)
        table("recovery-preconditions", [record(one) for one in shown.found], "; ".join(shown.texts) or "Looked at.")
        if shown.missing:
            first = shown.missing[0]
            raise FindingsBlock(f"{len(shown.missing)} preconditions are not met: {first.seen}", cure=first.cure)
        return Completed(
            message=f"dry run: {counted(sum(wave['vms'] for wave in shown.waves), 'VM')} would be recovered"
        )
    note_flow_run(folder)
    people = InTheUi(folder.path.name, approval)
    with (
        one_at_a_time(site),
        stop_signal() as stop,
        recovery_artifacts(str(folder.path)),
        Recovery(settings, folder, people=people, options=options, doing=AsTasks(), stop=stop) as recovery,
    ):
        done = go_through(recovery)
    recovery_report(done.report)
    if done.outcome == "stopped":
        markdown("recovery-stopped", f"{done.why}\n\n{done.cure}", done.why)
        return cancelled(f"stopped: {done.why}", done, "WaitsForSignature" if done.pending else "Stopped")
    name = "Completed" if done.outcome == "recovered" else "RecoveredInPart"
    return Completed(name=name, message=done.report.verdict, data=done)


def _folder(runbook: str, plan: str, resume: str, runs_folder: str, site: str) -> RunFolder:
    """The folder to go on in, or a new one that has the papers."""
    there = existing_run_folder(Path(resume)) if resume else begun_before(runs_folder, site)
    if there:
        return there
    if not runbook:
        raise UsageError("neither a runbook nor a folder to resume is named", cure="fill in runbook or resume")
    with fresh_run_folder(site_settings(site).run.at(runs_folder).folder) as folder:
        begin_folder(folder, Path(runbook), path(plan))
        keep_rehearsed(folder, folder.path.parent / REHEARSALS)
    return folder
