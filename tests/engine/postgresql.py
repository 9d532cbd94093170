"""A PostgreSQL for tests: the one TWIN_TEST_POSTGRESQL_URL names, else one started from the programs of this machine.

Each test gets an empty schema of its own. Where there is neither, these tests are skipped.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

VARIABLE = "TWIN_TEST_POSTGRESQL_URL"
PASSWORD = "correct-horse-battery"
READY_S = 60


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server whose user may make schemas."""
    with running_postgresql() as url:
        if not url:
            pytest.skip(f"no PostgreSQL: {VARIABLE} is not set and /usr/lib/postgresql has no initdb")
        yield url


@contextmanager
def running_postgresql() -> Iterator[str]:
    """The URL of a server for the time of the block, '' where there is none."""
    given, programs = os.environ.get(VARIABLE), _programs()
    if given or not programs:
        yield given or ""
        return
    folder = Path(tempfile.mkdtemp(prefix="ledger-postgresql-"))
    try:
        yield from _started(programs, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of a database with nothing in it: Prefect keeps no schema of its own within one."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of a schema with nothing in it."""
    schema = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")  # type: ignore[call-overload]
        yield f"{postgresql_server}{'&' if '?' in postgresql_server else '?'}options=-csearch_path%3D{schema}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[call-overload]


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _started(programs: Path, folder: Path) -> Iterator[str]:
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = _unprivileged()
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    secret = folder / "password"
    secret.write_text(PASSWORD, encoding="ascii")
    secret.chmod(0o644)
    data = folder / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "cwd": folder, "text": True}
    made = subprocess.run(
        [
            *(str(programs / "initdb"), "-D", str(data), "-U", "ledger", "--pwfile", str(secret)),
            *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"),
        ],
        check=False,
        **quiet,
        **as_user,
    )
    assert made.returncode == 0, made.stdout
    port = _free_port()
    log = folder / "log"
    with log.open("w", encoding="utf-8") as out:
        server = subprocess.Popen(
            [
                *(str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=100"),
            ],
            **(quiet | {"stdout": out}),
            **as_user,
        )
    url = f"postgresql://ledger:{PASSWORD}@127.0.0.1:{port}/postgres"
    try:
        _wait_until_ready(url, server, log)
        yield url
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(timeout=30)


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_ready(url: str, server: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        else:
            return
