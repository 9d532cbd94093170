"""What Prefect still has to send when a run is over: log lines and events wait in background threads. And what a
request raises when the server does not answer."""

from __future__ import annotations

import httpx
from prefect.events.worker import EventsWorker
from prefect.exceptions import PrefectException
from prefect.logging.handlers import APILogWorker

# A client that cannot be opened raises RuntimeError; a server that is busy or gone in mid-request, an error of httpx.
SERVER_AWAY = (OSError, httpx.HTTPError, PrefectException, RuntimeError)


def flush_to_server() -> None:
    """Send everything that waits; returns when it is sent. Call before a server of our own is stopped."""
    APILogWorker.drain_all()
    EventsWorker.drain_all()
