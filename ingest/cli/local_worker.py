"""A Prefect worker of our own beside a local server: started and stopped with the block."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from ingest.cli.beside import begin, stop
from ingest.cli.local_server import API_VARIABLE, PrefectServer, profile
from ingest.errors import Transient

POOL = "ingest"
START_TIMEOUT_S = 180.0


class LocalWorker:
    """A worker that was started here; it takes some seconds until it is ready."""

    def __init__(self, process: subprocess.Popen[bytes], server: PrefectServer, log: Path) -> None:
        self._process = process
        self._server = server
        self._log = log

    def wait_until_online(self) -> None:
        """Return when it takes runs. Raises Transient, with the end of its log, when it does not come up."""
        deadline = time.monotonic() + START_TIMEOUT_S
        session = requests.Session()
        session.trust_env = False
        while time.monotonic() < deadline and self._process.poll() is None:
            answer = session.post(f"{self._server.api_url}/work_pools/{POOL}/workers/filter", json={}, timeout=30)
            if answer.ok and any(worker["status"] == "ONLINE" for worker in answer.json()):
                return
            time.sleep(0.2)
        raise self._gone("did not start")

    def stay(self) -> None:
        """Never return. Raises Transient when the worker ends by itself."""
        while self._process.poll() is None:
            time.sleep(0.5)
        raise self._gone("has ended")

    def _gone(self, what: str) -> Transient:
        tail = "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
        return Transient(f"the local Prefect worker {what}:\n{tail}", place=str(self._log), cure=f"read {self._log}")


@contextmanager
def prefect_worker(server: PrefectServer, home: Path, settings: Mapping[str, str]) -> Iterator[LocalWorker]:
    """A worker for all queues of the pool `ingest`. `settings` are added to its environment; `home` keeps its log.

    When the block is left, runs it carries out stop sending and wait for their jobs for a moment.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home / "worker.log"
    environment = dict(os.environ) | profile("worker.env") | dict(settings)
    environment |= {API_VARIABLE: server.api_url, "PREFECT_HOME": str(home.resolve() / "worker")}
    environment.pop("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", None)
    process = begin(["prefect", "worker", "start", "--pool", POOL, "--type", "process"], environment, log)
    try:
        yield LocalWorker(process, server, log)
    finally:
        # Now and then a worker needs a second signal.
        stop(process, "Prefect worker", (signal.SIGTERM, 25.0), (signal.SIGTERM, 5.0))
