"""One VM started in CloudStack, exactly once: intent in the ledger with a job id of our own, call, look, note.

CloudStack takes a job id once (customjobid), and never starts a VM that runs. So a start whose answer was lost is
settled by asking for its job and by the VM's state, and only then sent again, under the same id.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.jobs import FAILED, job_failure, wait_for_job
from ingest.engine.ledger import DeedKey, Ledger, VmKey
from ingest.engine.verification import by_id
from ingest.errors import NotTheApi, Refused, RemoteError, Stopped, Transient, UnknownOutcome

log = logging.getLogger("ingest.engine")

Status = Literal["started", "already", "failed", "unknown", "in-hand", "not-started"]


@dataclass(frozen=True, slots=True)
class StartPace:
    """Seconds: between questions about a job, until it is given up, and the pauses before a call whose job the server
    does not know is sent again. `questions_s`: between looks whether vCenter asks if a VM was moved or copied."""

    every_s: float = 0.5
    timeout_s: float = 900.0
    resend_s: tuple[float, ...] = (1.0, 5.0)
    questions_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Starting:
    """What became of a start.

    `started`: by this run. `already`: it ran, and not because of this run. `failed`: the server said no, `error` has
    its words. `unknown`: what is true could not be found out; the next attempt looks first. `in-hand`: another run is
    at it. `settled`: found out by looking, after an answer was lost or a process died, or known from the ledger.
    """

    status: Status
    error: str = ""
    settled: bool = False

    @property
    def runs(self) -> bool:
        """Whether the VM runs."""
        return self.status in ("started", "already")


def start_key(endpoint: str, vm: VmKey) -> DeedKey:
    """The ledger's key for the start of a VM; `endpoint` is the URL of CloudStack's API."""
    return DeedKey(endpoint, "started", vm.text, vm.name)


def was_started(ledger: Ledger, key: DeedKey, run_id: str) -> bool:
    """Whether the run has started the VM: `start` then sends nothing."""
    known = ledger.deeds.find(endpoint=key.endpoint, kind="started", subject=key.subject)
    return bool(known) and known[0].state == "done" and known[0].run_id == run_id


def start(
    client: CloudStackClient,
    ledger: Ledger,
    key: DeedKey,
    vm_id: str,
    *,
    run_id: str,
    actor: str,
    stop: threading.Event,
    pace: StartPace = StartPace(),
    new_job_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    sent: Callable[[], None] = lambda: None,
) -> Starting:
    """Start a VM by its id in CloudStack. A refusal is an outcome; raises LedgerError and ClaimLost only.

    `sent` is called once: when the server has the call, or when it is certain that none will follow.
    """
    one = _One(client, ledger, key, vm_id, run_id, actor, stop, pace, new_job_id, sent)
    try:
        return one.start()
    except (RemoteError, Stopped) as error:  # what is true could not be found out: the deed stays as it is
        ledger.deeds.release(key)
        return Starting("unknown", error.message)
    finally:
        one.tell_sent()


@dataclass(slots=True)
class _One:
    client: CloudStackClient
    ledger: Ledger
    key: DeedKey
    vm_id: str
    run_id: str
    actor: str
    stop: threading.Event
    pace: StartPace
    new_job_id: Callable[[], str]
    sent: Callable[[], None]
    _told: bool = False

    def tell_sent(self) -> None:
        if not self._told:
            self._told = True
            self.sent()

    def start(self) -> Starting:
        deeds, who = self.ledger.deeds, {"run_id": self.run_id, "actor": self.actor}
        known = deeds.find(endpoint=self.key.endpoint, kind="started", subject=self.key.subject)
        former = known[0] if known else None
        if former is not None and former.state == "done":
            if former.run_id == self.run_id:
                # Started once by this run. Whoever switched it off since had a reason.
                return Starting("started", settled=True)
            if self._state() == "Running":
                return Starting("already")
            if deeds.begin_undo(self.key, **who).held:
                deeds.end(self.key, "undone", detail={"found": "not running any more"})
            former = None
        left = former is not None and former.state == "intended"
        job_id = str(former.detail.get("job_id", "")) if left and former else ""
        job_id = job_id or self.new_job_id()
        begun = deeds.begin(self.key, detail={"vm_id": self.vm_id, "job_id": job_id}, **who)
        if not begun.held:
            return Starting("in-hand", f"{begun.deed.holder if begun.deed else 'another run'} is at it")
        return self._settled(job_id) if begun.before == "intended" else self._fresh(job_id)

    def _fresh(self, job_id: str) -> Starting:
        if self._state() == "Running":
            # Noted as not done: what this run did not start, it must not switch off when it gives back.
            self.ledger.deeds.end(self.key, "failed", error="it ran already")
            return Starting("already")
        return self._send(job_id)

    def _settled(self, job_id: str) -> Starting:
        """Somebody died between the intent and the note: the job says what came of it, or that it never arrived."""
        if self.client.query_job(job_id) is not None:
            return self._await(job_id, settled=True)
        if self._state() == "Running":
            return self._done(settled=True)
        return self._send(job_id)

    def _send(self, job_id: str) -> Starting:
        for pause_s in (*self.pace.resend_s, None):
            if self.stop.is_set():
                # Nothing was sent, or nothing arrived: the deed stays intended, and the next attempt looks.
                self.ledger.deeds.release(self.key)
                return Starting("not-started")
            try:
                self.client.start_virtual_machine(self.vm_id, custom_job_id=job_id)
                return self._await(job_id)
            except (UnknownOutcome, Transient, NotTheApi) as lost:
                log.warning("start of %s: %s; asking for its job", self.key.name, lost.message)
                if self._arrived(job_id):
                    return self._await(job_id, settled=True)
                if pause_s is None:
                    raise
                self.stop.wait(pause_s)
            except Refused as refusal:
                if self._arrived(job_id):  # a second call under an id that was taken is refused
                    return self._await(job_id, settled=True)
                return self._failed(refusal.text)
        raise ValueError("at least one try")

    def _arrived(self, job_id: str) -> bool:
        try:
            return self.client.query_job(job_id) is not None
        except (Transient, NotTheApi):
            return False

    def _await(self, job_id: str, *, settled: bool = False) -> Starting:
        self.tell_sent()
        job = wait_for_job(
            self.client, job_id, every_s=self.pace.every_s, timeout_s=self.pace.timeout_s, stop=self.stop
        )
        # The VM has the last word over what its job says.
        if self._state() == "Running":
            return self._done(settled=settled)
        if job.jobstatus == FAILED:
            return self._failed(job_failure(job, "startVirtualMachine").text)
        return self._done(settled=settled)  # started, and stopped again by now: not ours to repeat

    def _done(self, *, settled: bool) -> Starting:
        self.ledger.deeds.end(self.key, "done", detail={"settled": True} if settled else {})
        return Starting("started", settled=settled)

    def _failed(self, words: str) -> Starting:
        self.ledger.deeds.end(self.key, "failed", error=words)
        return Starting("failed", words)

    def _state(self) -> str:
        found = by_id(self.client, self.vm_id)
        return found[0].state if found else ""
