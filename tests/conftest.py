"""One real Prefect server for every test that needs one, and who runs what when several processes share the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ingest.cli.local_server import API_VARIABLE, PrefectServer, prefect_server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers: tests on a Prefect server first and one by one, for they take longest; then whole modules.

    A module's tests stay together because they share its fixtures. Each worker starts at most one Prefect server.
    """
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        if item.get_closest_marker("xdist_group") is None and item.get_closest_marker("server") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: item.get_closest_marker("server") is None)


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
