"""Many waiting for their jobs with few questions, whatever the server says to the list."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.schedule.durations import DurationModel
from ingest.engine.schedule.watcher import JobWatcher
from ingest.errors import NotTheApi, Refused, Stopped, Transient, Unauthorised, UnknownOutcome
from ingest.model.catalogue import Job
from ingest.model.endpoints import CloudStackEndpoint
from ingest.twin.cloudstack import CloudStackServer
from ingest.twin.cloudstack.jobs import JobPlan, RunningJob
from tests.twin.cloudstack.tiny import tiny_world

Trouble = Callable[[int], Exception | None]


def fine(_: int) -> Exception | None:
    return None


class Server:
    """Jobs that end by themselves; `list_trouble` and `job_trouble` give what the n-th question meets, from 0."""

    def __init__(self, list_trouble: Trouble = fine, job_trouble: Trouble = fine) -> None:
        self.list_trouble = list_trouble
        self.job_trouble = job_trouble
        self.ends: dict[str, float] = {}
        self.status: dict[str, int] = {}
        self.hidden: set[str] = set()
        self.others = 0
        self.asked: Counter[str] = Counter()
        self.listed = threading.Event()
        self._lock = threading.Lock()

    def begin(self, job_id: str, seconds: float, status: int = 1) -> str:
        with self._lock:
            self.ends[job_id] = time.monotonic() + seconds
            self.status[job_id] = status
        return job_id

    def running_job_ids(self, keyword: str) -> set[str]:
        assert keyword == "ImportUnmanagedInstanceCmd"
        with self._lock:
            trouble = self.list_trouble(self.asked["list"])
            self.asked["list"] += 1
            self.listed.set()
            if trouble:
                raise trouble
            now = time.monotonic()
            running = {job_id for job_id, end in self.ends.items() if end > now and job_id not in self.hidden}
            return running | {f"other-{number}" for number in range(self.others)}

    def query_job(self, job_id: str) -> Job | None:
        with self._lock:
            trouble = self.job_trouble(self.asked["job"])
            self.asked["job"] += 1
            self.asked[job_id] += 1
            if trouble:
                raise trouble
            if job_id not in self.ends:
                return None
            over = time.monotonic() >= self.ends[job_id]
            return Job(jobid=job_id, jobstatus=self.status[job_id] if over else 0)


def wait_for_all(server: Server, watcher: JobWatcher, durations: list[float]) -> list[Job]:
    def one(number: int) -> Job:
        return watcher.wait(server.begin(f"j{number}", durations[number]), timeout_s=30)

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(one, range(len(durations))))


DURATIONS = [0.05 + 0.002 * (number % 50) for number in range(100)]


def test_every_job_is_given_once_it_is_over_and_asked_for_once() -> None:
    server, model = Server(), DurationModel()
    with JobWatcher(server, model) as watcher:
        jobs = wait_for_all(server, watcher, DURATIONS)
    assert [(job.jobid, job.jobstatus) for job in jobs] == [(f"j{number}", 1) for number in range(100)]
    assert server.asked["job"] == 100
    assert min(model.known) >= 0.05


def test_the_list_serves_all_who_wait() -> None:
    server = Server()
    with JobWatcher(server) as watcher:
        wait_for_all(server, watcher, [0.3] * 20)
    assert server.asked["list"] < 20


def test_nothing_is_asked_before_the_earliest_end() -> None:
    server = Server()
    stop = threading.Event()
    with JobWatcher(server, DurationModel([60.0] * 20)) as watcher, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(watcher.wait, server.begin("j", 60), stop=stop, timeout_s=60)
        assert not server.listed.wait(0.3)
        stop.set()
        with pytest.raises(Stopped, match="keeps running on the server"):
            waiting.result(10)
    assert server.asked == Counter(j=1, job=1)


def test_a_failed_job_is_given_and_is_no_measure() -> None:
    server, model = Server(), DurationModel()
    with JobWatcher(server, model) as watcher:
        job = watcher.wait(server.begin("j", 0.01, status=2), timeout_s=10)
    assert (job.jobstatus, model.known) == (2, ())


def test_a_job_the_server_does_not_know_is_an_unknown_outcome() -> None:
    with JobWatcher(Server()) as watcher, pytest.raises(UnknownOutcome, match="does not know the job gone"):
        watcher.wait("gone", timeout_s=10)


@pytest.mark.parametrize("refusal", [Unauthorised("432"), Refused("no", code=530), RuntimeError("what is this")])
def test_a_list_that_is_refused_is_not_asked_for_again(refusal: Exception) -> None:
    server = Server(lambda _: refusal)
    with JobWatcher(server) as watcher:
        jobs = wait_for_all(server, watcher, DURATIONS[:20])
    assert all(job.jobstatus == 1 for job in jobs)
    assert server.asked["list"] == 1


@pytest.mark.parametrize("trouble", [Transient("429", retry_after_s=0.02), NotTheApi("page of a proxy")])
def test_a_list_that_fails_for_a_while_is_tried_again_later(trouble: Exception) -> None:
    server = Server(lambda number: trouble if number < 1 else None)
    with JobWatcher(server) as watcher:
        assert watcher.wait(server.begin("j", 0.01), timeout_s=30).jobstatus == 1
    assert server.asked["list"] == 2


def test_a_question_that_fails_for_a_while_is_asked_again() -> None:
    server = Server(job_trouble=lambda number: Transient("503", retry_after_s=0.02) if number < 3 else None)
    with JobWatcher(server) as watcher:
        assert watcher.wait(server.begin("j", 0.01), timeout_s=30).jobstatus == 1
    assert server.asked["job"] == 4


def test_other_errors_of_a_question_pass_through() -> None:
    server = Server(job_trouble=lambda _: Unauthorised("key disabled"))
    with JobWatcher(server) as watcher, pytest.raises(Unauthorised):
        watcher.wait(server.begin("j", 0.01), timeout_s=30)


def test_a_list_full_of_other_jobs_is_given_up_for_a_while() -> None:
    server = Server()
    server.others = 500
    with JobWatcher(server) as watcher:
        wait_for_all(server, watcher, DURATIONS[:20])
    assert server.asked["list"] == 1


def test_a_job_that_is_not_visible_yet_is_asked_for_by_itself() -> None:
    server = Server()
    server.hidden.add("j")
    with JobWatcher(server) as watcher:
        assert watcher.wait(server.begin("j", 0.3), timeout_s=30).jobstatus == 1
    assert 1 < server.asked["j"] < 15


def test_the_time_out_is_kept_and_the_last_trouble_told() -> None:
    server = Server()
    with JobWatcher(server) as watcher, pytest.raises(UnknownOutcome, match=r"not over after 0\.1 s\n"):
        watcher.wait(server.begin("j", 60), timeout_s=0.1)
    away = Server(job_trouble=lambda _: Transient("cannot connect"))
    with JobWatcher(away) as watcher, pytest.raises(UnknownOutcome, match="last answer: cannot connect"):
        watcher.wait(away.begin("j", 60), timeout_s=0.1)


def test_a_job_that_is_over_is_given_even_when_stopped() -> None:
    server, stop = Server(), threading.Event()
    stop.set()
    with JobWatcher(server) as watcher:
        assert watcher.wait(server.begin("j", 0), stop=stop, timeout_s=10).jobstatus == 1


def test_closing_stops_those_who_wait() -> None:
    server = Server()
    watcher = JobWatcher(server)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(watcher.wait, server.begin("j", 60), timeout_s=60)
        assert server.listed.wait(10)
        watcher.close()
        with pytest.raises(Stopped):
            waiting.result(10)
    with pytest.raises(Stopped):
        watcher.wait("j", timeout_s=1)


def test_jobs_of_the_twin() -> None:
    with CloudStackServer(tiny_world()) as twin:
        endpoint = CloudStackEndpoint(
            url=twin.url, api_key=SecretStr("admin-key"), secret_key=SecretStr("admin-secret"), verify_tls=True
        )
        admin = next(user for user in twin.world.cloud.users.values() if user.api_key == "admin-key")

        def import_(number: int) -> tuple[str, Job]:
            def work(running: RunningJob) -> dict[str, object]:
                running.wait(0.05 + 0.01 * (number % 5))
                return {"number": number}

            plan = JobPlan("a.b.ImportUnmanagedInstanceCmd", work, "VM.IMPORT", "import", admin.accountid)
            job_id = twin.service.jobs.submit(plan, accountid=admin.accountid, userid=admin.id, custom_id="")
            return job_id, watcher.wait(job_id, timeout_s=30)

        with CloudStackClient(endpoint) as client, JobWatcher(client) as watcher, ThreadPoolExecutor(10) as pool:
            found = list(pool.map(import_, range(40)))
        requests = twin.world.cloud.journal.requests
    assert all(job.jobid == job_id and job.jobstatus == 1 for job_id, job in found)
    assert [job.jobresult for _, job in found] == [{"number": number} for number in range(40)]
    assert requests["queryAsyncJobResult"] == 40
