"""A twin in a process of its own, so that its work is not charged to the client; asked through a pipe what happened."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from bench.measuring import resident_mib

if TYPE_CHECKING:
    from ingest.twin.world import World

_START_S = 60.0


@dataclass(frozen=True, slots=True)
class TwinOrder:
    """The world to serve. The same order always gives an equal world, ids included. Imports take `import_s` to
    `import_s + jitter_s`."""

    vms: int
    shape: Literal["clean", "realistic"] = "realistic"
    seed: int = 1
    import_s: float = 1.0
    jitter_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TwinReport:
    """What truly happened so far: never what the client believes.

    `jobs` are job id -> (created, completed), seconds since the epoch; `api_requests` CloudStack calls by command;
    `cpu_s` CPU seconds of the twin's process, `resident_mib` its memory now and `peak_mib` at most ever.
    """

    imported: int
    peak_in_flight: int
    soap_requests: int
    cpu_s: float
    resident_mib: float
    peak_mib: float
    api_requests: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, tuple[float, float]] = field(default_factory=dict)


class TwinProcess:
    """A running twin; a context manager. Ends with the block, or when this process dies."""

    def __init__(self, order: TwinOrder) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, remote = context.Pipe()
        self._process = context.Process(target=_serve, args=(order, remote), name="bench-twin", daemon=True)
        self._process.start()
        remote.close()
        if not self._pipe.poll(_START_S):
            self._process.terminate()
            raise TimeoutError(f"the twin did not start within {_START_S:g} s")
        self.environment: dict[str, str] = self._pipe.recv()

    def report(self) -> TwinReport:
        """What happened so far."""
        report = self._ask("report")
        assert isinstance(report, TwinReport)
        return report

    def delay_every_soap_call(self, delay_s: float) -> None:
        """From now on every vCenter call takes so much longer; 0 takes it back."""
        self._ask("delay", delay_s)

    def _ask(self, what: str, value: float = 0.0) -> Any:
        self._pipe.send((what, value))
        return self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(20)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def made_world(order: TwinOrder) -> World:
    """The world of that order."""
    from ingest.twin.generator import SHAPES, generate

    world = generate(order.vms, seed=order.seed, shape=SHAPES[order.shape])
    world.cloud.import_seconds = order.import_s
    world.cloud.import_jitter_seconds = order.jitter_s
    return world


def _serve(order: TwinOrder, pipe: Connection) -> None:
    # Ctrl-C is for the benchmark, which then closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from ingest.twin.serving import Twin
    from ingest.twin.vcenter.disturbances import Disturbance

    with Twin(made_world(order)) as twin, contextlib.suppress(EOFError):
        pipe.send(twin.environment())
        while True:
            what, value = pipe.recv()
            if what == "delay":
                twin.vcenter.calm()
                if value:
                    twin.vcenter.disturb(Disturbance(delay_s=value, times=0))
                pipe.send(None)
            else:
                pipe.send(_report(twin))


def _report(twin: Any) -> TwinReport:
    with twin.world.lock:
        cloud = twin.world.cloud
        return TwinReport(
            imported=len(cloud.journal.imports),
            peak_in_flight=cloud.journal.peak_imports_running,
            soap_requests=twin.vcenter.requests,
            cpu_s=time.process_time(),
            resident_mib=resident_mib("VmRSS"),
            peak_mib=resident_mib("VmHWM"),
            api_requests=dict(cloud.journal.requests),
            jobs={job.id: (job.created, job.completed or 0.0) for job in cloud.jobs.values()},
        )
