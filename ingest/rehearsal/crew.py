"""The workers of a drill: one at work, one that waits to take over, so that a restart costs no time but the twin's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ingest.errors import UsageError
from ingest.rehearsal.worker import GO, READY, Order
from ingest.settings import ENV_PREFIX


@dataclass(frozen=True, slots=True)
class Ended:
    """How a worker ended: `stopped` in words, '' when it did all it could. `killed`: it could not say. `hopeless`: the
    next one would end like this, too."""

    stopped: str = ""
    killed: bool = False
    hopeless: bool = False


class Crew:
    """A context manager; all workers are gone when it is left."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._standby: subprocess.Popen[str] | None = None
        self._at_work: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._standby = self._new()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in filter(None, (self._at_work, self._standby)):
            worker.kill()
            worker.wait()
            for stream in (worker.stdin, worker.stdout):
                if stream:
                    stream.close()

    def get_ready(self) -> None:
        """Wait until the next worker could begin at once."""
        assert self._standby is not None  # noqa: S101  there is one from the first moment to the last
        assert self._standby.stdout is not None  # noqa: S101
        line = self._standby.stdout.readline().strip()
        if line != READY:
            raise UsageError("a worker of the drill did not start", place=f"process {self._standby.pid}", cure=line)

    def go(self) -> Ended:
        """Let the next worker, which is ready, work to its end; another one gets ready meanwhile."""
        worker, self._standby = self._standby, None
        assert worker is not None  # noqa: S101
        assert worker.stdin is not None  # noqa: S101
        assert worker.stdout is not None  # noqa: S101
        self._at_work = worker
        worker.stdin.write(f"{GO}\n")
        worker.stdin.flush()
        self._standby = self._new()
        line = worker.stdout.readline()
        worker.stdin.close()
        worker.wait()
        worker.stdout.close()
        self._at_work = None
        if not line.strip():
            return Ended(killed=True)
        said = json.loads(line)
        return Ended(said["stopped"], hopeless="hopeless" in said)

    def kill(self) -> None:
        """kill -9 for the one at work; from any thread."""
        worker = self._at_work
        if worker is not None:
            worker.kill()

    def _new(self) -> subprocess.Popen[str]:
        # Not even a worker that looked for settings would find any.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        worker = subprocess.Popen(
            [sys.executable, "-m", "ingest.rehearsal.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=self._order.folder,
            text=True,
        )
        assert worker.stdin is not None  # noqa: S101
        worker.stdin.write(self._order.model_dump_json() + "\n")
        worker.stdin.flush()
        return worker
