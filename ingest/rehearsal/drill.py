"""A drill of a plan: its import gone through on a copy of the site while things go wrong, and a grade for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ingest.engine.journal import outcomes_in
from ingest.engine.rows import Pace
from ingest.rehearsal.allowance import allowance_s
from ingest.rehearsal.drilled import Drill, write_drill
from ingest.rehearsal.drilling import SETTLE_S, Drilling, hosts_of, struck_in
from ingest.rehearsal.grading import grade
from ingest.rehearsal.plan_run import PlanPapers, prepare
from ingest.rehearsal.rehearse import Options, copied, moment, on_twin, plan_waves, waves_of
from ingest.rehearsal.scenario import Scenario, drawn_scenario
from ingest.rehearsal.tempo import Durations
from ingest.rehearsal.worker import Order
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.run_folder import JOURNAL, RunFolder
from ingest.stages.validate import Validated

_NEED_ANOTHER = frozenset({"not-started", "failed", "unknown", "incomplete", "held"})


def drill_plan(
    folder: RunFolder,
    site: Path,
    papers: PlanPapers,
    durations: Durations,
    options: Options,
    scenario: Scenario | None = None,
) -> Drill:
    """Import a plan on the copy of `site` while things go wrong; without a scenario one is drawn from the seed.

    The import runs in a process of its own that the drill may kill; what a person would do is done, and counted.
    """
    copy = copied(site, durations, options)
    in_flight = options.imports.max_concurrent_imports
    with on_twin(copy, folder, options, durations) as stage:
        checked = prepare(stage.settings, folder, papers)
        if scenario is None:
            lasts_s = durations.median_s * max(1.0, len(checked.ready) / in_flight)
            scenario = drawn_scenario(options.seed, rows=len(checked.ready), hosts=hosts_of(stage), lasts_s=lasts_s)
        order = Order.of(stage.settings, folder.path, replace(options.imports, pace=Pace(settle_s=SETTLE_S)))

        def left(_ended: object) -> list[str]:
            known = _known(folder, checked)
            return [known[call.row][0] for call in checked.ready if known[call.row][0] in _NEED_ANOTHER]

        drilled = Drilling(stage, folder, order, scenario, left, "ingest run --resume").run(waves_of(checked), 1.0)
        conclude_from_journal(folder)
        waves, whole = plan_waves(copy.world, checked, durations, in_flight)
        found = Drill(
            of=str(papers.plan or folder.path),
            copied_from=copy.source,
            made=moment(),
            seed=options.seed,
            speed=stage.speed,
            in_flight=in_flight,
            basis=durations.basis,
            troubles=scenario.troubles,
            struck=struck_in(stage),
            trouble_s=round(allowance_s(scenario, durations, in_flight=in_flight), 1),
            whole=whole,
            waves=tuple(waves),
            grade=grade(copy.world, checked.ready, _known(folder), drilled.people),
        )
    write_drill(folder, found)
    return found


def _known(folder: RunFolder, checked: Validated | None = None) -> Mapping[int, tuple[str, str]]:
    """What the run knows of its rows, status and error; with `checked` those it never touched are `not-started`."""
    journal = folder.file(JOURNAL)
    rows = {one.row: (one.status, one.error) for one in (outcomes_in(journal) if journal.exists() else [])}
    return {call.row: ("not-started", "") for call in (checked.ready if checked else ())} | rows
