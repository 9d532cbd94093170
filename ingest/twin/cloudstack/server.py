"""The HTTP server: uvicorn in a thread, in front of the gateway."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.service import Service
from ingest.twin.cloudstack.wire import Reply, page
from ingest.twin.world import World

_PATH = "/client/api"
_LONGEST_HEAD_BYTES = 8192  # Jetty's request header limit
_LARGEST_BODY_BYTES = 1_048_576  # request.content.size
_LARGEST_HEAD_READ_BYTES = 1 << 20  # so that our own limit answers, not the HTTP library's
_START_SECONDS = 10.0


class CloudStackServer:
    """Serves a world as CloudStack's API at `url` (`http://127.0.0.1:<port>/client/api`, https with a context).

    `port` 0 takes a free one. Listens on loopback only, unless `allow_remote`. Start it with `start()` or as a context
    manager; `stop()` ends at once, jobs in mid-flight included: they stay failed without a result, as after a restart
    of a management server. `request_threads` is how many calls may wait at the same time.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        allow_remote: bool = False,
        request_threads: int = 256,
    ) -> None:
        if not allow_remote and not _is_loopback(host):
            raise ValueError(f"{host} is not a loopback address; pass allow_remote=True to serve other machines")
        self.world = world
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._request_threads = request_threads
        self._running: _Running | None = None

    @property
    def url(self) -> str:
        """The endpoint. Raises RuntimeError before `start()`."""
        running = self._required()
        scheme = "https" if self._ssl_context else "http"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{running.port}{_PATH}"

    @property
    def port(self) -> int:
        """The port listened on. Raises RuntimeError before `start()`."""
        return self._required().port

    def start(self) -> None:
        """Listen; returns once calls are answered."""
        if self._running is not None:
            raise RuntimeError("the server is already running")
        self._running = _Running(self.world, self._host, self._port, self._ssl_context, self._request_threads)

    def stop(self) -> None:
        """End the server, its waits and its jobs. Does nothing when it is not running."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def lose_jobs(self) -> None:
        """Do what a restart of the management server does to its jobs: they fail with 530, without any result.

        An import that already has its VM row stays half imported.
        """
        self._required().service.jobs.lose_all()

    def __enter__(self) -> CloudStackServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _required(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the server is not running")
        return self._running


class _Running:
    """Socket, threads and service between start and stop."""

    def __init__(
        self, world: World, host: str, port: int, ssl_context: ssl.SSLContext | None, request_threads: int
    ) -> None:
        self.service = Service(world)
        self._pool = ThreadPoolExecutor(request_threads, thread_name_prefix="twin-request")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY: 1 ms a call instead of 44 ms.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
            self.port: int = self._socket.getsockname()[1]
            self._server = uvicorn.Server(self._config(ssl_context))
            self._thread = threading.Thread(target=self._serve, name="twin-cloudstack", daemon=True)
            self._thread.start()
            self._await_start()
        except BaseException:
            self._socket.close()
            self._pool.shutdown(wait=False)
            self.service.stop()
            raise

    def stop(self) -> None:
        self.service.stop()
        self._server.should_exit = True
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._socket.close()

    def _config(self, ssl_context: ssl.SSLContext | None) -> uvicorn.Config:
        config = uvicorn.Config(
            application(Gateway(self.service), self._pool),
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

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def _await_start(self) -> None:
        patience = threading.Event()
        for _ in range(int(_START_SECONDS / 0.005)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            patience.wait(0.005)
        raise RuntimeError("the twin's CloudStack server did not start")


def application(gateway: Gateway, pool: ThreadPoolExecutor) -> Starlette:
    """The ASGI application: one address, calls handed to the thread pool."""

    async def endpoint(request: Request) -> Response:
        refused = _refused_by_size(request)
        if refused is not None:
            return _response(refused)
        body = await request.body() if request.method == "POST" else b""
        if len(body) > _LARGEST_BODY_BYTES:
            return _response(page(400, "Unable to parse form content"))
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            body = b""
        query: bytes = request.scope["query_string"]
        loop = asyncio.get_running_loop()
        client = request.client.host if request.client else "127.0.0.1"
        reply = await loop.run_in_executor(pool, gateway.answer, request.method, query, body, client)
        return _response(reply)

    return Starlette(routes=[Route(_PATH, endpoint, methods=["GET", "POST"])])


def _refused_by_size(request: Request) -> Reply | None:
    target = len(request.scope["raw_path"]) + 1 + len(request.scope["query_string"])
    line = len(request.method) + target + len("  HTTP/1.1\r\n")
    if line > _LONGEST_HEAD_BYTES:
        return page(414, "URI Too Long")
    fields = sum(len(name) + len(value) + len(": \r\n") for name, value in request.scope["headers"])
    if line + fields > _LONGEST_HEAD_BYTES:
        return page(431, "Request Header Fields Too Large")
    return None


def _response(reply: Reply) -> Response:
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return Response(reply.body, reply.status, headers)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
