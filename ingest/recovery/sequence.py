"""The steps of a recovery in order, over one run folder and the ledger; each may be gone through again."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from ingest.doctor import Diagnosis
from ingest.engine.events import (
    PersonAnswered,
    PersonAsked,
    StageDone,
    StageStarted,
    WaveBegan,
    WaveOver,
    tell,
)
from ingest.engine.journal import outcomes_in
from ingest.engine.ledger import RunRecord, open_ledger
from ingest.engine.starting import StartPace
from ingest.errors import FindingsBlock, RemoteError, Stopped
from ingest.plan.sheet import read_sheet
from ingest.recovery.course import Course, WaveOnCourse, kept_runbook, read_course
from ingest.recovery.doing import Doing, OnThreads
from ingest.recovery.notes import Notes, Underway
from ingest.recovery.people import GO_ON, NOBODY, People, Request, SignaturePending, gate_request, step_requests
from ingest.recovery.planning import discover, plan
from ingest.recovery.preconditions import StoredPlan, examine, missing
from ingest.recovery.registration import register_sites
from ingest.recovery.report import Report, make_report, rehearsed_in, write_report
from ingest.recovery.results import VmResult, WaveResult, read_wave, write_wave
from ingest.recovery.timing import REAL_TIME, Timing
from ingest.recovery.watch import Watch
from ingest.recovery.wave import WaveRun, WaveWork
from ingest.runbook.model import Runbook, Wave
from ingest.runbook.runbook_file import read_runbook
from ingest.settings import Settings
from ingest.stages.conclude import conclude
from ingest.stages.import_batch import ImportOptions
from ingest.stages.ledger_claims import somebody
from ingest.stages.register_vms import RegisterRow
from ingest.stages.run_folder import COURSE, FINDINGS, JOURNAL, RULES, RUNBOOK, STORED_PLAN, RunFolder

_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class RecoveryOptions:
    """How a recovery works. `imports` as for any run; `start_pace` and `register_at_once` for starts and
    registrations; `confirm_guesses` takes what planning had to guess for confirmed."""

    imports: ImportOptions = field(default_factory=ImportOptions)
    start_pace: StartPace = field(default_factory=StartPace)
    register_at_once: int = 8
    confirm_guesses: bool = False


def begin_folder(folder: RunFolder, runbook: Path, plan: Path | None = None) -> None:
    """Copy the papers into a new run folder, so that the folder is all that going on needs.

    `plan` is the stored plan, without it the one the runbook names. Raises the errors of unreadable files.
    """
    book = read_runbook(runbook)
    stored = plan or book.beside(book.runbook.plan)
    read_sheet(stored)
    if book.runbook.rules:
        folder.write(RULES, book.beside(book.runbook.rules).read_bytes())
    folder.write(STORED_PLAN, stored.read_bytes())
    # The age of the plan is that of the file it came from.
    shutil.copystat(stored, folder.file(STORED_PLAN))
    folder.write(RUNBOOK, runbook.read_bytes())


def stored_plan(folder: RunFolder) -> StoredPlan:
    """The stored plan of a run's folder."""
    path = folder.need(STORED_PLAN, made_by="recover")
    return StoredPlan(path, read_sheet(path), path.stat().st_mtime)


class Recovery:
    """One recovery; a context manager. Whoever opens its folder again goes on with it.

    `settings` say where both servers, guests and ledger are; `people` are asked for sign-offs; `doing` runs the
    larger steps; `stop` ends it politely. Raises Stopped when another process that lives is at work on it.
    """

    def __init__(
        self,
        settings: Settings,
        folder: RunFolder,
        *,
        people: People = NOBODY,
        timing: Timing = REAL_TIME,
        options: RecoveryOptions | None = None,
        doing: Doing | None = None,
        stop: threading.Event | None = None,
        actor: str = "",
    ) -> None:
        self.folder = folder
        self.options = options or RecoveryOptions()
        self.stop = stop or threading.Event()
        self._settings = settings
        self._book = kept_runbook(folder)
        self._people = people
        self._timing = timing
        self._doing = doing or OnThreads()
        self._actor = actor or somebody()
        self._stack = ExitStack()
        self._over = ""  # why nothing more is to be done
        self._ended = False

    @property
    def runbook(self) -> Runbook:
        """The runbook as it was when the recovery began."""
        return self._book.runbook

    @property
    def run_id(self) -> str:
        """The name of the folder, by which the ledger knows it."""
        return self.folder.path.resolve().name

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._ledger = stack.enter_context(open_ledger(self._settings.run))
            stack.enter_context(self._ledger.keep_alive())
            self.notes = Notes(self._ledger, self.run_id, self._actor)
            self._ledger.open_run(
                RunRecord(
                    run_id=self.run_id,
                    actor=self._actor,
                    host=socket.gethostname(),
                    endpoint=self._settings.cloudstack.url,
                    plan_digest="",
                    folder=str(self.folder.path),
                    started_at=datetime.now(UTC).isoformat(timespec="seconds"),
                )
            )
            self.underway: Underway = self.notes.begin(self._timing.now(), self.runbook.name)
            self.watch = Watch(self._timing, self.underway.began, self.runbook)
            stack.enter_context(self.watch.ticking())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop.set()
        try:
            # An attempt that was interrupted is not over: whoever goes on is still in it.
            if kind is None and not self._ended:
                self.notes.end(well=False, error=self._over or "stopped")
            self._ledger.close_run(self.run_id, "stopped" if kind or self._over else "finished")
        finally:
            self._stack.close()

    # The steps, in order

    def check(self) -> list[Diagnosis]:
        """What is there to recover with. Raises FindingsBlock when something is missing, with all that was found."""
        tell(StageStarted("preconditions"))
        found = self._doing.step(
            "preconditions",
            lambda: examine(self._settings, self.runbook, stored_plan(self.folder), now=self._timing.now()),
        )
        failed = missing(found)
        tell(StageDone("preconditions", f"{len(found)} looked at, {len(failed)} missing"))
        if failed:
            raise Missing(found)
        return found

    def sign_before(self) -> None:
        """The sign-offs before anything is written. Raises SignaturePending when one is missing."""
        self._sign(step_requests(self.runbook, "before"))

    def register(self) -> list[RegisterRow]:
        """Register what lies on the replicated datastores; a row for each file of all sites."""
        if read_course(self.folder):
            return []  # planned with what was registered then
        return register_sites(
            self._settings,
            self.folder,
            self.runbook,
            self._ledger,
            self._doing,
            self.stop,
            at_once=self.options.register_at_once,
            dry_run=False,
        )

    def plan(self) -> Course:
        """Both sides read, the stored plan carried over, checked; done once."""
        self._not_stopped()
        course = read_course(self.folder)
        if course is None:
            history = self._ledger.durations(self._settings.cloudstack.url)
            self._doing.step("discover", lambda: discover(self._settings, self.folder))
            self._not_stopped()
            course, _ = self._doing.step(
                "plan",
                lambda: plan(
                    self.folder,
                    import_s=sum(history) / len(history) if history else None,
                    in_flight=self.options.imports.max_concurrent_imports,
                    confirm_guesses=self.options.confirm_guesses,
                ),
            )
        self.watch.expect(course.waves)
        return course

    def waves(self) -> list[WaveOnCourse]:
        """The waves, in order."""
        course = read_course(self.folder)
        if course is None:
            self.folder.need(COURSE, made_by="plan")
            return []
        self.watch.expect(course.waves)
        return list(course.waves)

    def run_wave(self, wave: WaveOnCourse) -> WaveResult:
        """One wave from its first sign-off to its gate. One that is over is not begun again.

        Raises SignaturePending, and Stopped when nothing is to follow: a gate, a prerequisite, a server, a person.
        """
        self._not_stopped()
        known, rules = self._known(wave), self.runbook.wave(wave.name)
        if known is not None:
            self.watch.began(wave.name, known.began_s)
            self.watch.rows_over(wave.name)
            self.watch.ended(wave.name, known.ended_s)
            return known
        self._prerequisites(wave, rules)
        began = self.notes.begin_wave(wave.name, self._timing.now())
        began_s = began - self.underway.began
        tell(WaveBegan(wave.number, wave.name, len(wave.vms)))
        self.watch.began(wave.name, began_s)
        self._sign(step_requests(self.runbook, "before", rules))
        done = WaveRun(self._work(), wave, rules, self._left(rules, began)).run()
        result = WaveResult(
            number=wave.number, name=wave.name, verdict="well", began_s=began_s, ended_s=self.watch.now_s, vms=done.vms
        )
        if done.systemic:
            self._end_wave(result.model_copy(update={"verdict": "stopped", "why": done.systemic}), going_on=False)
            raise RemoteError(
                done.systemic, place=f"wave {wave.name}", cure=f"mend the cause (`ingest doctor`), then: {self.again}"
            )
        if self.stop.is_set():
            self._end_wave(result.model_copy(update={"verdict": "stopped", "why": "stopped"}), going_on=False)
            raise Stopped("stopped", place=f"wave {wave.name}", cure=f"to go on: {self.again}")
        self._sign(step_requests(self.runbook, "after", rules))
        return self._gate(result, rules, done.given_up)

    def sign_after(self) -> None:
        """The sign-offs after the last wave."""
        self._sign(step_requests(self.runbook, "after"))
        self.notes.end(well=self._all_well())
        self._ended = True

    def conclude(self) -> Report:
        """Write `results.csv`, `report.html`, and the report of the recovery; also of one that did not come to its
        end."""
        if read_course(self.folder) and self.folder.file(FINDINGS).exists():
            journal = self.folder.file(JOURNAL)
            outcomes = outcomes_in(journal) if journal.exists() else []
            conclude(self.folder, outcomes)
        report = make_report(
            self.folder,
            began=self.underway.began,
            now_s=self.watch.now_s,
            clock=self.watch.read(),
            signatures=self.notes.signatures(),
            stopped=self._over,
            rehearsed=rehearsed_in(self.folder),
        )
        write_report(self.folder, report)
        return report

    # What they are made of

    @property
    def again(self) -> str:
        """The command that goes on."""
        return f"ingest recover --resume {self.folder.path} --yes"

    def _known(self, wave: WaveOnCourse) -> WaveResult | None:
        """What came of a wave that is over: it went well, or was left behind in this very attempt."""
        deed, result = self.notes.wave(wave.name), read_wave(self.folder, wave.number)
        if deed is None or result is None:
            return None
        left_behind = deed.state == "failed" and deed.detail.get("left_behind") == self.underway.attempt
        return result if deed.state == "done" or left_behind else None

    def _work(self) -> WaveWork:
        return WaveWork(
            settings=self._settings,
            folder=self.folder,
            ledger=self._ledger,
            runbook=self.runbook,
            timing=self._timing,
            watch=self.watch,
            doing=self._doing,
            options=self.options.imports,
            start_pace=self.options.start_pace,
            actor=self._actor,
            stop=self.stop,
        )

    def _left(self, rules: Wave, began: float) -> float | None:
        return None if rules.timeout is None else rules.timeout.total_seconds() - (self._timing.now() - began)

    def _prerequisites(self, wave: WaveOnCourse, rules: Wave) -> None:
        signed = {one.key for one in self.notes.signatures()}
        for name in rules.prerequisites:
            mine = {one.key for one in step_requests(self.runbook, "before", rules)}
            deed = self.notes.wave(name)
            if (deed is not None and deed.state == "done") or name in signed or name in mine:
                continue
            self._stop_here(
                f"wave {wave.name} needs {name}, which did not end well",
                f"mend what failed in {name}, then: {self.again}",
            )

    def _sign(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._answer(request)

    def _answer(self, request: Request) -> str:
        """What was decided. Raises SignaturePending when nobody answers."""
        known = self.notes.signature(request, self.underway.attempt)
        if known:
            return known.decision
        self._not_stopped()
        tell(PersonAsked(request.key, request.say, request.who))
        with self.watch.waiting(request.wave, f"{request.who or 'a person'}: {request.say}"):
            signature = self._people.ask(request)
        if signature is None:
            self._over = f"waits for a signature: {request.key}"
            raise SignaturePending(
                request,
                f"{request.who or 'somebody'} has to sign: {request.say}",
                place=request.key,
                cure=f"{self.again} --sign '{request.key}=NAME'",
            )
        self.notes.sign(request, signature, self.underway.attempt, self._timing.now())
        tell(PersonAnswered(request.key, signature.name, signature.decision))
        return signature.decision

    def _gate(self, result: WaveResult, rules: Wave, given_up: bool) -> WaveResult:
        """What follows the wave. Raises Stopped when nothing does."""
        failed = result.failed_critical
        result = result.model_copy(update={"ended_s": self.watch.now_s})
        if not failed:
            return self._end_wave(result, going_on=True)
        named = _named(failed)
        result = result.model_copy(
            update={
                "verdict": "given-up" if given_up else "failed",
                "why": f"critical VMs failed: {named}" + ("; its time was over" if given_up else ""),
            }
        )
        decision = GO_ON if rules.gate == "continue" else "stop"
        if rules.gate == "ask":
            decision = self._answer(gate_request(rules, named))
        going_on = decision == GO_ON
        result = self._end_wave(result.model_copy(update={"decision": decision}), going_on=going_on)
        if not going_on:
            self._stop_here(f"wave {result.name}: {result.why}", f"mend what failed, then: {self.again}")
        return result

    def _end_wave(self, result: WaveResult, *, going_on: bool) -> WaveResult:
        write_wave(self.folder, result)
        well = result.verdict == "well"
        detail = {"left_behind": self.underway.attempt} if going_on and not well else {}
        self.notes.end_wave(result.name, well=well, error=result.why, detail=detail)
        self.watch.ended(result.name, result.ended_s, stopped=not going_on)
        if not going_on:
            self._over = f"wave {result.name}: {result.why}"
        tell(WaveOver(result.number, result.name, result.verdict, result.why))
        return result

    def _stop_here(self, why: str, cure: str) -> None:
        self._over = why
        raise Stopped(why, place=self.run_id, cure=cure)

    def _not_stopped(self) -> None:
        if self.stop.is_set():
            self._over = self._over or "stopped"
            raise Stopped("stopped", place=self.run_id, cure=f"to go on: {self.again}")

    def _all_well(self) -> bool:
        deeds = (self.notes.wave(wave.name) for wave in self.runbook.waves)
        return all(deed is not None and deed.state == "done" for deed in deeds)


class Missing(FindingsBlock):
    """Preconditions that are not met. `found` is everything that was looked at."""

    def __init__(self, found: Sequence[Diagnosis]) -> None:
        failed = missing(found)
        texts = "; ".join(f"{one.test}: {one.seen}" for one in failed[:_MOST_NAMED])
        super().__init__(
            f"{len(failed)} preconditions are not met: {texts}", place="preconditions", cure=failed[0].cure
        )
        self.found = list(found)


def _named(vms: Sequence[VmResult]) -> str:
    shown = ", ".join(vm.vm for vm in vms[:_MOST_NAMED])
    return f"{shown} and {len(vms) - _MOST_NAMED} more" if len(vms) > _MOST_NAMED else shown


Outcome = Literal["recovered", "with-failures", "stopped"]


@dataclass(frozen=True, slots=True)
class Recovered:
    """How a recovery ended, and its report. `pending` is the signature it waits for."""

    outcome: Outcome
    report: Report
    why: str = ""
    cure: str = ""
    pending: Request | None = None


def recover(recovery: Recovery, *, checked: bool = True) -> Recovered:
    """All steps of an opened recovery, in order; the report is written however it ends.

    Raises Missing when preconditions are not met, and what concerns everything: a server that went away, the ledger.
    """
    try:
        if checked:
            recovery.check()
        recovery.sign_before()
        recovery.register()
        recovery.plan()
        for wave in recovery.waves():
            recovery.run_wave(wave)
        recovery.sign_after()
    except Stopped as error:
        pending = error.request if isinstance(error, SignaturePending) else None
        return Recovered("stopped", recovery.conclude(), error.message, error.cure, pending)
    except (RemoteError, KeyboardInterrupt):
        recovery.conclude()
        raise
    report = recovery.conclude()
    return Recovered("recovered" if report.well else "with-failures", report)
