"""The vCenter itself, without HTTP: a SOAP request goes in, a SOAP answer comes out."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ingest.twin.faults.fate import Troubles
from ingest.twin.vcenter.boots import Boots
from ingest.twin.vcenter.cache import FragmentCache
from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.disturbances import Disturbances
from ingest.twin.vcenter.faults import VimFault, method_not_found, no_permission, not_authenticated
from ingest.twin.vcenter.fields import CustomFields
from ingest.twin.vcenter.methods import METHODS
from ingest.twin.vcenter.methods.privileges import PRIVILEGES
from ingest.twin.vcenter.parse import Request, parse_request
from ingest.twin.vcenter.reader import Reader
from ingest.twin.vcenter.render import escape, inner, render
from ingest.twin.vcenter.schema import api_versions
from ingest.twin.vcenter.sessions import Session, Sessions
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.vcenter.tasks import Tasks
from ingest.twin.vcenter.timeline import Timeline
from ingest.twin.vcenter.values import Data, Raw, Ref
from ingest.twin.world import World

log = logging.getLogger("ingest.twin.vcenter")

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"'
    ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
)
_TAIL = "\n</soapenv:Body>\n</soapenv:Envelope>"
_ANONYMOUS = frozenset({"RetrieveServiceContent", "Login"})
_RETRIEVALS = frozenset({"RetrieveProperties", "RetrievePropertiesEx"})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer for the transport. `secret` is set when a login made a new session."""

    status: int
    text: str
    method: str
    secret: str | None = None


class Service:
    """Sessions, tasks and caches over one world, and the dispatch of calls."""

    def __init__(self, world: World, settings: VCenterSettings, troubles: Troubles | None = None) -> None:
        self.world = world
        self.troubles = troubles
        self.settings = settings
        self.api_version, self.api_version_name = api_versions(world.vcenter_version)[0]
        self.sessions = Sessions(settings, world.clock)
        self.timeline = Timeline(world.clock)
        self.tasks = Tasks(world, self.timeline)
        self.boots = Boots(world, self.timeline, settings)
        self.cache = FragmentCache(settings.cache_bytes)
        self.disturbances = Disturbances()
        self.stopping = threading.Event()
        self.calls: Counter[str] = Counter()
        with world.lock:
            self.fields = CustomFields(world)

    def stop(self) -> None:
        """End waiting calls and everything that was to happen later."""
        self.stopping.set()
        self.timeline.stop()
        self.boots.stop()

    def answer(self, body: bytes, secret: str, address: str, agent: str) -> Answer:
        """Answer one request. `secret` is the session cookie's value, '' without one."""
        method = "?"
        session = None
        try:
            request = parse_request(body)
            method = request.method
            with self.world.lock:
                self.calls[method] += 1
                counted = self.world.cloud.journal.vcenter_calls
                counted[method] = counted.get(method, 0) + 1
            session = self.sessions.use(secret) if secret else None
            call = self._call(request, session, address, agent)
            text = self._result(call)
        except VimFault as fault:
            log.debug("%s: %s", method, fault)
            return Answer(500, _fault(fault), method)
        except Exception:  # a mistake of ours must reach the client as a fault, and the log with its place
            log.exception("%s failed", method)
            return Answer(500, _fault(VimFault("SystemError", "The twin failed.", reason="see its log")), method)
        finally:
            if session is not None:
                self.sessions.done(session)
        opened = call.opened
        return Answer(200, f"{_HEAD}{text}{_TAIL}", method, opened.id if opened else None)

    def _call(self, request: Request, session: Session | None, address: str, agent: str) -> Call:
        if session is None and not _anonymous(request):
            raise not_authenticated(request.this)
        reader = Reader(self, session)
        return Call(self, request, reader, session, address, agent)

    def _result(self, call: Call) -> str:
        request = call.request
        handler = METHODS.get(request.method)
        if handler is None:
            raise method_not_found(request.this, request.method)
        target = call.reader.resolve(request.this)
        privilege = PRIVILEGES.get(request.method)
        if privilege is not None and self._lacks(privilege, target):
            raise no_permission(target, privilege)
        value = handler(call)
        if isinstance(value, Raw):
            text = value.text
        elif request.result is None or value is None:
            text = ""
        else:
            text = render("returnval", value, request.result)
        name = f"{request.method}Response"
        return f'<{name} xmlns="urn:vim25">{text}</{name}>'

    def _lacks(self, privilege: str, target: Ref) -> bool:
        settings = self.settings
        return privilege in settings.no_privilege or "" in settings.no_permission.get(target.moref, ())


def _anonymous(request: Request) -> bool:
    """What may be asked before logging in: the service content and whether one is logged in, by whichever way."""
    if request.method in _ANONYMOUS:
        return True
    if request.method == "Fetch":
        return _for_everybody(request.this, [request.arguments.get("prop")])
    if request.method not in _RETRIEVALS:
        return False
    specs = request.arguments.get("specSet")
    return isinstance(specs, list) and all(_spec_for_everybody(spec) for spec in specs)


def _spec_for_everybody(spec: Data) -> bool:
    starts, properties = spec.get("objectSet") or [], spec.get("propSet") or []
    wanted = [path for item in properties for path in (None if item.get("all") else item.get("pathSet")) or [None]]
    return all(_for_everybody(start.get("obj"), wanted) and not start.get("selectSet") for start in starts)


def _for_everybody(this: Ref, properties: list[Any]) -> bool:
    # pyvmomi's login of a session-oriented stub looks at `currentSession` first.
    return this.kind == "ServiceInstance" or (this.kind == "SessionManager" and properties == ["currentSession"])


def _fault(fault: VimFault) -> str:
    # `detail` itself has no namespace: pyvmomi finds the fault only then.
    detail = inner(Data(fault.kind, **fault.members))
    return (
        f"{_HEAD}<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{escape(fault.message)}</faultstring>"
        f'<detail><{fault.kind}Fault xmlns="urn:vim25" xsi:type="{fault.kind}">{detail}</{fault.kind}Fault></detail>'
        f"</soapenv:Fault>{_TAIL}"
    )
