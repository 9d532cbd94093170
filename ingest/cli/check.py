"""`ingest check`: check an edited plan against a saved snapshot, offline."""

from __future__ import annotations

from pathlib import Path

from ingest.cli.output import DiffFormat, Format, show, talk
from ingest.counting import counted
from ingest.model.outcome import Level
from ingest.report.tables import record
from ingest.settings import load_settings
from ingest.stages.inputs import look_at_inputs
from ingest.stages.run_folder import SNAPSHOT, existing_run_folder, fresh_run_folder
from ingest.stages.validate import FINDING_COLUMNS, Validated, validate


def check(
    plan: Path,
    *,
    snapshot: Path | None = None,
    checks: Path | None = None,
    rule: list[str] | None = None,
    level: list[Level] | None = None,
    format: Format = "table",
) -> int:
    """Check a plan against the snapshot it was made from. Needs no server, changes nothing of yours.

    Exit code 3 when rows are blocked by critical findings.

    Parameters
    ----------
    plan
        The plan (CSV), edited or not.
    snapshot
        Run folder or snapshot.json to check against. Without it, the snapshot next to the plan.
    checks
        Your own checks, a Great Expectations suite (YAML or JSON). Without it INGEST_RUN_CHECKS, if any.
    rule
        Show only findings of this rule, such as HOST-003; repeatable. Every rule is checked all the same.
    level
        Show only findings of this level: critical, warning or info; repeatable.
    format
        Format of the findings on stdout.
    """
    source = snapshot or plan.parent
    source = source.parent if source.name == SNAPSHOT else source
    origin = existing_run_folder(source)
    saved = origin.need(SNAPSHOT, made_by="list_unmanaged")
    checks = checks or load_settings().run.checks
    look_at_inputs(None, plan, None, checks)
    with fresh_run_folder(source / "checks") as folder:
        folder.write(SNAPSHOT, saved.read_bytes())
        checked = validate(folder, plan, checks=checks)
    show_findings(checked, format, frozenset(rule or ()), frozenset(level or ()))
    talk.print(f"page of findings: {checked.findings_html}", markup=False)
    talk.print(f"checked copy, findings and calls: {folder.path}", markup=False)
    talk.print(f"next: {'mend the plan and check again' if checked.blocked else f'ingest run {plan}'}", markup=False)
    return 3 if checked.blocked else 0


def show_findings(
    checked: Validated,
    format_: DiffFormat,
    rules: frozenset[str] = frozenset(),
    levels: frozenset[Level] = frozenset(),
) -> None:
    """Findings on stdout, of some rules or levels only when they are named; the sum of all on stderr."""
    columns = ("row", "vm", "column", "rule", "level", "message", "fix") if format_ == "table" else FINDING_COLUMNS
    shown = [
        record(finding)
        for finding in checked.findings
        if (not rules or finding.rule in rules) and (not levels or finding.level in levels)
    ]
    show(shown, columns, format_)
    sums = checked.levels
    talk.print(
        f"{counted(len(checked.ready), 'row')} ready, {checked.blocked} blocked; "
        f"{counted(sums['critical'], 'critical finding')}, {counted(sums['warning'], 'warning')}, "
        f"{sums['info']} informational"
    )
