"""Noticing that the run may no longer work: cancelled, or marked as crashed, even after an outage of the server.

Prefect's own cancellation of a run no longer arrives once its watcher has given up during an outage of the server, and
a run that was wrongly marked as crashed goes on working; so the flow asks for its own state, in a thread of its own.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_client
from prefect.runtime import flow_run

from tasks.server_traffic import SERVER_AWAY

log = logging.getLogger("ingest.flow")


@contextmanager
def stop_signal(every_s: float = 5.0) -> Iterator[threading.Event]:
    """An event that is set as soon as the root run may no longer work, or the block is left by an exception."""
    stop, ended = threading.Event(), threading.Event()
    run_id = flow_run.root_flow_run_id or flow_run.id

    def watch() -> None:
        while not ended.wait(every_s) and not stop.is_set():
            try:
                with get_client(sync_client=True) as client:
                    state = client.read_flow_run(run_id).state
            except SERVER_AWAY as error:
                log.debug("the Prefect server does not answer: %s", error)  # away: keep working
                continue
            if state and (state.is_cancelling() or state.is_cancelled() or state.is_crashed()):
                stop.set()

    # A thread starts with an empty context; Prefect keeps which server to ask in it.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(watch,), name="stop-watch", daemon=True).start()
    try:
        yield stop
    except BaseException:
        stop.set()
        raise
    finally:
        ended.set()
