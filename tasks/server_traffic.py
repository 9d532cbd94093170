"""What Prefect still has to send when a run is over: log lines and events wait in background threads."""

from __future__ import annotations

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker


def flush_to_server() -> None:
    """Send everything that waits; returns when it is sent. Call before a server of our own is stopped."""
    APILogWorker.drain_all()
    EventsWorker.drain_all()
