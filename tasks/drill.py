"""A drill as a task, and its grade as an artifact."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.ledger import durations_so_far
from ingest.rehearsal.drill import drill_plan
from ingest.rehearsal.drilled import Drill
from ingest.rehearsal.papers import REHEARSALS, find_papers
from ingest.rehearsal.plan_run import PlanPapers
from ingest.rehearsal.rehearse import Options
from ingest.rehearsal.runbook_drill import drill_runbook
from ingest.rehearsal.runbook_run import RunbookPapers
from ingest.rehearsal.tempo import durations_of
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import DRILL_PAGE, fresh_run_folder
from tasks.artifacts import markdown
from tasks.parameters import path
from tasks.site import run_settings_of


@task(name="drill", cache_policy=NO_CACHE, persist_result=False)
def drill(
    what: str, snapshot: str, seed: int, site: str, import_seconds: float, in_flight: int, runs_folder: str
) -> Drill:
    """Hold the drill; artifact `drill`."""
    run = run_settings_of(site)
    runs = path(runs_folder) or run.folder
    papers = find_papers(path(what), path(snapshot), runs)
    history = [] if import_seconds else durations_so_far(run, papers.endpoint)
    options = Options(seed=seed, imports=ImportOptions(max_concurrent_imports=in_flight))
    with fresh_run_folder(runs / REHEARSALS) as folder:
        durations = durations_of(history, import_seconds or None)
        if papers.runbook:
            found = drill_runbook(folder, papers.site, RunbookPapers(papers.runbook), durations, options)
        else:
            plan = PlanPapers(papers.plan, run.rules, run.checks)
            found = drill_plan(folder, papers.site, plan, durations, options)
    markdown("drill", drill_page(found, folder.file(DRILL_PAGE)), "the grade of a drill")
    return found


def drill_page(found: Drill, page: Path) -> str:
    """What is seen first, Markdown."""
    lines = [f"**{found.words}**; {found.took}\n"]
    for title, texts in (
        ("Trouble", found.troubles),
        ("By a person", found.grade.people),
        ("Signed", found.signed),
        ("Left", found.grade.left),
    ):
        lines += [f"## {title}\n", *(f"- {text}" for text in texts[:50]), ""] if texts else []
    return "\n".join([*lines, f"The whole report, on the worker: `{page}`"])
