"""HTTPS for the service: one thread per connection, kept alive, each answer in one write.

Python's own HTTP server, tuned: HTTP/1.1 (the default 1.0 costs a TLS handshake per call), no delayed packets, and the
TLS handshake in the connection's thread, so that one slow client cannot stop the others from connecting.
"""

from __future__ import annotations

import gzip
import logging
import re
import socket
import ssl
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from ingest.twin.faults.fate import UNTROUBLED, Fate, Interruption, ProxyError, proxy_page
from ingest.twin.listening import RESET_ON_CLOSE
from ingest.twin.vcenter.disturbances import Disturbance
from ingest.twin.vcenter.schema import VIM_NAMESPACE, api_versions
from ingest.twin.vcenter.service import Service

log = logging.getLogger("ingest.twin.vcenter")

PATH = "/sdk"
_COOKIE = re.compile(r'vmware_soap_session="?([^";]+)')
_METHOD = re.compile(rb"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)")
_MACHINE = re.compile(rb'<(?:\w+:)?_this[^>]*type="VirtualMachine"[^>]*>([^<]+)<')
_HEX = re.compile(rb"[0-9a-fA-F]+")
_LONGEST_TRAILER_BYTES = 65536
_IDLE_CONNECTION_S = 900.0
_LARGEST_REQUEST_BYTES = 64 << 20


class SoapServer(ThreadingHTTPServer):
    """The listening socket and the connections made through it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: Service, context: ssl.SSLContext) -> None:
        self.service = service
        self.requests = 0
        self._context = context
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        super().__init__(address, SoapHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept only; the handshake happens with the first read, in the connection's own thread."""
        plain, address = self.socket.accept()
        plain.settimeout(_IDLE_CONNECTION_S)
        return self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection until it ends."""
        with self._lock:
            self._connections[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or does not trust our certificate, is not worth a traceback."""
        log.debug("connection from %s ended", client_address, exc_info=True)

    def close_connections(self) -> None:
        """Cut every open connection and wait for its thread."""
        with self._lock:
            open_connections = dict(self._connections)
        for connection in open_connections:
            try:
                # The plain socket's shutdown: TLS must not wait for the peer's goodbye.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                log.debug("connection was closed already")
        for thread in open_connections.values():
            thread.join(timeout=5)

    def count(self) -> None:
        """One more SOAP request."""
        with self._lock:
            self.requests += 1


class SoapHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "twin-vcenter"
    sys_version = ""

    @property
    def soap_server(self) -> SoapServer:
        """The server, with its real type."""
        return cast("SoapServer", self.server)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are counted, not printed."""

    def do_GET(self) -> None:
        """The version list clients look for first."""
        if self.path != f"{PATH}/vimServiceVersions.xml":
            self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
            return
        self._send(HTTPStatus.OK, _service_versions(self.soap_server.service.world.vcenter_version), "text/xml")

    def do_POST(self) -> None:
        """A SOAP call."""
        body = self._body()
        if body is None or self.path.rstrip("/") != PATH:
            self.close_connection = True
            self._send(HTTPStatus.NOT_FOUND if body is not None else HTTPStatus.BAD_REQUEST, b"", "text/plain")
            return
        server = self.soap_server
        server.count()
        cookie = _COOKIE.search(self.headers.get("Cookie", ""))
        secret = cookie.group(1) if cookie else ""
        troubles = server.service.disturbances.take(_method_name(body))
        if self._disturbed(troubles, secret):
            return
        fate = self._fate(body)
        if fate.before is not None:
            self._interrupt(fate.before)
            return
        agent = self.headers.get("User-Agent", "")
        answer = server.service.answer(body, secret, str(self.client_address[0]), agent)
        if fate.after is not None:
            self._interrupt(fate.after)
            return
        headers = {}
        if answer.secret:
            headers["Set-Cookie"] = f'vmware_soap_session="{answer.secret}"; Path=/; HttpOnly; Secure'
        cuts = [trouble.cut_after_bytes for trouble in troubles if trouble.cut_after_bytes is not None]
        self._send(
            answer.status, answer.text.encode(), "text/xml; charset=utf-8", headers, cut=cuts[0] if cuts else None
        )

    def _fate(self, body: bytes) -> Fate:
        """What the faults have in mind for this call."""
        service = self.soap_server.service
        if service.troubles is None or not service.troubles.watching:
            return UNTROUBLED
        moref = _MACHINE.search(body)
        with service.world.lock:
            vm = service.world.vms.get(moref.group(1).decode()) if moref else None
            name = vm.name if vm else ""
        return service.troubles.of_call("vcenter", _method_name(body), name, service.stopping)

    def _interrupt(self, interruption: Interruption) -> None:
        self.close_connection = True
        if isinstance(interruption, ProxyError):
            self._send(interruption.status, proxy_page(interruption.status), "text/html")
            return
        # Detached from the TLS object, which would say goodbye, the socket closes with a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        socket.close(self.connection.detach())

    def _body(self) -> bytes | None:
        """The request's body, sent with its length (pyvmomi) or in chunks (Go clients); None when it is unusable."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            length = self.headers.get("Content-Length", "0")
            usable = length.isdigit() and int(length) <= _LARGEST_REQUEST_BYTES
            return self.rfile.read(int(length)) if usable else None
        parts: list[bytes] = []
        left = _LARGEST_REQUEST_BYTES
        while True:
            size_text = self.rfile.readline(100).partition(b";")[0].strip()
            if not _HEX.fullmatch(size_text) or (size := int(size_text, 16)) > left:
                return None
            if size == 0:
                break
            left -= size
            parts.append(self.rfile.read(size))
            self.rfile.readline(3)
        while self.rfile.readline(_LONGEST_TRAILER_BYTES).strip():
            pass  # trailers mean nothing to us
        return b"".join(parts)

    def _disturbed(self, troubles: list[Disturbance], secret: str) -> bool:
        """Do what comes before the work; True when there is no work to do any more."""
        for trouble in troubles:
            if trouble.delay_s:
                self.soap_server.service.world.clock.wait(self.soap_server.service.stopping, trouble.delay_s)
            if trouble.lose_session:
                session = self.soap_server.service.sessions.use(secret)
                if session is not None:
                    self.soap_server.service.sessions.close(session)
            if trouble.status:
                self._send(trouble.status, b"the twin was told so", "text/plain")
                return True
        return False

    def _send(
        self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        threshold = self.soap_server.service.settings.compress_from_bytes
        self.send_response(status)
        if len(body) >= threshold and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if cut is not None:
            self.close_connection = True
            self.send_header("Connection", "close")
            body = body[:cut]
        if cut == 0:
            self._headers_buffer: list[bytes] = []
            return
        # One write for headers and body: two small ones cost 40 ms each call (delayed acknowledgements).
        self._headers_buffer.append(b"\r\n")
        head = b"".join(self._headers_buffer)
        self._headers_buffer = []
        self.wfile.write(head + body)


def _method_name(body: bytes) -> str:
    found = _METHOD.search(body)
    return found.group(1).decode() if found else ""


def _service_versions(product_version: str) -> bytes:
    versions = [version_id for version_id, _ in api_versions(product_version)]
    prior = "".join(f"<version>{item}</version>" for item in versions[1:])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<namespaces version="1.0"><namespace>'
        f"<name>{VIM_NAMESPACE}</name><version>{versions[0]}</version><priorVersions>{prior}</priorVersions>"
        "</namespace></namespaces>"
    ).encode()
