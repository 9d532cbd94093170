from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from ingest.cloudstack.jobs import NO_REASON, NO_RESULT, command_of, job_failure, wait_for_job
from ingest.errors import NotTheApi, Stopped, Transient, Unauthorised, UnknownOutcome
from ingest.model.catalogue import Job
from tests.cloudstack.api_server import HANG_UP, Asked, Reply, page_of_a_proxy, payload
from tests.cloudstack.conftest import Connect, Serve

PENDING = Job(jobid="j-1")
DONE = Job(jobid="j-1", jobstatus=1)
IMPORT_CLASS = "org.apache.cloudstack.api.command.admin.vm.ImportUnmanagedInstanceCmd"


@dataclass
class Jobs:
    """Answers `query_job` from a script; what repeats for ever is the last entry."""

    script: Sequence[Job | Exception | None]
    asked_at: list[float] = field(default_factory=list)
    now: float = 1000.0

    def query_job(self, job_id: str) -> Job | None:
        assert job_id == "j-1"
        self.asked_at.append(self.now)
        entry = self.script[min(len(self.asked_at), len(self.script)) - 1]
        if isinstance(entry, Exception):
            raise entry
        return entry

    def clock(self) -> float:
        return self.now


class StopAfter(threading.Event):
    """An event whose waiting moves the clock of `Jobs` on, and that is set after some waits."""

    def __init__(self, jobs: Jobs, waits: int = 10_000) -> None:
        super().__init__()
        self._jobs = jobs
        self._waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._waits -= 1
        if self._waits < 0:
            self.set()
        else:
            self._jobs.now += timeout
        return self.is_set()


def wait(jobs: Jobs, *, timeout_s: float = 3600, waits: int = 10_000) -> Job:
    return wait_for_job(jobs, "j-1", every_s=2, timeout_s=timeout_s, stop=StopAfter(jobs, waits), clock=jobs.clock)


@pytest.mark.parametrize("status", [1, 2, 3])
def test_a_job_that_is_over_is_given(status: int) -> None:
    over = Job(jobid="j-1", jobstatus=status)
    assert wait(Jobs([PENDING, PENDING, over])) == over


def test_asking_slows_down_to_five_times_the_pause() -> None:
    jobs = Jobs([PENDING] * 20 + [DONE])
    wait(jobs)
    pauses = [after - before for before, after in zip(jobs.asked_at, jobs.asked_at[1:], strict=False)]
    assert pauses[0] == 2
    assert pauses == sorted(pauses)
    assert max(pauses) == pauses[-1] == 10


def test_a_server_that_is_away_for_a_while_is_waited_out() -> None:
    away: list[Job | Exception | None] = [Transient("down"), NotTheApi("HTTP 404 of the web container")]
    assert wait(Jobs([PENDING, *away, PENDING, *away, DONE])) == DONE


def test_other_errors_pass_through() -> None:
    with pytest.raises(Unauthorised):
        wait(Jobs([PENDING, Unauthorised("key disabled")]))


def test_an_unknown_job_is_an_unknown_outcome() -> None:
    with pytest.raises(UnknownOutcome, match="does not know the job j-1"):
        wait(Jobs([None]))


def test_the_time_out_is_kept_and_the_last_trouble_told() -> None:
    jobs = Jobs([PENDING])
    with pytest.raises(UnknownOutcome, match="not over after 25 s") as caught:
        wait(jobs, timeout_s=25)
    assert "last answer" not in caught.value.message
    assert jobs.asked_at[-1] == 1025
    with pytest.raises(UnknownOutcome, match="last answer: cannot connect"):
        wait(Jobs([PENDING, Transient("cannot connect")]), timeout_s=25)
    with pytest.raises(UnknownOutcome) as caught:
        wait(Jobs([Transient("cannot connect"), PENDING]), timeout_s=25)
    assert "last answer" not in caught.value.message


def test_a_stop_ends_the_waiting_and_says_that_the_job_goes_on() -> None:
    jobs = Jobs([PENDING])
    with pytest.raises(Stopped, match="keeps running on the server"):
        wait(jobs, waits=2)
    assert len(jobs.asked_at) == 3


def test_a_job_that_is_over_is_given_even_when_stopped() -> None:
    assert wait(Jobs([DONE]), waits=0) == DONE


def test_a_stop_from_another_thread_is_felt_at_once() -> None:
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped):
        wait_for_job(Jobs([PENDING]), "j-1", every_s=60, timeout_s=600, stop=stop)


def test_waiting_over_http_through_a_restart(serve: Serve, connect: Connect) -> None:
    running = payload("queryAsyncJobResult", {"jobid": "j-1", "jobstatus": 0})
    over = payload("queryAsyncJobResult", {"jobid": "j-1", "jobstatus": 2, "jobresultcode": 530, "cmd": IMPORT_CLASS})
    answers: Iterator[Reply] = iter(
        [running, HANG_UP, HANG_UP, HANG_UP, page_of_a_proxy(404, "Not Found"), page_of_a_proxy(503, "Starting"), over]
    )
    lock = threading.Lock()

    def answering(_asked: Asked) -> Reply:
        with lock:
            return next(answers)

    job = wait_for_job(connect(serve(answering)), "j-1", every_s=0.01, timeout_s=20)
    failure = job_failure(job)
    assert (failure.text, failure.code, failure.command) == (NO_RESULT, 530, "importUnmanagedInstance")


def test_a_failed_job_speaks_with_the_servers_words() -> None:
    result = {"errorcode": 431, "errortext": "Cluster [c] is not enabled."}
    failure = job_failure(Job(jobid="j-1", cmd=IMPORT_CLASS, jobstatus=2, jobresultcode=530, jobresult=result))
    assert (failure.text, failure.code, failure.command) == (
        "Cluster [c] is not enabled.",
        431,
        "importUnmanagedInstance",
    )


def test_a_failed_job_with_little_to_say() -> None:
    no_text = job_failure(Job(jobid="j-1", jobstatus=2, jobresultcode=530, jobresult={"errorcode": 530}))
    assert (no_text.text, no_text.code) == (NO_REASON, 530)
    no_code = job_failure(Job(jobid="j-1", jobstatus=2, jobresultcode=533, jobresult={"errortext": "full"}))
    assert (no_code.text, no_code.code) == ("full", 533)
    nothing = job_failure(Job(jobid="j-1", jobstatus=2, jobresultcode=530), "unmanageVirtualMachine")
    assert (nothing.text, nothing.code, nothing.command) == (NO_RESULT, 530, "unmanageVirtualMachine")
    assert "may have restarted" in str(nothing)


def test_the_command_of_a_job() -> None:
    assert command_of(Job(jobid="j", cmd=IMPORT_CLASS)) == "importUnmanagedInstance"
    assert command_of(Job(jobid="j", cmd="a.b.StartVMCmdByAdmin")) == "startVM"
    assert command_of(Job(jobid="j")) == ""
