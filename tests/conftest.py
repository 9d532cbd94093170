"""One real Prefect server for every test that needs one, and who runs what when several processes share the tests."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import certifi
import pytest

from ingest.cli.local_server import API_VARIABLE, PrefectServer, prefect_server
from tests.cli.forked import Forked, forking
from tests.engine.postgresql import new_database, running_postgresql

# Long tests that have no fixture of their module in common.
DEALT_SINGLY = ("tests/test_docs.py", "tests/cli/test_commands.py", "tests/flows/test_import_vms.py")


_AUTHORITY = NamedTemporaryFile("w", suffix=".pem")  # noqa: SIM115  as long as the suite
_AUTHORITY.write(ssl.DER_cert_to_PEM_cert(ssl.create_default_context(cafile=certifi.where()).get_ca_certs(True)[0]))
_AUTHORITY.flush()
# Each of Prefect's clients, a dozen to a flow run, reads all authorities there are, a tenth of what a flow test costs.
# No server of the suite that is Prefect's speaks TLS: one authority is enough.
os.environ["PREFECT_API_SSL_CERT_FILE"] = _AUTHORITY.name


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers, tests on a Prefect server come first: they take longest, so that both end together."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("server") is None)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A suite in the background of a shell; what it starts would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_RUNNING: list[PrefectServer] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A Prefect server that has nothing to do takes an eighth of a processor: it sleeps while tests need none."""
    for server in _RUNNING:
        os.killpg(server.pid, signal.SIGCONT if item.get_closest_marker("server") else signal.SIGSTOP)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What is dealt to the workers: whole modules, as their tests share fixtures; the tests of DEALT_SINGLY one by one.

    Groups by mark (`--dist loadgroup`) would say it shorter, but pytest-xdist 3.8 has no effect on pytest 9.2's ids.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return nodeid if module in DEALT_SINGLY else module

    return Scheduling(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    """The two executables below."""
    with forking(tmp_path_factory.mktemp("forked")) as commands:
        yield commands


@pytest.fixture(scope="session")
def ingest_command(forked: Forked) -> Path:
    """An executable `ingest` that is quickly there; the only file of its folder, which can be put on the PATH."""
    return forked.ingest


@pytest.fixture(scope="session")
def python_command(forked: Forked) -> Path:
    """An executable that stands for the interpreter and is quickly there with `-m`."""
    return forked.python


@pytest.fixture(scope="session")
def server_database() -> Iterator[str]:
    """The URL of an empty PostgreSQL database for the Prefect server, '' where there is no PostgreSQL.

    On SQLite Prefect 3.7 sometimes waits for its own lock, 60 s each time, when runs, workers and automations all
    write. `ingest up`, `demo` and `run`, which start servers of their own, are tested on SQLite all the same.
    """
    with running_postgresql() as url, new_database(url) if url else nullcontext("") as database:
        yield database


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, server_database: str) -> Iterator[PrefectServer]:
    """A Prefect server with a database of its own."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    given = os.environ.pop(API_VARIABLE, None)
    with (
        prefect_server(
            tmp_path_factory.mktemp("prefect"),
            database=server_database.replace("postgresql://", "postgresql+asyncpg://"),
        ) as running,
        temporary_settings({PREFECT_API_URL: running.api_url}),
    ):
        if running.owned:
            _RUNNING.append(running)
        yield running
        for sleeping in _RUNNING:
            os.killpg(sleeping.pid, signal.SIGCONT)
        _RUNNING.clear()
        # Log lines on their way would wait for a server that is gone.
        from tasks.server_traffic import flush_to_server

        flush_to_server()
    if given:
        os.environ[API_VARIABLE] = given
