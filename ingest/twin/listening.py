"""An ASGI application behind a socket of this machine: uvicorn in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import struct
import threading
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_LARGEST_HEAD_READ_BYTES = 1 << 20  # so that limits of the application answer, not the HTTP library's
_START_SECONDS = 10.0
# Closing a socket that lingers for no time at all sends RST instead of FIN.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_host(host: str) -> str:
    """The address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


class _Server(uvicorn.Server):
    """Leaves no connection behind: uvicorn's own shutdown does not see those that are in the middle of their TLS
    handshake when it begins, and gives up on those whose client does not answer the goodbye of TLS."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let calls end for a moment, cut what is still open."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol):
                connection.transport.abort()
        while any(isinstance(one, H11Protocol) for one in self.server_state.connections):
            await asyncio.sleep(0)  # an aborted connection is lost in the loop's next turn


class HttpListener:
    """Listens from its making until `stop`. `port` 0 takes a free one. Raises OSError when the port is taken."""

    def __init__(
        self, application: Any, *, name: str, host: str, port: int, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY: 1 ms a call instead of 44 ms.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
            self.port: int = self._socket.getsockname()[1]
            self._server = _Server(_config(application, ssl_context))
            self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
            self._thread.start()
            self._await_start(name)
        except BaseException:
            self._socket.close()
            raise

    def stop(self) -> None:
        """Stop listening, let calls end for a moment, close the connections."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def cut_all(self) -> None:
        """Reset every open connection, from any thread."""
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, H11Protocol):
                # The loop may have ended meanwhile.
                with contextlib.suppress(RuntimeError):
                    connection.loop.call_soon_threadsafe(_reset, connection)

    def cut(self, client: tuple[str, int]) -> None:
        """Reset the connection of that client; call it on the event loop."""
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, H11Protocol) and connection.client == client:
                _reset(connection)

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def _await_start(self, name: str) -> None:
        patience = threading.Event()
        for _ in range(int(_START_SECONDS / 0.005)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            patience.wait(0.005)
        raise RuntimeError(f"{name} did not start")


def _reset(connection: H11Protocol) -> None:
    raw = connection.transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    connection.transport.abort()


def _config(application: Any, ssl_context: ssl.SSLContext | None) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=_LARGEST_HEAD_READ_BYTES,
    )
    config.load()
    config.ssl = ssl_context
    return config
