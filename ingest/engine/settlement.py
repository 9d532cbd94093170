"""Settlement: what became of an import whose outcome is not known. Looks, waits, and sends nothing.

The job id is asked first, because it is ours and durable; the VM itself has the last word, because a failed job may
have imported it and a successful one may have imported it in part (CloudStack: AsyncJobManagerImpl).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ingest.cloudstack.jobs import FAILED, NO_RESULT, PENDING, job_failure
from ingest.engine.proof import Difference, Expected, in_words
from ingest.engine.server_words import Cause, cause_of, of_a_leftover
from ingest.engine.verification import ShowsVms, Verified, verify
from ingest.errors import NotTheApi, Refused, Transient
from ingest.model.catalogue import Job, UnmanagedInstance
from ingest.model.request import ImportRequest

Settled = Literal["imported", "incomplete", "failed", "running", "absent", "unknown"]

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


class Settles(ShowsVms, Protocol):
    """What settlement needs of a CloudStack client."""

    def query_job(self, job_id: str) -> Job | None:
        """The job's state, None when the server does not know it."""
        ...

    def list_async_jobs(self) -> list[Job]:
        """The import jobs that still run."""
        ...

    def list_unmanaged_instances(self, cluster_id: str, name: str | None = None) -> list[UnmanagedInstance]:
        """The unmanaged VMs of that name."""
        ...


class Unsettled(Protocol):
    """What is known of an import: the job id it was, or was to be, sent with; '' when none was chosen."""

    @property
    def job_id(self) -> str:
        """Our own id of the job."""
        ...


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is true now.

    `imported`: CloudStack has all of the VM. `incomplete`: it has a part (`differences`); give the VM back, then import
    it again. `failed`: the job ended and CloudStack has nothing; a new job id is needed for another try. `running`: the
    job still runs. `absent`: proven that nothing was begun; the call may be sent with the same job id. `unknown`: none
    of these could be shown; `error` says why. `others` are further VMs over the same disks.
    """

    state: Settled
    vm_id: str = ""
    error: str = ""
    differences: tuple[Difference, ...] = ()
    cause: Cause | None = None
    others: tuple[str, ...] = ()


def settle(
    client: Settles,
    claim: Unsettled,
    expected: Expected,
    request: ImportRequest,
    *,
    patience_s: float,
    stop: threading.Event,
    zone_id: str = "",
    known_jobs: Collection[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Settlement:
    """Find out what became of an import.

    `patience_s` is how long the server is asked again: for a job it does not know (the request may be on its way), for
    a VM that may still be written, for an answer while it is away. `known_jobs` are the jobs of other VMs; any other
    import that runs may be this VM's, sent by somebody else. Errors about the key or the certificate pass through.
    """
    return _Case(client, claim.job_id, expected, request, zone_id, known_jobs).settle(
        _Patience(patience_s, stop, clock)
    )


class _Patience:
    """Pauses that grow, until the time is over or somebody stops. However short the time, there is a second look: it
    takes two to prove that nothing was begun."""

    def __init__(self, patience_s: float, stop: threading.Event, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deadline = clock() + patience_s
        self._pause_s = min(_FIRST_PAUSE_S, patience_s / 10)
        self._stop = stop
        self._looked_once = False

    def lasts(self) -> bool:
        """Wait a little; whether another look is worth it."""
        left_s = max(self._deadline - self._clock(), 0.0)
        if (left_s == 0.0 and self._looked_once) or self._stop.wait(min(self._pause_s, left_s)):
            return False
        self._looked_once = True
        self._pause_s = min(self._pause_s * 1.5, _LONGEST_PAUSE_S)
        return True


@dataclass(frozen=True)
class _Case:
    client: Settles
    job_id: str
    expected: Expected
    request: ImportRequest
    zone_id: str
    known_jobs: Collection[str]

    def settle(self, patience: _Patience) -> Settlement:
        """Look until something is certain. The looks of one round are in this order: job, VM, list of unmanaged VMs."""
        if not self.job_id:
            verified = self._verified()
            return Settlement("absent") if verified.state == "absent" else _has(verified)
        last = Settlement("unknown", error="nobody asked")
        unknown_before = False
        while True:
            try:
                now, certain, job_unknown = self._look(unknown_before=unknown_before)
            except (Transient, NotTheApi) as error:
                # What was seen before the server went away is worth more than that it did.
                last = last if last.state == "incomplete" else Settlement("unknown", error=error.message)
            else:
                last, unknown_before = now, job_unknown
                if certain:
                    return now
            if not patience.lasts():
                return last

    def _look(self, *, unknown_before: bool) -> tuple[Settlement, bool, bool]:
        """What one look shows, whether time cannot change it, and whether the job is unknown to the server."""
        job = self.client.query_job(self.job_id)
        if job is None:
            now, certain = self._without_a_job(unknown_before=unknown_before)
            return now, certain, True
        if job.jobstatus == PENDING:
            return Settlement("running"), True, False
        if job.jobstatus == FAILED:
            return *self._failed(job), False
        return self._succeeded(job), True, False

    def _verified(self, vm_id: str = "") -> Verified:
        return verify(self.client, self.expected, self.request, vm_id, zone_id=self.zone_id)

    def _succeeded(self, job: Job) -> Settlement:
        verified = self._verified(vm_id_of(job))
        if verified.state == "absent":
            return Settlement("failed", error="the import succeeded, but CloudStack does not have the VM any more")
        return _has(verified)

    def _failed(self, job: Job) -> tuple[Settlement, bool]:
        """A job the server ended in a restart has no result, and its work may go on: another look may show more.

        There is no shorter way than to wait. A management server that was only taken for dead finishes its imports
        without a sign in the job, and no list shows which server works at a job that counts as over; that the VM is
        not there yet says nothing before the row is committed (CloudStack: AsyncJobManagerImpl).
        """
        error = job_failure(job)
        told = job.jobresult is not None
        verified = self._verified()
        if verified.state == "absent":
            return of_failure(self.client, error, self.zone_id), told
        found = replace(_has(verified), error=_and(error.text, _has(verified).error))
        return found, told or verified.state == "complete"

    def _without_a_job(self, *, unknown_before: bool) -> tuple[Settlement, bool]:
        """Never accepted, or its row is gone: only the VM can tell, and the list it is in when nothing was done."""
        verified = self._verified()
        if verified.state != "absent":
            return _has(verified), verified.state == "complete"
        if not self._listed():
            return Settlement("unknown", error="CloudStack neither manages the VM nor lists it as unmanaged"), False
        others = [job.jobid for job in self.client.list_async_jobs() if job.jobid not in self.known_jobs]
        if others:
            return Settlement("unknown", error=f"imports of others are running: {', '.join(others)}"), False
        if not unknown_before:
            return Settlement("unknown", error=f"CloudStack does not know the job {self.job_id}"), False
        # The job row comes before the VM's: a request that slipped in between the looks shows here.
        if self.client.query_job(self.job_id) is not None:
            return Settlement("running"), True
        return Settlement("absent"), True

    def _listed(self) -> bool:
        """By name, as an import would look for it, and by a MAC or disk: others may have the name too."""
        disks = {disk.disk_id for disk in self.expected.disks}
        return any(
            bool(disks & {disk.id for disk in vm.disk})
            or bool(self.expected.macs & {nic.macaddress.lower() for nic in vm.nic})
            or not (self.expected.disks or self.expected.nics)
            for vm in self.client.list_unmanaged_instances(self.request.cluster_id, self.request.name)
        )


def vm_id_of(job: Job) -> str:
    """The id of the VM a successful import made, '' when its result does not say."""
    instance = (job.jobresult or {}).get("virtualmachine", {})
    return str(instance.get("id", "")) if isinstance(instance, dict) else ""


def of_failure(client: ShowsVms, error: Refused, zone_id: str) -> Settlement:
    """The settlement of an import that failed and left no VM. A MAC that is said to exist although no VM shows it is
    the rest of an earlier one that failed (CloudStack: cleanupFailedImportVM leaves the NIC rows)."""
    text, cause = error.text, cause_of(error.code, error.text)
    if cause.id == "mac-taken":
        machines = client.list_virtual_machines(zone_id=zone_id or None)
        if cause.subject.lower() not in {nic.macaddress.lower() for machine in machines for nic in machine.nic}:
            text = of_a_leftover(text)
            cause = cause_of(error.code, text)
    return Settlement("failed", error=text, cause=cause)


def lost_its_result(error: str) -> bool:
    """Whether a row's error says that the server gave no reason, as after a restart: the VM may be there."""
    return NO_RESULT.partition(";")[0] in error


def _has(verified: Verified) -> Settlement:
    """The settlement when CloudStack has the VM."""
    found = Settlement("imported", verified.vm_id, differences=verified.differences, others=verified.others)
    if verified.state == "complete":
        return found
    more = f"imported more than once: {', '.join(verified.others)} as well" if verified.others else ""
    grave = [one for one in verified.differences if one.grave]
    return replace(found, state="incomplete", error=_and(more, in_words(grave)))


def _and(*texts: str) -> str:
    return "; ".join(filter(None, texts))
