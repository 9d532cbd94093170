"""What happens, told to whoever listens. The engine knows nothing of progress bars, Prefect or reports."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ingest.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage of the pipeline begins; `total` is the number of steps it will tell of, 0 when unknown."""

    stage: str
    total: int = 0


@dataclass(frozen=True, slots=True)
class StageStep:
    """Something within a stage is done."""

    stage: str
    detail: str


@dataclass(frozen=True, slots=True)
class StageDone:
    """A stage is over; `summary` says in a line what came out."""

    stage: str
    summary: str


@dataclass(frozen=True, slots=True)
class ImportBegan:
    """A run is about to import these rows, as (row, VM), `in_flight` at once at most.

    `history` are the seconds earlier imports of this ledger took, the newest first; empty when there were none.
    """

    run: str
    folder: str
    rows: tuple[tuple[int, str], ...]
    in_flight: int
    history: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopping:
    """No row is begun any more; running jobs are waited for as long as the grace lasts."""

    grace_s: float


@dataclass(frozen=True, slots=True)
class RowLooking:
    """A row is being claimed, settled if an earlier run left something, and looked at once more."""

    row: int
    vm: str


@dataclass(frozen=True, slots=True)
class RowReady:
    """A row may be sent, and waits for its turn."""

    row: int
    vm: str


@dataclass(frozen=True, slots=True)
class RowStarted:
    """The call for a row is about to be sent, under this job id."""

    row: int
    vm: str
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class RowRunning:
    """The server has taken the call: the job of the row runs."""

    row: int
    vm: str
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class JobOver:
    """The job of a row has ended, or is not waited for any longer: its slot is free. What became of it comes next."""

    row: int
    vm: str
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class RowDone:
    """A row is over."""

    outcome: Outcome


log = logging.getLogger("ingest.engine")

StageEvent = StageStarted | StageStep | StageDone
RowEvent = RowLooking | RowReady | RowStarted | RowRunning | JobOver | RowDone
Event = StageEvent | ImportBegan | Stopping | RowEvent
Listener = Callable[[Event], None]

_listeners: list[Listener] = []
_lock = threading.Lock()


def tell(event: Event) -> None:
    """Tell every listener. Called from many threads; listeners are called one at a time.

    A listener that fails is logged and left aside: an import between its call and its outcome must not die because
    somebody's terminal went away.
    """
    with _lock:
        for listener in _listeners:
            try:
                listener(event)
            except Exception:  # whatever a listener does wrong, the import is not to suffer for it
                log.exception("a listener failed on %s", type(event).__name__)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """The listener hears everything told in this process while the block runs."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)
