"""One real Prefect server for every test that needs one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ingest.cli.local_server import API_VARIABLE, PrefectServer, prefect_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server with a database file of its own."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    given = os.environ.pop(API_VARIABLE, None)
    with (
        prefect_server(tmp_path_factory.mktemp("prefect")) as running,
        temporary_settings({PREFECT_API_URL: running.api_url}),
    ):
        yield running
        # Log lines on their way would wait for a server that is gone.
        from tasks.server_traffic import flush_to_server

        flush_to_server()
    if given:
        os.environ[API_VARIABLE] = given
