"""A logged-in vCenter session: trusted first, time-limited, counted, logged out at the end.

pyVim's SmartConnect is not used: it does not apply a time-out to its first request, skips certificate checks for
localhost, and keeps the connection in a global variable.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from xml.etree import ElementTree

from pyVmomi import SoapStubAdapter, VmomiSupport, vim, vmodl

from ingest.errors import IngestError, RemoteError, Transient, Unauthorised, UsageError
from ingest.model.endpoints import VCenterEndpoint
from ingest.vsphere.faults import BROKEN_TRANSPORT, not_the_api, refusal, status_error, transport_error
from ingest.vsphere.tls import context_for

logger = logging.getLogger("ingest.vsphere")

Result = TypeVar("Result")

SDK_PATH = "/sdk"
_IDLE_CONNECTION_S = 20  # shorter than the idle limit of usual proxies: a stale connection would look like an outage
_VERSION_LIST_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class About:
    """Who answered. `api_type` is VirtualCenter for vCenter and HostAgent for a single ESXi host."""

    product: str
    version: str
    build: str
    api_type: str
    api_version: str
    instance_uuid: str


class Stub(SoapStubAdapter):  # type: ignore[misc]
    """pyVmomi's transport, counting requests and raising the program's own errors for everything but API faults."""

    def __init__(self, endpoint: VCenterEndpoint, context: ssl.SSLContext, version: str) -> None:
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        super().__init__(
            host=host,
            port=endpoint.port,
            path=SDK_PATH,
            version=version,
            sslContext=context,
            httpConnectionTimeout=endpoint.timeout_s,
            connectionPoolTimeout=_IDLE_CONNECTION_S,
        )
        self._endpoint = endpoint
        self._counting = threading.Lock()
        self.requests = 0

    def count(self) -> None:
        with self._counting:
            self.requests += 1

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:
        self.count()
        try:
            return super().InvokeMethod(mo, info, args, outerStub)
        except BROKEN_TRANSPORT as error:
            raise transport_error(error, self._endpoint) from error


class VCenter:
    """One session. Use as a context manager; `close` logs out and never raises.

    `content` is the ServiceContent (managed objects of pyVmomi), `about` who answered, `requests` the round trips so
    far, connecting included. Calls on `content` raise faults of pyVmomi; `repeat` turns them into our own errors.
    """

    def __init__(self, endpoint: VCenterEndpoint, stub: Stub, content: Any) -> None:
        self.endpoint = endpoint
        self.stub = stub
        self.content = content
        said = content.about
        self.about = About(
            product=said.fullName or said.name or "",
            version=said.version or "",
            build=said.build or "",
            api_type=said.apiType or "",
            api_version=said.apiVersion or "",
            instance_uuid=said.instanceUuid or "",
        )

    def __repr__(self) -> str:
        return f"VCenter({self.endpoint.host}:{self.endpoint.port}, {self.about.product!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def api_type(self) -> str:
        """VirtualCenter, or HostAgent for a single ESXi host (see `require_vcenter`)."""
        return self.about.api_type

    @property
    def requests(self) -> int:
        return int(self.stub.requests)

    def login(self) -> None:
        """Start a new session. Raises Unauthorised for a wrong user or password, which is never tried twice."""
        self.stub.SetSessionId("")
        failure: IngestError | None = None
        try:
            self.content.sessionManager.Login(self.endpoint.user, self.endpoint.password.get_secret_value(), None)
        except vim.fault.InvalidLogin:
            failure = Unauthorised(
                "user name or password is wrong",
                place=f"{self.endpoint.user} at {self.endpoint.host}:{self.endpoint.port}",
                cure="set INGEST_VCENTER_USER and INGEST_VCENTER_PASSWORD; repeated failures lock the account",
            )
        except vmodl.MethodFault as fault:
            failure = refusal(fault, self.endpoint, "Login")
        except RemoteError as error:
            failure = error
        if failure is not None:
            # Raised without its history: the frames of the call hold the password.
            failure.__cause__ = failure.__context__ = None
            raise failure.with_traceback(None)

    def repeat(self, step: Callable[[], Result], what: str) -> Result:
        """The result of `step`, which only reads, run a second time if the session or an object was lost under it.

        Views, filters and page tokens die with their session, so the whole step is repeated, not the single call.
        Raises Unauthorised, Refused or Transient for faults of the API; `what` names the step in them.
        """
        try:
            return step()
        except vim.fault.NotAuthenticated:
            logger.info("%s: the session was lost, logging in again", what)
            self.login()
        except vmodl.fault.ManagedObjectNotFound:
            logger.info("%s: the inventory changed while it was read, reading again", what)
        except vmodl.MethodFault as fault:
            raise refusal(fault, self.endpoint, what) from fault
        try:
            return step()
        except vim.fault.NotAuthenticated as fault:
            raise Transient(
                f"{what}: the session was lost twice",
                place=f"{self.endpoint.host}:{self.endpoint.port}",
                cure="look for a session limit of the user, or something that ends its sessions",
            ) from fault
        except vmodl.MethodFault as fault:
            raise refusal(fault, self.endpoint, what) from fault

    def close(self) -> None:
        """Log out (vCenter limits the number of sessions) and close the connections. Never raises."""
        try:
            self.content.sessionManager.Logout()
        except vmodl.MethodFault as fault:
            logger.debug("logout: %s", type(fault).__name__)
        except RemoteError as error:
            logger.debug("logout: %s", error.message)
        finally:
            self.stub.DropConnections()


def connect(endpoint: VCenterEndpoint) -> VCenter:
    """A logged-in session: `with connect(endpoint) as vcenter: ...`.

    Raises Untrusted (certificate), Unauthorised (login), Transient (unreachable, silent: bounded by `timeout_s` for
    each step), NotTheApi (something else answers there), SettingsError (unusable CA file or pin).
    """
    try:
        context = context_for(endpoint)
        version = _newest_common_version(endpoint, context)
    except BROKEN_TRANSPORT as error:
        raise transport_error(error, endpoint) from error
    stub = Stub(endpoint, context, version)
    stub.count()  # the version list
    try:
        content = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
        vcenter = VCenter(endpoint, stub, content)
        vcenter.login()
    except vmodl.MethodFault as fault:
        stub.DropConnections()
        raise refusal(fault, endpoint, "RetrieveServiceContent") from fault
    except IngestError:
        stub.DropConnections()
        raise
    logger.info("logged in to %s (%s)", endpoint.host, vcenter.about.product)
    return vcenter


def require_vcenter(vcenter: VCenter) -> None:
    """Raise UsageError when a single ESXi host answered: CloudStack works through vCenter and its clusters."""
    if vcenter.api_type != "VirtualCenter":
        raise UsageError(
            f"{vcenter.about.product or 'the server'} is not a vCenter (apiType {vcenter.api_type or 'unset'})",
            place=f"{vcenter.endpoint.host}:{vcenter.endpoint.port}",
            cure="set INGEST_VCENTER_HOST to the vCenter that manages this host",
        )


def _newest_common_version(endpoint: VCenterEndpoint, context: ssl.SSLContext) -> str:
    """pyVmomi's name of the newest API version that it and the server both know."""
    connection = http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=endpoint.timeout_s, context=context)
    try:
        connection.request("GET", f"{SDK_PATH}/vimServiceVersions.xml")
        answer = connection.getresponse()
        body = answer.read(_VERSION_LIST_LIMIT_BYTES)
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise status_error(answer.status, endpoint)
    try:
        root = ElementTree.fromstring(body)  # noqa: S314  expat limits entity expansion; size is limited above
    except ElementTree.ParseError as error:
        raise not_the_api(endpoint, "its version list is not XML") from error
    if root.tag != "namespaces":
        raise not_the_api(endpoint, f"its version list starts with <{root.tag}>")
    offered = {
        version.text
        for namespace in root.iterfind("namespace")
        if namespace.findtext("name") == "urn:vim25"
        for version in (*namespace.iterfind("version"), *namespace.iterfind("priorVersions/version"))
    }
    for version in VmomiSupport.GetServiceVersions("vim25"):
        if VmomiSupport.versionIdMap.get(version) in offered:
            return str(version)
    raise not_the_api(endpoint, f"it offers no API version known here, only {', '.join(sorted(map(str, offered)))}")
