"""A Prefect server of our own for runs on this machine: loopback only, own database file, started and stopped here."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from ingest.cli.beside import begin, stop
from ingest.data_files import data_file
from ingest.errors import Transient
from ingest.quiet import no_telemetry

API_VARIABLE = "PREFECT_API_URL"
START_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class PrefectServer:
    """A running server. `api_url` for clients, `ui_url` for browsers, `owned` when this process started it, as a
    process group of its own, `pid`."""

    api_url: str
    ui_url: str
    owned: bool
    pid: int = 0


@contextmanager
def prefect_server(home: Path, port: int = 0, database: str = "") -> Iterator[PrefectServer]:
    """The server named by PREFECT_API_URL, or one started here for the time of the block.

    Sets this process's environment so that flows imported inside the block use it. `home` keeps database and log of
    a server started here; `port` 0 chooses a free one; `database` is a URL (`postgresql+asyncpg://...`) instead of the
    SQLite file in `home`. Raises Transient when the server does not come up, with the end
    of its log; of a named one the errors of `tasks.server_look`.
    """
    no_telemetry(os.environ)
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "ingest")
    # Flow logs go to the server; the terminal shows our own progress.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    given = os.environ.get(API_VARIABLE)
    if given:
        from tasks.server_look import look_at_server

        look_at_server(given)
        yield PrefectServer(given, given.removesuffix("/api"), owned=False)
        return
    home.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}"
    log = home / "server.log"
    process = begin(
        ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        _server_environment(home, database),
        log,
    )
    try:
        _wait_until_healthy(url, process, log)
        os.environ[API_VARIABLE] = f"{url}/api"
        yield PrefectServer(f"{url}/api", url, owned=True, pid=process.pid)
    finally:
        os.environ.pop(API_VARIABLE, None)
        stop(process, "Prefect server", (signal.SIGINT, 10.0), (signal.SIGTERM, 5.0))


def _server_environment(home: Path, database: str) -> dict[str, str]:
    environment = dict(os.environ)
    no_telemetry(environment)
    environment |= profile("server.env") | {
        "PREFECT_HOME": str(home.resolve()),
        "PREFECT_API_DATABASE_CONNECTION_URL": database or f"sqlite+aiosqlite:///{home.resolve() / 'prefect.db'}",
    }
    environment.pop("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", None)
    return environment


def profile(name: str) -> dict[str, str]:
    """The settings of a shipped profile, `server.env` or `worker.env`, which systemd reads as well."""
    lines = data_file(f"prefect/{name}").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    session = requests.Session()
    session.trust_env = False
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if session.get(f"{url}/api/health", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)  # not listening yet
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    raise Transient(f"the local Prefect server did not start:\n{tail}", place=str(log), cure=f"read {log}")
