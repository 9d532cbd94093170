"""One wave of a recovery: its VMs imported, started in order, checked, each as soon as it can be.

Imports go on while VMs that are there already are started and checked, and wait for neither. What people and gates say
is decided above.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.events import StageDone, StageStarted, VmChecked, VmStarted, tell
from ingest.engine.ledger import DeedKey, Ledger
from ingest.engine.questions import answering
from ingest.engine.rows import key_of
from ingest.engine.starting import Starting, StartPace, start, start_key, was_started
from ingest.errors import RemoteError
from ingest.model.outcome import Outcome
from ingest.model.request import PlannedImport
from ingest.plan.sheet import read_sheet
from ingest.recovery.checking import ToCheck, check_wave
from ingest.recovery.course import VmOnCourse, WaveOnCourse
from ingest.recovery.doing import Doing
from ingest.recovery.feed import Feed
from ingest.recovery.results import CheckDone, VmResult
from ingest.recovery.timing import REAL_TIME, Timing
from ingest.recovery.turns import take_turns
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

    @property
    def run_id(self) -> str:
        """By which the ledger knows the recovery."""
        return self.folder.path.name


@dataclass(slots=True)
class _Seen:
    """What is known of a VM so far. `known`: what became of its import; nothing more comes."""

    vm: VmOnCourse
    outcome: Outcome
    known: threading.Event = field(default_factory=threading.Event)
    imported_at: float | None = None
    starting: Starting | None = None
    started_at: float | None = None
    checks: tuple[CheckDone, ...] = ()
    healthy_at: float | None = None


@dataclass(frozen=True, slots=True)
class WaveDone:
    """What became of the VMs of a wave. `systemic` says why no VM could be imported, started or checked any more, ''
    when that was not so; `given_up` whether its time ran out."""

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
        work = self.work
        with _stopping(work, self.left_s) as (stop, given_up):
            calls = {call.row: call for call in read_calls(work.folder) if call.wave == self.wave.number}
            for vm in self.wave.vms:
                if vm.row:
                    self._seen[vm.row] = _Seen(vm, self._before(vm, calls))
            try:
                with self._starts_and_checks(calls, stop):
                    self._import(calls, stop)
            except RemoteError as error:
                self._systemic = self._systemic or error.message
            late = given_up.is_set()
            if stop.is_set() and not late and not self._systemic:
                work.stop.set()  # an interruption that reached the imports alone
        return WaveDone(tuple(self._result(vm, late) for vm in self.wave.vms), self._systemic, late)

    # Import

    def _import(self, calls: Mapping[int, PlannedImport], stop: threading.Event) -> None:
        work = self.work
        work.watch.rows_begin(self.wave.name)
        if calls and not stop.is_set():
            tell(StageStarted("import_batch", len(calls)))
            options = replace(work.options, waves=(self.wave.number,))
            needs_vcenter = any(call.power != "leave" for call in calls.values())
            vcenter = work.settings.vcenter if needs_vcenter else None
            with ImportRun(
                work.settings.cloudstack,
                vcenter,
                work.settings.run,
                work.folder,
                stop,
                options,
                actor=work.actor,
                told=self._imported,
            ) as run:
                for members in run.rounds(self._first_started(calls), in_turn=True):
                    for batch in work.doing.batches(run, members):
                        self._systemic = self._systemic or batch.systemic
                        for outcome in batch.outcomes:
                            self._seen[outcome.row].outcome = outcome
            tell(StageDone("import_batch", f"{self._count('imported')} of {len(calls)} imported"))
        work.watch.rows_over(self.wave.name)

    def _first_started(self, calls: Mapping[int, PlannedImport]) -> list[PlannedImport]:
        """Those that are started first in their order: the clock waits for them."""
        order = sorted((one.vm for one in self._in_order()), key=lambda vm: not vm.start)
        return [calls[vm.row] for vm in order if vm.row in calls]

    def _before(self, vm: VmOnCourse, calls: Mapping[int, PlannedImport]) -> Outcome:
        if vm.row in calls:
            return Outcome(vm.row, vm.vm, "not-started")
        fix = self._plan_row(vm.row)
        return Outcome(vm.row, vm.vm, "blocked", error=fix or "a critical finding stands against it: see findings.csv")

    def _plan_row(self, line: int) -> str:
        sheet = read_sheet(self.work.folder.need(PLAN, made_by="validate"))
        row = next((row for row in sheet.rows if row.line == line), None)
        return (row["fix"] or row["finding"]) if row else ""

    def _imported(self, outcome: Outcome) -> None:
        """A row is over."""
        one = self._seen[outcome.row]
        if outcome.duration_s:  # else it was imported before this process began
            one.imported_at = self.work.watch.now_s
        one.outcome = outcome
        one.known.set()
        self.work.watch.row_done(self.wave.name)

    def _count(self, status: str, *, started: bool = False) -> int:
        return sum(one.outcome.status == status and (one.vm.start or not started) for one in self._seen.values())

    # Start, check

    @contextmanager
    def _starts_and_checks(self, calls: Mapping[int, PlannedImport], stop: threading.Event) -> Iterator[None]:
        """While the block imports, and until all is over. Raises what starting or checking raised, after the imports;
        an error of the block goes before."""
        doing = self.work.doing
        order = [one for one in self._in_order() if one.vm.start and one.vm.row in calls]
        if not order:
            yield
            return
        running: Feed[ToCheck] = Feed()
        ends = [doing.beside("start_vms", lambda: self._start_all(order, calls, running, stop))]
        if any(one.vm.checks for one in order):
            ends.append(doing.beside("check_health", lambda: self._check_all(running, stop)))
        try:
            yield
        except BaseException:
            stop.set()
            self._nothing_more_comes()
            with suppress(Exception):
                _ended(ends, stop)
            raise
        self._nothing_more_comes()
        _ended(ends, stop)

    def _nothing_more_comes(self) -> None:
        for one in self._seen.values():
            one.known.set()

    def _start_all(
        self,
        order: Sequence[_Seen],
        calls: Mapping[int, PlannedImport],
        running: Feed[ToCheck],
        stop: threading.Event,
    ) -> None:
        """Calls go out in the runbook's order, its delay apart; their ends are waited for side by side."""
        work = self.work
        try:
            if not _any_imported(order, stop):
                return
            tell(StageStarted("start_vms"))
            morefs = [one.vm.moref for one in order]
            with (
                connect(work.settings.vcenter) as vcenter,
                CloudStackClient(work.settings.cloudstack) as client,
                answering(
                    vcenter, lambda: morefs, self._identity(), every_s=work.timing.real_s(work.start_pace.questions_s)
                ),
            ):
                take_turns(
                    order,
                    lambda one, begun: self._start_one(client, one, calls[one.vm.row], running, stop, begun),
                    ready=lambda one: self._turn_of(one, stop),
                    done_before=lambda one: was_started(work.ledger, self._key(calls[one.vm.row]), work.run_id),
                    at_once=_STARTS_AT_ONCE,
                    delay_s=self.rules.start.delay.total_seconds(),
                    # Where the runbook says nothing of the order, calls need not wait for each other.
                    strictly=bool(self.rules.start.order or self.rules.start.delay),
                    timing=work.timing,
                    stop=stop,
                )
            run = sum(one.starting is not None and one.starting.runs for one in order)
            tell(StageDone("start_vms", f"{run} of {self._count('imported', started=True)} run"))
        finally:
            running.close()

    def _turn_of(self, one: _Seen, stop: threading.Event) -> bool:
        imported = _is_imported(one, stop)
        if not imported:
            self.work.watch.turn_over(self.wave.name, started=False)
        return imported

    def _start_one(
        self,
        client: CloudStackClient,
        one: _Seen,
        call: PlannedImport,
        running: Feed[ToCheck],
        stop: threading.Event,
        begun: Callable[[], None],
    ) -> None:
        work = self.work

        def sent() -> None:
            work.watch.turn_over(self.wave.name, started=True)
            begun()

        one.starting = start(
            client,
            work.ledger,
            self._key(call),
            one.outcome.vm_id,
            run_id=work.run_id,
            actor=work.actor,
            stop=stop,
            pace=work.start_pace,
            sent=sent,
        )
        if one.starting.status == "started" and not one.starting.settled:
            one.started_at = work.watch.now_s
        tell(VmStarted(one.vm.row, one.vm.vm, one.starting.status, one.starting.error))
        if one.starting.runs and one.vm.checks:
            running.put(ToCheck(one.vm, one.outcome.vm_id))

    def _key(self, call: PlannedImport) -> DeedKey:
        return start_key(self.work.settings.cloudstack.url, key_of(call))

    def _check_all(self, running: Feed[ToCheck], stop: threading.Event) -> None:
        """Each VM as soon as it runs."""
        work = self.work
        first = None
        while not first:
            first = running.take(_LOOKS_S)
            if first is None:
                return
        running.put(*first)
        tell(StageStarted("check_health"))
        with connect(work.settings.vcenter) as vcenter, CloudStackClient(work.settings.cloudstack) as client:
            check_wave(
                work.settings,
                vcenter,
                client,
                self.rules,
                running,
                timing=work.timing,
                stop=stop,
                told=self._checked,
            )
        checked = [one for one in self._seen.values() if one.checks]
        healthy = sum(all(check.ok for check in one.checks) for one in checked)
        tell(StageDone("check_health", f"{healthy} of {len(checked)} healthy"))

    def _checked(self, row: int, checks: tuple[CheckDone, ...]) -> None:
        """All checks of a VM are over."""
        one = self._seen[row]
        one.checks = checks
        bad = _first_bad(checks)
        if not bad:
            one.healthy_at = self.work.watch.now_s
        tell(VmChecked(row, one.vm.vm, not bad, bad))

    def _in_order(self) -> Iterator[_Seen]:
        return (self._seen[vm.row] for vm in self.wave.vms if vm.row)

    def _identity(self) -> MovedOrCopied:
        policies = {site.identity for site in self.work.runbook.sites}
        return "copied" if policies == {"copied"} else "moved"

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
            import_s=round(outcome.duration_s, 1) if self.work.timing is REAL_TIME else 0.0,
            checks=one.checks,
            why=why,
        )


def _is_imported(one: _Seen, stop: threading.Event) -> bool:
    """Whether there is something to start; waits until that is known."""
    while not one.known.wait(_LOOKS_S):
        if stop.is_set():
            return False
    return one.outcome.status == "imported"


def _any_imported(order: Sequence[_Seen], stop: threading.Event) -> bool:
    """Whether there is anything to start, as soon as that is known."""
    return any(_is_imported(one, stop) for one in order) and not stop.is_set()


def _ended(ends: Sequence[Callable[[], None]], stop: threading.Event) -> None:
    """Wait for all; an interruption stops them. Raises what the first of them raised."""
    problem: BaseException | None = None
    for end in ends:
        try:
            end()
        except BaseException as error:  # noqa: BLE001  raised below, when all are over
            stop.set()
            with suppress(Exception):
                end()  # interrupted, it is not over yet
            problem = problem or error
    if problem is not None:
        raise problem


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
