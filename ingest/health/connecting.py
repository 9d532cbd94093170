"""One attempt at a guest: connect, ask, and say in words why not. Directly, or through an HTTP proxy (CONNECT)."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from ingest.errors import UsageError
from ingest.health.checks import HttpCheck, TcpCheck

LARGEST_BODY_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Route:
    """How guests are reached: through the proxy at `host`:`port`, directly when `host` is ''."""

    host: str = ""
    port: int = 0


DIRECT = Route()


def route_of(proxy: str) -> Route:
    """The route for a proxy's URL, '' for none. Raises UsageError for what is no such URL."""
    if not proxy:
        return DIRECT
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port = "", 0
    if not host or not port or parts.scheme != "http":
        raise UsageError("is no proxy's URL", place="INGEST_HEALTH_PROXY", cure="http://host:port")
    return Route(host, port)


def try_tcp(check: TcpCheck, route: Route, timeout_s: float) -> str:
    """Why the port does not accept, '' when it does. The connection is closed at once."""
    try:
        if route.host:
            connection = http.client.HTTPConnection(route.host, route.port, timeout=timeout_s)
            connection.set_tunnel(check.host, check.port)
            try:
                connection.connect()
            finally:
                connection.close()
        else:
            socket.create_connection((check.host, check.port), timeout=timeout_s).close()
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a name that is no host name
        return words(error, timeout_s)
    return ""


def try_http(check: HttpCheck, route: Route, timeout_s: float) -> str:
    """Why the answer does not count, '' when it does. All of it takes no longer than `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    try:
        connection = _connection(check, route, timeout_s)
        try:
            parts = urlsplit(check.url)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers={"User-Agent": "ingest-health", "Connection": "close"})
            answer = connection.getresponse()
            body = _body(answer, connection, deadline)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a name that is no host name
        return words(error, timeout_s)
    return check.why_not(answer.status, body)


def words(error: Exception, timeout_s: float) -> str:
    """What went wrong, for people."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return f"its name is not known: {error.strerror}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        return text.removeprefix("Tunnel connection failed: ") if text.startswith("Tunnel") else text
    return f"{type(error).__name__}: {error}"


def _connection(check: HttpCheck, route: Route, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(check.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    first = (route.host, route.port) if route.host else (host, port)
    made: http.client.HTTPConnection
    if parts.scheme == "https":
        made = http.client.HTTPSConnection(*first, timeout=timeout_s, context=_context(check))
    else:
        made = http.client.HTTPConnection(*first, timeout=timeout_s)
    if route.host:
        made.set_tunnel(host, port)
    return made


def _context(check: HttpCheck) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(check.ca_file) if check.ca_file else None)
    if not check.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _body(answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, deadline: float) -> str:
    """The text, at most 1 MiB: a time-out for each packet would let a trickle go on for ever."""
    parts: list[bytes] = []
    left = LARGEST_BODY_BYTES
    while left > 0:
        rest_s = deadline - time.monotonic()
        if rest_s <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(rest_s)
        part = answer.read1(min(_CHUNK_BYTES, left))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts).decode("utf-8", "replace")
