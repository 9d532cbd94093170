"""What happens, told to whoever listens. The engine knows nothing of progress bars, Prefect or reports."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ingest.model.outcome import Outcome
from ingest.runbook.clock import Clock


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


@dataclass(frozen=True, slots=True)
class ClockRead:
    """The RTO clock of a recovery, `now_s` after its start: told every second, and whenever something moves it.

    `done` of `total` VMs are imported, or will not be."""

    clock: Clock
    now_s: float
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class TargetAtRisk:
    """A target of a recovery will be missed, or was: why, in a sentence. Told once for each target."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class PersonAsked:
    """A recovery waits for a person: to sign that a step is done, or to decide at a gate."""

    key: str
    say: str
    who: str


@dataclass(frozen=True, slots=True)
class PersonAnswered:
    """Somebody signed or decided."""

    key: str
    name: str
    decision: str


@dataclass(frozen=True, slots=True)
class WaveBegan:
    """A wave of a recovery begins, or goes on after an interruption."""

    number: int
    name: str
    vms: int


@dataclass(frozen=True, slots=True)
class VmStarted:
    """The start of a VM is over: `status` in a word (started, already, failed, unknown)."""

    row: int
    vm: str
    status: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class VmChecked:
    """All health checks of a VM are over; `error` says which was not answered, '' when it is healthy."""

    row: int
    vm: str
    healthy: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class WaveOver:
    """A wave of a recovery is over: `verdict` well, failed, given-up or stopped, and why."""

    number: int
    name: str
    verdict: str
    why: str = ""


log = logging.getLogger("ingest.engine")

StageEvent = StageStarted | StageStep | StageDone
RowEvent = RowLooking | RowReady | RowStarted | RowRunning | JobOver | RowDone
RecoveryEvent = ClockRead | TargetAtRisk | PersonAsked | PersonAnswered | WaveBegan | VmStarted | VmChecked | WaveOver
Event = StageEvent | ImportBegan | Stopping | RowEvent | RecoveryEvent
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
