"""Stage 3 as a task: the plan."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, tell
from ingest.stages.enrich_csv import Planned
from ingest.stages.enrich_csv import enrich_csv as enrich
from ingest.stages.run_folder import existing_run_folder
from tasks.artifacts import markdown


@task(name="enrich_csv", cache_policy=NO_CACHE)
def enrich_csv(folder: str, rules: str | None = None, update: str | None = None) -> Planned:
    """Join both sides, apply the rules, write the plan; `update` is an older plan to carry on."""
    tell(StageStarted("enrich_csv"))
    planned = enrich(
        existing_run_folder(Path(folder)), Path(rules) if rules else None, Path(update) if update else None
    )
    text = f"{counted(planned.to_import, 'VM')} to import, {planned.left_out} left out"
    markdown("plan", f"**Plan**: {text}.\n\n`{planned.plan_csv}`", text)
    tell(StageDone("enrich_csv", text))
    return planned
