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
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import HTTPError, InsecureRequestWarning

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
    """A pool of connections to one address. Threads may share it."""

    def __init__(self, endpoint: CloudStackEndpoint, *, pool_size: int, adapter: BaseAdapter | None = None) -> None:
        check_address(endpoint)
        self._url = endpoint.url
        self._connect_s = endpoint.timeouts.connect_s
        self._session = requests.Session()
        # An explicit authentication keeps requests from adding one of ~/.netrc for this host.
        self._session.auth = _no_authentication
        # Calls are independent and signed one by one; a session cookie would only tie threads together.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if adapter is None:
            adapter = HTTPAdapter(pool_connections=2, pool_maxsize=pool_size, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        # Preparing a request and asking the environment (proxies, REQUESTS_CA_BUNDLE) cost requests 0.6 ms of CPU each
        # time, five times what sending does, and never give anything else for one address. Our CA file is not kept on
        # the session: there REQUESTS_CA_BUNDLE would win over it.
        self._prepared = self._session.prepare_request(requests.Request("POST", self._url, headers=_HEADERS))
        self._how = self._session.merge_environment_settings(self._url, {}, None, _verification(endpoint), None)

    def post(self, form: Mapping[str, str], *, secrets: tuple[str, ...], read_s: float) -> Answer | Failure:
        """Send the form and give the answer, redirects included, or the failure. Never raises for network trouble.

        `secrets` are blotted out of the answer, in case something echoes the request.
        """
        encoded = urlencode(form).encode("ascii")
        body = io.BytesIO(encoded)
        request = self._prepared.copy()
        request.headers["Content-Length"] = str(len(encoded))
        request.body = body  # type: ignore[assignment]  # what is sent may be a file, says requests
        try:
            response = self._session.send(
                request,
                timeout=(self._connect_s, read_s),
                allow_redirects=False,
                **self._how,
            )
        except (requests.RequestException, HTTPError) as error:
            # The body is read only after connection, proxy tunnel and TLS handshake stand.
            return _failure(error, sent=body.tell() > 0)
        headers = response.headers
        return Answer(
            status=response.status_code,
            content_type=headers.get("Content-Type", ""),
            body=_blot_out(response.content, secrets),
            date=headers.get("Date", ""),
            location=headers.get("Location", "").partition("?")[0],
            retry_after=headers.get("Retry-After", ""),
        )

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


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


def _failure(error: requests.RequestException | HTTPError, *, sent: bool) -> Failure:
    chain = tuple(_chain(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure("untrusted", cause.verify_message, sent)
    reason = _reason(chain)
    if isinstance(error, requests.exceptions.SSLError) and not sent:
        return Failure("not-tls", reason, sent)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Failure("unreachable", "no answer to the connection request", sent)
    if isinstance(error, requests.exceptions.Timeout) or any(isinstance(cause, TimeoutError) for cause in chain):
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
    # The texts of requests and urllib3 carry addresses and object dumps; the operating system's words do not.
    for cause in reversed(chain):
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) and cause.strerror:
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
            body = body.replace(secret.encode(), b"***").replace(quote(secret, safe="").encode(), b"***")
    return body
