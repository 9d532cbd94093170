"""The report of a recovery: planned, rehearsed and actual times, VMs, failed checks, people. HTML for people, JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ingest.recovery.course import VmOnCourse, WaveOnCourse, kept_runbook, read_course
from ingest.recovery.notes import Signed
from ingest.recovery.results import VmResult, WaveResult, read_wave
from ingest.report.html import render_page
from ingest.report.tables import csv_rows
from ingest.runbook.clock import Clock, Reading
from ingest.runbook.model import Runbook
from ingest.runbook.spans import in_words
from ingest.stages.run_folder import RECOVERY_JSON, RECOVERY_PAGE, REGISTERED_CSV, REHEARSED, RunFolder

_REHEARSED = TypeAdapter(dict[str, float])
RPO = (
    "This report speaks of time only: how soon VMs served again (RTO). How old their data are (RPO) is a matter of the "
    "replication, and nothing here was measured of it."
)


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WaveReport(_Kept):
    """One wave. Times are seconds since the start of the recovery, None for what is not known or did not happen.

    `target_s` and `predicted_s` (how long it takes) were planned, `rehearsed_s` is what the last rehearsal took,
    `began_s` and `ended_s` what happened. `met` is None without a target, or while the wave is not over.
    """

    number: int
    name: str
    verdict: str
    target_s: float | None
    predicted_s: float | None
    rehearsed_s: float | None
    began_s: float | None
    ended_s: float | None
    met: bool | None
    reason: str
    decision: str
    why: str
    vms: tuple[VmResult, ...]


class Report(_Kept):
    """A whole recovery. `rto_met` is None while it is not over."""

    run: str
    runbook: str
    folder: str
    began: str
    made: str
    elapsed_s: float
    target_s: float
    rehearsed_s: float | None
    ended_s: float | None
    rto_met: bool | None
    verdict: str
    stopped: str
    rpo: str
    registered: dict[str, int]
    waves: tuple[WaveReport, ...]
    people: tuple[dict[str, Any], ...]
    leftovers: tuple[str, ...]
    strangers: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def vms(self) -> list[VmResult]:
        """All VMs, wave by wave."""
        return [vm for wave in self.waves for vm in wave.vms]

    @property
    def well(self) -> bool:
        """Whether every VM of every wave is where it was to be."""
        return not self.stopped and all(vm.well for vm in self.vms)

    @property
    def counts(self) -> dict[str, int]:
        """VMs in numbers, for people: `VMs`, `imported`, `started`, `healthy`, `failed`."""
        vms = self.vms
        return {
            "VMs": len(vms),
            "imported": sum(vm.imported == "imported" for vm in vms),
            "started": sum(vm.started in ("started", "already") for vm in vms),
            "healthy": sum(vm.healthy == "yes" for vm in vms),
            "failed": sum(not vm.well for vm in vms),
        }


def make_report(
    folder: RunFolder,
    *,
    began: float,
    now_s: float,
    clock: Clock,
    signatures: Sequence[Signed],
    stopped: str,
    rehearsed: dict[str, float] | None = None,
) -> Report:
    """The report of what is known now. `began` is seconds of the epoch, `now_s` seconds since then.

    `rehearsed` is what the last rehearsal took, by wave; '' stands for all of it.
    """
    runbook, course = kept_runbook(folder).runbook, read_course(folder)
    rehearsed = rehearsed or {}
    waves = tuple(
        _wave(folder, runbook, wave, reading, rehearsed)
        for wave, reading in zip(course.waves if course else (), clock.waves, strict=False)
    )
    overall = clock.overall
    over = overall.state == "done" and not stopped
    ended_s = max((wave.ended_s or 0.0 for wave in waves), default=0.0) if over else None
    closing = [one.at - began for one in signatures if one.kind == "step" and not one.wave]
    ended_s = max([ended_s, *closing]) if ended_s is not None else None
    target_s = runbook.rto.total_seconds()
    rto_met = None if ended_s is None else ended_s <= target_s
    return Report(
        run=folder.path.resolve().name,
        runbook=runbook.name,
        folder=str(folder.path),
        began=_moment(began),
        made=_moment(began + now_s),
        elapsed_s=round(now_s, 1),
        target_s=target_s,
        rehearsed_s=rehearsed.get(""),
        ended_s=None if ended_s is None else round(ended_s, 1),
        rto_met=rto_met,
        verdict=_verdict(rto_met, ended_s, target_s, now_s, overall),
        stopped=stopped,
        rpo=RPO,
        registered=_registered(folder),
        waves=waves,
        people=tuple(asdict(one) | {"at": _moment(one.at), "at_s": round(one.at - began, 1)} for one in signatures),
        leftovers=course.leftovers if course else (),
        strangers=course.strangers if course else (),
        warnings=clock.warnings,
    )


def rehearsed_in(folder: RunFolder) -> dict[str, float]:
    """What the last rehearsal took, as whoever began this recovery found it; {} when there was none."""
    path = folder.file(REHEARSED)
    return _REHEARSED.validate_json(path.read_bytes()) if path.exists() else {}


def write_report(folder: RunFolder, report: Report) -> None:
    """Write `recovery.json` and `recovery.html`."""
    folder.write(RECOVERY_JSON, report.model_dump_json(indent=1).encode() + b"\n")
    folder.write(RECOVERY_PAGE, render(report))


def read_report(folder: RunFolder) -> Report:
    """The report an earlier attempt wrote."""
    return Report.model_validate_json(folder.need(RECOVERY_JSON, made_by="recover").read_bytes())


def render(report: Report) -> bytes:
    """The page, UTF-8 HTML that needs nothing else, for the screen and for paper."""
    failed = [(wave, vm) for wave in report.waves for vm in wave.vms if not vm.well]
    failed.sort(key=lambda pair: not pair[1].critical)
    return render_page(
        "recovery.html",
        title=f"Recovery: {report.runbook}",
        report=report,
        counts=[(word, number) for word, number in report.counts.items()],
        failed=failed,
        bad_checks=[(vm, check) for wave in report.waves for vm in wave.vms for check in vm.checks if not check.ok],
        span=lambda seconds: "–" if seconds is None else in_words(seconds),
    )


def _wave(
    folder: RunFolder, runbook: Runbook, wave: WaveOnCourse, reading: Reading, rehearsed: dict[str, float]
) -> WaveReport:
    result: WaveResult | None = read_wave(folder, wave.number)
    target = runbook.wave(wave.name).rto
    target_s = target.total_seconds() if target else None
    over = result is not None and result.verdict != "stopped"
    return WaveReport(
        number=wave.number,
        name=wave.name,
        verdict=result.verdict if result else "not over",
        target_s=target_s,
        predicted_s=wave.predicted_s,
        rehearsed_s=rehearsed.get(wave.name),
        began_s=round(result.began_s, 1) if result else None,
        ended_s=round(result.ended_s, 1) if result and over else None,
        met=result.ended_s <= target_s if result and over and target_s is not None else None,
        reason=reading.reason,
        decision=result.decision if result else "",
        why=result.why if result else "",
        vms=result.vms if result else tuple(map(_not_begun, wave.vms)),
    )


def _not_begun(vm: VmOnCourse) -> VmResult:
    status = "not-started" if vm.row else "missing"
    return VmResult(row=vm.row, vm=vm.vm, critical=vm.critical, imported=status, why=vm.missing)


def _verdict(met: bool | None, ended_s: float | None, target_s: float, now_s: float, overall: Reading) -> str:
    if met is None or ended_s is None:
        left_s = target_s - now_s
        over = f"the target is over since {in_words(-left_s)}" if left_s < 0 else f"{in_words(left_s)} of it are left"
        return f"not over after {in_words(now_s)}; the target is {in_words(target_s)}, {over}"
    words = "was met" if met else "was missed"
    return f"the target of {in_words(target_s)} {words}: everything was over after {in_words(ended_s)}"


def _registered(folder: RunFolder) -> dict[str, int]:
    path = folder.file(REGISTERED_CSV)
    rows = csv_rows(path.read_bytes()) if path.exists() else []
    return dict(sorted(Counter(row["status"] for row in rows).items()))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
