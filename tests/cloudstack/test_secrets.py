"""Keys and signatures stay out of everything people and other programs read: every error is provoked and searched."""

from __future__ import annotations

import json
import logging
import pickle
import ssl
import threading
import traceback
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
import trustme

from ingest.cloudstack.client import CloudStackClient
from ingest.errors import IngestError
from ingest.model.endpoints import Timeouts
from tests.cloudstack.api_server import (
    API_KEY,
    HANG_UP,
    SECRET_KEY,
    Answering,
    Asked,
    Reply,
    endpoint,
    free_port,
    page_of_a_proxy,
    payload,
    refusal,
)
from tests.cloudstack.conftest import Connect, Serve

signatures: list[str] = []


def remembering(answering: Answering) -> Answering:
    """The same answers, and the signature of each request kept."""

    def remember(asked: Asked) -> Reply:
        signatures.append(asked.parameters["signature"])
        return answering(asked)

    return remember


def everything_of(error: BaseException) -> str:
    """All an error, its causes and its traceback with all local variables can show."""
    texts: list[str] = []
    waiting: list[BaseException | None] = [error]
    known: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in known:
            continue
        known.add(id(each))
        texts += [str(each), repr(each), repr(each.args), repr(vars(each))]
        shown = traceback.TracebackException.from_exception(each, capture_locals=True)
        # The frames of this test hold the secrets on purpose; those of the library may not.
        for frame in shown.stack:
            if "/tests/" not in frame.filename:
                texts += [frame.name, str(frame.line), str(frame.locals)]
        texts += shown.format_exception_only()
        waiting += [each.__cause__, each.__context__]
    return "\n".join([*texts, repr(pickle.dumps(error))])


def secrets_in(text: str) -> set[str]:
    all_secrets = {API_KEY, SECRET_KEY, *signatures}
    all_secrets |= {quote(secret, safe="") for secret in all_secrets}
    return {secret for secret in all_secrets if secret in text}


def echo_in_json(asked: Asked) -> Reply:
    return refusal(asked.command, 431, f"Unable to understand {json.dumps(asked.parameters)}")


def echo_in_html(asked: Asked) -> Reply:
    return Reply(f"<p>{urlencode(asked.parameters)}</p>".encode(), 502, "text/html")


def echo_in_location(asked: Asked) -> Reply:
    return Reply(b"", 302, headers=(("Location", f"/login?{urlencode(asked.parameters)}"),))


def half_of_echo(asked: Asked) -> Reply:
    return Reply(echo_in_json(asked).body[:-2])


TROUBLES: dict[str, Answering] = {
    "hang up": lambda _asked: HANG_UP,
    "cut off": lambda _asked: Reply(b'{"a', promised_bytes=100),
    "401": lambda asked: refusal(asked.command, 401, "unable to verify user credentials"),
    "429": lambda asked: refusal(asked.command, 429, "slower"),
    "432": lambda asked: refusal(asked.command, 432, "not available", wrapper="errorresponse"),
    "503": lambda asked: refusal(asked.command, 503, "Maintenance"),
    "530": lambda asked: refusal(asked.command, 530, None),
    "html": lambda _asked: page_of_a_proxy(200, "Welcome"),
    "json echo": echo_in_json,
    "html echo": echo_in_html,
    "location echo": echo_in_location,
    "half echo": half_of_echo,
}


def check(client: CloudStackClient, caplog: pytest.LogCaptureFixture) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.call("listZones", name="a"),
        lambda: client.list_all("listUnmanagedInstances", "unmanagedinstance", clusterid="c"),
        lambda: client.call("importUnmanagedInstance", name="a"),
        lambda: client.query_job("j"),
    )
    with caplog.at_level(logging.DEBUG):
        for call in calls:
            with pytest.raises(IngestError) as caught:
                call()
            assert secrets_in(everything_of(caught.value)) == set()
    assert [record.name for record in caplog.records if record.name.startswith("ingest")] != []
    records = "\n".join(f"{record.getMessage()} {record.args!r} {record.exc_text}" for record in caplog.records)
    assert secrets_in(records) == set()
    assert secrets_in(repr(client) + str(client)) == set()


@pytest.mark.parametrize("trouble", TROUBLES, ids=list(TROUBLES))
def test_errors_after_sending(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, trouble: str) -> None:
    server = serve(remembering(TROUBLES[trouble]))
    check(connect(server), caplog)
    assert len(signatures) >= 4
    signatures.clear()


def test_errors_before_sending(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    for url in (f"http://127.0.0.1:{free_port()}/client/api", "http://cloud.invalid/client/api"):
        check(connect(url), caplog)


def test_an_untrusted_certificate(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    check(connect(serve(lambda asked: payload(asked.command, {}), tls=context)), caplog)


def test_time_outs(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    leave = threading.Event()

    def answering(asked: Asked) -> Reply:
        leave.wait(5)
        return payload(asked.command, {})

    short = Timeouts(connect_s=1, read_s=0.1, list_unmanaged_s=0.1, change_s=0.1)
    check(connect(serve(remembering(answering)), timeouts=short), caplog)
    leave.set()
    signatures.clear()


def test_successes_log_no_secrets(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(remembering(lambda asked: payload(asked.command, {"jobid": "j"})))
    with caplog.at_level(logging.DEBUG):
        connect(server).call("importUnmanagedInstance", name="a")
        connect(server).call("listZones", name="a")
    assert "importUnmanagedInstance" in caplog.text
    assert secrets_in(caplog.text) == set()
    signatures.clear()


def test_the_search_itself_finds_secrets() -> None:
    error = ValueError("outer")
    error.__context__ = ValueError(f"url: /client/api?apikey={API_KEY}")
    assert secrets_in(everything_of(error)) == {API_KEY}
    assert secrets_in(repr(endpoint("http://127.0.0.1/client/api"))) == set()
