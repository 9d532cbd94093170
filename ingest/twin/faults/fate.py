"""What the servers know of faults: the fate of a call, and whom to ask for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Side: TypeAlias = Literal["cloudstack", "vcenter"]


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is reset without an answer."""


@dataclass(frozen=True, slots=True)
class ProxyError:
    """A proxy in front of the server answers, with this status and a page of its own."""

    status: int


@dataclass(frozen=True, slots=True)
class TooManyRequests:
    """CloudStack's own 429."""

    retry_ms: int


Interruption: TypeAlias = Cut | ProxyError | TooManyRequests


@dataclass(frozen=True, slots=True)
class Fate:
    """`before`: instead of the work. `after`: instead of the answer, when the work is done."""

    before: Interruption | None = None
    after: Interruption | None = None


UNTROUBLED = Fate()


class Troubles(Protocol):
    """Asked by a server about every call, and by CloudStack at every step of an import."""

    @property
    def watching(self) -> bool:
        """Whether any fault waits for a call: otherwise nothing needs to be found out about it."""

    def of_call(self, side: Side, command: str, vm: str, stopping: threading.Event) -> Fate:
        """Wait as long as the call is to wait, do what happens just before it, and say what becomes of it."""

    def at_step(self, step: str, job_id: str, vm: str) -> None:
        """Do what happens at a step of an import. May wait; may raise JobLost or ServerError."""


def proxy_page(status: int) -> bytes:
    """The page a load balancer shows when the server behind it does not do its part."""
    title, text = _PAGES.get(status, ("Error", "The request cannot be served."))
    return f"<html><body><h1>{status} {title}</h1>\n{text}\n</body></html>\n".encode()


_PAGES = {
    500: ("Internal Server Error", "An internal server error occurred."),
    502: ("Bad Gateway", "The server returned an invalid or incomplete response."),
    503: ("Service Unavailable", "No server is available to handle this request."),
    504: ("Gateway Time-out", "The server didn't respond in time."),
}
