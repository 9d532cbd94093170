"""One batch: its rows imported one after another, an outcome for each, nothing sent twice.

While a job runs, the next row is claimed and looked at; when it is over, the next call is sent before the finished one
is verified. So a slot of the server is never idle for our bookkeeping, and a batch still has one import in flight.

Per-VM refusals are outcomes. A server that is away is waited for, by all batches together. What concerns every row
(wrong key, a server that stays away) stops the batch, and through the shared `stop` all others; the rows that were not
begun stay `not-started`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.cloudstack.caller import SlowAnswer
from ingest.cloudstack.jobs import FAILED, job_failure
from ingest.engine.away import Away
from ingest.engine.events import JobOver, RowDone, RowLooking, RowReady, RowRunning, RowStarted, tell
from ingest.engine.journal import RunJournal
from ingest.engine.rows import Concluded, Pace, Ready, RowImporter
from ingest.engine.schedule.budget import FailureBudget
from ingest.engine.schedule.gates import Gates
from ingest.engine.schedule.traits import Traits
from ingest.engine.server_words import cause_of
from ingest.errors import ClaimLost, IngestError, InMaintenance, NotTheApi, Stopped, Transient, Unauthorised, Untrusted
from ingest.model.catalogue import Job
from ingest.model.outcome import Outcome
from ingest.model.request import PlannedImport

__all__ = ["Batch", "BatchResult", "Pace"]

SYSTEMIC = (Unauthorised, Untrusted, Transient, NotTheApi)
BUDGET_USED_UP = "the failure budget is used up"
"""How the reason of a stopped line begins when the rows themselves stopped it."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One outcome per row of the batch, in order. `systemic` says why the line was stopped, '' when it was not."""

    outcomes: tuple[Outcome, ...]
    systemic: str = ""


class Batch:
    """Imports the rows of one batch. What the batches of a run share (budget, gates, stop) is handed in."""

    def __init__(
        self,
        rows: RowImporter,
        journal: RunJournal,
        *,
        stop: threading.Event,
        budget: FailureBudget,
        gates: Gates,
        traits: Mapping[int, Traits],
        away: Away,
        refused: Callable[[Traits], str] = lambda _traits: "",
        finish: Callable[[PlannedImport, Concluded], str] = lambda _one, _concluded: "",
        told: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        self._rows = rows
        self._journal = journal
        self._stop = stop
        self._budget = budget
        self._gates = gates
        self._traits = traits
        self._away = away
        self._refused = refused
        self._finish = finish
        self._told = told
        self._outcomes: dict[int, Outcome] = {}
        self._systemic = ""

    def run(self, rows: Sequence[PlannedImport]) -> BatchResult:
        """Import the rows, in order."""
        running: Ready | None = None
        for one in rows:
            ready = self._prepare(one)
            finished = self._follow(running)
            try:
                running = self._send(ready) if ready is not None else None
            finally:
                self._conclude(finished)
        self._conclude(self._follow(running))
        return BatchResult(tuple(self._outcomes[one.row] for one in rows), self._systemic)

    def _prepare(self, one: PlannedImport) -> Ready | None:
        """The row, ready to be sent; None when it already has its outcome."""
        why = self._held_back(one)
        if why is not None:
            self._tell(one, Concluded(Outcome(one.row, one.vm, "held" if why else "not-started", error=why)))
            return None
        tell(RowLooking(one.row, one.vm))
        try:
            prepared = self._prepared(one)
        except SYSTEMIC as error:
            self._stop_the_line(error)
            self._tell(one, Concluded(Outcome(one.row, one.vm, "not-started", error=error.message)))
            return None
        except IngestError as error:
            self._tell(one, Concluded(Outcome(one.row, one.vm, "held", error=error.message)))
            return None
        if isinstance(prepared, Concluded):
            self._count(one, prepared)
            self._tell(one, prepared)
            return None
        tell(RowReady(one.row, one.vm))
        return prepared

    def _prepared(self, one: PlannedImport) -> Ready | Concluded:
        while True:
            try:
                prepared = self._rows.prepare(one)
            except (SlowAnswer, InMaintenance):  # it is there: still at work on the question, or closed by somebody
                raise
            except (Transient, NotTheApi) as error:
                if not self._away.waited(error):
                    raise
            else:
                self._away.answered()
                return prepared

    def _held_back(self, one: PlannedImport) -> str | None:
        """Why a row is not to be begun: '' the line has stopped, a reason when it is held, None when it may go on."""
        if self._stop.is_set():
            return ""
        if self._budget.stopped:
            self._stop.set()
            self._systemic = self._systemic or f"{BUDGET_USED_UP}: {self._budget.stopped}"
            return ""
        traits = self._traits[one.row]
        return self._refused(traits) or self._budget.holds(traits) or None

    def _send(self, ready: Ready, tried_since: float | None = None) -> Ready | None:
        """The row with its job running; None when it has its outcome. `tried_since`: since when it cannot be sent."""
        one = ready.one
        why = self._held_back(one)
        if why is None:
            try:
                ready.held.enter_context(self._gates.hold(self._traits[one.row].keys, self._stop))
            except Stopped:
                why = ""
        if why is not None:
            self._rows.give_up(ready)
            self._tell(one, Concluded(Outcome(one.row, one.vm, "held" if why else "not-started", error=why)))
            return None
        self._journal.note("intent", row=one.row, vm=one.vm, job_id=ready.job_id)
        tell(RowStarted(one.row, one.vm, ready.job_id))
        try:
            concluded = self._rows.send(ready)
        except SYSTEMIC as error:
            ready.held.close()
            tried_since = tried_since or time.monotonic()
            patient = time.monotonic() - tried_since < self._away.patience_s
            patient = patient and not isinstance(error, InMaintenance)
            if isinstance(error, Transient) and patient and self._away.waited(error):
                again = self._prepare(one)  # what was seen of it is old by now
                return self._send(again, tried_since) if again is not None else None
            self._stop_the_line(error)
            self._tell(one, Concluded(Outcome(one.row, one.vm, "not-started", error=error.message)))
            return None
        except ClaimLost as error:
            ready.held.close()
            self._tell(one, Concluded(Outcome(one.row, one.vm, "held", error=error.message)))
            return None
        except BaseException:
            ready.held.close()
            raise
        self._away.answered()
        if concluded is not None:
            ready.held.close()
            self._count(one, concluded)
            self._tell(one, concluded)
            return None
        self._journal.note("submitted", row=one.row, vm=one.vm, job_id=ready.job_id)
        tell(RowRunning(one.row, one.vm, ready.job_id))
        return ready

    def _follow(self, ready: Ready | None) -> tuple[Ready, Job | Concluded] | None:
        """The row and its job that is over. A failure counts at once, before the next row is sent."""
        if ready is None:
            return None
        try:
            over = self._rows.follow(ready)
        finally:
            ready.held.close()
            tell(JobOver(ready.one.row, ready.one.vm, ready.job_id))
        if isinstance(over, Job) and over.jobstatus == FAILED:
            error = job_failure(over)
            self._budget.count(cause_of(error.code, error.text), self._traits[ready.one.row])
        elif isinstance(over, Concluded):
            self._count(ready.one, over)
        return ready, over

    def _conclude(self, finished: tuple[Ready, Job | Concluded] | None) -> None:
        if finished is None:
            return
        ready, over = finished
        try:
            concluded = over if isinstance(over, Concluded) else self._rows.conclude(ready, over)
        except IngestError as error:
            concluded = self._rows.left(ready, error.message)
            if isinstance(error, SYSTEMIC):
                self._stop_the_line(error)
        self._tell(ready.one, concluded)

    def _count(self, one: PlannedImport, concluded: Concluded) -> None:
        if concluded.outcome.status == "failed" and concluded.cause is not None:
            self._budget.count(concluded.cause, self._traits[one.row])

    def _stop_the_line(self, error: IngestError) -> None:
        self._systemic = self._systemic or error.message
        self._stop.set()

    def _tell(self, one: PlannedImport, concluded: Concluded) -> None:
        outcome = concluded.outcome
        problem = self._finish(one, concluded)
        if problem:
            outcome = replace(outcome, error=problem)
        self._journal.note(
            "outcome",
            row=one.row,
            vm=one.vm,
            status=outcome.status,
            vm_id=outcome.vm_id,
            error=outcome.error,
            duration_s=outcome.duration_s,
            differences=[str(difference) for difference in concluded.differences],
        )
        self._outcomes[one.row] = outcome
        tell(RowDone(outcome))
        self._told(outcome)
