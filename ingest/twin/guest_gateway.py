"""The way to the twin's guests: an HTTP proxy that knows CONNECT, on loopback.

Guests have addresses that exist nowhere. Whoever connects through this proxy reaches a guest as it is at that moment:
no host of that address (504), a port nobody listens on (502), a port that accepts, a small web server. It takes a
guest that is up, with addresses; what it listens on is `VM.services`.

Each connection that a guest took is written into the journal (`guest-reached`).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, cast

from ingest.twin.world import VM, GuestService, World

log = logging.getLogger("ingest.twin.guests")

_HOST = "127.0.0.1"
_PATIENCE_S = 30.0
_LARGEST_HEAD_BYTES = 1 << 16


class GuestGateway:
    """Serves from `start` to `stop`; a context manager. Port 0 chooses a free one. For this machine only."""

    def __init__(self, world: World, *, port: int = 0) -> None:
        self._world = world
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The proxy's URL. Raises RuntimeError before it is started."""
        if self._server is None:
            raise RuntimeError("the way to the guests is not open")
        return f"http://{_HOST}:{self._server.server_address[1]}"

    def start(self) -> None:
        self._server = _Server((_HOST, self._port), _Handler)
        self._server.world = self._world
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="twin-guests", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def guest_at(world: World, address: str) -> VM | None:
    """The VM whose guest is up and has the address. Call with the world's lock held."""
    for vm in world.vms.values():
        if vm.power_state == "poweredOn" and not vm.guest_stage and world.connection_of(vm) == "connected":
            for nic in vm.nics:
                if nic.connected and address in nic.ips:
                    return vm
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    world: World

    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("a connection to a guest broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_S

    def do_CONNECT(self) -> None:
        self.close_connection = True
        host, _, port_text = self.path.rpartition(":")
        world = cast("_Server", self.server).world
        with world.lock:
            vm = guest_at(world, host.strip("[]"))
            services = {service.port: service for service in vm.services} if vm else {}
            service = services.get(int(port_text)) if port_text.isdecimal() else None
            if vm is not None and service is not None:
                world.cloud.journal.record("guest-reached", vm=vm.name, moref=vm.moref, port=service.port)
        if vm is None:
            self._refuse(HTTPStatus.GATEWAY_TIMEOUT, "no host answers at that address")
        elif service is None:
            self._refuse(HTTPStatus.BAD_GATEWAY, "connection refused")
        else:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _be(service, self.connection)

    def do_GET(self) -> None:
        self.close_connection = True
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "only CONNECT")

    def _refuse(self, status: HTTPStatus, words: str) -> None:
        head = f"HTTP/1.1 {status.value} {words}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode("ascii"))

    def log_message(self, format: str, *args: object) -> None:
        pass


def _be(service: GuestService, connection: socket.socket) -> None:
    """What the guest does with a connection."""
    with contextlib.suppress(OSError):
        if service.kind == "tcp":
            while connection.recv(4096):
                pass
            return
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LARGEST_HEAD_BYTES:
            part = connection.recv(4096)
            if not part:
                return
            head += part
        body = b"" if head.startswith(b"HEAD ") else service.text.encode()
        try:
            reason = HTTPStatus(service.status).phrase
        except ValueError:
            reason = "Unknown"
        answer = (
            f"HTTP/1.1 {service.status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(answer.encode("ascii") + body)
