"""The stages of an import gone through on a twin: read, checked, imported wave by wave, concluded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, tell
from ingest.engine.importing import BatchResult
from ingest.model.outcome import Outcome
from ingest.model.request import PlannedImport
from ingest.settings import Settings
from ingest.stages.conclude import conclude, conclude_from_journal
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.import_batch import ImportOptions, ImportRun
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import RunFolder
from ingest.stages.validate import Validated, validate


@dataclass(frozen=True, slots=True)
class PlanPapers:
    """What is gone through: a plan, or without one whatever the rules say of the site; own checks."""

    plan: Path | None = None
    rules: Path | None = None
    checks: Path | None = None
    confirm_guesses: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """An outcome for every row of the sheet; `systemic` says why the line was stopped, '' when it was not."""

    outcomes: tuple[Outcome, ...]
    systemic: str = ""


def prepare(settings: Settings, folder: RunFolder, papers: PlanPapers) -> Validated:
    """Both sides read, the plan checked against them; the folder then has the calls. Raises as the stages."""
    tell(StageStarted("discover_networks"))
    seen = discover_networks(settings.vcenter, folder)
    tell(StageDone("discover_networks", f"{counted(seen.vms, 'VM')}"))
    tell(StageStarted("list_unmanaged"))
    listed = list_unmanaged(settings.cloudstack, folder)
    tell(StageDone("list_unmanaged", f"{counted(listed.shown, 'VM')} listed, {listed.not_shown} not"))
    if papers.plan is None:
        tell(StageStarted("enrich_csv"))
        planned = enrich_csv(folder, papers.rules)
        tell(StageDone("enrich_csv", f"{counted(planned.to_import, 'VM')} to import, {planned.left_out} left out"))
    tell(StageStarted("validate"))
    checked = validate(folder, papers.plan, checks=papers.checks, confirm_guesses=papers.confirm_guesses)
    tell(StageDone("validate", f"{len(checked.ready)} ready, {checked.blocked} blocked"))
    return checked


def import_plan(
    settings: Settings, folder: RunFolder, options: ImportOptions, stop: threading.Event | None = None
) -> Imported:
    """Import what `prepare` approved. Doing it again goes on where it stopped; nothing is imported twice."""
    stop = stop or threading.Event()
    systemic = ""
    outcomes: list[Outcome] = []
    with ImportRun(settings.cloudstack, settings.vcenter, settings.run, folder, stop, options) as run:
        tell(StageStarted("import_batch", len(run.calls)))
        try:
            with ThreadPoolExecutor(options.max_concurrent_imports, thread_name_prefix="import") as pool:
                for wave in run.waves():
                    for members in run.rounds(wave):
                        for batch in _round(run, pool, members):
                            outcomes += batch.outcomes
                            systemic = systemic or batch.systemic
        except BaseException:
            conclude_from_journal(folder)
            raise
    tell(StageDone("import_batch", f"{counted(len(outcomes), 'row')}"))
    return Imported(conclude(folder, outcomes).outcomes, systemic)


def _round(
    run: ImportRun, pool: ThreadPoolExecutor, members: Sequence[tuple[PlannedImport, ...]]
) -> Sequence[BatchResult]:
    try:
        return list(pool.map(run.import_batch, members))
    except BaseException:
        run.stop.set()
        raise
