"""`ingest recover`: a site brought back after its runbook. Shows first; acts with --yes.

Runs in this process: whoever recovers a site needs neither a Prefect server nor anything else that is not there yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from ingest.cli.event_file import STDOUT, events_written
from ingest.cli.output import Format, show, talk
from ingest.cli.recovery_view import RecoveryView, Terminal
from ingest.errors import UsageError
from ingest.recovery.course import kept_runbook
from ingest.recovery.people import Given, read_signatures
from ingest.recovery.preview import Preview, preview
from ingest.recovery.report import Report
from ingest.recovery.sequence import Missing, Recovered, Recovery, RecoveryOptions, begin_folder
from ingest.recovery.sequence import recover as go
from ingest.rehearsal.papers import REHEARSALS
from ingest.rehearsal.runbook_run import keep_rehearsed
from ingest.report.tables import record
from ingest.settings import Settings, load_settings
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import RECOVERY_PAGE, RunFolder, existing_run_folder, fresh_run_folder

CHECK_COLUMNS = ("side", "test", "verdict", "seen", "cure")
WAVE_COLUMNS = ("wave", "name", "vms", "started", "critical", "target")
RESULT_COLUMNS = ("wave", "vm", "critical", "imported", "started", "healthy", "why")


def recover(
    runbook: Path | None = None,
    *,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative=())] = False,
    plan: Path | None = None,
    resume: Path | None = None,
    sign: Annotated[list[str] | None, Parameter(negative=())] = None,
    max_concurrent_imports: PositiveInt = 10,
    confirm_guesses: Annotated[bool, Parameter(negative=())] = False,
    config: Path | None = None,
    events: Path | None = None,
    format: Format = "table",
) -> int:
    """Bring a site back from its replicated datastores after a runbook. Shows only, until --yes.

    Checks what must be there, registers, plans, and wave by wave imports, starts and checks; writes recovery.html.
    Interrupted, it goes on with --resume, also on another machine that shares the ledger and the folder. Exit codes:
    0 everything is back, 3 something is missing, 4 some VMs are not, 5 stopped: a gate, a signature, Ctrl-C;
    6 a server went away.

    Parameters
    ----------
    runbook
        The runbook (YAML).
    yes
        Really recover. Without it both sides are looked at, and what would happen is shown.
    plan
        The stored plan (CSV). Without it the one the runbook names.
    resume
        Folder of a recovery that did not come to its end: it goes on where it stopped. Nothing is done twice.
    sign
        STEP=NAME: NAME signs the step; repeatable. A gate is called WAVE/gate, and signing it means to go on. Without
        it people are asked on the terminal.
    max_concurrent_imports
        Imports in flight at any moment.
    confirm_guesses
        Take what planning had to guess for confirmed.
    config
        TOML file with settings.
    events
        Append what happens to this file as JSON lines; - is stdout, which then has nothing else.
    format
        Format of the list on stdout.
    """
    if (runbook is None) == (resume is None):
        raise UsageError("give a runbook, or --resume and the folder of a recovery", cure="ingest recover --help")
    if resume is not None and plan is not None:
        raise UsageError("a recovery that is resumed has its plan", place=str(resume), cure="leave out --plan")
    settings = load_settings(config)
    _ = settings.vcenter, settings.cloudstack  # missing settings are told before a folder is made
    options = RecoveryOptions(
        imports=ImportOptions(max_concurrent_imports=max_concurrent_imports), confirm_guesses=confirm_guesses
    )
    if resume is not None:
        folder = existing_run_folder(resume)
    else:
        assert runbook is not None  # noqa: S101  decided above
        with fresh_run_folder(settings.run.folder) as folder:
            begin_folder(folder, runbook, plan)
            keep_rehearsed(folder, settings.run.folder / REHEARSALS)
    if not yes:
        with talk.status("looking at both sides"):
            shown = preview(settings, folder, options)
        return _show_preview(shown, folder, resume, runbook, format)
    signs = read_signatures(sign or [], kept_runbook(folder).runbook)
    view = RecoveryView(talk)
    with events_written(events) as ending:
        try:
            done = _run(settings, folder, options, signs, view)
        except Missing as missing:
            if events != STDOUT:
                show([record(one) for one in missing.found], CHECK_COLUMNS, format)
            raise
        ending.exit_code, ending.message = exit_code(done), done.why or done.report.verdict
        ending.facts = {"counts": done.report.counts, "report": str(folder.file(RECOVERY_PAGE))}
    if events != STDOUT:
        _show_report(done.report, format)
    talk.print(done.report.verdict, markup=False)
    talk.print(f"report: {folder.file(RECOVERY_PAGE)}", markup=False)
    if done.outcome == "stopped":
        talk.print(f"stopped: {done.why}\n  -> {done.cure}", markup=False)
    elif done.outcome == "with-failures":
        talk.print(
            f"some VMs are not back; to try them again: ingest recover --resume {folder.path} --yes", markup=False
        )
    return exit_code(done)


def exit_code(done: Recovered) -> int:
    """The documented exit code of a recovery."""
    return {"recovered": 0, "with-failures": 4, "stopped": 5}[done.outcome]


def _run(
    settings: Settings, folder: RunFolder, options: RecoveryOptions, signs: dict[str, str], view: RecoveryView
) -> Recovered:
    people = Given(signs, Terminal(view, talk))
    with view.shown(), Recovery(settings, folder, people=people, options=options) as recovery:
        return go(recovery)


def _show_preview(shown: Preview, folder: RunFolder, resume: Path | None, runbook: Path | None, format_: Format) -> int:
    show([record(one) for one in shown.found], CHECK_COLUMNS, format_)
    if format_ == "table":
        show(shown.waves, WAVE_COLUMNS, format_, title="waves, after the stored plan")
    for text in shown.texts:
        talk.print(text, markup=False)
    if shown.missing:
        talk.print(f"{len(shown.missing)} to mend, the first: {shown.missing[0].cure}", markup=False)
        return 3
    what = f"--resume {resume}" if resume else str(runbook)
    talk.print(f"nothing was changed; to recover: ingest recover {what} --yes", markup=False)
    return 0


def _show_report(report: Report, format_: Format) -> None:
    rows = [
        {"wave": wave.name, **{name: getattr(vm, name) for name in RESULT_COLUMNS[1:]}}
        for wave in report.waves
        for vm in wave.vms
    ]
    if format_ == "table":
        rows = [row | {"critical": "yes" if row["critical"] else ""} for row in rows]
        rows.sort(key=lambda row: bool(row["why"]))  # what needs a person stands last, next to the prompt
    show(rows, RESULT_COLUMNS, format_)
