"""Waiting for many import jobs with few questions: one list of the jobs that still run serves all who wait.

A pending job shows in listAsyncJobs, one that is over does not (CloudStack: QueryManagerImpl.searchForAsyncJobs). The
list only says for whom to ask: the answer itself is always the job's own.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from ingest.cloudstack.client import IMPORT_JOB_CLASS
from ingest.cloudstack.jobs import PENDING, SUCCEEDED, not_over, stopped_waiting, unknown_job
from ingest.engine.schedule.durations import DurationModel
from ingest.errors import NotTheApi, Refused, Transient, Unauthorised
from ingest.model.catalogue import Job

log = logging.getLogger("ingest.engine")

# A question is late by half the time between two, so this share of a job's duration gives half as much delay. The more
# jobs one question serves, the more often it may be asked: `_QUESTIONS` is about how many there are for each job then.
_SHARE, _SMALLEST_SHARE = 0.05, 0.0175
_QUESTIONS = 2.3
_SHARE_UNKNOWN = 0.1  # as long as nothing is known of the durations, of a job's age so far
_SHARE_ALONE = 0.2  # of questions that serve one job only
_SHORTEST_S, _LONGEST_S = 0.035, 5.0
_EARLY, _SLACK = 0.05, 0.9  # the first question comes before all but 5 % of the jobs are over
_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 1.0, 30.0
_GLANCE_S = 0.1  # how often the events that stop somebody are looked at
_MANY = 500  # a full page: so many other people's jobs are dearer to read than to ask for ours one by one
_MANY_PAUSE_S = 60.0


class KnowsJobs(Protocol):
    """What watching needs of a CloudStack client."""

    def running_job_ids(self, keyword: str) -> set[str]:
        """The jobs that still run whose command class contains the keyword."""
        ...

    def query_job(self, job_id: str) -> Job | None:
        """The job's state, None when the server does not know it."""
        ...


class _BackOff:
    """When to try again after the server did not answer; the wait it asks for, else twice the one before."""

    def __init__(self) -> None:
        self.until = 0.0
        self._pause_s = 0.0
        self._asked_for = False

    def failed(self, now: float, error: Exception) -> float:
        asked_for_s = error.retry_after_s if isinstance(error, Transient) else None
        self._pause_s = min(max(2 * self._pause_s, _FIRST_BACK_OFF_S), _LONGEST_BACK_OFF_S)
        pause_s = self._pause_s if asked_for_s is None else min(asked_for_s, _LONGEST_BACK_OFF_S)
        self.until = now + pause_s
        self._asked_for = asked_for_s is not None
        return pause_s

    def answered(self) -> None:
        self._pause_s = 0.0

    def others_are_answered(self) -> None:
        """The server is there: no need to wait any longer, unless it asked for it."""
        if not self._asked_for:
            self.until = 0.0


class _Waiter:
    """Somebody who waits for one job. `alone`: the list does not show it, so its own questions have to do."""

    def __init__(self, job_id: str, stop: threading.Event, since: float) -> None:
        self.job_id = job_id
        self.stop = stop
        self.since = since
        self.asked_at = since
        self.woken = threading.Event()
        self.alone = False
        self.back_off = _BackOff()


class JobWatcher:
    """Waits for jobs on behalf of many threads; a context manager. Its own thread lives while it is open.

    Nothing is asked before the earliest end the `durations` suggest, later about every 5 % of the usual duration, with
    25 jobs and more every 1.75 % (at least 0.035 s, at most 5 s), so that the end of a job is noticed after 1 to 3 % of
    it. As long as there is no idea the age of the jobs takes the place of their duration. The watcher adds the
    durations it sees to the model.

    Where the list is refused to the key's role, or full of other people's jobs, each job is asked for by itself, less
    often.
    """

    def __init__(
        self, client: KnowsJobs, durations: DurationModel | None = None, *, keyword: str = IMPORT_JOB_CLASS
    ) -> None:
        self._client = client
        self._durations = durations or DurationModel()
        self._keyword = keyword
        self._changed = threading.Condition()
        self._waiters: list[_Waiter] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self._listed_at = -math.inf
        self._no_list_until = -math.inf
        self._back_off = _BackOff()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread. Those who still wait are stopped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def wait(self, job_id: str, *, stop: threading.Event | None = None, timeout_s: float) -> Job:
        """The job when it is over, succeeded or failed. Call it when the job was submitted: its age counts from now.

        A server that cannot be reached, or a page of a proxy, is waited out until `timeout_s` is over. Raises Stopped
        when `stop` is set, UnknownOutcome when the job is unknown to the server or the time is out. In all three cases
        the job may still run. Other errors of the client pass through. A job that is over is given in any case.
        """
        waiter = _Waiter(job_id, stop or threading.Event(), time.monotonic())
        self._enter(waiter)
        try:
            return self._wait(waiter, timeout_s)
        finally:
            with self._changed:
                self._waiters.remove(waiter)

    def _wait(self, waiter: _Waiter, timeout_s: float) -> Job:
        deadline = waiter.since + timeout_s
        trouble = ""
        while True:
            if not waiter.stop.is_set():
                waiter.woken.wait(max(deadline - time.monotonic(), 0.0))
            stopped = waiter.stop.is_set() or self._closed
            if stopped and trouble:  # a server that is away would only hold up the stop
                raise stopped_waiting(waiter.job_id)
            failure: Exception | None = None
            try:
                job = self._client.query_job(waiter.job_id)
                trouble = ""
            except (Transient, NotTheApi) as error:
                failure, trouble = error, error.message
                log.warning("job %s: %s; asking again", waiter.job_id, trouble)
            else:
                if job is None:
                    raise unknown_job(waiter.job_id)
                if job.jobstatus != PENDING:
                    if job.jobstatus == SUCCEEDED:  # a failure is no measure: most come early
                        self._durations.add(time.monotonic() - waiter.since)
                    with self._changed:
                        self._server_is_there()
                    return job
            if stopped:
                raise stopped_waiting(waiter.job_id)
            if time.monotonic() >= deadline:
                raise not_over(waiter.job_id, timeout_s, trouble)
            self._again(waiter, failure)

    def _enter(self, waiter: _Waiter) -> None:
        with self._changed:
            if self._closed:
                raise stopped_waiting(waiter.job_id)
            self._waiters.append(waiter)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="job-watcher", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _again(self, waiter: _Waiter, failure: Exception | None) -> None:
        """The answer was not the end of it. A job that runs without showing in the list is not visible there yet."""
        with self._changed:
            waiter.asked_at = time.monotonic()
            waiter.alone = True
            if failure is None:
                waiter.back_off.answered()
                self._server_is_there()
            else:
                waiter.back_off.failed(waiter.asked_at, failure)
            waiter.woken.clear()
            self._changed.notify_all()

    def _server_is_there(self) -> None:
        """Somebody was answered. The lock is held."""
        for waiter in self._waiters:
            waiter.back_off.others_are_answered()
        self._back_off.others_are_answered()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                self._round()
            for waiter in self._waiters:
                waiter.woken.set()

    def _round(self) -> None:
        """Wait until somebody has something to hear, and let him hear it. The lock is held, except while asking."""
        now = time.monotonic()
        quiet = [waiter for waiter in self._waiters if not waiter.woken.is_set()]
        for waiter in quiet:
            if waiter.stop.is_set():
                waiter.woken.set()
        listing = now >= self._no_list_until
        usual = _Usual.of(self._durations)
        next_s = math.inf
        for waiter in quiet:
            if waiter.alone or not listing:
                due = _due_alone(waiter, usual)
                if due <= now:
                    waiter.woken.set()
                next_s = min(next_s, due - now)
        if listing and quiet:
            share = min(max(1 / (_QUESTIONS * len(quiet)), _SMALLEST_SHARE), _SHARE)
            due = max(min(_due(waiter, self._listed_at, usual, share) for waiter in quiet), self._back_off.until)
            if due <= now:
                self._list(now, quiet)
                return
            next_s = min(next_s, due - now)
        self._changed.wait(min(max(next_s, 0.001), _GLANCE_S) if quiet else None)

    def _list(self, now: float, quiet: Iterable[_Waiter]) -> None:
        """Ask for the jobs that run, and wake those whose job is not among them."""
        self._changed.release()
        try:
            jobs = self._pending(now)
        finally:
            self._changed.acquire()
        self._listed_at = time.monotonic()
        if jobs is None:
            return
        self._server_is_there()
        for waiter in quiet:  # those who came meanwhile may be missing from this list
            if waiter.job_id in jobs:
                waiter.alone = False
            elif not waiter.alone:
                waiter.woken.set()

    def _pending(self, now: float) -> set[str] | None:
        try:
            jobs = self._client.running_job_ids(self._keyword)
        except (Transient, NotTheApi) as error:
            pause_s = self._back_off.failed(now, error)
            log.warning("the list of jobs: %s; asking again in %.1f s", error.message, pause_s)
            return None
        except (Refused, Unauthorised) as error:
            log.warning("the list of jobs: %s; each job is asked for by itself", error.message)
            self._no_list_until = math.inf
            return None
        except Exception:  # the thread must outlive whatever the client raises: others wait for it
            log.exception("the list of jobs cannot be read; each job is asked for by itself")
            self._no_list_until = math.inf
            return None
        self._back_off.answered()
        if len(jobs) >= _MANY:
            self._no_list_until = now + _MANY_PAUSE_S
        return jobs


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is known of the durations: the usual one, None without an idea, and how old a job is before anybody asks."""

    job_s: float | None
    earliest_s: float

    @classmethod
    def of(cls, durations: DurationModel) -> Self:
        # A bit less than what was seen: what ends earlier is only noticed by then, and could never be learned.
        return cls(durations.quantile(0.5), _SLACK * (durations.quantile(_EARLY) or 0.0))


def _due(waiter: _Waiter, listed_at: float, usual: _Usual, share: float) -> float:
    """When this waiter would like to see the list, again after `share` of a job's usual duration."""
    before = max(listed_at, waiter.since)
    age_s = before - waiter.since
    pause_s = _SHARE_UNKNOWN * age_s if usual.job_s is None else share * max(usual.job_s, age_s)
    return max(waiter.since + usual.earliest_s, before + _within(pause_s))


def _due_alone(waiter: _Waiter, usual: _Usual) -> float:
    """When this waiter would like to ask for his job himself."""
    pause_s = _SHARE_ALONE * max(usual.job_s or 0.0, waiter.asked_at - waiter.since)
    return max(waiter.since + usual.earliest_s, waiter.asked_at + _within(pause_s), waiter.back_off.until)


def _within(pause_s: float) -> float:
    return min(max(pause_s, _SHORTEST_S), _LONGEST_S)
