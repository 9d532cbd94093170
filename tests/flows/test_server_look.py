"""What stands against the Prefect server that was named, told before anything is asked of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from ingest.errors import IngestError, RemoteError, Transient, Unauthorised
from tasks.server_look import look_at_server


@contextmanager
def _answering(status: int) -> Iterator[str]:
    """The URL of a server that has this one answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/api"
        finally:
            server.shutdown()
            thread.join()


def _said(url: str) -> IngestError:
    with (
        temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(IngestError) as raised,
    ):
        look_at_server(url)
    assert url in raised.value.place
    return raised.value


@pytest.mark.parametrize(
    ("status", "kind", "cure"),
    [
        (401, Unauthorised, "PREFECT_API_AUTH_STRING"),
        (403, Unauthorised, "PREFECT_API_AUTH_STRING"),
        (404, RemoteError, "ends in /api"),
        (500, RemoteError, "log"),
    ],
)
def test_what_it_answers_is_told_with_its_cure(status: int, kind: type[IngestError], cure: str) -> None:
    with _answering(status) as url:
        said = _said(url)
    assert type(said) is kind
    assert cure in said.cure


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        said = _said(f"http://127.0.0.1:{taken.getsockname()[1]}/api")
    assert type(said) is Transient
    assert "no Prefect server answers" in said.message
