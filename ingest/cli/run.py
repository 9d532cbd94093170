"""`ingest run`: the import, as the flow `import_vms` on a Prefect server. Shows first; writes with --yes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.types import NonNegativeFloat, NonNegativeInt, PositiveInt

from ingest.cli.event_file import STDOUT, Ending, events_written
from ingest.cli.local_server import prefect_server
from ingest.cli.output import Format, show, talk
from ingest.cli.progress import shown
from ingest.engine.failures import failed_together
from ingest.errors import UsageError
from ingest.model.outcome import URGENCY, Outcome, summary
from ingest.report.tables import record
from ingest.settings import load_settings
from ingest.stages.elsewhere import run_folder_at
from ingest.stages.inputs import look_at_inputs
from ingest.stages.run_folder import CALLS_CSV, REPORT, RESULTS
from ingest.stages.validate import call_row

if TYPE_CHECKING:
    from flows.import_vms import ImportResult

OUTCOME_COLUMNS = ("row", "vm", "status", "seconds", "why")
ALL_OUTCOME_COLUMNS = ("row", "vm", "status", "vm_id", "job_id", "error", "duration_s")


def run(
    plan: Path | None = None,
    *,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative=())] = False,
    config: Path | None = None,
    rules: Path | None = None,
    cluster: list[str] | None = None,
    datacenter: str | None = None,
    max_concurrent_imports: PositiveInt = 5,
    batch_size: PositiveInt = 10,
    on_critical: Literal["exclude", "stop"] = "exclude",
    checks: Path | None = None,
    confirm_guesses: Annotated[bool, Parameter(negative=())] = False,
    resume: Path | None = None,
    canary: Annotated[bool, Parameter(negative=())] = False,
    failures_per_cause: NonNegativeInt = 5,
    failures_total: NonNegativeInt = 0,
    per_host: NonNegativeInt = 0,
    per_datastore: NonNegativeInt = 0,
    endpoint_slots: NonNegativeInt = 0,
    grace: NonNegativeFloat = 20.0,
    server_away: NonNegativeFloat = 300.0,
    tag: Annotated[bool, Parameter(negative=())] = False,
    events: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
    format: Format = "table",
) -> int:
    """Import VMs: with a plan exactly its rows, without one everything the rules say. Shows only, until --yes.

    Exit codes: 0 every row imported, 3 rows blocked by findings, 4 rows failed, 5 stopped, 6 a server went away.

    Parameters
    ----------
    plan
        The plan (CSV) to import. Without it a fresh plan is made.
    yes
        Really import. Without it nothing is written; what would be sent is shown.
    config
        TOML file with settings.
    rules
        Rules file (YAML) for a fresh plan.
    cluster
        CloudStack cluster to list, by name or UUID; repeatable. Without it every VMware cluster.
    datacenter
        Only this vCenter datacenter, by name or path.
    max_concurrent_imports
        Imports in flight at any moment.
    batch_size
        Rows one import_batch task run takes at most (1 to 25).
    on_critical
        exclude leaves rows with critical findings out; stop imports nothing if there is one.
    checks
        Your own checks, a Great Expectations suite (YAML or JSON). Without it INGEST_RUN_CHECKS, if any.
    confirm_guesses
        Take every guess of the plan for confirmed; otherwise the column confirm decides, row by row.
    resume
        Folder of an earlier run: its calls go on where it stopped. What it left behind is settled first.
    canary
        Import one VM of each kind first; a kind whose first VM was not imported is held.
    failures_per_cause
        So many failures of one cause at one object (a network, an account, a datastore) hold the rows that need it;
        0 is no limit.
    failures_total
        So many failures of any kind stop the line; 0 is no limit.
    per_host
        Imports at once of VMs on one ESXi host; 0 is no limit.
    per_datastore
        Imports at once of VMs with a disk on one datastore; 0 is no limit.
    endpoint_slots
        Imports at once of all runs, also on other machines, that share the ledger; 0 is no limit.
    grace
        Seconds running jobs are waited for after Ctrl-C.
    server_away
        Seconds the management server may be away, such as for a restart, before the line stops.
    tag
        Give imported VMs the tag ingest-run with the name of the run's folder.
    events
        Append what happens to this file as JSON lines (docs/reference/events.md); - is stdout, which then has nothing
        else.
    format
        Format of the outcomes on stdout.
    """
    if max_concurrent_imports > 100 or batch_size > 25:
        raise UsageError("at most 100 imports in flight and 25 rows a batch", cure="ingest run --help")
    if resume and (plan or rules):
        raise UsageError("a run that is resumed has its plan", place=str(resume), cure="leave out plan and --rules")
    if config:
        import os

        os.environ["INGEST_CONFIG"] = str(config)
    settings = load_settings()
    there = run_folder_at(resume, settings.run) if resume else None
    _ = settings.vcenter, settings.cloudstack  # missing settings are told before a server is started
    look_at_inputs(rules or settings.run.rules, plan, None, checks or settings.run.checks)
    with (
        events_written(events) as ending,
        prefect_server(settings.run.state / "prefect") as server,
        shown(talk, live=events != STDOUT or not sys.stdout.isatty()),
    ):
        talk.print(f"Prefect server: {server.ui_url}", markup=False)
        from flows.import_vms import run_import
        from tasks.parameters import Limits, Planning, Safety, Selection

        result = run_import(
            dry_run=not yes,
            resume=str(there.path if there else ""),
            selection=Selection(clusters=cluster or [], datacenter=datacenter or ""),
            planning=Planning(
                plan=str(plan or ""),
                rules=str(rules or ""),
                checks=str(checks or ""),
                confirm_guesses=confirm_guesses,
            ),
            limits=Limits(
                max_concurrent_imports=max_concurrent_imports,
                batch_size=batch_size,
                per_host=per_host,
                per_datastore=per_datastore,
                endpoint_slots=endpoint_slots,
            ),
            safety=Safety(
                on_critical=on_critical,
                canary=canary,
                failures_per_cause=failures_per_cause,
                failures_total=failures_total,
                grace_s=grace,
                server_away_s=server_away,
            ),
            tag=tag,
        )
        _tell_ending(ending, result)
    show_result(result, format, data=events != STDOUT)
    if result.dry_run:
        what = f"--resume {resume}" if resume else str(plan or result.checked.plan_csv)
        talk.print(f"nothing was written; to import: ingest run {what} --yes", markup=False)
    elif result.stopped:
        talk.print(f"to go on: ingest run --resume {result.folder} --yes", markup=False)
    return exit_code(result)


def _tell_ending(ending: Ending, result: ImportResult) -> None:
    ending.exit_code = exit_code(result)
    if result.dry_run:
        ending.message = f"dry run: {len(result.checked.ready)} would be imported, {result.checked.blocked} blocked"
        return
    ending.message = summary(result.outcomes)
    ending.facts = {
        "counts": dict(result.counts),
        "results": str(result.folder / RESULTS),
        "report": str(result.folder / REPORT),
    }


def show_result(result: ImportResult, format_: Format, *, data: bool = True) -> None:
    """Outcomes (or, after a dry run, the calls) on stdout, unless it has other `data`; sums and files on stderr."""
    if result.dry_run:
        calls = [call_row(one) for one in result.checked.ready]
        shown_columns = ("row", "vm", "wave", "hostname", "account", "nicnetworklist")
        if data:
            show(calls, list(calls[0]) if calls and format_ == "csv" else shown_columns, format_)
        talk.print(f"dry run: {len(calls)} would be imported, {result.checked.blocked} blocked")
        talk.print(f"calls: {result.folder / CALLS_CSV}", markup=False)
        return
    if data:
        _show_outcomes(result.outcomes, format_)
    for group in failed_together(result.outcomes):
        talk.print(group.text, markup=False, soft_wrap=False)
    talk.print(f"[bold]{summary(result.outcomes)}[/]")
    talk.print(f"plan:    {result.checked.plan_csv}", markup=False)
    talk.print(f"results: {result.folder / RESULTS}", markup=False)
    talk.print(f"report:  {result.folder / REPORT}", markup=False)


def _show_outcomes(outcomes: Sequence[Outcome], format_: Format) -> None:
    if format_ == "table":
        ordered = sorted(outcomes, key=lambda one: (-URGENCY.index(one.status), one.row))
        show([_short(outcome) for outcome in ordered], OUTCOME_COLUMNS, format_)
    else:
        show([record(outcome) for outcome in outcomes], ALL_OUTCOME_COLUMNS, format_)


def _short(outcome: Outcome) -> dict[str, object]:
    """An outcome for the terminal: what needs a person stands last, next to the prompt."""
    seconds = f"{outcome.duration_s:.1f}" if outcome.duration_s else ""
    return {"row": outcome.row, "vm": outcome.vm, "status": outcome.status, "seconds": seconds, "why": outcome.error}


def exit_code(result: ImportResult) -> int:
    """The documented exit code of a result."""
    if result.stopped:
        return 5
    counts = result.counts
    if any(counts[status] for status in ("failed", "incomplete", "unknown", "held", "not-started")):
        return 4
    return 3 if result.checked.blocked else 0
