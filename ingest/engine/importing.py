"""One batch: its rows imported one after another, an outcome for each, nothing sent twice.

Per-VM refusals are outcomes. What concerns every row (wrong key, server gone, maintenance) stops the batch, and through
the shared `stop` all others; the rows that were not begun stay `not-started`.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ingest.cloudstack.jobs import SUCCEEDED, job_failure, wait_for_job
from ingest.engine.events import RowDone, RowStarted, tell
from ingest.engine.journal import RunJournal
from ingest.errors import IngestError, NotTheApi, Refused, Stopped, Transient, Unauthorised, UnknownOutcome, Untrusted
from ingest.model.catalogue import Job
from ingest.model.outcome import Outcome
from ingest.model.request import ImportRequest, PlannedImport


class Importer(Protocol):
    """What importing needs of a CloudStack client."""

    def import_unmanaged_instance(self, request: ImportRequest) -> str:
        """Send the call; the job id."""
        ...

    def query_job(self, job_id: str) -> Job | None:
        """The job's state, None when the server does not know it."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `every_s` until the first question about a job, later ones up to five times slower; `timeout_s` until a
    job is given up as unknown; `settle_s` how long a job is looked for after its answer was lost; `resubmit_s` the
    pauses before a call that certainly never reached the server is sent again."""

    every_s: float = 0.5
    timeout_s: float = 3600.0
    settle_s: float = 60.0
    resubmit_s: tuple[float, ...] = (1.0, 5.0, 15.0)


DEFAULT_PACE = Pace()


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One outcome per row of the batch, in order. `systemic` says why the line was stopped, '' when it was not."""

    outcomes: tuple[Outcome, ...]
    systemic: str = ""


def import_rows(
    client: Importer,
    rows: Sequence[PlannedImport],
    journal: RunJournal,
    *,
    pace: Pace = DEFAULT_PACE,
    stop: threading.Event | None = None,
    new_job_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> BatchResult:
    """Import rows one after another. `stop` is checked before each row and while waiting; systemic errors set it."""
    stop = stop or threading.Event()
    outcomes: list[Outcome] = []
    systemic = ""
    for one in rows:
        if stop.is_set():
            outcomes.append(Outcome(one.row, one.vm, "not-started"))
            tell(RowDone(outcomes[-1]))
            continue
        try:
            outcome = _import_row(client, one, new_job_id(), journal, pace, stop)
        except (Unauthorised, Untrusted, Transient, NotTheApi) as error:
            systemic = error.message
            stop.set()
            outcome = Outcome(one.row, one.vm, "not-started", error=error.message)
        journal.note(
            "outcome",
            row=one.row,
            vm=one.vm,
            status=outcome.status,
            vm_id=outcome.vm_id,
            error=outcome.error,
            duration_s=outcome.duration_s,
        )
        tell(RowDone(outcome))
        outcomes.append(outcome)
    return BatchResult(tuple(outcomes), systemic)


def _import_row(
    client: Importer,
    one: PlannedImport,
    job_id: str,
    journal: RunJournal,
    pace: Pace,
    stop: threading.Event,
) -> Outcome:
    """One row from intent to outcome. Raises what concerns every row, as long as nothing was sent for this one."""
    started = time.monotonic()
    journal.note("intent", row=one.row, vm=one.vm, job_id=job_id)
    tell(RowStarted(one.row, one.vm))

    def outcome(status: str, **facts: str) -> Outcome:
        base = Outcome(one.row, one.vm, "unknown", job_id=job_id, duration_s=round(time.monotonic() - started, 3))
        return replace(base, status=status, **facts)  # type: ignore[arg-type]  # status is one of Status

    request = replace(one.request, custom_job_id=job_id)
    try:
        answered = _submit(client, request, pace, stop)
    except Refused as error:
        return outcome("failed", error=error.text)
    except UnknownOutcome as error:
        # The call may have arrived. The job id is ours, so the server can be asked; it is never sent again.
        if not _find_job(client, job_id, pace, stop):
            return outcome("unknown", error=f"{error.message}; CloudStack does not know job {job_id}")
        answered = job_id
    journal.note("submitted", row=one.row, vm=one.vm, job_id=answered)
    try:
        job = wait_for_job(client, answered, every_s=pace.every_s, timeout_s=pace.timeout_s, stop=stop)
    except (Stopped, UnknownOutcome, Unauthorised, Untrusted, Refused) as error:
        return outcome("unknown", error=error.message)
    if job.jobstatus == SUCCEEDED:
        return outcome("imported", vm_id=_vm_id(job))
    return outcome("failed", error=job_failure(job).text)


def _submit(client: Importer, request: ImportRequest, pace: Pace, stop: threading.Event) -> str:
    """Send the call. Transient means that it certainly was not taken: then, and only then, it is sent again."""
    for pause_s in pace.resubmit_s:
        try:
            return client.import_unmanaged_instance(request)
        except Transient:
            if stop.wait(pause_s):
                raise
    return client.import_unmanaged_instance(request)


def _find_job(client: Importer, job_id: str, pace: Pace, stop: threading.Event) -> bool:
    """Whether the server comes to know the job; the request may still be on its way, so this has patience."""
    deadline = time.monotonic() + pace.settle_s
    while True:
        try:
            if client.query_job(job_id) is not None:
                return True
        except IngestError:
            pass  # the server may be away; the deadline decides
        if time.monotonic() >= deadline or stop.wait(min(pace.every_s, pace.settle_s)):
            return False


def _vm_id(job: Job) -> str:
    instance = (job.jobresult or {}).get("virtualmachine", {})
    return str(instance.get("id", "")) if isinstance(instance, dict) else ""
