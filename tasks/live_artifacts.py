"""The run in the Prefect UI while it works: a progress bar and a page with the live picture.

For people only: whatever goes wrong here, a Prefect server that is away above all, is logged and left, and the import
goes on.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.runtime import flow_run

from ingest.engine.events import listening
from ingest.engine.failures import failed_together
from ingest.engine.picture import Picture
from tasks.pages import live_page

log = logging.getLogger("ingest.flow")

PROGRESS, PAGE = "import-progress", "import-now"
_SHARE = 0.01  # of the time the run has taken: a long run is not asked to tell as often as a short one
_LONGEST_S = 60.0
_PATIENCE_S = 5.0  # for a server that does not answer, at the end


@contextmanager
def live_artifacts(every_s: float = 5.0) -> Iterator[None]:
    """Keep the artifacts `import-progress` and `import-now` of this flow run up to date while the block runs."""
    picture, shown = Picture(), Shown(flow_run.id)

    def update() -> None:
        figures = picture.figures()
        page = live_page(
            run=picture.run,
            folder=picture.folder,
            figures=figures,
            rows=picture.rows(30),
            failures=failed_together(picture.trouble()),
        )
        shown.show(PROGRESS, "progress", round(figures.percent, 1), f"{figures.sums}; left: {figures.time_left}")
        shown.show(PAGE, "markdown", page, figures.sums)

    with listening(picture), kept_up(update, every_s):
        yield


@contextmanager
def kept_up(update: Callable[[], None], every_s: float = 5.0) -> Iterator[None]:
    """While the block runs a thread calls `update`, which talks to the Prefect server; a last time when it is left.

    First every `every_s` seconds, later less often, at least once a minute. What goes wrong is logged and left.
    """
    over = threading.Event()

    def try_update() -> None:
        try:
            update()
        except Exception as error:  # noqa: BLE001  the import must not suffer for what people are shown
            log.debug("the live artifacts could not be updated: %s", error)

    def keep() -> None:
        began = time.monotonic()
        while not over.wait(min(max(every_s, _SHARE * (time.monotonic() - began)), _LONGEST_S)):
            try_update()
        try_update()

    # A thread starts with an empty context, and would ask a server of its own: Prefect keeps in it which one to ask.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(keep,), name="live-artifacts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_PATIENCE_S)


class Shown:
    """The artifacts of a run that change while it works, by key. Each is made with the first update that gets through;
    one that has not changed is not sent again."""

    def __init__(self, run_id: str | None) -> None:
        self._run_id = UUID(run_id) if run_id else None
        self._ids: dict[str, UUID] = {}
        self._last: dict[str, object] = {}

    def show(self, key: str, kind: str, data: object, description: str) -> None:
        """Bring an artifact up to date. Raises what the client raises."""
        if self._last.get(key) == data and key in self._ids:
            return
        with get_client(sync_client=True) as client:
            if key in self._ids:
                client.update_artifact(self._ids[key], ArtifactUpdate(data=data, description=description))
            else:
                made = client.create_artifact(
                    ArtifactCreate(key=key, type=kind, data=data, description=description, flow_run_id=self._run_id)
                )
                self._ids[key] = made.id
        self._last[key] = data
