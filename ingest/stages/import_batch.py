"""Stage 5: the batches of a run, and what they share: ledger, watcher, budget, gates, the plan's view of each VM."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.jobs import SUCCEEDED, job_failure, wait_for_job
from ingest.engine.away import Away
from ingest.engine.events import ImportBegan, RowDone, Stopping, tell
from ingest.engine.importing import Batch, BatchResult
from ingest.engine.journal import RunJournal, outcomes_in
from ingest.engine.ledger import Ledger, RunRecord, open_ledger
from ingest.engine.rows import Concluded, Pace, RowImporter, Who
from ingest.engine.schedule.budget import FailureBudget
from ingest.engine.schedule.canary import canaries
from ingest.engine.schedule.durations import DurationModel
from ingest.engine.schedule.gates import Gates
from ingest.engine.schedule.sizes import batches
from ingest.engine.schedule.traits import DATASTORE, HOST, Key, Shape, Traits
from ingest.engine.schedule.watcher import JobWatcher
from ingest.errors import IngestError, UsageError
from ingest.model.endpoints import CloudStackEndpoint, VCenterEndpoint
from ingest.model.outcome import Outcome
from ingest.model.request import PlannedImport
from ingest.settings import RunSettings
from ingest.stages.approval import plan_digest
from ingest.stages.ledger_claims import somebody
from ingest.stages.power_switch import VCenterPower
from ingest.stages.run_folder import JOURNAL, SEEN_ROWS, RunFolder
from ingest.stages.seen_rows import SeenRows
from ingest.stages.validate import read_calls

_SLOT_EVERY_S = 0.5
_LAST_WORDS_S = 10.0  # after the grace: batches let go of their rows
_START_EVERY_S, _START_TIMEOUT_S = 1.0, 1800.0


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a run imports. 0 means no limit.

    `failures_per_cause`: so many failures of one cause at one object hold the other rows that need it;
    `failures_total`: so many of any kind stop the line. `per_host`, `per_datastore`: imports at once. `endpoint_slots`:
    imports at once of all runs and machines that share the ledger. `canary`: one row of each shape first; a shape whose
    canary fails is held. `tag`: imported VMs get the tag `ingest-run` with the run's id. `waves` are the approved ones,
    () all; `approved_digest` is that of the plan that was approved, '' when nobody was asked.
    """

    max_concurrent_imports: int = 5
    batch_size: int = 10
    failures_per_cause: int = 5
    failures_total: int = 0
    per_host: int = 0
    per_datastore: int = 0
    endpoint_slots: int = 0
    canary: bool = False
    tag: bool = False
    waves: tuple[int, ...] = ()
    approved_digest: str = ""
    pace: Pace = field(default_factory=Pace)


class ImportRun:
    """One run's imports; a context manager. Thread-safe: each batch runs on a thread of its own.

    When `stop` is set, nothing more is sent; jobs that run are waited for as long as the grace lasts and left
    `submitted` in the ledger then, for the next run to settle. `told` hears each outcome as soon as it is known, from
    the thread of its batch, which goes on when it returns.
    """

    def __init__(
        self,
        cloudstack: CloudStackEndpoint,
        vcenter: VCenterEndpoint | None,
        settings: RunSettings,
        folder: RunFolder,
        stop: threading.Event,
        options: ImportOptions | None = None,
        *,
        actor: str = "",
        told: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        self.options = options or ImportOptions()
        self.stop = stop
        digest = plan_digest(folder)
        shown = self.options.approved_digest
        if shown and shown != digest:
            raise UsageError(
                f"the plan is not the one that was approved (plan {shown[:12]}, now {digest[:12]})",
                place=str(folder.path),
                cure="have it approved as it is now: run again with resume",
            )
        everything, waves = read_calls(folder), self.options.waves
        self.calls = [call for call in everything if not waves or call.wave in waves]
        self.left_alone = _left_alone(folder, [call for call in everything if waves and call.wave not in waves])
        self._cloudstack = cloudstack
        self._vcenter = vcenter
        self._settings = settings
        self._folder = folder
        self._who = Who(folder.path.name, actor or somebody(), digest)
        self._told = told
        self._stack = ExitStack()
        self._abandon = threading.Event()
        self._over = threading.Event()
        self._batches = threading.Condition()
        self._at_work = 0
        self._tried: set[Shape] = set()
        self._canaries: set[int] = set()
        self._failed_shapes: set[Shape] = set()

    def __enter__(self) -> Self:
        options = self.options
        self._budget = FailureBudget(options.failures_per_cause, options.failures_total)
        limits = {HOST: options.per_host, DATASTORE: options.per_datastore}
        self._limits = {kind: limit for kind, limit in limits.items() if limit}
        self._gates = Gates(self._limits)
        self._away = Away(options.pace.away_s, self.stop)
        with self._stack as stack:
            self._seen = stack.enter_context(SeenRows(self._folder.need(SEEN_ROWS, made_by="validate")))
            self._ledger: Ledger = stack.enter_context(open_ledger(self._settings))
            stack.enter_context(self._ledger.keep_alive())
            # One for all batches: making one, and its first connection, costs as much CPU as importing a VM.
            connections = options.max_concurrent_imports + 1
            self._client = stack.enter_context(CloudStackClient(self._cloudstack, pool_size=connections))
            history = self._ledger.durations(self._cloudstack.url)
            self._watcher = stack.enter_context(JobWatcher(self._client, DurationModel(history)))
            self._journal = stack.enter_context(RunJournal(self._folder.file(JOURNAL)))
            self._power = stack.enter_context(VCenterPower(self._vcenter)) if self._vcenter else None
            self._ledger.open_run(
                RunRecord(
                    run_id=self._who.run_id,
                    actor=self._who.actor,
                    host=socket.gethostname(),
                    endpoint=self._cloudstack.url,
                    plan_digest=self._who.plan_digest,
                    folder=str(self._folder.path),
                    started_at=datetime.now(UTC).isoformat(timespec="seconds"),
                )
            )
            threading.Thread(target=self._watch_stop, name="import-grace", daemon=True).start()
            self._stack = stack.pop_all()
        rows = tuple((call.row, call.vm) for call in self.calls)
        tell(
            ImportBegan(self._who.run_id, str(self._folder.path), rows, options.max_concurrent_imports, tuple(history))
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is KeyboardInterrupt and self.stop.is_set():
            self._abandon.set()  # asked to stop once more: the running jobs are left to the next run
        if kind is not None:
            self.stop.set()
        try:
            self._wait_for_batches()
        finally:
            self._close()

    def _wait_for_batches(self) -> None:
        """Whoever interrupts the run leaves this block while batches still work: they need ledger and journal until
        their jobs are over or the grace is, and say then what became of their rows. An interruption here ends it."""
        with self._batches:
            self._batches.wait_for(lambda: not self._at_work, self.options.pace.grace_s + _LAST_WORDS_S)

    def _close(self) -> None:
        with self._batches:
            self._over.set()
        status = "stopped" if self.stop.is_set() else "finished"
        try:
            self._ledger.close_run(self._who.run_id, status)
        finally:
            self._stack.close()
            self._folder.publish(JOURNAL)

    def waves(self) -> list[list[PlannedImport]]:
        """The calls by wave, in order."""
        return [[one for one in self.calls if one.wave == wave] for wave in sorted({one.wave for one in self.calls})]

    def rounds(
        self, wave: Sequence[PlannedImport], *, in_turn: bool = False
    ) -> Iterator[list[tuple[PlannedImport, ...]]]:
        """The batches of one wave, in rounds: the next begins when the one before is over.

        The first has one row of each shape no earlier wave had, if canaries are asked for. Batches are large first, so
        that the tail is short. `in_turn`: as `batches`.
        """
        first = canaries(wave, self._shape, seen=self._tried) if self.options.canary else []
        self._tried.update(map(self._shape, first))
        self._canaries.update(one.row for one in first)
        if first:
            yield [(one,) for one in first]
        rest = [one for one in wave if one.row not in self._canaries]
        yield batches(
            rest,
            self.options.max_concurrent_imports,
            self.options.batch_size,
            self._races,
            places=lambda one: self._seen.traits[one.row].places,
            limits=self._limits,
            in_turn=in_turn,
        )

    def _shape(self, one: PlannedImport) -> Shape:
        return self._seen.traits[one.row].shape

    def _races(self, one: PlannedImport) -> frozenset[Key]:
        return self._seen.races(one.row)

    def import_batch(self, rows: Sequence[PlannedImport]) -> BatchResult:
        """Import the rows of one batch; every step is in the ledger and the folder's journal before the next one."""
        with self._working() as open_, ExitStack() as held:
            if not open_:
                return self._not_started(rows)
            if self.options.endpoint_slots and not self._take_slot(held):
                return self._not_started(rows)
            importer = RowImporter(
                self._client,
                self._ledger,
                self._watcher,
                self._who,
                planned=self._seen.listed,
                stop=self.stop,
                abandon=self._abandon,
                pace=self.options.pace,
                power=self._power,
                zones=self._seen.zones,
            )
            batch = Batch(
                importer,
                self._journal,
                stop=self.stop,
                budget=self._budget,
                gates=self._gates,
                traits=self._seen.traits,
                away=self._away,
                refused=self._canary_of,
                finish=self._finish,
                told=self._told,
            )
            return batch.run(rows)

    def _not_started(self, rows: Sequence[PlannedImport]) -> BatchResult:
        outcomes = tuple(Outcome(one.row, one.vm, "not-started") for one in rows)
        for outcome in outcomes:
            tell(RowDone(outcome))
            self._told(outcome)
        return BatchResult(outcomes)

    @contextmanager
    def _working(self) -> Iterator[bool]:
        """Whether the run is still open; it stays so while the block lasts."""
        with self._batches:
            self._at_work += 1
        try:
            yield not self._over.is_set()
        finally:
            with self._batches:
                self._at_work -= 1
                self._batches.notify_all()

    def _canary_of(self, traits: Traits) -> str:
        if traits.shape in self._failed_shapes:
            return f"the first row of this kind was not imported ({traits.shape.text})"
        return ""

    def _take_slot(self, held: ExitStack) -> bool:
        while not self.stop.is_set():
            slot = self._ledger.take_slot(self._cloudstack.url, self.options.endpoint_slots)
            if slot is not None:
                held.enter_context(slot)
                return True
            self.stop.wait(_SLOT_EVERY_S)
        return False

    def _finish(self, one: PlannedImport, concluded: Concluded) -> str:
        """Start and tag an imported VM as asked; what went wrong in words. The import itself stays what it is."""
        vm_id = concluded.outcome.vm_id
        if one.row in self._canaries and concluded.outcome.status in ("failed", "incomplete", "unknown"):
            self._failed_shapes.add(self._shape(one))
        if concluded.outcome.status != "imported" or not vm_id or self.stop.is_set():
            return ""
        problems = []
        try:
            if self.options.tag:
                self._client.create_tags([vm_id], {"ingest-run": self._who.run_id})
            if one.start:
                job = wait_for_job(
                    self._client,
                    self._client.start_virtual_machine(vm_id),
                    every_s=_START_EVERY_S,
                    timeout_s=_START_TIMEOUT_S,
                    stop=self._abandon,
                )
                if job.jobstatus != SUCCEEDED:
                    problems.append(f"imported, but not started: {job_failure(job).text}")
        except IngestError as error:
            problems.append(f"imported, but not started or tagged: {error.message}")
        return "; ".join(problems)

    def _watch_stop(self) -> None:
        while not self._over.is_set():
            if self.stop.wait(0.2):
                tell(Stopping(self.options.pace.grace_s))
                self._over.wait(self.options.pace.grace_s)
                self._abandon.set()
                return


def _left_alone(folder: RunFolder, calls: Sequence[PlannedImport]) -> list[Outcome]:
    """Outcomes of the rows whose wave is not approved: what an earlier run made of them, else `not-started`."""
    journal = folder.file(JOURNAL)
    known = {one.row: one for one in outcomes_in(journal)} if calls and journal.exists() else {}
    return [
        known.get(call.row, Outcome(call.row, call.vm, "not-started", error=f"wave {call.wave} is not approved"))
        for call in calls
    ]
