"""`ingest drill`: an import or a recovery on a copy of the site while things go wrong, and its grade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveFloat, PositiveInt

from ingest.cli.output import Format, show, talk
from ingest.cli.progress import shown
from ingest.engine.ledger import durations_so_far
from ingest.errors import UsageError
from ingest.rehearsal.drill import drill_plan
from ingest.rehearsal.papers import REHEARSALS, find_papers
from ingest.rehearsal.plan_run import PlanPapers
from ingest.rehearsal.rehearse import Options
from ingest.rehearsal.runbook_drill import drill_runbook
from ingest.rehearsal.runbook_run import RunbookPapers
from ingest.rehearsal.scenario import scripted
from ingest.rehearsal.tempo import durations_of
from ingest.settings import load_settings
from ingest.stages.import_batch import ImportOptions
from ingest.stages.inputs import look_at_inputs
from ingest.stages.run_folder import DRILL_PAGE, fresh_run_folder
from ingest.twin.faults.script import read_script

COLUMNS = ("what", "text")


def drill(
    what: Path | None = None,
    *,
    seed: int = 1,
    faults: Path | None = None,
    kill_after: list[PositiveInt] | None = None,
    snapshot: Path | None = None,
    import_seconds: PositiveFloat | None = None,
    max_concurrent_imports: PositiveInt = 5,
    batch_size: PositiveInt = 10,
    speed: PositiveFloat | None = None,
    confirm_guesses: Annotated[bool, Parameter(negative=())] = False,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """Go through a plan or a runbook on a copy of the site while things go wrong, and grade it. Touches nothing real.

    Finished, rows lost and VMs imported twice (by the twin's own journal, both must be 0), how long it took against
    the runbook's target, what a person had to do. Exit codes: 0 passed, 4 not.

    Parameters
    ----------
    what
        A run folder, a plan (CSV) or a runbook (YAML). Without it the newest plan among the runs; with --snapshot alone
        a plan is made.
    seed
        Which trouble: three of six kinds, drawn. The same seed and site give the same trouble.
    faults
        Script of faults (YAML) instead, see docs/how-to/faults.md.
    kill_after
        With --faults: kill our own worker when so many imports were taken; repeatable.
    snapshot
        What the copy is made of: a run folder, a world file or a recording. Without it the snapshot beside the plan.
    import_seconds
        How long an import takes. Without it what the ledger knows; it is only read.
    max_concurrent_imports
        Imports in flight at any moment.
    batch_size
        Rows one batch takes at most.
    speed
        Twin seconds per real one while imports are waited for.
    confirm_guesses
        Take what planning had to guess for confirmed.
    config
        TOML file with settings; of them only where runs and ledger are.
    format
        Format of the grade on stdout.
    """
    if kill_after and faults is None:
        raise UsageError("--kill-after goes with --faults", cure="a seed decides itself when the worker is killed")
    run = load_settings(config).run
    papers = find_papers(what, snapshot, run.folder)
    look_at_inputs(run.rules, papers.plan, None, run.checks)
    scenario = scripted(read_script(faults), kill_after or ()) if faults else None
    history = [] if import_seconds else durations_so_far(run, papers.endpoint)
    options = Options(
        seed=seed,
        speed=speed,
        imports=ImportOptions(max_concurrent_imports=max_concurrent_imports, batch_size=batch_size),
    )
    with fresh_run_folder(run.folder / REHEARSALS) as folder, shown(talk):
        durations = durations_of(history, import_seconds)
        if papers.runbook:
            book = RunbookPapers(papers.runbook, confirm_guesses=confirm_guesses)
            found = drill_runbook(folder, papers.site, book, durations, options, scenario)
        else:
            plan = PlanPapers(papers.plan, run.rules, run.checks, confirm_guesses)
            found = drill_plan(folder, papers.site, plan, durations, options, scenario)
    grade = found.grade
    rows = [{"what": "finished", "text": "yes" if grade.finished else "no"}]
    rows += [{"what": "trouble", "text": text} for text in found.troubles]
    rows += [{"what": "by a person", "text": text} for text in grade.people]
    rows += [{"what": "signed", "text": text} for text in found.signed]
    rows += [{"what": "lost", "text": text} for text in grade.lost]
    rows += [{"what": "imported twice", "text": text} for text in grade.doubled]
    rows += [{"what": "not imported", "text": text} for text in grade.left]
    show(rows, COLUMNS, format)
    talk.print(f"{found.words}; {found.took}", markup=False)
    talk.print(f"report: {folder.file(DRILL_PAGE)}", markup=False)
    return 0 if grade.passed else 4
