"""A Prefect worker of our own beside a local server: started and stopped with the block."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from ingest.cli.local_server import API_VARIABLE, PrefectServer, profile, stop
from ingest.errors import Transient

POOL = "ingest"
START_TIMEOUT_S = 180.0


@contextmanager
def prefect_worker(server: PrefectServer, home: Path, settings: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """A worker for all queues of the pool `ingest`; gives what waits until it takes runs, and raises Transient if it
    never does. `settings` are added to its environment.

    `home` keeps its log. When the block is left, runs it carries out stop sending and wait for their jobs for a moment.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home / "worker.log"
    environment = dict(os.environ) | profile("worker.env") | dict(settings)
    environment |= {API_VARIABLE: server.api_url, "PREFECT_HOME": str(home.resolve() / "worker")}
    environment.pop("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", None)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  our own interpreter, fixed arguments
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield lambda: _wait_until_online(server, process, log)
    finally:
        # Now and then a worker needs a second signal.
        stop(process, "Prefect worker", (signal.SIGTERM, 25.0), (signal.SIGTERM, 5.0))


def _wait_until_online(server: PrefectServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    session = requests.Session()
    session.trust_env = False
    while time.monotonic() < deadline and process.poll() is None:
        answer = session.post(f"{server.api_url}/work_pools/{POOL}/workers/filter", json={}, timeout=10)
        if answer.ok and any(worker["status"] == "ONLINE" for worker in answer.json()):
            return
        time.sleep(0.2)
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    raise Transient(f"the local Prefect worker did not start:\n{tail}", place=str(log), cure=f"read {log}")
