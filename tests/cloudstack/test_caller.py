from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.cloudstack.caller import SlowAnswer, is_reading
from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.signing import signature_of
from ingest.errors import NotTheApi, Refused, RemoteError, Transient, Unauthorised, UnknownOutcome
from ingest.model.endpoints import Timeouts
from tests.cloudstack.api_server import (
    API_KEY,
    HANG_UP,
    SECRET_KEY,
    Asked,
    Reply,
    endpoint,
    free_port,
    page_of_a_proxy,
    payload,
    refusal,
    rows,
)
from tests.cloudstack.conftest import Connect, Serve

CUT_OFF = Reply(b'{"listzonesresponse":{"count":2', promised_bytes=5000)
TOO_FAST = "The given user has reached his/her account api limit, please retry after [740] ms."


def named_objects(number: int) -> list[dict[str, Any]]:
    return [{"id": f"id-{index:04}", "name": f"name-{index}"} for index in range(number)]


def test_a_call_is_posted_with_all_parameters_in_the_body_and_a_right_signature(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {"virtualmachine": []}))
    connect(server).call_with("listVirtualMachines", {"name": "~ä /*+%2f", "details[0].cpuSpeed": 5, "listall": True})
    [asked] = server.asked
    assert (asked.method, asked.path) == ("POST", "/client/api")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    sent = dict(asked.parameters)
    signature = sent.pop("signature")
    assert signature == signature_of(sent, SECRET_KEY)
    expires = datetime.strptime(sent.pop("expires"), "%Y-%m-%dT%H:%M:%S%z")
    assert timedelta(minutes=5) < expires - datetime.now(UTC) < timedelta(minutes=15)
    assert sent == {
        "command": "listVirtualMachines",
        "response": "json",
        "apikey": API_KEY,
        "signatureversion": "3",
        "name": "~ä /*+%2f",
        "details[0].cpuSpeed": "5",
        "listall": "true",
    }


def test_the_clock_is_the_callers(serve: Serve) -> None:
    server = serve(lambda asked: payload(asked.command, {}))
    moment = datetime(2026, 8, 21, 10, 0, tzinfo=UTC)
    with CloudStackClient(endpoint(server.url), clock=lambda: moment) as client:
        client.call("listZones")
    assert server.asked[0].parameters["expires"] == "2026-08-21T10:10:00+0000"


@pytest.mark.parametrize(
    ("command", "reading"),
    [
        ("listZones", True),
        ("queryAsyncJobResult", True),
        ("getVolumeSnapshotDetails", True),
        ("findHostsForMigration", True),
        ("importUnmanagedInstance", False),
        ("unmanageVirtualMachine", False),
        ("createNetwork", False),
        ("listen", False),
    ],
)
def test_what_only_reads(command: str, reading: bool) -> None:
    assert is_reading(command) is reading


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (HANG_UP, Transient),
        (CUT_OFF, Transient),
        (Reply(b'{"listzonesresponse":'), Transient),
        (refusal("listZones", 429, TOO_FAST), Transient),
        (refusal("listZones", 503, "Maintenance"), Transient),
        (page_of_a_proxy(502, "Bad Gateway"), Transient),
        (page_of_a_proxy(503, "Service Unavailable"), Transient),
        (page_of_a_proxy(504, "Gateway Timeout"), Transient),
    ],
    ids=["hang up", "cut off", "half json", "429", "503 json", "502", "503", "504"],
)
def test_a_reading_call_is_tried_three_times(
    serve: Serve, connect: Connect, pauses: list[float], trouble: Reply, kind: type[RemoteError]
) -> None:
    answers = iter([trouble, trouble, payload("listZones", {"count": 1, "zone": [{"id": "z"}]})])
    recovering = serve(lambda _asked: next(answers))
    assert connect(recovering).call("listZones")["zone"] == [{"id": "z"}]
    assert len(recovering.asked) == 3
    down = serve(lambda _asked: trouble)
    with pytest.raises(kind):
        connect(down).call("listZones")
    assert len(down.asked) == 3
    assert len(pauses) == 4


def test_pauses_grow_and_vary(serve: Serve, connect: Connect, pauses: list[float]) -> None:
    client = connect(serve(lambda _asked: HANG_UP))
    for _ in range(5):
        with pytest.raises(Transient):
            client.call("listZones")
    assert all(0.25 <= pause <= 0.75 for pause in pauses[0::2])
    assert all(0.5 <= pause <= 1.5 for pause in pauses[1::2])
    assert len(set(pauses)) == len(pauses) == 10


def test_the_pause_a_429_asks_for_is_kept(serve: Serve, connect: Connect, pauses: list[float]) -> None:
    answers = iter([refusal("listZones", 429, TOO_FAST), payload("listZones", {})])
    assert connect(serve(lambda _asked: next(answers))).call("listZones") == {}
    assert pauses == [0.74]


def test_a_server_that_asks_for_an_hour_is_not_waited_for(serve: Serve, connect: Connect, pauses: list[float]) -> None:
    server = serve(lambda _asked: Reply(b"<p>busy", 503, "text/html", (("Retry-After", "3600"),)))
    with pytest.raises(Transient):
        connect(server).call("listZones")
    assert (len(server.asked), pauses) == (1, [])


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (HANG_UP, UnknownOutcome),
        (Reply(b'{"importunmanagedinstanceresponse":{', promised_bytes=5000), UnknownOutcome),
        (Reply(b'{"importunmanagedinstanceresponse":'), UnknownOutcome),
        (Reply(b""), UnknownOutcome),
        (page_of_a_proxy(200, "Please log in"), UnknownOutcome),
        (page_of_a_proxy(500, "Internal Server Error"), UnknownOutcome),
        (page_of_a_proxy(502, "Bad Gateway"), UnknownOutcome),
        (page_of_a_proxy(504, "Gateway Timeout"), UnknownOutcome),
        (page_of_a_proxy(404, "Not Found"), NotTheApi),
        (Reply(b"", 307, headers=(("Location", "/elsewhere"),)), NotTheApi),
        (refusal("importUnmanagedInstance", 429, TOO_FAST), Transient),
        (refusal("importUnmanagedInstance", 503, "Maintenance"), Transient),
        (refusal("importUnmanagedInstance", 530, "Entity already exists "), Refused),
        (refusal("importUnmanagedInstance", 401, "unable to verify"), Unauthorised),
    ],
)
def test_a_changing_call_is_sent_once(
    serve: Serve, connect: Connect, pauses: list[float], trouble: Reply, kind: type[RemoteError]
) -> None:
    server = serve(lambda _asked: trouble)
    with pytest.raises(RemoteError) as caught:
        connect(server).call("importUnmanagedInstance", name="web01")
    assert type(caught.value) is kind
    assert caught.value.place == server.url
    assert caught.value.cure or kind is Refused
    assert server.commands == ["importUnmanagedInstance"]
    assert pauses == []


def test_a_changing_call_is_not_repeated_on_a_fresh_connection_when_a_kept_one_breaks(
    serve: Serve, connect: Connect
) -> None:
    answers = iter([payload("listZones", {}), HANG_UP, payload("importUnmanagedInstance", {"jobid": "j"})])
    server = serve(lambda _asked: next(answers))
    client = connect(server)
    client.call("listZones")
    with pytest.raises(UnknownOutcome):
        client.call("importUnmanagedInstance")
    assert server.commands == ["listZones", "importUnmanagedInstance"]


def test_nothing_was_sent_when_nobody_listens(connect: Connect, pauses: list[float]) -> None:
    url = f"http://127.0.0.1:{free_port()}/client/api"
    client = connect(url)
    for command, tries in (("importUnmanagedInstance", 1), ("listZones", 3)):
        pauses.clear()
        with pytest.raises(Transient) as caught:
            client.call(command)
        assert len(pauses) == tries - 1
        assert caught.value.place == url
        assert "Connection refused" in caught.value.message
        assert "ingest doctor" in caught.value.cure


def test_an_unknown_host_name(connect: Connect) -> None:
    with pytest.raises(Transient, match=r"cannot connect for listZones: \w+"):
        connect("http://cloud.invalid:8080/client/api").call("listZones")


@pytest.mark.parametrize("command", ["listZones", "listUnmanagedInstances", "importUnmanagedInstance"])
def test_a_time_out_after_sending_is_not_repeated(serve: Serve, connect: Connect, command: str) -> None:
    leave = threading.Event()

    def answering(asked: Asked) -> Reply:
        leave.wait(5)
        return payload(asked.command, {})

    server = serve(answering)
    # Only the time-out of this kind of call is short.
    field = {"listZones": "read_s", "listUnmanagedInstances": "list_unmanaged_s"}.get(command, "change_s")
    client = connect(server, timeouts=Timeouts(**({"read_s": 9, "list_unmanaged_s": 9, "change_s": 9} | {field: 0.2})))
    kind = UnknownOutcome if command == "importUnmanagedInstance" else SlowAnswer
    with pytest.raises(kind) as caught:
        client.call(command)
    leave.set()
    assert type(caught.value) is kind
    assert len(server.asked) == 1
    if kind is SlowAnswer:
        assert f"INGEST_CLOUDSTACK_TIMEOUTS__{field.upper()}" in caught.value.cure


@pytest.mark.parametrize("trouble", [HANG_UP, page_of_a_proxy(504, "Gateway Timeout")], ids=["hang up", "504"])
def test_the_listing_that_takes_minutes_is_not_started_twice(serve: Serve, connect: Connect, trouble: Reply) -> None:
    server = serve(lambda _asked: trouble)
    with pytest.raises(SlowAnswer):
        connect(server).call("listUnmanagedInstances", clusterid="c")
    assert len(server.asked) == 1


def test_a_clock_that_is_off_is_named(serve: Serve) -> None:
    def answering(asked: Asked) -> Reply:
        reply = refusal(asked.command, 401, "unable to verify user credentials and/or request signature")
        return Reply(reply.body, 401)

    server = serve(answering)

    def slow_clock() -> datetime:
        return datetime.now(UTC) - timedelta(hours=1)

    def fast_clock() -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)

    for clock, words in ((slow_clock, "behind"), (fast_clock, "ahead of")):
        with CloudStackClient(endpoint(server.url), clock=clock) as client, pytest.raises(Unauthorised) as caught:
            client.call("listZones")
        assert re.search(rf"this machine's clock is (359|360)\d s {words} the server's", caught.value.cure)
    with CloudStackClient(endpoint(server.url)) as client, pytest.raises(Unauthorised) as caught:
        client.call("listZones")
    assert "the server's" not in caught.value.cure


def test_paging_reads_everything(serve: Serve, connect: Connect) -> None:
    objects = named_objects(1203)
    server = serve(lambda asked: rows(asked, "zone", objects))
    assert connect(server).list_all("listZones", "zone", name="x") == objects
    pages = [(asked.parameters["page"], asked.parameters["pagesize"]) for asked in server.asked]
    assert pages == [("1", "500"), ("2", "500"), ("3", "500")]
    assert {asked.parameters["name"] for asked in server.asked} == {"x"}


@pytest.mark.parametrize(("number", "calls"), [(0, 1), (1, 1), (499, 1), (500, 2), (501, 2), (1000, 2)])
def test_paging_at_the_borders(serve: Serve, connect: Connect, number: int, calls: int) -> None:
    objects = named_objects(number)
    server = serve(lambda asked: rows(asked, "zone", objects))
    assert connect(server).list_all("listZones", "zone") == objects
    assert len(server.asked) == calls


def test_a_smaller_allowed_page_is_used_and_remembered(serve: Serve, connect: Connect) -> None:
    objects = named_objects(250)
    server = serve(lambda asked: rows(asked, "zone", objects, largest_page=100))
    client = connect(server)
    assert client.list_all("listZones", "zone") == objects
    assert client.list_all("listZones", "zone") == objects
    assert [asked.parameters["pagesize"] for asked in server.asked] == ["500"] + ["100"] * 6


def test_a_page_size_that_shrinks_on_the_way_starts_anew(serve: Serve, connect: Connect) -> None:
    objects = named_objects(1100)
    asked_so_far: list[Asked] = []

    def answering(asked: Asked) -> Reply:
        asked_so_far.append(asked)
        return rows(asked, "zone", objects, largest_page=500 if len(asked_so_far) < 2 else 200)

    assert connect(serve(answering)).list_all("listZones", "zone") == objects


def test_a_refusal_of_any_page_size_ends(serve: Serve, connect: Connect) -> None:
    text = "Page size can't exceed max allowed page size value: 500"
    server = serve(lambda asked: refusal(asked.command, 431, text))
    with pytest.raises(Refused, match="500"):
        connect(server).list_all("listZones", "zone")
    assert len(server.asked) == 1


def test_a_page_that_repeats_is_no_answer(serve: Serve, connect: Connect) -> None:
    first = named_objects(500)
    server = serve(lambda asked: payload(asked.command, {"count": 1200, "zone": first}))
    with pytest.raises(NotTheApi, match="page 2 of listZones repeats page 1"):
        connect(server).list_all("listZones", "zone")


@pytest.mark.parametrize("number", [3, 500, 501, 700])
def test_a_command_that_ignores_paging_gives_all_rows_once(serve: Serve, connect: Connect, number: int) -> None:
    objects = named_objects(number)
    server = serve(lambda asked: payload(asked.command, {"count": number, "zone": objects}))
    assert connect(server).list_all("listZones", "zone") == objects


def test_a_command_that_counts_only_the_page_is_read_to_its_end(serve: Serve, connect: Connect) -> None:
    objects = named_objects(1100)

    def answering(asked: Asked) -> Reply:
        first = (int(asked.parameters["page"]) - 1) * 500
        page = objects[first : first + 500]
        return payload(asked.command, {"count": len(page), "zone": page} if page else {})

    assert connect(serve(answering)).list_all("listZones", "zone") == objects


def test_short_pages_on_the_way_do_not_end_the_list(serve: Serve, connect: Connect) -> None:
    objects = named_objects(1100)

    def answering(asked: Asked) -> Reply:
        first = (int(asked.parameters["page"]) - 1) * 500
        page = objects[first : first + 500][:-1]  # one row of each page is dropped after the page was cut
        return payload(asked.command, {"count": len(objects), **({"zone": page} if page else {})})

    server = serve(answering)
    assert len(connect(server).list_all("listZones", "zone")) == 1097
    assert len(server.asked) == 4


def test_rows_that_vanish_while_reading_do_not_hide_others(serve: Serve, connect: Connect) -> None:
    objects = named_objects(1100)

    def answering(asked: Asked) -> Reply:
        reply = rows(asked, "zone", objects)
        if len(server.asked) == 1:
            del objects[:3]
        return reply

    server = serve(answering)
    assert connect(server).list_all("listZones", "zone") == objects
    assert len(objects) == 1097


def test_an_array_that_is_none(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {"count": 1, "zone": "z"}))
    with pytest.raises(NotTheApi, match="`zone` is not a list of objects"):
        connect(server).list_all("listZones", "zone")


def test_a_hundred_threads_share_one_client(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {"echo": asked.parameters["name"]}))
    client = connect(server)
    together = threading.Barrier(100)

    def worker(number: int) -> list[str]:
        together.wait(20)
        return [client.call("listZones", name=f"{number}-{turn}")["echo"] for turn in range(3)]

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(worker, range(100)))
    assert answers == [[f"{number}-{turn}" for turn in range(3)] for number in range(100)]
    assert len(server.asked) == 300
    assert len(server.connections) <= 100


def test_connections_are_kept(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {}))
    client = connect(server)
    for _ in range(5):
        client.call("listZones")
    assert len(server.connections) == 1
