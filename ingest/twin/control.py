"""The control endpoint of a running twin: what truly happened, faults, the clock. For this machine only.

    GET    /twin           state: clock, faults that are set, conclusions about imports, counters
    GET    /twin/journal   the journal, entries and counters
    GET    /twin/world     the world as the JSON of a world file, the twin's keys and passwords included
    POST   /twin/faults    a fault, or a script {"seed": ..., "faults": [...]}; gives their names
    DELETE /twin/faults    takes every fault back
    POST   /twin/clock     {"jump": seconds, "speed": twin seconds per real one}, either or both

Every call needs the header `X-Twin-Token`: a web page in a browser on this machine cannot know it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest.errors import RulesError
from ingest.twin import truth
from ingest.twin.faults.script import script_of
from ingest.twin.listening import HttpListener
from ingest.twin.world import World
from ingest.twin.worldfile import world_text
from ingest.twin.worlds.schema import checked
from ingest.twin.worlds.yamltext import Document

if TYPE_CHECKING:
    from ingest.twin.serving import Twin

TOKEN_HEADER = "X-Twin-Token"  # noqa: S105  a header's name
URL_VARIABLE, TOKEN_VARIABLE = "TWIN_CONTROL_URL", "TWIN_CONTROL_TOKEN"
_HOST = "127.0.0.1"
_LARGEST_BODY_BYTES = 1 << 20

_CLOCK_CURE = 'send {"jump": seconds} or {"speed": factor}'


class ClockOrder(BaseModel):
    """What is to become of the clock."""

    model_config = ConfigDict(extra="forbid")

    jump: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    speed: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class TwinControl:
    """Serves the control endpoint of a running twin at `url`; a context manager. `token` is new each time."""

    def __init__(self, twin: Twin, *, port: int = 0) -> None:
        self._twin = twin
        self._port = port
        self.token = secrets.token_urlsafe(24)
        self._listener: HttpListener | None = None

    @property
    def url(self) -> str:
        """The endpoint. Raises RuntimeError before it is entered."""
        if self._listener is None:
            raise RuntimeError("the control endpoint is not running")
        return f"http://{_HOST}:{self._listener.port}/twin"

    def environment(self) -> dict[str, str]:
        """The variables that `ingest twin journal` and its like read."""
        return {URL_VARIABLE: self.url, TOKEN_VARIABLE: self.token}

    def __enter__(self) -> Self:
        self._listener = HttpListener(self._application(), name="twin-control", host=_HOST, port=self._port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def _application(self) -> Starlette:
        def route(path: str, method: str, answer: Callable[[bytes], Response]) -> Route:
            return Route(path, self._guarded(answer), methods=[method])

        return Starlette(
            routes=[
                route("/twin", "GET", lambda _: _json(state(self._twin))),
                route("/twin/journal", "GET", lambda _: _json(journal(self._twin.world))),
                route("/twin/world", "GET", lambda _: Response(world_text(self._twin.world), 200, _NO_STORE, _JSON)),
                route("/twin/faults", "POST", self._set_faults),
                route("/twin/faults", "DELETE", lambda _: _json({"removed": self._twin.faults.clear()})),
                route("/twin/clock", "POST", self._set_clock),
            ]
        )

    def _guarded(self, answer: Callable[[bytes], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            given = request.headers.get(TOKEN_HEADER, "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return _json({"error": f"the header {TOKEN_HEADER} is missing or wrong"}, 401)
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > _LARGEST_BODY_BYTES:
                    return _json({"error": "more than 1 MiB"}, 413)
            try:
                return await asyncio.to_thread(answer, body)
            except RulesError as error:
                return _json({"error": error.message, "place": error.place, "cure": error.cure}, 400)

        return endpoint

    def _set_faults(self, body: bytes) -> Response:
        return _json({"names": self._twin.faults.set(script_of(body))})

    def _set_clock(self, body: bytes) -> Response:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RulesError(f"not JSON: {error}", place="body", cure=_CLOCK_CURE) from None
        order = checked(ClockOrder, Document("body", data, {}, _CLOCK_CURE))
        world = self._twin.world
        world.clock.jump(order.jump)
        if order.speed is not None:
            world.clock.run_at(order.speed)
        with world.lock:
            world.cloud.journal.record("clock", jump=order.jump, speed=world.clock.speed)
        return _json(clock(world))


_JSON = "application/json"
_NO_STORE = {"Cache-Control": "no-store"}


def _json(data: Any, status: int = 200) -> Response:
    return JSONResponse(data, status, _NO_STORE)


def clock(world: World) -> dict[str, Any]:
    """What the twin's clock shows."""
    return {
        "now": world.clock.moment().isoformat(),
        "monotonic_s": round(world.clock.monotonic(), 3),
        "speed": world.clock.speed,
    }


def state(twin: Twin) -> dict[str, Any]:
    """What matters about a running twin, as JSON."""
    world = twin.world
    with world.lock:
        kept = world.cloud.journal
        return {
            "name": world.name,
            "clock": clock(world),
            "vms": len(world.vms),
            "faults": twin.faults.described(),
            "imports": {
                "accepted": kept.imports_accepted,
                "running": kept.imports_running,
                "peak_running": kept.peak_imports_running,
                "committed": len(kept.imports),
                "imported_once": len(truth.imported_once(world)),
                "duplicates": truth.duplicates(world),
                "half_imported": truth.half_imported(world),
            },
            "requests": dict(kept.requests),
            "vcenter_calls": dict(kept.vcenter_calls),
        }


def journal(world: World) -> dict[str, Any]:
    """The whole journal, as JSON."""
    with world.lock:
        return dataclasses.asdict(world.cloud.journal)
