"""Checks against real sockets on loopback: what passes, what does not, and how many at once."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from ingest.errors import Transient, UsageError
from ingest.health import Check, CheckResult, HeartbeatCheck, HttpCheck, IpCheck, Patience, TcpCheck, run_checks
from ingest.health.connecting import route_of
from ingest.model.guest import GuestState

QUICK = Patience(timeout_s=2.0, deadline_s=0.4, first_pause_s=0.02, longest_pause_s=0.1)
LONG = Patience(timeout_s=2.0, deadline_s=60.0, first_pause_s=0.02, longest_pause_s=0.1)


class Web(ThreadingHTTPServer):
    """Answers by path; `peak` is how many requests it had at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.now = self.peak = self.asked = 0
        self.broken = 0
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        web = self.server
        with web.lock:
            web.now, web.asked = web.now + 1, web.asked + 1
            web.peak = max(web.peak, web.now)
            recovering = web.asked <= web.broken
        try:
            if self.path == "/trickle":
                self.send_response(200)
                self.end_headers()
                while not web.over.wait(0.02):
                    self.wfile.write(b".")
                return
            if self.path == "/slow":
                web.over.wait(0.05)
            self.send_response(500 if recovering else 301 if self.path == "/moved" else 200)
            self.send_header("Location", "/")
            self.end_headers()
            self.wfile.write(self.headers["Host"].encode() + b" all ready")
        finally:
            with web.lock:
                web.now -= 1

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Web]:
    server = Web()
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as server:
        yield server


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port that is taken, and refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def one(check: Check, patience: Patience = QUICK) -> CheckResult:
    (result,) = run_checks([check], patience=patience)
    return result


def test_a_port_that_accepts_and_one_that_does_not(web: Web, nobody: int) -> None:
    passed, refused = run_checks([TcpCheck("127.0.0.1", web.server_address[1]), TcpCheck("127.0.0.1", nobody)],
                                 patience=QUICK)  # fmt: skip
    assert (passed.ok, passed.attempts, passed.last_words, passed.target) == (
        True, 1, "", f"127.0.0.1:{web.server_address[1]}"
    )  # fmt: skip
    assert (refused.ok, refused.last_words, refused.stopped) == (False, "connection refused", False)
    assert refused.attempts > 2
    assert refused.seconds >= QUICK.deadline_s


def test_a_port_that_opens_late() -> None:
    with socket.socket() as late:
        late.bind(("127.0.0.1", 0))
        timer = threading.Timer(0.2, late.listen)
        timer.start()
        result = one(TcpCheck("127.0.0.1", late.getsockname()[1]), LONG)
        timer.join()
    assert result.ok
    assert result.attempts > 1


def test_web_pages(web: Web) -> None:
    results = run_checks(
        [
            HttpCheck(f"{web.url}/"),
            HttpCheck(f"{web.url}/a?b=c", text="all ready"),
            HttpCheck(f"{web.url}/", text="127.0.0.1:"),
            HttpCheck(f"{web.url}/moved"),
            HttpCheck(f"{web.url}/moved", statuses=(200,)),
            HttpCheck(f"{web.url}/", text="nowhere"),
        ],
        patience=QUICK,
    )
    assert [result.ok for result in results] == [True, True, True, True, False, False]
    assert [result.last_words for result in results[4:]] == [
        f"status 301: {web.url.removeprefix('http://')} all ready",
        "status 200, without the text 'nowhere'",
    ]


def test_a_page_that_fails_at_first(web: Web) -> None:
    web.broken = 3
    result = one(HttpCheck(f"{web.url}/"), LONG)
    assert (result.ok, result.attempts) == (True, 4)


def test_an_answer_that_never_ends_is_no_answer(web: Web) -> None:
    result = one(HttpCheck(f"{web.url}/trickle"), Patience(timeout_s=0.3, deadline_s=0.1))
    assert (result.ok, result.last_words) == (False, "no answer within 0.3 s")


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = one(HttpCheck(f"http://127.0.0.1:{silent.getsockname()[1]}/"), Patience(timeout_s=0.2, deadline_s=0.1))
    assert (result.ok, result.last_words) == (False, "no answer within 0.2 s")


def test_certificates(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    with serving(context) as server:
        url = server.url.replace("http:", "https:")
        unknown, known, unchecked = run_checks(
            [HttpCheck(url), HttpCheck(url, ca_file=ca_file), HttpCheck(url, verify_tls=False)], patience=QUICK
        )
        lost = one(HttpCheck(url, ca_file=tmp_path / "none.pem"))
    assert not unknown.ok
    assert unknown.last_words.startswith("certificate: ")
    assert (known.ok, unchecked.ok, lost.last_words) == (True, True, "No such file or directory")


def test_no_more_at_once_than_allowed_and_waiting_holds_nobody_up(web: Web, nobody: int) -> None:
    checks: list[Check] = [TcpCheck("127.0.0.1", nobody) for _ in range(30)]
    checks += [HttpCheck(f"{web.url}/slow") for _ in range(30)]
    heard: list[CheckResult] = []
    results = run_checks(checks, patience=Patience(2.0, 1.5, 0.05, 0.3), at_once=3, told=heard.append)
    assert [result.ok for result in results] == [False] * 30 + [True] * 30
    assert [result.check for result in results] == checks
    assert sorted(map(id, heard)) == sorted(map(id, results))
    assert 1 < web.peak <= 3


def test_a_stop_ends_it_with_what_is_known(web: Web, nobody: int) -> None:
    stop = threading.Event()

    def told(result: CheckResult) -> None:
        if result.ok:
            stop.set()

    results = run_checks(
        [TcpCheck("127.0.0.1", nobody), HttpCheck(f"{web.url}/slow")], patience=LONG, stop=stop, told=told
    )
    assert [(result.ok, result.stopped) for result in results] == [(False, True), (True, False)]
    assert results[0].last_words == "connection refused"
    results = run_checks([TcpCheck("127.0.0.1", nobody)], patience=LONG, stop=stop)
    assert [(result.attempts, result.stopped, result.last_words) for result in results] == [(0, True, "not tried")]


def test_vcenter_is_asked_once_for_all_and_asked_again_when_it_was_away() -> None:
    calls: list[list[str]] = []

    def guests(morefs: object) -> dict[str, GuestState]:
        calls.append(sorted(morefs))  # type: ignore[call-overload]
        if len(calls) == 1:
            raise Transient("no answer within 5 s")
        late = len(calls) > 2
        return {
            "vm-1": GuestState("vm-1", "a", "poweredOn", "green", True, ("10.0.0.1",) if late else ()),
            "vm-2": GuestState("vm-2", "b", "poweredOn", "green", True, ()),
        }

    checks = [HeartbeatCheck("vm-1"), IpCheck("vm-1"), HeartbeatCheck("vm-2"), IpCheck("vm-3", "c")]
    results = run_checks(checks, patience=QUICK, guests=guests)
    assert [result.ok for result in results] == [True, True, True, False]
    assert [result.attempts for result in results[:3]] == [2, 3, 2]
    assert (results[3].target, results[3].last_words) == ("c", "vCenter does not have it")
    assert calls[0] == ["vm-1", "vm-2", "vm-3"]
    with pytest.raises(ValueError, match="give guests"):
        run_checks(checks)


def test_each_check_may_have_its_own_patience(nobody: int) -> None:
    check = TcpCheck("127.0.0.1", nobody)
    once, often = run_checks([check, check], patience=[Patience(2.0, 0.0), Patience(2.0, 0.3, 0.05, 0.05)])
    assert once.attempts == 1
    assert often.attempts > 2
    with pytest.raises(ValueError, match="shorter"):
        run_checks([check, check], patience=[QUICK])


def test_names_that_are_none(nobody: int) -> None:
    assert not one(TcpCheck("a" * 70 + ".example.org", nobody), Patience(2.0, 0.0)).ok
    assert "name" in one(TcpCheck("no-such-host.invalid", nobody), Patience(2.0, 0.0)).last_words


@pytest.mark.parametrize("url", ["https://a:1", "http://a", "a:1", "http://a:b"])
def test_what_is_no_proxy(url: str) -> None:
    with pytest.raises(UsageError):
        route_of(url)


def test_nobody_answers_at_the_proxy(nobody: int) -> None:
    (result,) = run_checks([TcpCheck("10.0.0.1", 22)], patience=QUICK, route=route_of(f"http://127.0.0.1:{nobody}"))
    assert (result.ok, result.last_words) == (False, "connection refused")


def test_checks_that_come_later_have_their_own_time(web: Web, nobody: int) -> None:
    """The first is refused until its deadline; the second comes then, and has as long again."""
    heard: list[CheckResult] = []
    late = [TcpCheck("127.0.0.1", web.server_address[1]), TcpCheck("127.0.0.1", nobody)]

    def more(seconds: float) -> list[Check] | None:
        if not heard:
            return []  # nothing yet
        return [late.pop(0)] if late else None

    results = run_checks([TcpCheck("127.0.0.1", nobody)], patience=QUICK, told=heard.append, more=more)
    assert [one.ok for one in results] == [False, True, False]
    assert heard == sorted(results, key=heard.index)
    assert results[2].attempts > 1
    with pytest.raises(ValueError, match="one patience"):
        run_checks([], patience=[], more=lambda _seconds: [TcpCheck("127.0.0.1", nobody)])


def test_what_comes_after_a_stop_is_told_as_stopped(nobody: int) -> None:
    stop, left = threading.Event(), [[TcpCheck("127.0.0.1", nobody)], [], [TcpCheck("127.0.0.1", nobody)]]

    def more(seconds: float) -> list[Check] | None:
        if len(left) == 1:
            stop.set()
        return list(left.pop(0)) if left else None

    results = run_checks([], patience=LONG, stop=stop, more=more)
    assert [(one.ok, one.stopped) for one in results] == [(False, True), (False, True)]
