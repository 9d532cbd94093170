"""Events as records for machines: one JSON object each, with names and fields that stay. Pure.

The reference page docs/reference/events.md is made of `EVENTS` and `FIELDS`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ingest.engine.events import (
    ClockRead,
    Event,
    ImportBegan,
    JobOver,
    PersonAnswered,
    PersonAsked,
    RowDone,
    RowLooking,
    RowReady,
    RowRunning,
    RowStarted,
    StageDone,
    StageStarted,
    StageStep,
    Stopping,
    TargetAtRisk,
    VmChecked,
    VmStarted,
    WaveBegan,
    WaveOver,
)
from ingest.engine.picture import Figures, Underway
from ingest.runbook.clock import Reading

FORMAT = 1
"""Rises when a field changes its meaning or goes away; what is added leaves it."""

EVENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "stage-started": ("a stage begins", ("stage", "total")),
    "stage-step": ("something within a stage begins", ("stage", "detail")),
    "stage-done": ("a stage is over", ("stage", "summary")),
    "import-began": (
        "the rows of a run are about to be imported",
        ("total", "in_flight_at_most", "folder", "history", "progress"),
    ),
    "row": ("a row is in another state", ("row", "vm", "state", "job_id", "vm_id", "seconds", "error", "progress")),
    "stopping": ("no row is begun any more; running imports are waited for", ("grace_s",)),
    "wave-began": ("a wave of a recovery begins, or goes on", ("number", "name", "vms")),
    "wave-over": ("it is over", ("number", "name", "verdict", "why")),
    "person-asked": ("a recovery waits for a person", ("key", "say", "who")),
    "person-answered": ("somebody signed or decided", ("key", "name", "decision")),
    "vm-started": ("the start of a VM is over", ("row", "vm", "status", "error")),
    "vm-checked": ("its health checks are over", ("row", "vm", "healthy", "error")),
    "clock": ("the RTO clock, every second", ("now_s", "done", "total", "readings")),
    "target-at-risk": ("a target will be missed or was, once for each", ("name", "text")),
    "end": ("the last line, however the command ended", ("exit_code", "message", "counts", "results", "report")),
}
"""Events by name: what has happened, and which fields the record has besides `COMMON`."""

COMMON = ("format", "at", "event", "run")

FIELDS = {
    "format": "1. Rises when a field changes its meaning or goes away; new fields and events do not raise it",
    "at": "UTC, ISO 8601 with milliseconds",
    "event": "a name of the table above; leave aside what you do not know",
    "run": "the run's id, the name of its folder; null before it is known",
    "stage": "name of the stage",
    "total": "steps of the stage, 0 when unknown; rows of the import; VMs of the recovery",
    "detail": "what is being done",
    "summary": "what came out, in a line",
    "in_flight_at_most": "imports at once",
    "folder": "the run's folder",
    "history": "how many earlier imports of this ledger the first estimate is made of",
    "row": "row of the sheet, its header being 1",
    "vm": "name of the VM in vCenter",
    "state": "`looking`, `ready`, `sent`, `running`, `verifying`, then an outcome: `imported`, `incomplete`, `failed`, "
    "`unknown`, `held`, `not-started`",
    "job_id": "CloudStack's job, known from `sent` on; null before, and when there is none",
    "vm_id": "CloudStack's id of the VM; null when there is none",
    "seconds": "what the import took; null as long as it is not over, and when nothing was sent",
    "error": "why, in the server's words where it spoke; null when nothing is wrong",
    "grace_s": "seconds they are waited for at most",
    "number": "of the wave, the first is 1",
    "name": "of the wave, of who signed, or of what has a target",
    "vms": "VMs of the wave",
    "verdict": "`well`, `failed`, `given-up` or `stopped`",
    "why": "what made it so; null when all is well",
    "key": "what a signature names",
    "say": "what the person is asked",
    "who": "who is asked",
    "decision": "what was decided",
    "status": "`started`, `already`, `failed` or `unknown`",
    "healthy": "whether every check was answered as it should be",
    "now_s": "seconds since the recovery began",
    "done": "VMs of the recovery that are imported, or will not be",
    "readings": "of each wave and of the whole: `name`, `state`, `target_s`, `left_s`, `end_s`, `missed`",
    "text": "why, in words",
    "exit_code": "of the command",
    "message": "how it ended, in a line",
    "counts": "rows by outcome; at the end also `blocked` and `skipped` ones",
    "results": "the file with every row's outcome; null when there is none",
    "report": "the page for people; null when there is none",
    "progress": "the import in figures at this moment:",
    "progress.total": "rows of the import",
    "progress.done": "rows with an outcome",
    "progress.in_flight": "rows the server works on",
    "progress.waiting": "rows not begun",
    "progress.counts": "rows by outcome",
    "progress.per_minute": "imports that ended per minute, the last 20; null before the first",
    "progress.eta_s": "seconds until the last row is over, as likely earlier as later; null while there is no idea",
    "progress.eta_low_s": "it takes longer than this,",
    "progress.eta_high_s": "and not as long as this, in 4 of 5 runs",
}

_STATES: dict[type[Event], Underway] = {
    RowLooking: "looking",
    RowReady: "ready",
    RowStarted: "sent",
    RowRunning: "running",
    JobOver: "verifying",
}


def record_of(event: Event, figures: Figures, *, run: str, at: datetime) -> dict[str, Any]:
    """The record of an event that was told at this moment, the run being where `figures` say."""
    name, facts = _named(event, figures)
    return _head(name, run, at) | facts


def end_record(run: str, at: datetime, *, exit_code: int, message: str, **more: Any) -> dict[str, Any]:
    """The record of the end. `more` are `counts`, `results` and `report`."""
    facts = {"counts": None, "results": None, "report": None} | more
    return _head("end", run, at) | {"exit_code": exit_code, "message": message} | facts


def line_of(record: Mapping[str, Any]) -> bytes:
    """One line of UTF-8; line breaks in texts are escaped by JSON itself."""
    return (json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8", "replace")


def _head(name: str, run: str, at: datetime) -> dict[str, Any]:
    return {"format": FORMAT, "at": at.isoformat(timespec="milliseconds"), "event": name, "run": run or None}


def _named(event: Event, figures: Figures) -> tuple[str, dict[str, Any]]:
    match event:
        case StageStarted(stage, total):
            return "stage-started", {"stage": stage, "total": total}
        case StageStep(stage, detail):
            return "stage-step", {"stage": stage, "detail": detail}
        case StageDone(stage, summary):
            return "stage-done", {"stage": stage, "summary": summary}
        case ImportBegan():
            return "import-began", {
                "folder": event.folder,
                "total": len(event.rows),
                "in_flight_at_most": event.in_flight,
                "history": len(event.history),
                "progress": _progress(figures),
            }
        case Stopping(grace_s):
            return "stopping", {"grace_s": grace_s}
        case WaveBegan(number, name, vms):
            return "wave-began", {"number": number, "name": name, "vms": vms}
        case WaveOver(number, name, verdict, why):
            return "wave-over", {"number": number, "name": name, "verdict": verdict, "why": why or None}
        case PersonAsked(key, say, who):
            return "person-asked", {"key": key, "say": say, "who": who}
        case PersonAnswered(key, name, decision):
            return "person-answered", {"key": key, "name": name, "decision": decision}
        case VmStarted(row, vm, status, error):
            return "vm-started", {"row": row, "vm": vm, "status": status, "error": error or None}
        case VmChecked(row, vm, healthy, error):
            return "vm-checked", {"row": row, "vm": vm, "healthy": healthy, "error": error or None}
        case TargetAtRisk(name, text):
            return "target-at-risk", {"name": name, "text": text}
        case ClockRead(clock, now_s, done, total):
            readings = [_reading(one) for one in clock.readings]
            return "clock", {"now_s": round(now_s, 1), "done": done, "total": total, "readings": readings}
        case RowDone(one):
            return "row", _row(
                one.row,
                one.vm,
                one.status,
                figures,
                one.job_id,
                vm_id=one.vm_id,
                error=one.error,
                seconds=one.duration_s or None,
            )
        case RowStarted(row, vm, job_id) | RowRunning(row, vm, job_id) | JobOver(row, vm, job_id):
            return "row", _row(row, vm, _STATES[type(event)], figures, job_id)
        case RowLooking(row, vm) | RowReady(row, vm):
            return "row", _row(row, vm, _STATES[type(event)], figures)


def _reading(one: Reading) -> dict[str, Any]:
    return {
        "name": one.name,
        "state": one.state,
        "target_s": one.target_s,
        "left_s": None if one.left_s is None else round(one.left_s, 1),
        "end_s": None if one.end_s is None else round(one.end_s, 1),
        "missed": one.missed,
    }


def _row(
    row: int,
    vm: str,
    state: str,
    figures: Figures,
    job_id: str = "",
    *,
    vm_id: str = "",
    error: str = "",
    seconds: float | None = None,
) -> dict[str, Any]:
    return {
        "row": row,
        "vm": vm,
        "state": state,
        "job_id": job_id or None,
        "vm_id": vm_id or None,
        "seconds": seconds,
        "error": error or None,
        "progress": _progress(figures),
    }


def _progress(figures: Figures) -> dict[str, Any]:
    left = figures.left
    return {
        "total": figures.total,
        "done": figures.done,
        "in_flight": figures.in_flight,
        "waiting": figures.waiting,
        "counts": dict(figures.counts),
        "per_minute": None if figures.per_minute is None else round(figures.per_minute, 2),
        "eta_s": round(left.left_s, 1) if left else None,
        "eta_low_s": round(left.low_s, 1) if left else None,
        "eta_high_s": round(left.high_s, 1) if left else None,
    }
