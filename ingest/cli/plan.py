"""`ingest plan`: discover both sides, write the plan, check it. Changes nothing."""

from __future__ import annotations

from pathlib import Path

from ingest.cli.check import show_findings
from ingest.cli.output import Format, talk
from ingest.cli.progress import shown
from ingest.engine.events import StageDone, StageStarted, StageStep, tell
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
    format: Format = "table",
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
    format
        Format of the findings on stdout.
    """
    settings = load_settings(config)
    vcenter, cloudstack, run = settings.vcenter, settings.cloudstack, settings.run
    rules = rules or run.rules
    look_at_inputs(rules, None)
    with fresh_run_folder(run.folder) as folder, shown(talk):
        tell(StageStarted("discover_networks"))
        found = discover_networks(vcenter, folder, Scope(datacenter))
        tell(StageDone("discover_networks", f"{found.vms} VMs on {found.networks} networks"))
        tell(StageStarted("list_unmanaged"))
        listed = list_unmanaged(
            cloudstack, folder, cluster or (), progress=lambda text: tell(StageStep("list_unmanaged", text))
        )
        tell(StageDone("list_unmanaged", f"{listed.shown} VMs shown by CloudStack, {listed.not_shown} not"))
        tell(StageStarted("enrich_csv"))
        planned = enrich_csv(folder, rules)
        tell(StageDone("enrich_csv", f"{planned.to_import} VMs to import, {planned.left_out} left out"))
        tell(StageStarted("validate"))
        checked = validate(folder)
        tell(StageDone("validate", f"{len(checked.ready)} rows ready, {checked.blocked} blocked"))
    show_findings(checked, format)
    talk.print(f"plan: {checked.plan_csv}", markup=False)
    talk.print(f"next: edit the plan if needed, then: ingest run {checked.plan_csv}", markup=False)
    return 3 if checked.blocked else 0
