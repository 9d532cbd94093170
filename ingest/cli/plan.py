"""`ingest plan`: discover both sides, write the plan, check it. Changes nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ingest.cli.check import show_findings
from ingest.cli.output import DiffFormat, show, talk
from ingest.cli.progress import shown
from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, StageStep, tell
from ingest.errors import UsageError
from ingest.plan.differences import COLUMNS as DIFFERENCE_COLUMNS
from ingest.plan.differences import differences
from ingest.plan.sheet import read_sheet
from ingest.report.tables import record
from ingest.settings import load_settings
from ingest.stages.discover_networks import Scope, discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.inputs import look_at_inputs
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import fresh_run_folder
from ingest.stages.validate import validate


def plan(
    *,
    config: Path | None = None,
    rules: Path | None = None,
    cluster: list[str] | None = None,
    datacenter: str | None = None,
    checks: Path | None = None,
    update: Path | None = None,
    diff: Path | None = None,
    against: Path | None = None,
    format: DiffFormat = "table",
) -> int:
    """Write a plan: one row per VM, every choice with its reason, every finding with its cure. Changes nothing.

    Exit code 3 when rows are blocked by critical findings; the plan is written all the same.

    Parameters
    ----------
    config
        TOML file with settings.
    rules
        Rules file (YAML). Without it INGEST_RUN_RULES, else the built-in defaults.
    cluster
        CloudStack cluster to list, by name or UUID; repeatable. Without it every VMware cluster.
    datacenter
        Only this vCenter datacenter, by name or path.
    checks
        Your own checks, a Great Expectations suite (YAML or JSON). Without it INGEST_RUN_CHECKS, if any.
    update
        An older plan to carry on: its edits, its order and its own columns stay, what is seen is refreshed, and what
        changed since stands in the column changed.
    diff
        A plan to compare with what a new plan would say today, instead of the findings: VMs that came and went, facts
        that changed, values that would be proposed now.
    against
        With --diff: compare with this plan instead; needs no server.
    format
        Format of the findings or differences on stdout.
    """
    if against and not diff:
        raise UsageError("--against needs --diff", cure="ingest plan --diff old.csv --against new.csv")
    if diff and against:
        return show_differences(diff, against, format)
    settings = load_settings(config)
    vcenter, cloudstack, run = settings.vcenter, settings.cloudstack, settings.run
    rules = rules or run.rules
    checks = checks or run.checks
    look_at_inputs(rules, diff, update, checks)
    with fresh_run_folder(run.folder, run.published) as folder, shown(talk):
        tell(StageStarted("discover_networks"))
        found = discover_networks(vcenter, folder, Scope(datacenter))
        tell(StageDone("discover_networks", f"{counted(found.vms, 'VM')} on {counted(found.networks, 'network')}"))
        tell(StageStarted("list_unmanaged"))
        listed = list_unmanaged(
            cloudstack, folder, cluster or (), progress=lambda text: tell(StageStep("list_unmanaged", text))
        )
        tell(StageDone("list_unmanaged", f"{counted(listed.shown, 'VM')} shown by CloudStack, {listed.not_shown} not"))
        tell(StageStarted("enrich_csv"))
        planned = enrich_csv(folder, rules, update)
        tell(StageDone("enrich_csv", f"{counted(planned.to_import, 'VM')} to import, {planned.left_out} left out"))
        tell(StageStarted("validate"))
        checked = validate(folder, checks=checks)
        tell(StageDone("validate", f"{len(checked.ready)} rows ready, {checked.blocked} blocked"))
    if diff:
        talk.print(f"plan: {checked.plan_csv}", markup=False)
        return show_differences(diff, checked.plan_csv, format)
    show_findings(checked, format)
    talk.print(f"plan: {checked.plan_csv}", markup=False)
    talk.print(f"page of findings: {checked.findings_html}", markup=False)
    talk.print(f"next: edit the plan if needed, then: ingest run {checked.plan_csv}", markup=False)
    return 3 if checked.blocked else 0


def show_differences(old: Path, new: Path, format_: DiffFormat) -> int:
    """What differs between two plans on stdout, the sum on stderr. Exit code 0, differences or not."""
    found = differences(read_sheet(old), read_sheet(new))
    show([record(one) for one in found], DIFFERENCE_COLUMNS, format_)
    sums = Counter(one.what for one in found)
    talk.print(", ".join(f"{count} {what}" for what, count in sums.items()) or "no differences", markup=False)
    return 0
