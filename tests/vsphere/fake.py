"""A scripted SOAP endpoint: answers what a test tells it to, over real TLS on loopback.

Not a vCenter: it knows nothing of inventories. Each method answers from `script`, a list of answers used up one by
one (the last one stays), and `calls` records the methods in the order they arrived.
"""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

from ingest.model.endpoints import VCenterEndpoint

USER = "reader@vsphere.local"
PASSWORD = "s3cret-Passw0rd"

VERSIONS = """<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:vim25</name>
<version>8.0.2.0</version><priorVersions><version>7.0</version><version>6.5</version></priorVersions>
</namespace></namespaces>"""


@dataclass
class Answer:
    """One HTTP answer. `cut` sends only that share of the body and closes; `chunked` sends it in two chunks."""

    body: str
    status: int = 200
    zipped: bool = False
    cut: float = 1.0
    chunked: bool = False
    content_type: str = "text/xml; charset=utf-8"


def answer(method: str, content: str = "", **how: object) -> Answer:
    return Answer(_envelope(f'<{method}Response xmlns="urn:vim25">{content}</{method}Response>'), **how)  # type: ignore[arg-type]


def fault(name: str, text: str = "", members: str = "") -> Answer:
    body = (
        f"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring>"
        f'<detail><{name}Fault xmlns="urn:vim25" xsi:type="{name}">{members}</{name}Fault></detail></soapenv:Fault>'
    )
    return Answer(_envelope(body), status=500)


def page(objects: str, token: str = "", **how: object) -> Answer:
    """A page of a property collection; `objects` is the XML of its objects."""
    head = f"<token>{token}</token>" if token else ""
    return answer("RetrievePropertiesEx", f"<returnval>{head}{objects}</returnval>", **how)


def thing(kind: str, moref: str, values: dict[str, str], missing: dict[str, str] | None = None) -> str:
    """An `objects` element: `values` maps paths to complete <val> elements, `missing` paths to fault classes."""
    props = "".join(f"<propSet><name>{path}</name>{val}</propSet>" for path, val in values.items())
    gaps = "".join(
        f'<missingSet><path>{path}</path><fault><fault xsi:type="{name}"/><localizedMessage>no</localizedMessage>'
        "</fault></missingSet>"
        for path, name in (missing or {}).items()
    )
    return f'<objects><obj type="{kind}">{moref}</obj>{props}{gaps}</objects>'


def text(value: str) -> str:
    return f'<val xsi:type="xsd:string">{value}</val>'


def ref(kind: str, moref: str) -> str:
    return f'<val type="{kind}" xsi:type="ManagedObjectReference">{moref}</val>'


def _envelope(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope'
        ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>'
    )


def service_content(api_type: str = "VirtualCenter") -> Answer:
    return answer(
        "RetrieveServiceContent",
        '<returnval><rootFolder type="Folder">group-d1</rootFolder>'
        '<propertyCollector type="PropertyCollector">propertyCollector</propertyCollector>'
        '<viewManager type="ViewManager">ViewManager</viewManager>'
        "<about><name>Test Server</name><fullName>Test Server 8.0.2</fullName><vendor>Nobody</vendor>"
        "<version>8.0.2</version><build>1</build><osType>linux-x64</osType><productLineId>vpx</productLineId>"
        f"<apiType>{api_type}</apiType><apiVersion>8.0.2.0</apiVersion><instanceUuid>u-1</instanceUuid></about>"
        '<sessionManager type="SessionManager">SessionManager</sessionManager>'
        '<customFieldsManager type="CustomFieldsManager">CustomFieldsManager</customFieldsManager></returnval>',
    )


def _defaults() -> dict[str, list[Answer]]:
    return {
        "RetrieveServiceContent": [service_content()],
        "Login": [
            answer(
                "Login",
                f"<returnval><key>k</key><userName>{USER}</userName><fullName>r</fullName>"
                "<loginTime>2026-01-01T00:00:00Z</loginTime><lastActiveTime>2026-01-01T00:00:00Z</lastActiveTime>"
                "<locale>en</locale><messageLocale>en</messageLocale></returnval>",
            )
        ],
        "Logout": [answer("Logout")],
        "CreateContainerView": [
            answer("CreateContainerView", '<returnval type="ContainerView">session[1]view-1</returnval>')
        ],
        "DestroyView": [answer("DestroyView")],
        "CancelRetrievePropertiesEx": [answer("CancelRetrievePropertiesEx")],
        "RetrievePropertiesEx": [answer("RetrievePropertiesEx")],
    }


@dataclass
class Fake:
    """`versions` is the answer to the version list; None leaves the client waiting until the server stops."""

    script: dict[str, list[Answer]] = field(default_factory=_defaults)
    versions: Answer | None = field(default_factory=lambda: Answer(VERSIONS))
    calls: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    encodings: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    by_type: dict[str, list[Answer]] = field(default_factory=dict)
    """Answers of RetrievePropertiesEx by the first class asked for; `script` answers the rest."""

    def next_answer(self, method: str, body: str) -> Answer:
        self.calls.append(method)
        self.bodies.append(body)
        kind = re.search(r"<propSet><type>(\w+)</type>", body)
        answers = self.by_type.get(kind.group(1), []) if kind else []
        answers = answers or self.script[method]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def endpoint(self, **changes: object) -> VCenterEndpoint:
        values: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "password": PASSWORD,
            "timeout_s": 5,
        }
        return VCenterEndpoint.model_validate(values | changes)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    fake: Fake

    def do_GET(self) -> None:
        self.fake.calls.append("GET")
        if self.fake.versions is None:
            self.fake.stopped.wait(30)
            self.close_connection = True
            return
        self._send(self.fake.versions)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        method = re.search(r'<(\w+) xmlns="urn:vim25">', body)
        assert method is not None
        self.fake.cookies.append(self.headers.get("Cookie", ""))
        self.fake.encodings.append(self.headers.get("Accept-Encoding", ""))
        self._send(self.fake.next_answer(method.group(1), body), login=method.group(1) == "Login")

    def _send(self, said: Answer, *, login: bool = False) -> None:
        body = said.body.encode()
        if said.zipped:
            body = gzip.compress(body)
        self.send_response(said.status)
        self.send_header("Content-Type", said.content_type)
        if login:
            self.send_header("Set-Cookie", f'vmware_soap_session="session-{self.fake.calls.count("Login")}"; Path=/')
        if said.zipped:
            self.send_header("Content-Encoding", "gzip")
        if said.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(body):x}\r\n".encode() + body[: int(len(body) * said.cut)])
            if said.cut == 1:
                self.wfile.write(b"\r\n0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: int(len(body) * said.cut)])
        self.wfile.flush()
        if said.cut < 1:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, object]:
        plain, address = super().get_request()
        if self.context is None:
            return plain, address
        return self.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that refuse the certificate or stop early are what the tests are about


@contextmanager
def serving(fake: Fake, certificate: trustme.LeafCert | None) -> Iterator[Fake]:
    """Serve until the block ends; without a certificate in plain HTTP."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    if certificate is not None:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(server.context)
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
