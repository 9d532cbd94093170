"""A drill: a rehearsal in which things go wrong, and a grade for how it went."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ingest.engine.journal import outcomes_in
from ingest.engine.ledger import open_ledger
from ingest.engine.rows import Pace
from ingest.model.outcome import Outcome
from ingest.rehearsal.crew import Crew
from ingest.rehearsal.grading import Grade, grade
from ingest.rehearsal.plan_run import PlanPapers, prepare
from ingest.rehearsal.rehearse import Options, Stage, copied, moment, on_twin, plan_waves, waves_of
from ingest.rehearsal.results import RehearsedWave
from ingest.rehearsal.scenario import Scenario, drawn_scenario
from ingest.rehearsal.tempo import Durations
from ingest.rehearsal.worker import Order
from ingest.report.html import render_page
from ingest.runbook.spans import in_words
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.run_folder import DRILL_JSON, DRILL_PAGE, JOURNAL, RunFolder
from ingest.stages.settle import settle_run
from ingest.stages.validate import Validated
from ingest.twin.hurry import Hurry

NOTICED_S = 90.0
"""Twin seconds until a killed worker is noticed and started again: three missing signs of life, as the automation
"ingest: dead worker" counts."""
_ATTEMPTS = 6
_SETTLE_S = 3.0
_NEED_ANOTHER = frozenset({"not-started", "failed", "unknown", "incomplete", "held"})


class Drill(BaseModel):
    """A whole drill, `drill.json`. `whole` is predicted without trouble, and what it took with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: str
    copied_from: str
    made: str
    seed: int
    speed: float
    in_flight: int
    basis: str
    troubles: tuple[str, ...]
    struck: tuple[str, ...]
    whole: RehearsedWave
    grade: Grade


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
    world, in_flight = copy.world, options.imports.max_concurrent_imports
    with on_twin(copy, folder, options, durations) as stage:
        checked = prepare(stage.settings, folder, papers)
        if scenario is None:
            lasts_s = durations.median_s * max(1.0, len(checked.ready) / in_flight)
            hosts = sorted({host.name for host in world.hosts.values()})
            scenario = drawn_scenario(options.seed, rows=len(checked.ready), hosts=hosts, lasts_s=lasts_s)
        people = _Drilled(stage, folder, checked, options, scenario).run()
        _, whole = plan_waves(world, checked, durations, in_flight)
        with world.lock:
            struck = tuple(f"{facts['what']} ({facts['fault']})" for facts in world.cloud.journal.of("fault"))
        found = Drill(
            of=str(papers.plan or folder.path),
            copied_from=copy.source,
            made=moment(),
            seed=options.seed,
            speed=stage.speed,
            in_flight=in_flight,
            basis=durations.basis,
            troubles=scenario.troubles,
            struck=struck,
            whole=whole,
            grade=grade(world, checked.ready, _outcomes(folder), people),
        )
    write_drill(folder, found)
    return found


class _Drilled:
    """The import under way: workers come and go, and a person does what a person would do."""

    def __init__(
        self, stage: Stage, folder: RunFolder, checked: Validated, options: Options, scenario: Scenario
    ) -> None:
        self._stage = stage
        self._world = stage.twin.world
        self._folder = folder
        self._checked = checked
        self._options = options
        self._scenario = scenario
        self._kills = list(scenario.kills)
        self._taken = 0

    def run(self) -> list[str]:
        """Import until everything is imported or nothing more helps; what a person had to do."""
        imports = replace(self._options.imports, pace=Pace(settle_s=_SETTLE_S))
        order = Order.of(self._stage.settings, self._folder.path, imports)
        people: list[str] = []
        in_flight = imports.max_concurrent_imports
        with (
            Crew(order) as self._crew,
            Hurry(self._world, waves_of(self._checked), self._stage.speed, in_flight=in_flight) as hurry,
        ):
            self._crew.get_ready()
            with self._world.lock:
                self._world.import_watchers.append(self._count)
            self._stage.twin.faults.set(self._scenario.script)
            for _ in range(_ATTEMPTS):
                ended = self._crew.go()
                with hurry.client_away():
                    if ended.killed:
                        self._world.clock.wait(threading.Event(), NOTICED_S)
                        people.append("started the run again: its worker was killed (ingest run --resume)")
                if not ended.killed:
                    left = self._left()
                    if not left:
                        break
                    self._cure(left, people)
                    why = f", stopped because {ended.stopped}" if ended.stopped else ""
                    people.append(f"ran it again (ingest run --resume): {len(left)} rows were left{why}")
                self._crew.get_ready()
            else:
                people.pop()  # it was not run once more
        conclude_from_journal(self._folder)
        return people

    def _count(self, what: str, _vm: str) -> None:
        """Kill the worker in the moment an import is taken; called with the world's lock held."""
        if what != "accepted":
            return
        self._taken += 1
        if self._kills and self._taken >= self._kills[0]:
            self._kills.pop(0)
            self._crew.kill()

    def _left(self) -> list[Outcome]:
        return [outcome for outcome in _outcomes(self._folder, self._checked) if outcome.status in _NEED_ANOTHER]

    def _cure(self, left: list[Outcome], people: list[str]) -> None:
        """Half-imported VMs are given back, as the report advises."""
        open_rows = [one for one in left if one.status in ("incomplete", "unknown")]
        if open_rows:
            settings = self._stage.settings
            with open_ledger(settings.run) as ledger:
                settle_run(settings.cloudstack, self._folder, cure=True, patience_s=_SETTLE_S, ledger=ledger)
            people.append(f"settled {len(open_rows)} rows whose end was not known (ingest settle --yes)")


def _outcomes(folder: RunFolder, checked: Validated | None = None) -> list[Outcome]:
    """What the run knows of its rows; with `checked` those it never touched are `not-started`."""
    journal = folder.file(JOURNAL)
    known = outcomes_in(journal) if journal.exists() else []
    seen = {outcome.row for outcome in known}
    missing = [call for call in checked.ready if call.row not in seen] if checked else []
    return [*known, *(Outcome(call.row, call.vm, "not-started") for call in missing)]


def write_drill(folder: RunFolder, found: Drill) -> None:
    """Write `drill.json` and `drill.html`."""
    folder.write(DRILL_JSON, found.model_dump_json(indent=1).encode() + b"\n")
    page = render_page(
        "drill.html",
        title=f"Drill {found.seed} of {Path(found.of).name}",
        drill=found,
        span=lambda seconds: "–" if seconds is None else in_words(seconds),
    )
    folder.write(DRILL_PAGE, page)
