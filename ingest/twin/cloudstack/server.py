"""The HTTP server: the gateway behind a socket, and what happens to its connections."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.service import Service
from ingest.twin.cloudstack.troubled import TroubledCalls, follow_steps
from ingest.twin.cloudstack.wire import Reply, page
from ingest.twin.faults.fate import Troubles
from ingest.twin.listening import HttpListener, is_loopback, url_host
from ingest.twin.world import World

_PATH = "/client/api"
_LONGEST_HEAD_BYTES = 8192  # Jetty's request header limit
_LARGEST_BODY_BYTES = 1_048_576  # request.content.size


class CloudStackServer:
    """Serves a world as CloudStack's API at `url` (`http://127.0.0.1:<port>/client/api`, https with a context).

    `port` 0 takes a free one. Listens on loopback only, unless `allow_remote`. Start it with `start()` or as a context
    manager; `stop()` ends at once, jobs in mid-flight included: they stay failed without a result, as after a restart
    of a management server. `request_threads` is how many calls may wait at the same time. `troubles` are asked about
    every call and every step of an import.
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
        troubles: Troubles | None = None,
    ) -> None:
        if not allow_remote and not is_loopback(host):
            raise ValueError(f"{host} is not a loopback address; pass allow_remote=True to serve other machines")
        self.world = world
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._request_threads = request_threads
        self._troubles = troubles
        self._running: _Running | None = None
        self._changing = threading.Lock()

    @property
    def host(self) -> str:
        """The address listened on."""
        return self._host

    @property
    def url(self) -> str:
        """The endpoint. Raises RuntimeError before `start()`."""
        running = self._required()
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://{url_host(self._host)}:{running.port}{_PATH}"

    @property
    def port(self) -> int:
        """The port listened on. Raises RuntimeError before `start()`."""
        return self._required().port

    def start(self) -> None:
        """Listen; returns once calls are answered."""
        if self._running is not None:
            raise RuntimeError("the server is already running")
        service = Service(self.world)
        follow_steps(service, self._troubles)
        try:
            self._running = _Running(
                service, self._host, self._port, self._ssl_context, self._request_threads, self._troubles
            )
        except BaseException:
            service.stop()
            raise

    def stop(self) -> None:
        """End the server, its waits and its jobs. Does nothing when it is not running."""
        running = self._running
        if running is not None:
            running.service.stop()  # also ends a restart's wait
            with self._changing:
                self._running = None
                running.stop()

    @property
    def service(self) -> Service:
        """The management server behind the socket; it outlives restarts. Raises RuntimeError before `start()`."""
        return self._required().service

    def lose_jobs(self, *, finishes_later: bool = False) -> None:
        """Do what a restart of the management server does to its jobs: they fail with 530, without any result.

        An import that already has its VM row stays half imported. With `finishes_later` the server was only taken for
        dead: the work goes on, the jobs stay failed.
        """
        self.service.jobs.lose_all(work_goes_on=finishes_later)

    def restart(self, down_seconds: float = 0.0) -> bool:
        """Reset all connections and refuse new ones for so long; returns when calls are answered again.

        What becomes of the jobs is `lose_jobs`. False when the server was not running or was stopped meanwhile.
        """
        with self._changing:
            running = self._running
            if running is None:
                return False
            running.go_down()
            with self.world.lock:
                self.world.tell_import("away")
            try:
                if self.world.clock.wait(running.service.stopping, down_seconds):
                    return False
                running.come_up()
                return True
            finally:
                with self.world.lock:
                    self.world.tell_import("back")

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
    """Service, threads and socket between start and stop; the socket may go and come back meanwhile."""

    def __init__(
        self,
        service: Service,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        request_threads: int,
        troubles: Troubles | None,
    ) -> None:
        self.service = service
        self._host, self._ssl_context = host, ssl_context
        self._calls = TroubledCalls(service, troubles)
        self._pool = ThreadPoolExecutor(request_threads, thread_name_prefix="twin-request")
        self._listener: HttpListener | None = None
        self.port = port
        try:
            self.come_up()
        except BaseException:
            self._pool.shutdown(wait=False)
            raise

    def come_up(self) -> None:
        # A new gateway, because its memory of request rates does not outlive a restart.
        app = application(Gateway(self.service), self._pool, self._calls, self._cut)
        self._listener = HttpListener(
            app, name="twin-cloudstack", host=self._host, port=self.port, ssl_context=self._ssl_context
        )
        self.port = self._listener.port

    def go_down(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cut_all()
            listener.stop()

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _cut(self, client: tuple[str, int]) -> None:
        if self._listener is not None:
            self._listener.cut(client)


def application(
    gateway: Gateway, pool: ThreadPoolExecutor, calls: TroubledCalls, cut: Callable[[tuple[str, int]], None]
) -> Starlette:
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
        work = partial(gateway.answer, request.method, query, body, client)
        reply = await loop.run_in_executor(pool, calls.answer, query, body, work)
        if reply is None:
            cut(request.scope["client"])
            while not await request.is_disconnected():
                await asyncio.sleep(0)
            return Response()  # nobody gets it
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
