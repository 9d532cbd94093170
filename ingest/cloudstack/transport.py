"""One HTTP exchange with the API's address: what came back, or why nothing did. Knows nothing of CloudStack's answers.

Everything is sent by POST with the parameters in the body, reading calls too: an URL ends up in access logs of servers
and proxies, in the debug log of the HTTP library and in the texts of its exceptions, and ours would hold key and
signature. It also leaves no request line to outgrow the web container's 8 KiB.
"""

from __future__ import annotations

import io
import logging
import ssl
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InsecureRequestWarning,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from ingest.cloudstack.signing import encode_value
from ingest.errors import SettingsError
from ingest.model.endpoints import CloudStackEndpoint

log = logging.getLogger("ingest.cloudstack")

FailureKind = Literal["unreachable", "timeout", "lost", "untrusted", "not-tls"]
# Shorter ones may be ordinary words of an answer; real keys have 86 characters.
SHORTEST_SECRET = 12
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server, or something before it, answered. `location` comes without the parameters it may echo."""

    status: int
    content_type: str
    body: bytes
    date: str = ""
    location: str = ""
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. `sent` False means that the server cannot have seen the request's parameters."""

    kind: FailureKind
    reason: str
    sent: bool


class Transport:
    """A pool of connections to one address. Threads may share it. Raises SettingsError for an unusable address."""

    def __init__(self, endpoint: CloudStackEndpoint, *, pool_size: int) -> None:
        check_address(endpoint)
        self._connect_s = endpoint.timeouts.connect_s
        self._connections = _connections(endpoint, pool_size)

    def post(self, form: bytes, *, secrets: tuple[str, ...], read_s: float) -> Answer | Failure:
        """Send an encoded form; the answer, redirects included, or the failure. Never raises for network trouble.

        `secrets` are blotted out of the answer, in case something echoes the request.
        """
        body = io.BytesIO(form)
        try:
            response = self._connections.post(body, Timeout(connect=self._connect_s, read=read_s))
        except (HTTPError, OSError) as error:
            # The body is read only after connection, proxy tunnel and TLS handshake stand.
            return _failure(error, sent=body.tell() > 0)
        headers = response.headers
        return Answer(
            status=response.status,
            content_type=headers.get("Content-Type", ""),
            body=_blot_out(response.data, secrets),
            date=headers.get("Date", ""),
            location=headers.get("Location", "").partition("?")[0],
            retry_after=headers.get("Retry-After", ""),
        )

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()


class _Connections(HTTPAdapter):
    """The connections of requests to one address.

    A session and its adapter prepare each request, choose its connections, look for the CA file and keep cookies: half
    of the CPU a small call costs, and always the same result for one address. So that is done once. Calls are
    independent and signed one by one; no cookie is kept, nothing is sent again.
    """

    def __init__(self, request: requests.PreparedRequest, how: Mapping[str, Any], pool_size: int) -> None:
        super().__init__(pool_connections=2, pool_maxsize=pool_size, max_retries=0)
        verify, proxies, cert = how["verify"], how["proxies"], how["cert"]
        # The one kind requests makes; its annotation says less.
        self._pool = cast("HTTPConnectionPool", self.get_connection_with_tls_context(request, verify, proxies, cert))
        self.cert_verify(self._pool, str(request.url), verify, cert)  # type: ignore[no-untyped-call]
        self._target = self.request_url(request, proxies)
        self._headers = {name: str(value) for name, value in request.headers.items()}

    def post(self, body: io.BytesIO, timeout: Timeout) -> BaseHTTPResponse:
        """The whole answer, whatever its status. Raises what urllib3 does."""
        return self._pool.urlopen(
            "POST",
            self._target,
            body=body,
            headers=self._headers | {"Content-Length": str(len(body.getbuffer()))},
            redirect=False,
            assert_same_host=False,
            retries=self.max_retries,
            timeout=timeout,
        )


def _connections(endpoint: CloudStackEndpoint, pool_size: int) -> _Connections:
    """Connections as the environment wants them (proxies, REQUESTS_CA_BUNDLE). Our CA file is not kept on the session:
    there REQUESTS_CA_BUNDLE would win over it."""
    with requests.Session() as session:
        # An explicit authentication keeps requests from adding one of ~/.netrc for this host.
        session.auth = _no_authentication
        request = session.prepare_request(requests.Request("POST", endpoint.url, headers=_HEADERS))
        how = session.merge_environment_settings(endpoint.url, {}, None, _verification(endpoint), None)
    try:
        return _Connections(request, how, pool_size)
    except (HTTPError, OSError):  # whose texts may show a proxy's password
        pass
    raise SettingsError(
        "the environment names a proxy or a CA file that cannot be used",
        place="https_proxy, http_proxy, all_proxy, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE",
        cure="correct or unset them; a proxy is http://host:port, a CA file must be there",
    )


def check_address(endpoint: CloudStackEndpoint) -> None:
    """Raise SettingsError when the URL or the CA file cannot be used, before anything is sent."""
    try:
        parts = urlsplit(endpoint.url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        plain = parts.username is None and parts.password is None and not parts.query and not parts.fragment
    except ValueError:
        usable = plain = False
    if not usable or not plain:
        raise SettingsError(
            "the CloudStack URL is unusable"
            if not usable
            else "the CloudStack URL must not carry a user or parameters",
            place="INGEST_CLOUDSTACK_URL",
            cure="set it to the address of the API, like https://cloud.example.org:8443/client/api",
        )
    if endpoint.ca_file is not None and endpoint.verify_tls:
        _check_ca_file(endpoint.ca_file)


def _check_ca_file(path: Path) -> None:
    problem = ""
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        problem = f"{path} holds no certificate in PEM format"
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
    if problem:
        raise SettingsError(
            problem,
            place="INGEST_CLOUDSTACK_CA_FILE",
            cure="give the PEM file of the CA that signed the API's certificate",
        )


def _verification(endpoint: CloudStackEndpoint) -> bool | str:
    if not endpoint.verify_tls:
        log.warning("the certificate of %s is not verified (INGEST_CLOUDSTACK_VERIFY_TLS)", endpoint.url)
        # Said once above; urllib3 would say it again for each request.
        warnings.simplefilter("ignore", InsecureRequestWarning)
        return False
    return True if endpoint.ca_file is None else str(endpoint.ca_file)


def _no_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _failure(error: HTTPError | OSError, *, sent: bool) -> Failure:
    chain = tuple(_chain(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure("untrusted", cause.verify_message, sent)
    reason = _reason(chain)
    first = error.reason if isinstance(error, MaxRetryError) else error
    if isinstance(first, SSLError) and not sent:
        return Failure("not-tls", reason, sent)
    if isinstance(first, ConnectTimeoutError) and not isinstance(first, NewConnectionError):
        return Failure("unreachable", "no answer to the connection request", sent)
    if isinstance(first, ReadTimeoutError) or any(isinstance(cause, TimeoutError) for cause in chain):
        return Failure("timeout" if sent else "unreachable", "no answer in time", sent)
    return Failure("lost" if sent else "unreachable", reason, sent)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was made from, outermost first."""
    waiting: list[object] = [error]
    known: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in known:
            continue
        known.add(id(cause))
        yield cause
        waiting += [getattr(cause, "reason", None), *cause.args, cause.__cause__, cause.__context__]


def _reason(chain: tuple[BaseException, ...]) -> str:
    # The texts of urllib3 carry addresses and object dumps; the operating system's words do not.
    for cause in reversed(chain):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return {
        "RemoteDisconnected": "the server closed the connection without an answer",
        "IncompleteRead": "the answer was cut off",
        "InvalidChunkLength": "the answer was cut off",
        "ProxyError": "the proxy did not let it through",
    }.get(type(chain[-1]).__name__, type(chain[-1]).__name__)


def _blot_out(body: bytes, secrets: tuple[str, ...]) -> bytes:
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            body = body.replace(secret.encode(), b"***")
            encoded = encode_value(secret)
            if encoded != secret:
                body = body.replace(encoded.encode(), b"***")
    return body
