"""What the CloudStack client's tests share: a clean environment, servers that end with the test, clients to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ingest.cloudstack.client import CloudStackClient
from tests.cloudstack.api_server import Answering, ApiServer, endpoint, serving

Serve = Callable[..., ApiServer]
Connect = Callable[..., CloudStackClient]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers with the given function."""
    with ExitStack() as servers:

        def start(answering: Answering, **options: Any) -> ApiServer:
            return servers.enter_context(serving(answering, **options))

        yield start


@pytest.fixture
def pauses() -> list[float]:
    """The pauses between tries, in seconds; nobody truly waits."""
    return []


@pytest.fixture
def connect(pauses: list[float]) -> Iterator[Connect]:
    """A client of a server or URL; keyword arguments change the endpoint."""
    with ExitStack() as clients:

        def client_of(server: ApiServer | str, **changes: Any) -> CloudStackClient:
            url = server if isinstance(server, str) else server.url
            return clients.enter_context(CloudStackClient(endpoint(url, **changes), sleep=pauses.append))

        yield client_of
