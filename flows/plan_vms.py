"""Discover and plan: the reading half of the pipeline. Changes nothing anywhere; safe to schedule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from ingest.errors import UsageError
from ingest.stages.inputs import look_at_inputs
from ingest.stages.run_folder import fresh_run_folder
from ingest.stages.validate import Validated
from tasks.discover_networks import discover_networks
from tasks.enrich_csv import enrich_csv
from tasks.list_unmanaged import list_unmanaged
from tasks.parameters import Planning, Selection, SiteName, path
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
    site: SiteName = "",
    selection: Selection = Selection(),
    planning: Planning = Planning(),
    runs_folder: str = "",
) -> PlanResult:
    """Discover both sides, write the plan, check it. Changes nothing.

    Args:
        site: Name of the site's credentials blocks. Empty: the settings of the worker.
        selection: Which VMs are looked at. Everything, unless named here.
        planning: Where the plan comes from: a fresh one, an older one carried on, or an edited one to check.
        runs_folder: Where the run's folder is made, a path or URL. Empty: the setting INGEST_RUN_FOLDER, else ./runs.
    """
    if planning.plan and planning.update:
        raise UsageError("an edited plan is checked as it is", place=planning.plan, cure="fill in plan or update")
    run = site_settings(site).run.at(runs_folder)
    rules = path(planning.rules) or run.rules
    checks = path(planning.checks) or run.checks
    look_at_inputs(rules, path(planning.plan), path(planning.update), checks)
    with fresh_run_folder(run.folder, run.published) as folder:
        discover_networks(str(folder.path), selection.datacenter or None, site)
        list_unmanaged(str(folder.path), selection.clusters, site)
        if not planning.plan:
            enrich_csv(str(folder.path), str(rules) if rules else None, planning.update or None)
        checked = validate(
            str(folder.path), planning.plan or None, str(checks) if checks else None, planning.confirm_guesses
        )
        return PlanResult(folder.path, checked)
