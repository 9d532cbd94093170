"""TLS, proxies and the environment: what may change where a request goes and whom it trusts."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from ingest.cloudstack.client import CloudStackClient
from ingest.errors import NotTheApi, RemoteError, SettingsError, Transient, UnknownOutcome, Untrusted
from ingest.model.endpoints import Timeouts
from tests.cloudstack.api_server import Asked, Reply, endpoint, free_port, page_of_a_proxy, payload
from tests.cloudstack.conftest import Connect, Serve


@dataclass(frozen=True)
class Authority:
    """A private CA: its certificate as a file, and server contexts signed by it."""

    ca: trustme.CA
    file: Path

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("127.0.0.1",))).configure_cert(context)
        return context


def authority(path: Path) -> Authority:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(path))
    return Authority(ca, path)


@pytest.fixture
def own(tmp_path: Path) -> Authority:
    return authority(tmp_path / "own-ca.pem")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return authority(tmp_path / "other-ca.pem")


def empty(asked: Asked) -> Reply:
    return payload(asked.command, {})


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that neither accepts nor refuses connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for client in waiting:
                client.close()


@pytest.mark.parametrize("command", ["listZones", "importUnmanagedInstance"])
def test_an_unknown_certificate_is_not_trusted_and_nothing_is_sent(
    serve: Serve, connect: Connect, own: Authority, pauses: list[float], command: str
) -> None:
    server = serve(empty, tls=own.server())
    with pytest.raises(Untrusted) as caught:
        connect(server).call(command)
    assert server.asked == []
    assert pauses == []
    assert caught.value.exit_code == 2
    assert "certificate" in caught.value.message
    assert "INGEST_CLOUDSTACK_CA_FILE" in caught.value.cure


def test_the_ca_file_makes_it_trusted(serve: Serve, connect: Connect, own: Authority) -> None:
    server = serve(empty, tls=own.server())
    assert connect(server, ca_file=own.file).call("listZones") == {}


def test_the_wrong_ca_file_is_named(serve: Serve, connect: Connect, own: Authority, other: Authority) -> None:
    server = serve(empty, tls=own.server())
    with pytest.raises(Untrusted) as caught:
        connect(server, ca_file=other.file).call("listZones")
    assert str(other.file) in caught.value.cure


def test_a_certificate_for_another_name(serve: Serve, connect: Connect, own: Authority) -> None:
    server = serve(empty, tls=own.server("cloud.example.org"))
    with pytest.raises(Untrusted, match="mismatch") as caught:
        connect(server, ca_file=own.file).call("listZones")
    assert "INGEST_CLOUDSTACK_URL" in caught.value.cure


def test_verification_can_be_switched_off_and_says_so(
    serve: Serve, connect: Connect, own: Authority, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    server = serve(empty, tls=own.server("cloud.example.org"))
    with caplog.at_level(logging.WARNING, "ingest"):
        client = connect(server, verify_tls=False)
    assert client.call("listZones") == {}
    assert "is not verified" in caplog.text
    assert list(recwarn) == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_cannot_replace_our_ca_file(
    serve: Serve, connect: Connect, own: Authority, other: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    server = serve(empty, tls=own.server())
    monkeypatch.setenv(variable, str(other.file))
    assert connect(server, ca_file=own.file).call("listZones") == {}
    monkeypatch.setenv(variable, str(own.file))
    with pytest.raises(Untrusted):
        connect(server, ca_file=other.file).call("listZones")


def test_without_a_ca_file_the_environment_chooses_as_for_other_programs(
    serve: Serve, connect: Connect, own: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(empty, tls=own.server())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own.file))
    assert connect(server).call("listZones") == {}


def test_no_login_of_netrc_is_added(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(empty)
    connect(server).call("listZones")
    assert "authorization" not in {name.lower() for name in server.asked[0].headers}


def test_cookies_are_not_kept(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: Reply(empty(asked).body, headers=(("Set-Cookie", "JSESSIONID=1; Path=/"),)))
    client = connect(server)
    client.call("listZones")
    client.call("listZones")
    assert all("Cookie" not in asked.headers for asked in server.asked)


def test_redirects_are_not_followed(serve: Serve, connect: Connect) -> None:
    elsewhere = serve(empty)
    server = serve(lambda _asked: Reply(b"", 307, headers=(("Location", f"{elsewhere.url}?a=1"),)))
    with pytest.raises(NotTheApi, match=f"redirected to {elsewhere.url}\n"):
        connect(server).call("listZones")
    assert elsewhere.asked == []


def test_https_to_a_server_without_tls(serve: Serve, connect: Connect) -> None:
    server = serve(empty)
    for command in ("listZones", "importUnmanagedInstance"):
        with pytest.raises(NotTheApi, match="no TLS connection") as caught:
            connect(server.url.replace("http:", "https:")).call(command)
        assert "https or http?" in caught.value.cure


def test_http_to_a_server_with_tls(serve: Serve, connect: Connect, own: Authority) -> None:
    server = serve(empty, tls=own.server())
    with pytest.raises(RemoteError):
        connect(server.url.replace("https:", "http:")).call("listZones")
    assert server.asked == []


def test_a_server_that_does_not_accept(connect: Connect) -> None:
    with full_backlog() as port:
        client = connect(f"http://127.0.0.1:{port}/client/api", timeouts=Timeouts(connect_s=0.2))
        with pytest.raises(Transient, match="no answer to the connection request"):
            client.call("importUnmanagedInstance")


@pytest.mark.parametrize(
    ("status", "reading", "changing"),
    [(403, NotTheApi, NotTheApi), (407, NotTheApi, NotTheApi), (502, Transient, UnknownOutcome)],
)
def test_a_proxy_that_answers_itself(
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    reading: type[RemoteError],
    changing: type[RemoteError],
) -> None:
    proxy = serve(lambda _asked: page_of_a_proxy(status, "The Company Proxy"))
    monkeypatch.setenv("http_proxy", proxy.url)
    client = connect("http://cloud.invalid:8080/client/api")
    for command, kind in (("listZones", reading), ("importUnmanagedInstance", changing)):
        with pytest.raises(kind, match="The Company Proxy") as caught:
            client.call(command)
        assert type(caught.value) is kind
    assert proxy.asked[0].path == "http://cloud.invalid:8080/client/api"


def test_a_proxy_that_is_not_there_means_nothing_was_sent(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"http://someone:proxy-password@127.0.0.1:{free_port()}"
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    for scheme in ("http", "https"):
        with pytest.raises(Transient) as caught:
            connect(f"{scheme}://cloud.invalid/client/api").call("importUnmanagedInstance")
        assert "proxy-password" not in str(caught.value)


def test_a_proxy_that_refuses_the_tunnel_means_nothing_was_sent(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(empty)  # knows no CONNECT: 501
    monkeypatch.setenv("https_proxy", proxy.url)
    with pytest.raises(Transient, match="cannot connect"):
        connect("https://cloud.invalid/client/api").call("importUnmanagedInstance")
    assert proxy.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cloud.example.org",
        "ftp://cloud.example.org/client/api",
        "https:///client/api",
        "https://cloud.example.org:notaport/client/api",
        "https://user:visible-password@cloud.example.org/client/api",
        "https://cloud.example.org/client/api?apikey=visible-password",
        "https://[::1/client/api",
    ],
)
def test_an_unusable_url_is_a_matter_of_settings(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        CloudStackClient(endpoint(url))
    assert caught.value.place == "INGEST_CLOUDSTACK_URL"
    assert "visible-password" not in str(caught.value)


def test_an_unusable_ca_file_is_a_matter_of_settings(tmp_path: Path) -> None:
    no_pem = tmp_path / "ca.der"
    no_pem.write_bytes(b"\x30\x82")
    for path, words in ((tmp_path / "missing.pem", "cannot be read"), (no_pem, "PEM")):
        with pytest.raises(SettingsError, match=words) as caught:
            CloudStackClient(endpoint("https://cloud.example.org/client/api", ca_file=path))
        assert caught.value.place == "INGEST_CLOUDSTACK_CA_FILE"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("https_proxy", "http://someone:proxy-password@[::1"),
        ("https_proxy", "gopher:///"),
        ("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem"),
    ],
)
def test_an_unusable_environment_is_a_matter_of_settings(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match="environment") as caught:
        CloudStackClient(endpoint("https://cloud.example.org/client/api"))
    assert variable in (caught.value.place or "")
    assert "proxy-password" not in str(caught.value)
