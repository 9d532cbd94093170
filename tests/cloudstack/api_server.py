"""A small HTTP server for the tests: a function answers each API call, and the server remembers what was asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from ingest.model.endpoints import CloudStackEndpoint, Timeouts

API_KEY = "visible-api-key-0123456789-0123456789"
SECRET_KEY = "visible-secret-key-0123456789-0123456789"
UNKNOWN_JOB = (
    "Unable to execute API command queryasyncjobresult due to invalid value. Invalid parameter jobid value=j-1 due to "
    "incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the field in "
    "api cmd class."
)


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it, form and query string merged."""

    method: str
    path: str
    headers: dict[str, str]
    parameters: dict[str, str]

    @property
    def command(self) -> str:
        return self.parameters.get("command", "")


@dataclass(frozen=True)
class Reply:
    """What to answer. `close` hangs up instead; `promised_bytes` announces more than is sent."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json; charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    promised_bytes: int | None = None


HANG_UP = Reply(close=True)


def payload(command: str, content: dict[str, Any]) -> Reply:
    """A success of CloudStack."""
    return Reply(json.dumps({f"{command.lower()}response": content}).encode())


def rows(asked: Asked, key: str, objects: list[dict[str, Any]], *, largest_page: int = 500) -> Reply:
    """One page of a list as CloudStack gives it: no count for nothing, no array past the end."""
    size = int(asked.parameters.get("pagesize", largest_page))
    if size > largest_page:
        text = f"Page size can't exceed max allowed page size value: {largest_page}"
        return refusal(asked.command, 431, text, cserrorcode=9999)
    first = (max(int(asked.parameters.get("page", "1")), 1) - 1) * size
    page = objects[first : first + size]
    content: dict[str, Any] = {"count": len(objects)} if objects else {}
    return payload(asked.command, {**content, **({key: page} if page else {})})


def refusal(command: str, code: int, text: str | None, *, cserrorcode: int | None = None, wrapper: str = "") -> Reply:
    """An error of CloudStack."""
    content: dict[str, Any] = {"uuidList": [], "errorcode": code}
    content |= {} if cserrorcode is None else {"cserrorcode": cserrorcode}
    content |= {} if text is None else {"errortext": text}
    return Reply(json.dumps({wrapper or f"{command.lower()}response": content}).encode(), status=code)


def page_of_a_proxy(status: int, title: str) -> Reply:
    """HTML, as proxies and web containers write it."""
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()
    return Reply(body, status=status, content_type="text/html; charset=iso-8859-1")


Answering = Callable[[Asked], Reply]


@dataclass
class ApiServer:
    """A running server: its URL, and what it was asked so far."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)

    @property
    def commands(self) -> list[str]:
        return [asked.command for asked in self.asked]


@contextmanager
def serving(answering: Answering, tls: ssl.SSLContext | None = None) -> Iterator[ApiServer]:
    """Serve on a free loopback port until the block ends."""
    scheme = "http" if tls is None else "https"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            query = urlsplit(self.path).query
            parameters = dict(parse_qsl(body, keep_blank_values=True) + parse_qsl(query, keep_blank_values=True))
            asked = Asked(self.command, self.path, dict(self.headers), parameters)
            running.connections.add(self.client_address)
            running.asked.append(asked)
            reply = answering(asked)
            if reply.close:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(reply.promised_bytes or len(reply.body)))
            for name, value in reply.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
            if reply.promised_bytes:
                self.close_connection = True

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def finish_request(self, request: Any, client_address: Any) -> None:
            # The handshake belongs into the connection's own thread, and clients that break it off are expected.
            try:
                if tls is not None:
                    request = tls.wrap_socket(request, server_side=True)
                super().finish_request(request, client_address)
            except OSError:
                pass
            finally:
                if tls is not None:
                    request.close()

    with Server(("127.0.0.1", 0), Handler) as server:
        running = ApiServer(f"{scheme}://127.0.0.1:{server.server_address[1]}/client/api")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


def endpoint(url: str, **changes: Any) -> CloudStackEndpoint:
    """Where the test server is, with recognisable keys and short time-outs."""
    settings: dict[str, Any] = {
        "url": url,
        "api_key": SecretStr(API_KEY),
        "secret_key": SecretStr(SECRET_KEY),
        "timeouts": Timeouts(connect_s=2, read_s=5, list_unmanaged_s=5, change_s=5),
    }
    return CloudStackEndpoint(**(settings | changes))


def free_port() -> int:
    """A loopback port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
