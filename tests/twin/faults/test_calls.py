"""Faults of calls, seen on the wire: delays, silence, resets, proxies, 429. And the journal says which fired."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from typing import Any

import pytest
import requests
from pyVmomi import vim

from ingest.twin.serving import Twin
from ingest.twin.truth import imported_once
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import base_request
from tests.twin.faults.conftest import fired, strike, until


def test_a_delay_on_either_server(twin: Twin, admin: Api, si: Any) -> None:
    strike(twin, kind="delay", seconds=0.2, server="cloudstack")
    strike(twin, kind="delay", seconds=0.2, command="CurrentTime")
    for call in (lambda: admin.call("listZones"), si.CurrentTime):
        began = time.monotonic()
        call()
        assert time.monotonic() - began >= 0.2
    assert fired(twin) == ["delay", "delay"]


def test_twin_time_may_run_faster_than_the_clock_on_the_wall(twin: Twin, admin: Api) -> None:
    twin.world.clock.run_at(100)
    strike(twin, kind="delay", seconds=20)
    assert admin.call("listZones").status_code == 200
    assert twin.world.clock.monotonic() >= 20


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reset_loses_the_answer_and_the_work_only_when_it_comes_before(twin: Twin, admin: Api, when: str) -> None:
    strike(twin, kind="reset", when=when, command="import*", vm="web*")
    with pytest.raises(requests.ConnectionError):
        admin.call("importUnmanagedInstance", **base_request())
    done = when == "after"
    assert twin.world.cloud.journal.requests.get("importUnmanagedInstance", 0) == done
    if done:
        until(lambda: imported_once(twin.world) == ["vm-1"])
    assert admin.call("listZones").status_code == 200
    (note,) = twin.world.cloud.journal.of("fault")
    assert note == {
        "fault": "reset-1", "what": "reset", "server": "cloudstack", "command": "importUnmanagedInstance",
        "vm": "web01", "call": 1, "when": when,
    }  # fmt: skip


@pytest.mark.parametrize("server", ["cloudstack", "vcenter"])
def test_a_reset_is_one_on_the_socket(twin: Twin, server: str) -> None:
    strike(twin, kind="reset", when="before", server=server)
    context = twin.vcenter.certificate.client_context()
    port = twin.cloudstack.port if server == "cloudstack" else twin.vcenter.port
    path, body = ("/client/api?command=listZones", b"") if server == "cloudstack" else ("/sdk", b"<x/>")
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        # TLS beside the socket: Python's own wrapping takes a reset for an end.
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(received, sent, server_hostname="127.0.0.1")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(sent.read())
                received.write(plain.recv(65536))
        tls.write(request)
        plain.sendall(sent.read())
        with pytest.raises(ConnectionResetError):
            list(iter(lambda: plain.recv(65536), b""))  # the session tickets of TLS, then the reset


def test_a_reset_vcenter_call_has_done_its_work(twin: Twin, si: Any) -> None:
    strike(twin, kind="reset", command="PowerOffVM_Task", vm="app02")
    with pytest.raises((http.client.HTTPException, OSError)):
        vim.VirtualMachine("vm-2", si._stub).PowerOff()
    until(lambda: twin.world.vms["vm-2"].power_state == "poweredOff")
    kinds = [entry.kind for entry in twin.world.cloud.journal.entries]
    assert kinds == ["fault", "vcenter-task", "vcenter-task-ended"]


@pytest.mark.parametrize(("status", "when"), [(502, "after"), (503, "before"), (504, "after")])
def test_a_proxy_answers_with_a_page_of_its_own(twin: Twin, admin: Api, status: int, when: str) -> None:
    strike(twin, kind="status", status=status, when=when)
    answer = admin.call("importUnmanagedInstance", **base_request())
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
    assert f"<h1>{status} " in answer.text
    assert twin.world.cloud.journal.imports_accepted == (when == "after")


def test_a_proxy_in_front_of_vcenter(twin: Twin, si: Any) -> None:
    strike(twin, kind="status", server="vcenter", times=2)
    for _ in range(2):
        with pytest.raises(http.client.HTTPException, match="503"):
            si.CurrentTime()
    assert si.CurrentTime() is not None


def test_429_comes_to_a_root_admin_too(twin: Twin, admin: Api) -> None:
    strike(twin, kind="rate-limit", retry_ms=250, command="listZones")
    answer = admin.call("listZones")
    text = "The given user has reached his/her account api limit, please retry after [250] ms."
    assert answer.status_code == 429
    assert answer.headers["X-Description"] == text
    assert answer.json() == {
        "listzonesresponse": {"uuidList": [], "errorcode": 429, "cserrorcode": 9999, "errortext": text}
    }
    assert admin.call("listZones").status_code == 200


def test_throttling_spares_the_root_admin(twin: Twin, admin: Api) -> None:
    bob = Api(twin.cloudstack.url, "bob-key", "bob-secret", verify=str(twin.ca_file))
    strike(twin, kind="throttling", interval=60, max=2)
    assert [bob.call("listZones").status_code for _ in range(3)] == [200, 200, 429]
    assert [admin.call("listZones").status_code for _ in range(3)] == [200] * 3
    assert twin.faults.clear() == 1
    assert bob.call("listZones").status_code == 200


@pytest.mark.parametrize("server", ["cloudstack", "vcenter"])
def test_silence_is_over_when_its_time_is(twin: Twin, admin: Api, si: Any, server: str) -> None:
    strike(twin, kind="silence", seconds=0.6, server=server)
    call = (lambda: admin.call("listZones")) if server == "cloudstack" else si.CurrentTime
    port = twin.cloudstack.port if server == "cloudstack" else twin.vcenter.port
    began = time.monotonic()
    first = threading.Thread(target=call)
    first.start()
    until(lambda: fired(twin))
    # Connections are accepted all the same, and other calls are not answered either.
    context = twin.vcenter.certificate.client_context()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        raw = context.wrap_socket(plain, server_hostname="127.0.0.1")
        raw.settimeout(0.1)
        raw.sendall(b"POST /client/api HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        if server == "cloudstack":
            with pytest.raises(TimeoutError):
                raw.recv(1)
        raw.close()
    first.join()
    assert time.monotonic() - began >= 0.6


def test_silence_taken_back(twin: Twin, admin: Api) -> None:
    strike(twin, kind="silence", seconds=60)
    thread = threading.Thread(target=lambda: admin.call("listZones"))
    thread.start()
    until(lambda: fired(twin))
    twin.faults.clear()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_from_the_nth_call_on_and_so_many_times(twin: Twin, admin: Api) -> None:
    strike(twin, kind="status", nth=3, times=2, command="listZ*")
    assert admin.call("listHosts").status_code == 200
    assert [admin.call("listZones").status_code for _ in range(6)] == [200, 200, 503, 503, 200, 200]
    (state,) = twin.faults.described()
    assert state == {
        "kind": "status", "command": "listZ*", "nth": 3, "times": 2, "name": "status-1", "calls": 4, "fired": 2,
        "spent": True,
    }  # fmt: skip


def test_not_before_its_time(twin: Twin, admin: Api) -> None:
    strike(twin, kind="status", after_seconds=1000, times=0)
    assert admin.call("listZones").status_code == 200
    twin.world.clock.run_at(1_000_000)
    until(lambda: admin.call("listZones").status_code == 503)


def test_calls_about_a_job_are_about_its_vm(twin: Twin, admin: Api) -> None:
    job = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    strike(twin, kind="status", command="queryAsyncJobResult", vm="web01")
    assert admin.call("queryAsyncJobResult", jobid=job).status_code == 503
    assert admin.job(job)["jobstatus"] == 1
