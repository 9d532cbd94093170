"""A drill as a task, and its grade as an artifact."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.ledger import durations_so_far
from ingest.errors import UsageError
from ingest.rehearsal.drill import Drill, drill_plan
from ingest.rehearsal.papers import REHEARSALS, find_papers
from ingest.rehearsal.plan_run import PlanPapers
from ingest.rehearsal.rehearse import Options
from ingest.rehearsal.report import wave_in_words
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
    if papers.runbook:
        raise UsageError("a drill goes through a plan", place=what, cure="name a run folder or a plan (CSV)")
    history = [] if import_seconds else durations_so_far(run, papers.endpoint)
    options = Options(seed=seed, imports=ImportOptions(max_concurrent_imports=in_flight))
    with fresh_run_folder(runs / REHEARSALS) as folder:
        plan = PlanPapers(papers.plan, run.rules, run.checks)
        found = drill_plan(folder, papers.site, plan, durations_of(history, import_seconds or None), options)
    markdown("drill", drill_page(found, folder.file(DRILL_PAGE)), "the grade of a drill")
    return found


def drill_page(found: Drill, page: Path) -> str:
    """What is seen first, Markdown."""
    lines = [f"**{found.grade.words}**; {wave_in_words(found.whole)}\n"]
    for title, texts in (("Trouble", found.troubles), ("By a person", found.grade.people), ("Left", found.grade.left)):
        lines += [f"## {title}\n", *(f"- {text}" for text in texts[:50]), ""] if texts else []
    return "\n".join([*lines, f"The whole report, on the worker: `{page}`"])
