"""One call on its way through a handler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.twin.vcenter.faults import not_authenticated
from ingest.twin.vcenter.parse import Request
from ingest.twin.vcenter.reader import Reader
from ingest.twin.vcenter.sessions import Session
from ingest.twin.vcenter.values import Ref

if TYPE_CHECKING:
    from ingest.twin.vcenter.service import Service


@dataclass(slots=True)
class Call:
    """The request, who asks, and what the handler needs to answer. `opened` is the session a login made."""

    service: Service
    request: Request
    reader: Reader
    session: Session | None
    address: str
    agent: str
    opened: Session | None = None

    @property
    def this(self) -> Ref:
        """The object the call is for."""
        return self.request.this

    def argument(self, name: str, default: Any = None) -> Any:
        """An argument, `default` when it was not given."""
        return self.request.arguments.get(name, default)

    @property
    def user_session(self) -> Session:
        """The session. Raises VimFault for an anonymous caller."""
        if self.session is None:
            raise not_authenticated(self.this)
        return self.session
