"""`ingest rehearse`: a plan or a runbook gone through on a copy of the site, touching nothing real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeFloat, PositiveFloat, PositiveInt

from ingest.cli.output import Format, show, talk
from ingest.cli.progress import shown
from ingest.engine.ledger import durations_so_far
from ingest.rehearsal.comparing import TOLERANCE
from ingest.rehearsal.papers import REHEARSALS, find_papers
from ingest.rehearsal.plan_run import PlanPapers
from ingest.rehearsal.rehearse import Options, rehearse_plan
from ingest.rehearsal.report import VERDICTS, sums, wave_in_words
from ingest.rehearsal.results import Rehearsal, Verdict
from ingest.rehearsal.runbook_run import RunbookPapers, rehearse_runbook
from ingest.rehearsal.tempo import durations_of
from ingest.settings import load_settings
from ingest.stages.import_batch import ImportOptions
from ingest.stages.inputs import look_at_inputs
from ingest.stages.run_folder import REHEARSAL_PAGE, fresh_run_folder

COLUMNS = ("row", "vm", "wave", "status", "seconds", "why", "cure")
CODES: dict[Verdict, int] = {"well": 0, "rows fail": 4, "regressed": 3, "stopped": 5}


def rehearse(
    what: Path | None = None,
    *,
    snapshot: Path | None = None,
    rules: Path | None = None,
    checks: Path | None = None,
    confirm_guesses: Annotated[bool, Parameter(negative=())] = False,
    import_seconds: PositiveFloat | None = None,
    max_concurrent_imports: PositiveInt = 5,
    batch_size: PositiveInt = 10,
    against: Path | None = None,
    tolerance: NonNegativeFloat = TOLERANCE,
    seed: int = 1,
    speed: PositiveFloat | None = None,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """Go through a plan or a runbook on a copy of the site, in accelerated time. Touches nothing real.

    Says what would fail and why, how long each wave takes (predicted and rehearsed), and what changed since the last
    rehearsal. Exit codes: 0 all would come through, 3 something got worse since the last rehearsal, 4 some rows would
    fail, as before, 5 it did not come to its end.

    Parameters
    ----------
    what
        A run folder, a plan (CSV) or a runbook (YAML). Without it the newest plan among the runs; with --snapshot alone
        a plan is made.
    snapshot
        What the copy is made of: a run folder, a world file of ingest twin record, or a folder of govc object.save.
        Without it the snapshot beside the plan.
    rules
        Rules file (YAML) for a plan that is made. Without it INGEST_RUN_RULES, if any.
    checks
        Your own checks, a Great Expectations suite (YAML or JSON). Without it INGEST_RUN_CHECKS, if any.
    confirm_guesses
        Take every guess of the plan for confirmed.
    import_seconds
        How long an import takes. Without it what the ledger knows; it is only read.
    max_concurrent_imports
        Imports in flight at any moment.
    batch_size
        Rows one batch takes at most.
    against
        Folder of the rehearsal to compare with. Without it the last one of the same papers and site.
    tolerance
        Share by which durations may differ and count as the same.
    seed
        Seed of all that is left to chance.
    speed
        Twin seconds per real one while imports are waited for. Without it so many that an import takes an instant.
    config
        TOML file with settings; of them only where runs and ledger are.
    format
        Format of the rows on stdout: those that would fail in a table, all of them otherwise.
    """
    run = load_settings(config).run
    papers = find_papers(what, snapshot, run.folder)
    rules, checks = rules or run.rules, checks or run.checks
    look_at_inputs(rules, papers.plan, None, checks)
    history = [] if import_seconds else durations_so_far(run, papers.endpoint)
    durations = durations_of(history, import_seconds)
    options = Options(
        seed=seed,
        speed=speed,
        imports=ImportOptions(max_concurrent_imports=max_concurrent_imports, batch_size=batch_size),
        against=against,
        tolerance=tolerance,
    )
    with fresh_run_folder(run.folder / REHEARSALS) as folder, shown(talk):
        if papers.runbook:
            book = RunbookPapers(papers.runbook, confirm_guesses=confirm_guesses)
            found = rehearse_runbook(folder, papers.site, book, durations, options)
        else:
            plan = PlanPapers(papers.plan, rules, checks, confirm_guesses)
            found = rehearse_plan(folder, papers.site, plan, durations, options)
    _show(found, format)
    talk.print(f"report: {folder.file(REHEARSAL_PAGE)}", markup=False)
    return CODES[found.verdict]


def _show(found: Rehearsal, format_: Format) -> None:
    rows = found.failing if format_ == "table" else found.rows
    show([row.model_dump(include=set(COLUMNS)) for row in rows], COLUMNS, format_)
    for wave in (*found.waves, found.whole):
        talk.print(f"{f'wave {wave.name}' if wave.name else 'the whole'}: {wave_in_words(wave)}", markup=False)
    for change in found.changes:
        if change.worth != "neither":
            talk.print(f"{change.worth}: {change.what} {change.subject}: {change.before} -> {change.now}", markup=False)
    talk.print(f"durations: {found.basis}", markup=False)
    talk.print(f"{found.verdict}: {VERDICTS[found.verdict]}; {sums(found)}", markup=False)
