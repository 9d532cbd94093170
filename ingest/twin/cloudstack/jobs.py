"""Asynchronous jobs: accepted at once, run on their own threads, followed by id (CloudStack: AsyncJobManagerImpl)."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ingest.twin.cloud import Event, Job, new_id
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.refusals import ApiException, InvalidParameter, ServerError
from ingest.twin.journal import Fact
from ingest.twin.world import World

_LOG = logging.getLogger("ingest.twin.cloudstack.jobs")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

PENDING, SUCCEEDED, FAILED = 0, 1, 2


class JobLost(Exception):
    """The management server went away under a running job: it ends where it is, without cleanup."""


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job to be: the Java class it is shown as, its event, and the work.

    `run` gets the running job and returns the job's result; a ServerError it raises becomes the failure.
    `resource` is the (type, id) it works on; the events of such a job are linked to the first.
    """

    cmd: str
    run: Callable[[RunningJob], Json]
    event_type: str
    event_text: str
    ownerid: str
    is_import: bool = False
    resource: tuple[str, str] = ("", "")
    userid: str = ""
    vm: str = ""  # name of the VM of an import


class RunningJob:
    """What the work of a job sees of it."""

    def __init__(self, world: World, job_id: str, plan: JobPlan, lost: threading.Event) -> None:
        self.id = job_id
        self.step = ""  # the last one an import has done
        self.instance = ""  # id of the instance an import has written
        self._world = world
        self._plan = plan
        self._lost = lost

    def note(self, what: str, **facts: Fact) -> None:
        """Write into the journal what became of the job; call it with the world's lock held."""
        plan = self._plan
        kind, subject = ("import", {"vm": plan.vm}) if plan.is_import else ("job", {"about": plan.event_text})
        self._world.cloud.journal.record(f"{kind}-{what}", job=self.id, **subject, **facts)

    def whereabouts(self) -> dict[str, Fact]:
        """How far an import came: the last step it has done, the instance it has written."""
        known = {"after": self.step, "instance": self.instance}
        return {name: value for name, value in known.items() if value}

    def event(self, state: str, *, level: str = "INFO") -> None:
        """Write the job's event with a new state; call it with the world's lock held."""
        _write_event(self._world, self._plan, state, level)

    def wait(self, duration_seconds: float) -> None:
        """Let time pass. Raises JobLost when the management server goes away meanwhile."""
        self._world.clock.wait(self._lost, duration_seconds)
        self.check()

    def check(self) -> None:
        """Raise JobLost when the management server is gone; call it with the world's lock held before changes."""
        if self._lost.is_set():
            raise JobLost


class JobEngine:
    """The job queue of one management server. Ids, statuses and results live in `world.cloud.jobs`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lost = threading.Event()
        self._cleaner_runs = 0
        self._pool = ThreadPoolExecutor(world.cloud.job_threads, thread_name_prefix="twin-job")
        # A world saved in mid-flight: what its management server left unfinished, this one finds as after a restart.
        self.lose_all()
        with world.lock:
            world.cloud.journal.imports_running = 0

    def submit(self, plan: JobPlan, *, accountid: str, userid: str, custom_id: str) -> str:
        """Store and queue a job, return its id. Raises what check S6 says about `custom_id`."""
        world = self._world
        with world.lock:
            # The event precedes the check, so that refused duplicates leave one as well.
            _write_event(world, plan, "Scheduled", "INFO")
            job = Job(self._free_id(custom_id), plan.cmd, accountid, userid, created=world.clock.now())
            job.instancetype, job.instanceid = plan.resource
            world.cloud.jobs[job.id] = job
            world.cloud.journal.imports_accepted += plan.is_import
            RunningJob(world, job.id, plan, self._lost).note("accepted")
            if plan.is_import:
                world.tell_import("accepted", plan.vm)
            # Inside the lock: a loss of jobs between the row and the queue would leave one pending for ever.
            self._pool.submit(self._run, job, plan, self._lost)
        return job.id

    def find(self, job_id: str) -> Job | None:
        """A job that is still stored; call with the world's lock held."""
        self.forget_expired()
        return self._world.cloud.jobs.get(job_id)

    def forget_expired(self) -> None:
        """Drop the jobs past their time that the cleaner has come by; call with the world's lock held.

        It drops unfinished jobs as well, whose threads go on.
        """
        clock, cloud = self._world.clock, self._world.cloud
        overdue_s = 0.0
        if cloud.job_cleaner_seconds > 0:
            runs, overdue_s = divmod(clock.monotonic(), cloud.job_cleaner_seconds)
            if runs <= self._cleaner_runs:
                return
            self._cleaner_runs = int(runs)
        now = clock.now() - overdue_s
        for job_id in [job.id for job in cloud.jobs.values() if self._expired(job, now)]:
            del cloud.jobs[job_id]

    def _expired(self, job: Job, now: float) -> bool:
        # `job.expire.minutes` counts from the end, for jobs that never end from their creation.
        since = job.created if job.completed is None else job.completed
        return now - since > 60 * configuration.number(self._world.cloud, "job.expire.minutes")

    def lose_all(self, *, work_goes_on: bool = False) -> None:
        """Do to the jobs what a restart does: pending ones fail with 530 and without a result, work stops midway.

        `work_goes_on` is a management server that was only thought lost: its jobs fail all the same, but their threads
        finish what they do, which no longer shows in the jobs.
        """
        with self._world.lock:
            if not work_goes_on:
                self._lost.set()
                self._lost = threading.Event()
            for job in self._world.cloud.jobs.values():
                self._fail_without_result(job)

    def stop(self) -> None:
        """Lose all jobs and end the threads."""
        self.lose_all()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _fail_without_result(self, job: Job) -> None:
        if job.status == PENDING:
            job.status, job.resultcode, job.result, job.completed = FAILED, 530, None, self._world.clock.now()

    def _free_id(self, custom_id: str) -> str:
        if not custom_id:
            return new_id()
        if not _UUID.fullmatch(custom_id):
            raise InvalidParameter(f"UUID: {custom_id} doesn't follow the UUID format")
        known = self.find(custom_id)
        if known is not None and known.status == PENDING:
            raise InvalidParameter(f"UUID: {custom_id} already exists so can't create/update with custom id")
        if known is not None:
            # The pre-check looks at running jobs only; the database's unique key does not.
            raise ApiException(530, "Entity already exists ")
        return custom_id

    def _run(self, job: Job, plan: JobPlan, lost: threading.Event) -> None:
        journal = self._world.cloud.journal
        running = RunningJob(self._world, job.id, plan, lost)
        if plan.is_import:
            with self._world.lock:
                journal.imports_running += 1
                journal.peak_imports_running = max(journal.peak_imports_running, journal.imports_running)
        try:
            self._finish(job, lost, running, *self._outcome(job, plan, running))
        except JobLost:
            _LOG.info("job %s was lost with its management server", job.id)
            with self._world.lock:
                self._fail_without_result(job)
                running.note("lost", **running.whereabouts())
        finally:
            if plan.is_import:
                with self._world.lock:
                    journal.imports_running -= 1
                    self._world.tell_import("over", plan.vm)

    def _outcome(self, job: Job, plan: JobPlan, running: RunningJob) -> tuple[int, int, Json]:
        try:
            running.check()
            return SUCCEEDED, 0, plan.run(running)
        except ServerError as error:
            return FAILED, error.job_code, _failure(error.job_code, error.text)
        except JobLost:
            raise
        except Exception as error:  # noqa: BLE001  whatever escapes a job is its failure 530, as on the real server
            _LOG.exception("job %s failed unexpectedly", job.id)
            return FAILED, 530, _failure(530, str(error))

    def _finish(
        self, job: Job, lost: threading.Event, running: RunningJob, status: int, code: int, result: Json
    ) -> None:
        with self._world.lock:
            if lost.is_set():
                raise JobLost
            # A job that counts as lost keeps its failure, whatever became of the work.
            if job.status == PENDING:
                job.status, job.resultcode, job.result, job.completed = status, code, result, self._world.clock.now()
            if status == FAILED:
                running.note("failed", **running.whereabouts(), code=code, text=str(result.get("errortext", "")))
            elif not running.instance:  # an import has said so itself, together with its last change
                running.note("completed")


def _failure(code: int, text: str) -> Json:
    """An exception without a message leaves none."""
    return {"errorcode": code, "errortext": text} if text else {"errorcode": code}


def _write_event(world: World, plan: JobPlan, state: str, level: str) -> None:
    kind, resourceid = plan.resource
    events = world.cloud.events
    startid = ""
    if resourceid and state != "Scheduled":
        startid = next((event.id for event in reversed(events) if _begins(event, plan)), "")
    event = Event(new_id(), plan.event_type, level, state, plan.event_text, plan.ownerid, world.clock.now())
    event.userid, event.startid, event.resourcetype, event.resourceid = plan.userid, startid, kind, resourceid
    events.append(event)


def _begins(event: Event, plan: JobPlan) -> bool:
    return event.state == "Scheduled" and (event.type, event.resourceid) == (plan.event_type, plan.resource[1])
