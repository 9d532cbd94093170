"""Waiting for an asynchronous job, and what a failed one says.

CloudStack cannot cancel a job: to stop waiting is all a client can do (CloudStack: AsyncJobManagerImpl).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ingest.errors import NotTheApi, Refused, Stopped, Transient, UnknownOutcome
from ingest.model.catalogue import Job

log = logging.getLogger("ingest.cloudstack")

PENDING, SUCCEEDED, FAILED = 0, 1, 2
NO_REASON = "the management server gave no reason"
NO_RESULT = f"{NO_REASON}; it may have restarted"

_GROWTH = 1.3
_LONGEST_FACTOR = 5.0


class AsksForJobs(Protocol):
    """What waiting needs of a client."""

    def query_job(self, job_id: str) -> Job | None:
        """The job's state, None when the server does not know it."""
        ...


def wait_for_job(
    client: AsksForJobs,
    job_id: str,
    *,
    every_s: float,
    timeout_s: float,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Job:
    """The job when it is over, succeeded or failed; ask about it every `every_s`, up to five times slower later on.

    A server that cannot be reached, or a page of a proxy, is waited out until `timeout_s` is over. Raises Stopped as
    soon as `stop` is set, UnknownOutcome when the job is unknown to the server or the time is out. In all three cases
    the job may still run. Other errors of the client pass through.
    """
    stop = stop or threading.Event()
    deadline = clock() + timeout_s
    pause_s = every_s
    trouble = ""
    while True:
        try:
            job = client.query_job(job_id)
            trouble = ""
        except (Transient, NotTheApi) as error:
            trouble = error.message
            log.warning("job %s: %s; asking again", job_id, trouble)
        else:
            if job is None:
                raise unknown_job(job_id)
            if job.jobstatus != PENDING:
                return job
        left_s = deadline - clock()
        if left_s <= 0:
            raise not_over(job_id, timeout_s, trouble)
        if stop.wait(min(pause_s, left_s)):
            raise stopped_waiting(job_id)
        pause_s = min(pause_s * _GROWTH, every_s * _LONGEST_FACTOR)


def unknown_job(job_id: str) -> UnknownOutcome:
    """The error when the server does not know a job."""
    return UnknownOutcome(
        f"CloudStack does not know the job {job_id}: never accepted, or deleted after its end",
        cure="look for the VM in CloudStack before sending anything again",
    )


def not_over(job_id: str, timeout_s: float, trouble: str = "") -> UnknownOutcome:
    """The error when the time is out; `trouble` is what the server said last instead of an answer."""
    return UnknownOutcome(
        f"the job {job_id} was not over after {timeout_s:g} s" + (f"; last answer: {trouble}" if trouble else ""),
        cure="it may still run on the server: ask for it again later",
    )


def stopped_waiting(job_id: str) -> Stopped:
    """The error when whoever waits for a job is to stop."""
    return Stopped(
        f"stopped waiting for the job {job_id}; it keeps running on the server",
        cure="ask for it again later: CloudStack cannot cancel it",
    )


def job_failure(job: Job, command: str = "") -> Refused:
    """The error a failed job stands for, in the server's words where it left any.

    `command` is the API command for the text; without it the name comes from the job's command class.
    """
    result = job.jobresult
    code = job.jobresultcode
    text = NO_RESULT
    if result is not None:
        text = str(result.get("errortext") or NO_REASON)
        code = int(result.get("errorcode") or code)
    return Refused(text, command=command or command_of(job), code=code)


def command_of(job: Job) -> str:
    """The command of a job after its class: `...vm.ImportUnmanagedInstanceCmd` is importUnmanagedInstance."""
    name = job.cmd.rpartition(".")[2].removesuffix("ByAdmin").removesuffix("Cmd")
    return name[:1].lower() + name[1:]
