"""Discover and plan: the reading half of the pipeline. Changes nothing anywhere; safe to schedule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from ingest.stages.inputs import look_at_inputs
from ingest.stages.run_folder import fresh_run_folder
from ingest.stages.validate import Validated
from tasks.discover_networks import discover_networks
from tasks.enrich_csv import enrich_csv
from tasks.list_unmanaged import list_unmanaged
from tasks.run_names import stamped
from tasks.site import site_settings
from tasks.validate import validate


@dataclass(frozen=True, slots=True)
class PlanResult:
    """Where the plan is and what the checks said."""

    folder: Path
    checked: Validated


@flow(name="plan-vms", flow_run_name=stamped("plan"))
def plan_vms(
    rules: str | None = None,
    clusters: list[str] | None = None,
    datacenter: str | None = None,
    plan: str | None = None,
    runs_folder: str | None = None,
    confirm_guesses: bool = False,
    update: str | None = None,
    checks: str | None = None,
) -> PlanResult:
    """Discover both sides, write the plan, check it. Changes nothing.

    Args:
        rules: Rules file (YAML) on the worker. Empty: the setting INGEST_RUN_RULES, else the built-in defaults.
        clusters: CloudStack clusters to list, by name or UUID. Empty: every VMware cluster.
        datacenter: vCenter datacenter to read, by name or path. Empty: all.
        plan: An edited plan (CSV) to check instead of writing a new one.
        runs_folder: Where the run's folder is made. Empty: the setting INGEST_RUN_FOLDER, else ./runs.
        confirm_guesses: Take every guess of the plan for confirmed.
        update: An older plan (CSV) on the worker to carry on: its edits and its order stay, what is seen is refreshed.
        checks: Your own checks (a Great Expectations suite) on the worker. Empty: the setting INGEST_RUN_CHECKS.
    """
    run = site_settings().run
    rules_file = Path(rules) if rules else run.rules
    own_checks = Path(checks) if checks else run.checks
    look_at_inputs(rules_file, Path(plan) if plan else None, Path(update) if update else None, own_checks)
    with fresh_run_folder(Path(runs_folder) if runs_folder else run.folder) as folder:
        discover_networks(str(folder.path), datacenter)
        list_unmanaged(str(folder.path), clusters)
        if plan is None:
            enrich_csv(str(folder.path), str(rules_file) if rules_file else None, update)
        checked = validate(str(folder.path), plan, str(own_checks) if own_checks else None, confirm_guesses)
        return PlanResult(folder.path, checked)
