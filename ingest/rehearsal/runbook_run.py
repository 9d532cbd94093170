"""A runbook rehearsed: the site lost and brought back on its copy, by the sequence that would recover it."""

from __future__ import annotations

import statistics
import threading
from dataclasses import dataclass
from pathlib import Path

from ingest.counting import counted
from ingest.engine.starting import StartPace
from ingest.errors import FindingsBlock, Stopped
from ingest.model.outcome import Outcome
from ingest.plan.sheet import Sheet, read_sheet
from ingest.recovery.course import Course, kept_runbook, read_course
from ingest.recovery.report import Report, WaveReport
from ingest.recovery.results import VmResult
from ingest.recovery.sequence import Recovery, RecoveryOptions, begin_folder, recover
from ingest.rehearsal.rehearse import Options, compared, copied, moment, on_twin
from ingest.rehearsal.replicas import Replicas, lay_replicas
from ingest.rehearsal.report import last_rehearsal
from ingest.rehearsal.results import Rehearsal, RehearsedRow, RehearsedWave
from ingest.rehearsal.rows import cures_of
from ingest.rehearsal.site_copy import SiteCopy
from ingest.rehearsal.tempo import Durations
from ingest.rehearsal.times import import_seconds
from ingest.rehearsal.twin_time import NobodyReally, TwinClock, Unhurried, twin_time
from ingest.report.tables import json_bytes
from ingest.runbook.assignment import Assignment, assign_waves
from ingest.runbook.model import Runbook
from ingest.settings import Settings
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import REHEARSED, STORED_PLAN, RunFolder
from ingest.twin.hurry import Hurry

USUAL_SPEED = 10.0
"""Twin seconds per real one while VMs are registered, started and checked: much of that is this program's own work."""


@dataclass(frozen=True, slots=True)
class RunbookPapers:
    """A runbook, and the stored plan if not the one it names."""

    runbook: Path
    plan: Path | None = None
    confirm_guesses: bool = False


@dataclass(frozen=True, slots=True)
class LostSite:
    """A copy of a site that a runbook is to bring back. `waves` are its VMs by name."""

    copy: SiteCopy
    runbook: Runbook
    stored: Sheet
    laid: Replicas
    assigned: Assignment

    @property
    def waves(self) -> list[list[str]]:
        """The VMs of each wave, by name."""
        return [[row["vm"] for row in wave.rows] for wave in self.assigned.waves]

    def basis(self, durations: Durations) -> str:
        """What durations and VMs are from, in words."""
        laid = self.laid
        return f"{durations.basis}; {counted(laid.taken, 'VM')} of the copy lost, {laid.made} made of the stored plan"


def lost_site(folder: RunFolder, site: Path, papers: RunbookPapers, durations: Durations, options: Options) -> LostSite:
    """The papers in `folder`, and the copy of `site` after the disaster. Raises the errors of unreadable papers."""
    begin_folder(folder, papers.runbook, papers.plan)
    runbook = kept_runbook(folder).runbook
    stored = read_sheet(folder.need(STORED_PLAN, made_by="rehearse"))
    copy = copied(site, durations, options)
    laid = lay_replicas(copy.world, runbook, stored)
    import_s, in_flight = statistics.fmean(durations.known), options.imports.max_concurrent_imports
    return LostSite(copy, runbook, stored, laid, assign_waves(runbook, stored, import_s=import_s, in_flight=in_flight))


def rehearse_runbook(
    folder: RunFolder, site: Path, papers: RunbookPapers, durations: Durations, options: Options
) -> Rehearsal:
    """Rehearse a runbook on the copy of `site`; everything is written into `folder`, its ledger too.

    Sign-offs are given, and marked as rehearsed. Preconditions that are not met end it: nothing could be recovered.
    Raises the errors of unreadable papers.
    """
    lost = lost_site(folder, site, papers, durations, options)
    copy, runbook, assigned = lost.copy, lost.runbook, lost.assigned
    clock, in_flight = copy.world.clock, options.imports.max_concurrent_imports
    stop = threading.Event()
    with on_twin(copy, folder, options, durations) as stage:
        people = NobodyReally(runbook, clock, stage.speed, stop)
        with (
            Hurry(copy.world, lost.waves, stage.speed, in_flight=in_flight, base=USUAL_SPEED),
            recovery_in(
                folder, stage.settings, clock, people, recovery_options(options.imports, papers.confirm_guesses), stop
            ) as recovery,
        ):
            report, stopped = _gone_through(recovery)
    found = Rehearsal(
        kind="runbook",
        name=runbook.name,
        site=copy.site,
        of=str(papers.runbook),
        copied_from=copy.source,
        taken_at=copy.taken_at,
        made=moment(),
        seed=options.seed,
        speed=stage.speed,
        in_flight=in_flight,
        basis=lost.basis(durations),
        assumed=durations.assumed,
        waves=tuple(waves_in(report, assigned)),
        whole=whole_of(report, runbook, assigned),
        rows=_rows(report, read_course(folder), lost.stored, import_seconds(copy.world)),
        left_out=(*copy.left_out, *lost.laid.left_out),
        rehearsed=tuple(people.given),
        stopped=stopped,
    )
    return compared(folder, found, options)


def recovery_in(
    folder: RunFolder,
    settings: Settings,
    clock: TwinClock,
    people: NobodyReally,
    options: RecoveryOptions,
    stop: threading.Event,
) -> Recovery:
    """The recovery of a folder that has its papers, by the time of a twin."""
    return Recovery(
        settings,
        folder,
        people=people,
        timing=twin_time(clock, USUAL_SPEED),
        options=options,
        doing=Unhurried(clock),
        stop=stop,
        actor="rehearsal",
    )


def recovery_options(imports: ImportOptions, confirm_guesses: bool) -> RecoveryOptions:
    """How the recovery works; its questions about starts come as often as its time goes fast."""
    return RecoveryOptions(
        imports=imports,
        start_pace=StartPace(every_s=StartPace().every_s / USUAL_SPEED),
        confirm_guesses=confirm_guesses,
    )


def _gone_through(recovery: Recovery) -> tuple[Report, str]:
    """The report, and why it came to no end, '' when it did."""
    try:
        done = recover(recovery)
    except (FindingsBlock, Stopped) as error:
        return recovery.conclude(), error.message
    return done.report, done.why


def waves_in(report: Report | None, assigned: Assignment) -> list[RehearsedWave]:
    """The waves, predicted and as they went; `report` None when it came to none."""
    known = {wave.name: wave for wave in report.waves} if report else {}
    found = []
    for one, prediction in zip(assigned.waves, assigned.predictions, strict=True):
        wave = known.get(one.wave.name)
        found.append(
            RehearsedWave(
                name=one.wave.name,
                rows=len(one.rows),
                target_s=one.wave.rto.total_seconds() if one.wave.rto else None,
                predicted_s=round(prediction.end_s, 1) if prediction.complete else None,
                rehearsed_s=wave.ended_s if wave else None,
            )
        )
    return found


def whole_of(report: Report | None, runbook: Runbook, assigned: Assignment) -> RehearsedWave:
    """All of the recovery, as `waves_in`."""
    last = assigned.predictions[-1]
    after_s = sum(step.takes.total_seconds() for step in runbook.steps if step.when == "after" and step.takes)
    return RehearsedWave(
        name="",
        rows=sum(len(one.rows) for one in assigned.waves),
        target_s=runbook.rto.total_seconds(),
        predicted_s=round(last.end_s + after_s, 1) if last.complete else None,
        rehearsed_s=report.ended_s if report else None,
    )


def _rows(report: Report, course: Course | None, stored: Sheet, seconds: dict[str, float]) -> tuple[RehearsedRow, ...]:
    """Every VM of every wave."""
    uuids = {row["vm"]: row["instance_uuid"] for row in stored.rows}
    keys = {(vm.row, vm.vm): vm.instance_uuid for wave in course.waves for vm in wave.vms} if course else {}
    outcomes = [Outcome(vm.row, vm.vm, vm.imported, error=vm.why) for vm in report.vms if vm.imported in _OUTCOMES]  # type: ignore[arg-type]
    cures = cures_of(outcomes)
    found = []
    for wave in report.waves:
        for vm in wave.vms:
            status = _status(vm)
            found.append(
                RehearsedRow(
                    row=vm.row,
                    vm=vm.vm,
                    key=keys.get((vm.row, vm.vm)) or uuids.get(vm.vm) or vm.vm,
                    wave=wave.name,
                    ok=vm.well,
                    status=status,
                    why="" if vm.well else _why(vm, wave),
                    cure="" if vm.well else cures.get(vm.row, "") or _CURES.get(status, ""),
                    seconds=round(seconds.get(vm.vm, 0.0), 1),
                )
            )
    return tuple(found)


_OUTCOMES = frozenset({"failed", "unknown", "incomplete", "held"})
_CURES = {
    "missing": "refresh the stored plan (ingest plan --update), or see whether its files are replicated",
    "blocked": "mend the row of the stored plan as the text says",
    "unhealthy": "see whether the guest answers what the runbook checks; mend the check or the guest",
    "not-started": "mend what stopped the wave before it",
}


def _status(vm: VmResult) -> str:
    """The furthest it came, or what went wrong, in a word."""
    if vm.imported != "imported":
        return vm.imported or "not-started"
    if vm.started not in ("", "started", "already"):
        return f"start {vm.started}"
    if vm.healthy:
        return "healthy" if vm.healthy == "yes" else "unhealthy"
    return vm.started or "imported"


def _why(vm: VmResult, wave: WaveReport) -> str:
    return vm.why or wave.why or "the wave did not begin"


def keep_rehearsed(folder: RunFolder, rehearsals: Path) -> None:
    """Give a new recovery what the last rehearsal of its runbook took, for its report."""
    name = kept_runbook(folder).runbook.name
    last = last_rehearsal(rehearsals, lambda one: one.kind == "runbook" and one.name == name)
    if last is not None:
        folder.write(REHEARSED, json_bytes(rehearsed_times(last[1])))


def rehearsed_times(rehearsal: Rehearsal) -> dict[str, float]:
    """Moments by wave, '' for the whole: what the report of a recovery calls rehearsed."""
    waves = (*rehearsal.waves, rehearsal.whole)
    return {wave.name: wave.rehearsed_s for wave in waves if wave.rehearsed_s is not None}
