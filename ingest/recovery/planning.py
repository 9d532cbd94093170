"""The plan of a recovery in a run's folder: what both sides show now, the stored plan carried over, waves, checks.

Writes what `discover_networks`, `list_unmanaged` and `validate` write, and `course.json` last.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, tell
from ingest.model.snapshot import read_snapshot
from ingest.plan.enrich import enrich
from ingest.plan.rules import Rules
from ingest.plan.rules_file import read_rules
from ingest.plan.sheet import Row, Sheet, read_sheet, sheet_bytes
from ingest.recovery.course import Course, VmOnCourse, WaveOnCourse, kept_runbook, write_course
from ingest.runbook.assignment import assign_waves, with_waves
from ingest.runbook.model import Runbook
from ingest.runbook.prediction import Prediction
from ingest.runbook.recovered_waves import RecoveredWaves, recovered_waves
from ingest.runbook.recovery_plan import RecoveryPlan, recovery_plan
from ingest.runbook.rows import nic_numbers
from ingest.runbook.wave_rows import WaveRows
from ingest.settings import Settings
from ingest.stages.discover_networks import discover_networks
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import PLAN, RULES, SNAPSHOT, STORED_PLAN, RunFolder
from ingest.stages.validate import Validated, validate


def discover(settings: Settings, folder: RunFolder) -> None:
    """Both sides as they are now, into the folder."""
    tell(StageStarted("discover_networks"))
    seen = discover_networks(settings.vcenter, folder)
    tell(StageDone("discover_networks", f"{counted(seen.vms, 'VM')}"))
    tell(StageStarted("list_unmanaged"))
    listed = list_unmanaged(settings.cloudstack, folder)
    tell(StageDone("list_unmanaged", f"{counted(listed.shown, 'VM')} listed, {listed.not_shown} not"))


def plan(
    folder: RunFolder, *, import_s: float | None, in_flight: int, confirm_guesses: bool
) -> tuple[Course, Validated]:
    """The folder's snapshot planned after its runbook and stored plan, checked; the calls are approved by that.

    `import_s` is how long one import usually takes, for predictions.
    """
    tell(StageStarted("enrich_csv"))
    runbook = kept_runbook(folder).runbook
    snapshot = read_snapshot(folder.need(SNAPSHOT, made_by="list_unmanaged"))
    stored = read_sheet(folder.need(STORED_PLAN, made_by="recover"))
    rules = folder.file(RULES)
    now = enrich(snapshot, read_rules(rules) if rules.exists() else Rules())
    recovery = recovery_plan(stored, now, runbook.networks, snapshot.catalogue)
    carried = recovered_waves(runbook, stored, recovery, import_s=import_s, in_flight=in_flight)
    sheet = with_waves(recovery.sheet, carried.assignment)
    for row in sheet.rows:
        row["start"] = "no"  # the recovery starts them itself, in the order of the runbook
    folder.write(PLAN, sheet_bytes(sheet))
    tell(
        StageDone(
            "enrich_csv",
            f"{counted(len(recovery.matches.pairs), 'VM')} recognised, {len(recovery.matches.missing)} not",
        )
    )
    tell(StageStarted("validate"))
    checked = validate(folder, confirm_guesses=confirm_guesses)
    tell(StageDone("validate", f"{len(checked.ready)} ready, {checked.blocked} blocked"))
    course = _course(runbook, stored, recovery, carried)
    write_course(folder, course)
    return course, checked


def preview_course(runbook: Runbook, stored: Sheet) -> Course:
    """The waves as the stored plan has them, before anything is looked at: for a preview."""
    assignment = assign_waves(runbook, stored)
    waves = [
        WaveOnCourse(
            number=one.number,
            name=one.wave.name,
            vms=tuple(_vm(row, row, one, {}) for row in one.rows),
            predicted_s=None,
        )
        for one in assignment.waves
    ]
    return Course(waves=tuple(waves), leftovers=tuple(row["vm"] for row in assignment.leftovers))


def _course(runbook: Runbook, stored: Sheet, recovery: RecoveryPlan, carried: RecoveredWaves) -> Course:
    before = assign_waves(runbook, stored)
    now = {old.line: new for old, new in zip(stored.rows, recovery.sheet.rows, strict=False)}
    why = {one.row: one.message for one in recovery.findings if one.rule in ("MATCH-001", "MATCH-003")}
    waves = []
    for old, new, prediction in zip(
        before.waves, carried.assignment.waves, carried.assignment.predictions, strict=True
    ):
        alive = {row.line for row in new.rows}
        vms = []
        for row in old.rows:
            found = now[row.line]
            if found.line in alive:
                vms.append(_vm(row, found, old, carried.addresses))
            else:
                reason = why.get(row.line) or found["reason"] or "it was not found at the recovery site"
                vms.append(VmOnCourse(row=0, vm=row["vm"], critical=old.is_critical(row), missing=reason))
        predicted_s, tail_s = _predicted(prediction)
        waves.append(
            WaveOnCourse(number=new.number, name=new.wave.name, vms=tuple(vms), predicted_s=predicted_s, tail_s=tail_s)
        )
    return Course(
        waves=tuple(waves),
        leftovers=tuple(row["vm"] for row in before.leftovers),
        strangers=tuple(row["vm"] for row in recovery.matches.strangers),
    )


def _vm(stored: Row, found: Row, wave: WaveRows, addresses: Mapping[tuple[int, int], str]) -> VmOnCourse:
    return VmOnCourse(
        row=found.line,
        vm=found["vm"],
        moref=found["moref"],
        hostname=found["hostname"],
        instance_uuid=found["instance_uuid"],
        cluster_id=found["cluster_id"],
        critical=wave.is_critical(stored),
        start=wave.is_started(stored),
        checks=tuple(number for number, lines in enumerate(wave.checks) if stored.line in lines),
        addresses={number: addresses.get((found.line, number), "") for number in nic_numbers(found)},
    )


def _predicted(one: Prediction) -> tuple[float | None, float]:
    return (one.duration_s if one.complete else None), one.starts_s + one.after_s
