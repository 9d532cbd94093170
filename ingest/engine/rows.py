"""One row from claim to outcome, in three parts, so that the next row can be prepared while a job runs.

`prepare` claims the VM, settles what an earlier run left, and looks once more before anything is sent. `send` makes the
intent durable and sends the call. `conclude` finds out what truly became of it. Each step is in the ledger before the
next one is taken: if the process dies on any line, the next run finds out from there.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from pydantic import TypeAdapter

from ingest.cloudstack.caller import SlowAnswer
from ingest.cloudstack.jobs import FAILED, SUCCEEDED, job_failure
from ingest.engine.ledger import Claim, Ledger, VmKey
from ingest.engine.ledger.records import UNSETTLED, State
from ingest.engine.proof import Difference, Expected, before, in_words
from ingest.engine.recheck import changed_since
from ingest.engine.server_words import Cause, cause_of
from ingest.engine.settlement import Settlement, Settles, of_failure, settle, vm_id_of
from ingest.engine.verification import Verified, by_id, verify
from ingest.errors import (
    IngestError,
    NotTheApi,
    Refused,
    Transient,
    Unauthorised,
    UnknownOutcome,
    Untrusted,
)
from ingest.model.catalogue import Job, UnmanagedInstance
from ingest.model.outcome import Outcome, Status
from ingest.model.request import ImportRequest, PlannedImport

_EXPECTED = TypeAdapter(Expected)
_REQUEST = TypeAdapter(ImportRequest)
_LONG_S = 60.0


class ImportClient(Settles, Protocol):
    """What importing needs of a CloudStack client."""

    def import_unmanaged_instance(self, request: ImportRequest) -> str:
        """Send the call; the job id."""
        ...


class JobWaiter(Protocol):
    """Waits for jobs, see `ingest.engine.schedule.watcher`."""

    def wait(self, job_id: str, *, stop: threading.Event | None = None, timeout_s: float) -> Job:
        """The job when it is over."""
        ...


class PowerSwitch(Protocol):
    """Switches VMs before their import, see `ingest.engine.power`."""

    def off(self, one: PlannedImport, stop: threading.Event, note: Callable[[str], None]) -> str:
        """Bring the VM to rest as its policy says; the state it had before. Raises IngestError when it cannot.

        `note` is told that state before anything is done, and makes it durable.
        """
        ...

    def back(self, one: PlannedImport, state: str) -> None:
        """Bring the VM back to the state it had."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `timeout_s` until a job is given up as unknown; `settle_s` how long is looked for a job or a VM after an
    answer was lost; `resubmit_s` the pauses before a call that certainly never reached the server is sent again;
    `grace_s` how long running jobs are waited for after the run was told to stop; `away_s` how long a server may be
    away before it stops the run."""

    timeout_s: float = 3600.0
    settle_s: float = 60.0
    resubmit_s: tuple[float, ...] = (1.0, 5.0, 15.0)
    grace_s: float = 20.0
    away_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Who:
    """The run on whose behalf a row is imported."""

    run_id: str
    actor: str = ""
    plan_digest: str = ""


@dataclass(slots=True)
class Ready:
    """A row that may be sent: claimed, looked at once more, with what CloudStack is expected to have afterwards.

    `job_id` is the one to send with; `running` that a job of an earlier run is at work already, and nothing is sent.
    """

    one: PlannedImport
    key: VmKey
    expected: Expected
    job_id: str
    began: float
    running: bool = False
    power_before: str = ""
    held: ExitStack = field(default_factory=ExitStack)


@dataclass(frozen=True, slots=True)
class Concluded:
    """What became of a row, what differs from what was expected, and why it failed if it did."""

    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    cause: Cause | None = None


def key_of(one: PlannedImport) -> VmKey:
    """The VM of a row, as the ledger knows it."""
    return VmKey(one.instance_uuid, one.request.cluster_id, one.moref, one.vm)


def digest_of(request: ImportRequest) -> str:
    """What a call says, in 64 characters; the job id does not count."""
    said = _REQUEST.dump_python(request, mode="json") | {"custom_job_id": ""}
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class _JobsAtWork(Collection[str]):
    """The jobs the ledger knows to be at work, as they are when somebody looks."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def _now(self) -> set[str]:
        found = (entry for state in ("intended", "submitted") for entry in self._ledger.entries(state=state))
        return {entry.job_id for entry in found}

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._now()

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


class RowImporter:
    """Imports single rows for one run. Thread-safe as far as its client is."""

    def __init__(
        self,
        client: ImportClient,
        ledger: Ledger,
        jobs: JobWaiter,
        who: Who,
        *,
        planned: Mapping[tuple[str, str], UnmanagedInstance],
        stop: threading.Event,
        abandon: threading.Event,
        pace: Pace,
        power: PowerSwitch | None = None,
        zones: Mapping[str, str] | None = None,
        new_job_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._jobs = jobs
        self._who = who
        self._planned = planned
        self._stop = stop
        self._abandon = abandon
        self._pace = pace
        self._power = power
        self._zones = zones or {}
        self._new_job_id = new_job_id
        self._known_jobs = _JobsAtWork(ledger)

    # Prepare

    def prepare(self, one: PlannedImport) -> Ready | Concluded:
        """Everything that comes before the call; an outcome when there is nothing to send.

        Raises what concerns every row: the key, the certificate, a server that is not there.
        """
        key = key_of(one)
        claim = self._claim(key)
        at_rest = claim.held or not claim.holder
        if at_rest and claim.vm_id and claim.state in ("imported", "incomplete") and self._was_given_back(key, claim):
            claim = self._claim(key)
        began = time.monotonic()
        if not claim.held:
            return _of_others(one, claim)
        try:
            return self._prepare_claimed(one, key, claim, began)
        except BaseException:
            self._ledger.release(key)
            raise

    def _claim(self, key: VmKey, *, to_undo: bool = False) -> Claim:
        who = self._who
        return self._ledger.claim(key, run_id=who.run_id, actor=who.actor, plan_digest=who.plan_digest, to_undo=to_undo)

    def _was_given_back(self, key: VmKey, claim: Claim) -> bool:
        """Whether CloudStack has forgotten a VM it had: somebody gave it back, and the ledger learns of it."""
        if by_id(self._client, claim.vm_id):
            return False
        if claim.held or self._claim(key, to_undo=True).held:
            self._ledger.note(key, "undone", error="not by this tool: CloudStack does not have it any more")
        return True

    def _prepare_claimed(self, one: PlannedImport, key: VmKey, claim: Claim, began: float) -> Ready | Concluded:
        if claim.state == "incomplete":
            self._ledger.release(key)
            error = str(claim.detail.get("why") or "an earlier import left a part of it")
            return _concluded(one, "incomplete", error=f"{error}; give it back first: ingest settle", vm_id=claim.vm_id)
        job_id = ""
        if claim.state in UNSETTLED:
            settled = self._settle_claim(one, key, claim, began)
            if not isinstance(settled, str):
                return settled
            job_id = settled
        job_id = job_id or self._new_job_id()
        power_before = str(claim.detail.get("power_before", ""))
        listed = self._listed(one)
        drift = self._drift(one, listed, at_rest=bool(power_before))
        if drift:
            self._ledger.release(key)
            return self._absent_or_held(one, listed, drift)
        if one.power == "leave" or self._power is None or listed[0].powerstate == "PowerOff":
            return Ready(one, key, before(listed[0], one.request), job_id, began, power_before=power_before)
        try:
            found = self._power.off(one, self._stop, partial(self._note_power, key, job_id))
        except IngestError as error:
            self._ledger.note(key, "failed", error=f"could not be brought to rest: {error.message}")
            return _concluded(one, "held", error=f"could not be brought to rest: {error.message}")
        # What an earlier run found counts: by now the VM may be at rest because that run asked for it.
        power_before = power_before or found
        ready = Ready(one, key, before(listed[0], one.request), job_id, began, power_before=power_before)
        try:
            listed = self._listed(one)
        except BaseException:
            self.give_up(ready)
            raise
        if len(listed) != 1:
            problem = self.give_up(ready)
            return _concluded(one, "held", error=f"CloudStack no longer lists it after the power off{problem}")
        ready.expected = before(listed[0], one.request)
        return ready

    def _settle_claim(self, one: PlannedImport, key: VmKey, claim: Claim, began: float) -> Ready | Concluded | str:
        """What an earlier run left of a row, or the job id to send with: its own when nothing was begun, '' (a new one)
        when its job failed."""
        expected = self._expected_of(one, claim)
        settled = settle(
            self._client,
            claim,
            expected,
            one.request,
            patience_s=self._pace.settle_s,
            stop=self._stop,
            zone_id=self._zones.get(one.request.cluster_id, ""),
            known_jobs=self._known_jobs,
        )
        if settled.state == "running":
            power_before = str(claim.detail.get("power_before", ""))
            return Ready(one, key, expected, claim.job_id, began, running=True, power_before=power_before)
        if settled.state == "absent":
            return claim.job_id
        if settled.state == "failed" and claim.detail.get("power_before"):
            # Still at rest for this import. A claim begun anew would forget what its power was.
            job_id = self._new_job_id()
            self._ledger.note(key, "intended", job_id=job_id, error=f"job {claim.job_id} failed: {settled.error}")
            return job_id
        if settled.state == "failed":
            self._ledger.note(key, "failed", job_id=claim.job_id, error=settled.error)
            again = self._claim(key)
            return "" if again.held else _of_others(one, again)
        return self._settled(one, key, claim.job_id, settled, began)

    def _settled(self, one: PlannedImport, key: VmKey, job_id: str, settled: Settlement, began: float) -> Concluded:
        state = settled.state
        assert state in ("imported", "incomplete", "failed", "unknown")  # noqa: S101  the others have been dealt with
        detail = {"differences": [str(one) for one in settled.differences], "why": settled.error}
        self._ledger.note(key, state, job_id=job_id, vm_id=settled.vm_id, error=settled.error, detail=detail)
        if state == "unknown":
            self._ledger.release(key)
        error = settled.error or in_words(settled.differences)
        return _concluded(
            one,
            state,
            error="" if state == "imported" else error,
            vm_id=settled.vm_id,
            job_id=job_id,
            began=began,
            differences=settled.differences,
            cause=settled.cause,
        )

    def _expected_of(self, one: PlannedImport, claim: Claim) -> Expected:
        saved = claim.detail.get("expected")
        if saved:
            return _EXPECTED.validate_python(saved)
        listed = self._planned.get((one.request.cluster_id, one.request.name))
        return before(listed or UnmanagedInstance(name=one.request.name), one.request)

    def _listed(self, one: PlannedImport) -> list[UnmanagedInstance]:
        """The unmanaged VMs of that name; asked again after an answer that was lost on its way, unless it took long."""
        for pause_s in self._pace.resubmit_s:
            asked = time.monotonic()
            try:
                return self._client.list_unmanaged_instances(one.request.cluster_id, one.request.name)
            except (SlowAnswer, NotTheApi):
                if time.monotonic() - asked > _LONG_S or self._stop.wait(pause_s):
                    raise
        return self._client.list_unmanaged_instances(one.request.cluster_id, one.request.name)

    def _drift(self, one: PlannedImport, listed: list[UnmanagedInstance], *, at_rest: bool) -> str:
        if not listed:
            return "CloudStack no longer lists it as unmanaged"
        if len(listed) > 1:
            return f"CloudStack lists {len(listed)} VMs of that name now"
        planned = self._planned.get((one.request.cluster_id, one.request.name))
        if planned is None:
            return ""
        if at_rest:  # switched off by an earlier run of ours, for this import
            planned = planned.model_copy(update={"powerstate": listed[0].powerstate})
        return changed_since(planned, listed[0])

    def _absent_or_held(self, one: PlannedImport, listed: list[UnmanagedInstance], drift: str) -> Concluded:
        """A VM that is not listed may be managed by now, whoever imported it."""
        planned = self._planned.get((one.request.cluster_id, one.request.name))
        if not listed and planned is not None:
            zone_id = self._zones.get(one.request.cluster_id, "")
            found = verify(self._client, before(planned, one.request), one.request, zone_id=zone_id)
            if found.state != "absent":
                error = "CloudStack manages it already; this run did not import it"
                return _concluded(one, "held", error=error, vm_id=found.vm_id)
        return _concluded(one, "held", error=f"changed since the plan: {drift}")

    def _note_power(self, key: VmKey, job_id: str, state: str) -> None:
        """Durable before the VM is touched: a run that dies here leaves behind what the VM's power was."""
        self._ledger.note(key, "intended", job_id=job_id, detail={"power_before": state})

    def give_up(self, ready: Ready) -> str:
        """A prepared row that is not sent after all. What went wrong with its power, in words; '' when nothing did."""
        problem = self._restore(ready)
        if ready.power_before and not ready.running:
            self._ledger.note(ready.key, "failed", error=f"never sent{problem}")
        self._ledger.release(ready.key)
        return problem

    # Send

    def send(self, ready: Ready) -> Concluded | None:
        """Send the call; None when a job runs now. Raises Transient when it certainly was not taken."""
        ready.began = time.monotonic()  # what came before waited for the row before it
        if ready.running:
            self._ledger.note(ready.key, "submitted", job_id=ready.job_id)
            return None
        request = replace(ready.one.request, custom_job_id=ready.job_id)
        detail: dict[str, Any] = {"expected": _EXPECTED.dump_python(ready.expected, mode="json")}
        if ready.power_before:
            detail["power_before"] = ready.power_before
        self._ledger.note(ready.key, "intended", job_id=ready.job_id, request_digest=digest_of(request), detail=detail)
        try:
            self._submit(request)
        except Refused as error:
            return self._refused(ready, error)
        except (UnknownOutcome, NotTheApi) as error:
            return self._after_a_lost_answer(ready, error)
        except (Transient, Unauthorised, Untrusted) as error:
            # Certainly not taken, whatever the reason: nothing has to be settled.
            problem = self._restore(ready)
            self._ledger.note(ready.key, "failed", error=f"never sent: {error.message}{problem}")
            raise
        self._ledger.note(ready.key, "submitted", job_id=ready.job_id)
        return None

    def _submit(self, request: ImportRequest) -> str:
        """Send the call. Transient means that it certainly was not taken: then, and only then, it is sent again."""
        for pause_s in self._pace.resubmit_s:
            try:
                return self._client.import_unmanaged_instance(request)
            except Transient as error:
                if self._stop.wait(error.retry_after_s or pause_s):
                    raise
        return self._client.import_unmanaged_instance(request)

    def _refused(self, ready: Ready, error: Refused) -> Concluded | None:
        if ("already exists" in error.text and "UUID" in error.text) or error.text.startswith("Entity already exists"):
            # Our own job id: an earlier sending of this very call did arrive.
            return self._after_a_lost_answer(ready, error)
        cause = cause_of(error.code, error.text)
        settled = Settlement("failed", error=error.text + self._restore(ready), cause=cause)
        return self._settled(ready.one, ready.key, ready.job_id, settled, ready.began)

    def _after_a_lost_answer(self, ready: Ready, error: IngestError) -> Concluded | None:
        """The call may have arrived. The job id is ours, so the server can be asked; it is sent once more, under the
        same id, only when it is proven that nothing was begun. None when a job runs."""
        settled = self._settle(ready, "intended")
        if settled.state == "absent" and not self._stop.is_set():
            try:
                self._client.import_unmanaged_instance(replace(ready.one.request, custom_job_id=ready.job_id))
            except Refused as again:
                settled = Settlement("failed", error=again.text, cause=cause_of(again.code, again.text))
            except IngestError as again:
                settled = Settlement("unknown", error=f"{error.message}; then {again.message}")
            else:
                settled = Settlement("running")
        if settled.state == "running":
            self._ledger.note(ready.key, "submitted", job_id=ready.job_id)
            return None
        return self._over(ready, settled, error.message)

    def _settle(self, ready: Ready, state: State) -> Settlement:
        """What became of our own call, with patience; unknown when nobody may be asked."""
        try:
            return settle(
                self._client,
                Claim(held=True, state=state, job_id=ready.job_id),
                ready.expected,
                ready.one.request,
                patience_s=self._pace.settle_s,
                stop=self._abandon,
                zone_id=self._zones.get(ready.one.request.cluster_id, ""),
                known_jobs=self._known_jobs,
            )
        except IngestError as error:
            return Settlement("unknown", error=error.message)

    def _over(self, ready: Ready, settled: Settlement, why: str) -> Concluded:
        """The outcome of a settlement; `why` says what made it necessary."""
        if settled.state in ("absent", "running"):
            settled = replace(settled, state="unknown", error=settled.error or why)
        if settled.state == "failed":
            settled = replace(settled, error=settled.error + self._restore(ready))
        return self._settled(ready.one, ready.key, ready.job_id, settled, ready.began)

    # Conclude

    def follow(self, ready: Ready) -> Job | Concluded:
        """The job when it is over; an outcome when its end was not seen: then the next run settles it."""
        try:
            return self._jobs.wait(ready.job_id, stop=self._abandon, timeout_s=self._pace.timeout_s)
        except UnknownOutcome as error:
            settled = Settlement("running") if self._abandon.is_set() else self._settle(ready, "submitted")
            if settled.state == "running":
                return self.left(ready, error.message)
            return self._over(ready, settled, error.message)
        except IngestError as error:
            return self.left(ready, error.message)

    def left(self, ready: Ready, why: str) -> Concluded:
        """The outcome of a row whose end was not seen; the ledger has its job, and the next run settles it."""
        self._ledger.release(ready.key)
        return _concluded(ready.one, "unknown", error=why, job_id=ready.job_id, began=ready.began)

    def conclude(self, ready: Ready, job: Job) -> Concluded:
        """What truly became of a job that is over: looked at and noted; a failed one gets its power back."""
        settled = self._look(ready, job)
        if settled.state == "absent":
            settled = replace(settled, state="failed")
        return self._over(ready, settled, "")

    def _look(self, ready: Ready, job: Job) -> Settlement:
        """A success is looked at by its id, a failure by name and MACs, both with patience while the server is away."""
        zone_id = self._zones.get(ready.one.request.cluster_id, "")
        if job.jobstatus == SUCCEEDED and not self._abandon.is_set():
            try:
                verified = verify(self._client, ready.expected, ready.one.request, vm_id_of(job), zone_id=zone_id)
            except (Transient, NotTheApi):
                pass  # settlement has the patience
            else:
                return _of_success(verified)
        if job.jobstatus == FAILED and job.jobresult is not None:
            error = job_failure(job)
            try:
                verified = verify(self._client, ready.expected, ready.one.request, zone_id=zone_id)
                if verified.state == "absent":
                    return of_failure(self._client, error, zone_id)
            except (Transient, NotTheApi):
                pass  # settlement has the patience
        return self._settle(ready, "submitted")

    def _restore(self, ready: Ready) -> str:
        """Bring a VM that was switched off for its import back; what went wrong, to be added to the row's error."""
        if not ready.power_before or self._power is None:
            return ""
        try:
            self._power.back(ready.one, ready.power_before)
        except IngestError as error:
            return f"; its power did not come back: {error.message}"
        if ready.power_before == "poweredOn":
            # From now on whoever switches it off has reasons of his own.
            self._ledger.note(ready.key, "unknown", error="switched on again", detail={"power_before": ""})
        return ""


def _of_success(verified: Verified) -> Settlement:
    if verified.state == "absent":
        return Settlement("failed", error="the import succeeded, but CloudStack does not have the VM any more")
    grave = tuple(one for one in verified.differences if one.grave)
    more = f"imported more than once: {', '.join(verified.others)} as well" if verified.others else ""
    error = "; ".join(filter(None, (more, in_words(grave))))
    return Settlement(
        "imported" if verified.state == "complete" else "incomplete",
        verified.vm_id,
        error,
        verified.differences,
        others=verified.others,
    )


def _of_others(one: PlannedImport, claim: Claim) -> Concluded:
    if claim.state == "imported" and not claim.holder:
        return _concluded(one, "imported", vm_id=claim.vm_id, job_id=claim.job_id)
    return _concluded(one, "held", error=f"{claim.holder} is at work on it ({claim.state}, run {claim.run_id})")


def _concluded(
    one: PlannedImport,
    status: Status,
    *,
    error: str = "",
    vm_id: str = "",
    job_id: str = "",
    began: float | None = None,
    differences: tuple[Difference, ...] = (),
    cause: Cause | None = None,
) -> Concluded:
    duration_s = 0.0 if began is None else round(time.monotonic() - began, 3)
    return Concluded(Outcome(one.row, one.vm, status, vm_id, job_id, error, duration_s), differences, cause)
