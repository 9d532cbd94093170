"""A drill of a runbook: the site lost and brought back on its copy while things go wrong, and a grade for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from ingest.counting import counted
from ingest.engine.rows import Pace
from ingest.recovery.course import read_course
from ingest.recovery.report import Report
from ingest.rehearsal.allowance import allowance_s
from ingest.rehearsal.crew import Ended
from ingest.rehearsal.drilled import Drill, write_drill
from ingest.rehearsal.drilling import SETTLE_S, Drilled, Drilling, hosts_of, struck_in
from ingest.rehearsal.grading import Grade, grade
from ingest.rehearsal.lent_clock import ClockLender
from ingest.rehearsal.rehearse import Options, moment, on_twin
from ingest.rehearsal.runbook_run import USUAL_SPEED, RunbookPapers, lost_site, waves_in, whole_of
from ingest.rehearsal.scenario import Scenario, drawn_scenario
from ingest.rehearsal.tempo import Durations
from ingest.rehearsal.worker import Order, RecoveryOrder
from ingest.stages.run_folder import RECOVERY_JSON, RunFolder
from ingest.twin.world import World

_NO_HELP = frozenset({"blocked", "missing", "skipped"})
"""What no other attempt changes: the plan has to be mended."""


def drill_runbook(
    folder: RunFolder,
    site: Path,
    papers: RunbookPapers,
    durations: Durations,
    options: Options,
    scenario: Scenario | None = None,
) -> Drill:
    """Recover the copy of `site` by a runbook while things go wrong; without a scenario one is drawn from the seed.

    The recovery runs in a process of its own that the drill may kill. Sign-offs are given after their time, gates go
    on. Raises the errors of unreadable papers.
    """
    lost = lost_site(folder, site, papers, durations, options)
    world, assigned = lost.copy.world, lost.assigned
    rows = sum(len(one.rows) for one in assigned.waves)
    in_flight = options.imports.max_concurrent_imports
    with on_twin(lost.copy, folder, options, durations) as stage, ClockLender(world.clock) as lender:
        if scenario is None:
            lasts_s = durations.median_s * max(1.0, rows / in_flight)
            scenario = drawn_scenario(options.seed, rows=rows, hosts=hosts_of(stage), lasts_s=lasts_s)
        recovery = RecoveryOrder(
            clock=lender.address, key=lender.key, fast=stage.speed, confirm_guesses=papers.confirm_guesses
        )
        imports = replace(options.imports, pace=Pace(settle_s=SETTLE_S))
        order = Order.of(stage.settings, folder.path, imports, recovery)
        drilling = Drilling(
            stage, folder, order, scenario, lambda ended: _left(folder, ended), "ingest recover --resume"
        )
        drilled = drilling.run(lost.waves, USUAL_SPEED)
        report = _report(folder)
        found = Drill(
            kind="runbook",
            of=str(papers.runbook),
            copied_from=lost.copy.source,
            made=moment(),
            seed=options.seed,
            speed=stage.speed,
            in_flight=in_flight,
            basis=lost.basis(durations),
            troubles=scenario.troubles,
            struck=struck_in(stage),
            trouble_s=round(allowance_s(scenario, durations, in_flight=in_flight), 1),
            whole=whole_of(report, lost.runbook, assigned),
            waves=tuple(waves_in(report, assigned)),
            signed=tuple(f"{one['key']}: {one['decision']}" for one in (report.people if report else ())),
            grade=_grade(world, folder, report, rows, drilled),
        )
    write_drill(folder, found)
    return found


def _report(folder: RunFolder) -> Report | None:
    """What the recovery wrote of itself, None when every worker was killed before it could."""
    path = folder.file(RECOVERY_JSON)
    return Report.model_validate_json(path.read_bytes()) if path.exists() else None


def _left(folder: RunFolder, ended: Ended) -> list[str]:
    """The VMs that are not where they were to be and that another attempt may bring there, by their status."""
    report = _report(folder)
    vms = report.vms if report else []
    left = [vm.imported or "not-started" for vm in vms if not vm.well and vm.imported not in _NO_HELP]
    # One that stopped before anything was planned has no VMs to speak of, and is tried again all the same.
    return left or (["not-started"] if ended.stopped and not read_course(folder) else [])


def _grade(world: World, folder: RunFolder, report: Report | None, rows: int, drilled: Drilled) -> Grade:
    """Graded as an import, then what else a recovery is for: VMs found, started, healthy."""
    course = read_course(folder)
    vms = [vm for wave in course.waves for vm in wave.vms] if course else []
    there = [vm for vm in vms if not vm.missing]
    results = report.vms if report else []
    known = {vm.row: (vm.imported or "not-started", vm.why) for vm in results}
    graded = grade(world, there, known, drilled.people)
    left = [*graded.left, *(f"{vm.vm}: {vm.missing}" for vm in vms if vm.missing)]
    left += [f"{vm.vm}: imported, then {vm.why}" for vm in results if vm.imported == "imported" and not vm.well]
    if not course:
        left.append(f"nothing was planned: {counted(rows, 'VM')} of the stored plan")
    if drilled.stopped or not report:
        left.append(drilled.stopped or "no worker came to its end")
    with world.lock:
        journal = world.cloud.journal
        registered = Counter(str(facts["path"]) for facts in journal.of("registered"))
    twice = [f"{path} (registered)" for path, times in sorted(registered.items()) if times > 1]
    return graded.model_copy(
        update={"left": tuple(left), "finished": not left and not graded.lost, "doubled": (*graded.doubled, *twice)}
    )
