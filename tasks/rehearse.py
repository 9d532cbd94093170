"""A rehearsal as a task, and what it found as artifacts. No credentials are read: a rehearsal has its twin's own."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.ledger import durations_so_far
from ingest.rehearsal.papers import REHEARSALS, find_papers
from ingest.rehearsal.plan_run import PlanPapers
from ingest.rehearsal.rehearse import Options, rehearse_plan
from ingest.rehearsal.report import VERDICTS, sums, wave_in_words
from ingest.rehearsal.results import Rehearsal
from ingest.rehearsal.runbook_run import RunbookPapers, rehearse_runbook
from ingest.rehearsal.tempo import durations_of
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import REHEARSAL_PAGE, fresh_run_folder
from tasks.artifacts import markdown, table
from tasks.parameters import path
from tasks.site import run_settings_of


@task(name="rehearse", cache_policy=NO_CACHE, persist_result=False)
def rehearse(
    what: str,
    snapshot: str,
    site: str,
    import_seconds: float,
    max_concurrent_imports: int,
    tolerance: float,
    runs_folder: str,
) -> tuple[Path, Rehearsal]:
    """The folder of the rehearsal and what it found; artifacts `rehearsal`, `rehearsal-rows`, `rehearsal-changes`."""
    run = run_settings_of(site)
    runs = path(runs_folder) or run.folder
    papers = find_papers(path(what), path(snapshot), runs)
    history = [] if import_seconds else durations_so_far(run, papers.endpoint)
    durations = durations_of(history, import_seconds or None)
    options = Options(imports=ImportOptions(max_concurrent_imports=max_concurrent_imports), tolerance=tolerance)
    with fresh_run_folder(runs / REHEARSALS) as folder:
        if papers.runbook:
            found = rehearse_runbook(folder, papers.site, RunbookPapers(papers.runbook), durations, options)
        else:
            plan = PlanPapers(papers.plan, run.rules, run.checks)
            found = rehearse_plan(folder, papers.site, plan, durations, options)
    markdown("rehearsal", rehearsal_page(found, folder.file(REHEARSAL_PAGE)), "what would happen, and what got worse")
    columns = {"row", "vm", "wave", "status", "why", "cure"}
    table("rehearsal-rows", [row.model_dump(include=columns) for row in found.failing], "Rows that would fail.")
    since = f"Since {found.since}." if found.since else "The first rehearsal: nothing to compare with."
    table("rehearsal-changes", [change.model_dump() for change in found.changes], since)
    return folder.path, found


def rehearsal_page(found: Rehearsal, page: Path) -> str:
    """What is seen first, Markdown."""
    lines = [f"**{found.verdict}**: {VERDICTS[found.verdict]}. {sums(found)}.\n", f"Durations: {found.basis}\n"]
    lines += [
        f"- {f'wave {wave.name}' if wave.name else 'the whole'}: {wave_in_words(wave)}"
        for wave in (*found.waves, found.whole)
    ]
    lines += [f"- worse: {one.what} {one.subject}: {one.before}, now {one.now}" for one in found.worse[:50]]
    return "\n".join([*lines, f"\nThe whole report, on the worker: `{page}`"])
