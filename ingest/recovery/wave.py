"""One wave of a recovery: its VMs imported, started in order, checked. What people and gates say is decided above."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.events import Event, RowDone, StageDone, StageStarted, VmChecked, VmStarted, listening, tell
from ingest.engine.ledger import Ledger
from ingest.engine.questions import answering
from ingest.engine.rows import key_of
from ingest.engine.starting import Starting, StartPace, start, start_key
from ingest.model.outcome import Outcome
from ingest.model.request import PlannedImport
from ingest.plan.sheet import read_sheet
from ingest.recovery.checking import ToCheck, check_wave
from ingest.recovery.course import VmOnCourse, WaveOnCourse
from ingest.recovery.doing import Doing
from ingest.recovery.results import CheckDone, VmResult
from ingest.recovery.timing import Timing
from ingest.recovery.watch import Watch
from ingest.runbook.model import Runbook, Wave
from ingest.settings import Settings
from ingest.stages.import_batch import ImportOptions, ImportRun
from ingest.stages.run_folder import PLAN, RunFolder
from ingest.stages.validate import read_calls
from ingest.vsphere.questions import MovedOrCopied
from ingest.vsphere.session import connect

_STARTS_AT_ONCE = 8
_LOOKS_S = 0.2


@dataclass(frozen=True, slots=True)
class WaveWork:
    """What the waves of one recovery share. `stop` is set when the whole recovery is to stop."""

    settings: Settings
    folder: RunFolder
    ledger: Ledger
    runbook: Runbook
    timing: Timing
    watch: Watch
    doing: Doing
    options: ImportOptions
    start_pace: StartPace
    actor: str
    stop: threading.Event


@dataclass(slots=True)
class _Seen:
    """What is known of a VM so far."""

    vm: VmOnCourse
    outcome: Outcome
    imported_at: float | None = None
    starting: Starting | None = None
    started_at: float | None = None
    checks: tuple[CheckDone, ...] = ()
    healthy_at: float | None = None


@dataclass(frozen=True, slots=True)
class WaveDone:
    """What became of the VMs of a wave. `systemic` says why no VM could be imported any more, '' when that was not
    so; `given_up` whether its time ran out."""

    vms: tuple[VmResult, ...]
    systemic: str = ""
    given_up: bool = False


@dataclass(slots=True)
class WaveRun:
    """One wave under way; `left_s` is what remains of its time-out, None for none."""

    work: WaveWork
    wave: WaveOnCourse
    rules: Wave
    left_s: float | None
    _seen: dict[int, _Seen] = field(default_factory=dict)
    _systemic: str = ""

    def run(self) -> WaveDone:
        """Import, start, check. Doing it again repeats nothing that is done."""
        with _stopping(self.work, self.left_s) as (stop, given_up):
            self._import(stop)
            if not self._systemic:
                self._start_and_check(stop)
            late = given_up.is_set()
        return WaveDone(tuple(self._result(vm, late) for vm in self.wave.vms), self._systemic, late)

    # Import

    def _import(self, stop: threading.Event) -> None:
        work = self.work
        calls = {call.row: call for call in read_calls(work.folder) if call.wave == self.wave.number}
        for vm in self.wave.vms:
            if vm.row:
                self._seen[vm.row] = _Seen(vm, self._before(vm, calls))
        work.watch.rows_begin(self.wave.name)
        if calls and not stop.is_set():
            tell(StageStarted("import_batch", len(calls)))
            options = replace(work.options, waves=(self.wave.number,))
            needs_vcenter = any(call.power != "leave" for call in calls.values())
            vcenter = work.settings.vcenter if needs_vcenter else None
            with (
                listening(self._hear),
                ImportRun(
                    work.settings.cloudstack, vcenter, work.settings.run, work.folder, stop, options, actor=work.actor
                ) as run,
            ):
                for wave in run.waves():
                    for members in run.rounds(wave):
                        for batch in work.doing.batches(run, members):
                            self._systemic = self._systemic or batch.systemic
                            for outcome in batch.outcomes:
                                self._seen[outcome.row].outcome = outcome
            tell(StageDone("import_batch", f"{self._count('imported')} of {len(calls)} imported"))
        work.watch.rows_over(self.wave.name)

    def _before(self, vm: VmOnCourse, calls: Mapping[int, PlannedImport]) -> Outcome:
        if vm.row in calls:
            return Outcome(vm.row, vm.vm, "not-started")
        fix = self._plan_row(vm.row)
        return Outcome(vm.row, vm.vm, "blocked", error=fix or "a critical finding stands against it: see findings.csv")

    def _plan_row(self, line: int) -> str:
        sheet = read_sheet(self.work.folder.need(PLAN, made_by="validate"))
        row = next((row for row in sheet.rows if row.line == line), None)
        return (row["fix"] or row["finding"]) if row else ""

    def _hear(self, event: Event) -> None:
        if isinstance(event, RowDone) and event.outcome.row in self._seen:
            if event.outcome.duration_s:  # else it was imported before this process began
                self._seen[event.outcome.row].imported_at = self.work.watch.now_s
            self.work.watch.row_done(self.wave.name)

    def _count(self, status: str) -> int:
        return sum(one.outcome.status == status for one in self._seen.values())

    # Start, check

    def _start_and_check(self, stop: threading.Event) -> None:
        work = self.work
        to_start = [one for one in self._in_order() if one.vm.start and one.outcome.status == "imported"]
        if not to_start:
            return
        with (
            connect(work.settings.vcenter) as vcenter,
            CloudStackClient(work.settings.cloudstack) as client,
        ):
            calls = {call.row: call for call in read_calls(work.folder)}
            morefs = [one.vm.moref for one in to_start]
            with answering(vcenter, lambda: morefs, self._identity(), every_s=work.timing.real_s(2.0)):
                tell(StageStarted("start_vms"))
                work.doing.step("start_vms", lambda: self._start(client, to_start, calls, stop))
                running = [one for one in to_start if one.starting and one.starting.runs]
                tell(StageDone("start_vms", f"{len(running)} of {len(to_start)} run"))
            checked = [one for one in running if one.vm.checks]
            if not checked:
                return
            tell(StageStarted("check_health"))
            found = work.doing.step(
                "check_health",
                lambda: check_wave(
                    work.settings,
                    vcenter,
                    client,
                    self.rules,
                    [ToCheck(one.vm, one.outcome.vm_id) for one in checked],
                    timing=work.timing,
                    stop=stop,
                    told=self._healthy,
                ),
            )
            for one in checked:
                one.checks = found[one.vm.row]
            healthy = sum(all(check.ok for check in one.checks) for one in checked)
            tell(StageDone("check_health", f"{healthy} of {len(checked)} healthy"))

    def _healthy(self, row: int, checks: tuple[CheckDone, ...]) -> None:
        """All checks of a VM are over."""
        one = self._seen[row]
        bad = _first_bad(checks)
        if not bad:
            one.healthy_at = self.work.watch.now_s
        tell(VmChecked(row, one.vm.vm, not bad, bad))

    def _in_order(self) -> Iterator[_Seen]:
        return (self._seen[vm.row] for vm in self.wave.vms if vm.row)

    def _identity(self) -> MovedOrCopied:
        policies = {site.identity for site in self.work.runbook.sites}
        return "copied" if policies == {"copied"} else "moved"

    def _start(
        self,
        client: CloudStackClient,
        to_start: Sequence[_Seen],
        calls: Mapping[int, PlannedImport],
        stop: threading.Event,
    ) -> None:
        """Calls go out in order, the runbook's delay apart; their ends are waited for side by side."""
        work = self.work
        delay_s = self.rules.start.delay.total_seconds()
        futures: list[Future[None]] = []
        with ThreadPoolExecutor(_STARTS_AT_ONCE, thread_name_prefix="start") as pool:
            for number, one in enumerate(to_start):
                if number and delay_s:
                    work.timing.wait(stop, delay_s)
                futures.append(pool.submit(self._start_one, client, one, calls[one.vm.row], stop))
            for future in futures:
                future.result()

    def _start_one(self, client: CloudStackClient, one: _Seen, call: PlannedImport, stop: threading.Event) -> None:
        work = self.work
        if stop.is_set():
            one.starting = Starting("not-started", "the wave was over before its turn")
            return
        one.starting = start(
            client,
            work.ledger,
            start_key(work.settings.cloudstack.url, key_of(call)),
            one.outcome.vm_id,
            run_id=work.folder.path.name,
            actor=work.actor,
            stop=stop,
            pace=work.start_pace,
        )
        if one.starting.status == "started" and not one.starting.settled:
            one.started_at = work.watch.now_s
        tell(VmStarted(one.vm.row, one.vm.vm, one.starting.status, one.starting.error))

    # Results

    def _result(self, vm: VmOnCourse, late: bool) -> VmResult:
        if not vm.row:
            return VmResult(row=0, vm=vm.vm, critical=vm.critical, imported="missing", why=vm.missing)
        one = self._seen[vm.row]
        outcome, starting = one.outcome, one.starting
        started = starting.status if starting else ("not-started" if vm.start else "")
        if outcome.status != "imported":
            started = ""
        checked = bool(vm.checks) and vm.start and started in ("started", "already")
        bad = _first_bad(one.checks) if checked else ""
        healthy = "" if not checked else "no" if bad or not one.checks else "yes"
        why = (outcome.error if outcome.status != "imported" else "") or (starting.error if starting else "") or bad
        if not why and late and (outcome.status != "imported" or started == "not-started" or healthy == "no"):
            why = "the wave was given up: its time was over"
        return VmResult(
            row=vm.row,
            vm=vm.vm,
            critical=vm.critical,
            vm_id=outcome.vm_id,
            imported=outcome.status,
            started=started,
            healthy=healthy,
            imported_at=one.imported_at if outcome.status == "imported" else None,
            started_at=one.started_at,
            healthy_at=one.healthy_at,
            import_s=round(outcome.duration_s * self.work.timing.speed, 1),
            checks=one.checks,
            why=why,
        )


def _first_bad(checks: Sequence[CheckDone]) -> str:
    bad = next((check for check in checks if not check.ok), None)
    return f"{bad.kind} {bad.target}: {bad.words}".strip() if bad else ""


@contextmanager
def _stopping(work: WaveWork, left_s: float | None) -> Iterator[tuple[threading.Event, threading.Event]]:
    """An event of this wave alone, set when the recovery is to stop or the wave's time is over (the second event)."""
    stop, given_up, over = threading.Event(), threading.Event(), threading.Event()
    deadline = None if left_s is None else work.timing.now() + left_s

    def watch() -> None:
        while not over.wait(_LOOKS_S):
            if work.stop.is_set():
                stop.set()
                return
            if deadline is not None and work.timing.now() >= deadline:
                given_up.set()
                stop.set()
                return

    if work.stop.is_set():
        stop.set()
    elif left_s is not None and left_s <= 0:
        given_up.set()
        stop.set()
    thread = threading.Thread(target=watch, name="wave-watch", daemon=True)
    thread.start()
    try:
        yield stop, given_up
    finally:
        over.set()
        thread.join()
