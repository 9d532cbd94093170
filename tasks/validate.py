"""Stage 4 as a task: the checks."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, tell
from ingest.report.tables import record
from ingest.stages.run_folder import existing_run_folder
from ingest.stages.validate import Validated, call_row
from ingest.stages.validate import validate as check
from tasks.artifacts import table


@task(name="validate", cache_policy=NO_CACHE)
def validate(
    folder: str, plan: str | None = None, checks: str | None = None, confirm_guesses: bool = False
) -> Validated:
    """Check the plan against what both servers said; findings by row, column, rule and level."""
    tell(StageStarted("validate"))
    checked = check(
        existing_run_folder(Path(folder)),
        Path(plan) if plan else None,
        checks=Path(checks) if checks else None,
        confirm_guesses=confirm_guesses,
    )
    levels = checked.levels
    text = (
        f"{counted(len(checked.ready), 'row')} ready, {checked.blocked} blocked; "
        f"{counted(levels['critical'], 'critical finding')}, {counted(levels['warning'], 'warning')}, "
        f"{levels['info']} informational"
    )
    found = sorted(checked.findings, key=lambda one: ("critical", "warning", "info").index(one.level))
    table(
        "findings",
        [record(one) for one in found],
        f"{text}. Whole list: {checked.findings_csv}",
        first=("row", "vm", "level", "message", "fix"),
    )
    table("calls", [call_row(one) for one in checked.ready], f"What an import would send: {checked.calls_csv}")
    tell(StageDone("validate", text))
    return checked
