"""Imports that may be running elsewhere: what CloudStack's jobs and events tell of each VM.

A pending job does not name its VM, and most failures leave an event Started without Completed, so neither alone tells
whether a VM is being imported (CloudStack: UnmanagedVMsManagerImpl, ActionEventUtils).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from ingest.model.catalogue import Catalogue, Event

# The Scheduled event is written just before the job; a slow database lies between them.
_APART = timedelta(minutes=1)


class InFlight:
    """Read only; made of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._jobs = catalogue.import_jobs
        self._events: dict[str, list[Event]] = defaultdict(list)
        for event in catalogue.import_events:
            self._events[event.imported].append(event)

    def running(self, name: str) -> str:
        """The job that may be importing the VM of this name right now, '' when there is none."""
        event = self._without_end(name)
        if event is None:
            return ""
        # A try that is older than the job is another one's.
        jobs = [job for job in self._jobs if _moment(event.created) >= _moment(job.created) - _APART]
        if not jobs:
            return ""
        job = jobs[-1]
        return (
            f"an import job runs since {job.created}{_by(job.account)}, and the import of this VM that was asked for "
            f"at {event.created}{_by(event.username)} has no end on record"
        )

    def tried(self, name: str) -> str:
        """The try that left no end on record though no job that runs can be it, '' when there is none."""
        event = self._without_end(name)
        if event is None or self.running(name):
            return ""
        return f"an import of this VM was asked for at {event.created}{_by(event.username)}, and failed"

    def _without_end(self, name: str) -> Event | None:
        """The newest try, when fewer ends than tries are on record."""
        events = self._events.get(name, [])
        tries = [event for event in events if event.state == "Scheduled"]
        # The Scheduled event is the owner's; where it is not shown, Started stands for it.
        tries = tries or [event for event in events if event.state == "Started"]
        ends = sum(event.state == "Completed" for event in events)
        return tries[-1] if len(tries) > ends else None


def _by(who: str) -> str:
    return f" (by {who})" if who else ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
