"""Logged-in clients and everything that dies with their session: views, collectors, filters, page tokens."""

from __future__ import annotations

import secrets
import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ingest.twin.clock import Clock
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.vcenter.values import Data, Ref

if TYPE_CHECKING:
    from ingest.twin.vcenter.collector import Selected
    from ingest.twin.vcenter.filters import Collector


@dataclass(slots=True)
class ContainerView:
    """A live view: its members are computed whenever somebody looks."""

    ref: Ref
    container: Ref
    types: tuple[str, ...]
    recursive: bool


@dataclass(slots=True)
class ListView:
    """A view of exactly these objects."""

    ref: Ref
    members: list[Ref]


@dataclass(slots=True)
class Page:
    """What is left of a retrieval: chosen, not yet read, so a page shows the state at the time it is asked for."""

    rest: list[Selected]
    size: int


@dataclass
class Session:
    """One login. `id` is the cookie's secret, `key` what other users may see."""

    id: str
    user: str
    address: str
    agent: str
    login_at: datetime
    active_at: datetime
    used_s: float
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    calls: int = 0
    running: int = 0
    closed: bool = False
    views: dict[str, ContainerView | ListView] = field(default_factory=dict)
    collectors: dict[str, Collector] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def new_moref(self) -> str:
        """A managed object id that belongs to this session."""
        return f"session[{self.key}]{uuid.uuid4()}"

    def describe(self) -> Data:
        """`UserSession`."""
        return Data(
            "UserSession",
            key=self.key,
            userName=self.user,
            fullName=self.user,
            loginTime=self.login_at,
            lastActiveTime=self.active_at,
            locale="en",
            messageLocale="en",
            extensionSession=False,
            ipAddress=self.address,
            userAgent=self.agent,
            callCount=self.calls,
        )


class Sessions:
    """All sessions, by the secret in their cookie. Thread-safe."""

    def __init__(self, settings: VCenterSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def open(self, user: str, address: str, agent: str) -> Session:
        """A new session; the caller has checked the password."""
        now = self._clock.moment()
        session = Session(secrets.token_hex(20), user, address, agent, now, now, self._clock.monotonic())
        with self._lock:
            self._open[session.id] = session
        return session

    def use(self, secret: str) -> Session | None:
        """The session of a cookie, counted as used until `done`; None when there is none or its time is up."""
        with self._lock:
            session = self._open.get(secret)
            if session is None:
                return None
            if self._expired(session):
                self._drop(session)
                return None
            session.calls += 1
            session.running += 1
            session.used_s = self._clock.monotonic()
            session.active_at = self._clock.moment()
            return session

    def done(self, session: Session) -> None:
        """A call of the session has been answered; idleness counts from here."""
        with self._lock:
            session.running -= 1
            session.used_s = self._clock.monotonic()

    def _expired(self, session: Session) -> bool:
        # A session that waits for updates is not idle.
        idle = not session.running and self._clock.monotonic() - session.used_s > self._settings.session_idle_s
        worn = 0 < self._settings.session_calls <= session.calls
        return idle or worn

    def _drop(self, session: Session) -> None:
        session.closed = True
        self._open.pop(session.id, None)

    def close(self, session: Session) -> None:
        """End a session and with it its views, filters and tokens."""
        with self._lock:
            self._drop(session)

    def close_all(self) -> None:
        """End every session, as a restart of the server does."""
        with self._lock:
            for session in list(self._open.values()):
                self._drop(session)

    def all(self) -> list[Session]:
        """The open sessions."""
        with self._lock:
            return list(self._open.values())
