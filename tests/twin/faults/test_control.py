"""The control endpoint: for this machine and whoever knows the token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ingest.errors import RemoteError, Unauthorised, UsageError
from ingest.twin.control import TwinControl
from ingest.twin.control_client import ControlClient
from ingest.twin.serving import Twin
from ingest.twin.worldfile import load_world
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import base_request


@pytest.fixture
def control(twin: Twin) -> Iterator[TwinControl]:
    with TwinControl(twin) as running:
        yield running


@pytest.fixture
def ask(control: TwinControl) -> ControlClient:
    return ControlClient.of_environment(control.environment())


def test_nothing_without_the_token(control: TwinControl, twin: Twin) -> None:
    for method, path in (("GET", ""), ("GET", "/world"), ("POST", "/faults"), ("DELETE", "/faults")):
        for token in (None, "", "wrong", "ü"):
            headers = {} if token is None else {"X-Twin-Token": token.encode()}
            answer = requests.request(
                method, control.url + path, headers=headers, json={"kind": "job-expiry"}, timeout=5
            )
            assert answer.status_code == 401
            assert answer.json() == {"error": "the header X-Twin-Token is missing or wrong"}
    assert twin.world.cloud.journal.entries == []


def test_it_listens_on_loopback_with_a_token_of_its_own_each_time(control: TwinControl, twin: Twin) -> None:
    assert control.url.startswith("http://127.0.0.1:")
    with TwinControl(twin) as other:
        assert other.token != control.token
        assert len(other.token) >= 32


def test_state_journal_and_world(twin: Twin, admin: Api, ask: ControlClient, tmp_path: Any) -> None:
    admin.run("importUnmanagedInstance", **base_request())
    state = ask.call("GET")
    assert state["imports"] == {
        "accepted": 1, "running": 0, "peak_running": 1, "committed": 1, "imported_once": 1, "duplicates": {},
        "half_imported": [],
    }  # fmt: skip
    assert state["requests"]["importUnmanagedInstance"] == 1
    assert (state["vms"], state["faults"], state["clock"]["speed"]) == (2, [], 1.0)
    kept = ask.call("GET", "/journal")
    assert [entry["kind"] for entry in kept["entries"]] == [
        "import-accepted", "import-started", "import-committed", "import-completed",
    ]  # fmt: skip
    (tmp_path / "world.json").write_text(json.dumps(ask.call("GET", "/world")), encoding="utf-8")
    assert load_world(tmp_path / "world.json") == twin.world


def test_faults_are_set_and_taken_back(twin: Twin, admin: Api, ask: ControlClient) -> None:
    script = {
        "seed": 3,
        "faults": [{"kind": "status", "times": 0, "name": "always"}, {"kind": "host-down", "host": "*"}],
    }
    assert ask.call("POST", "/faults", {"kind": "clock-jump", "seconds": 5}) == {"names": ["clock-jump-1"]}
    assert ask.call("POST", "/faults", script) == {"names": ["always", "host-down-1"]}
    assert admin.call("listZones").status_code == 503
    states = {fault["name"]: (fault["fired"], fault["spent"]) for fault in ask.call("GET")["faults"]}
    assert states == {"clock-jump-1": (1, True), "always": (1, False), "host-down-1": (1, True)}
    assert ask.call("DELETE", "/faults") == {"removed": 3}
    assert admin.call("listZones").status_code == 200
    assert {host.connection_state for host in twin.world.hosts.values()} == {"connected"}


def test_the_clock(twin: Twin, ask: ControlClient) -> None:
    before = twin.world.clock.now()
    assert ask.call("POST", "/clock", {"jump": 3600, "speed": 5})["speed"] == 5
    assert twin.world.clock.now() - before >= 3600
    assert twin.world.cloud.journal.of("clock") == [{"jump": 3600.0, "speed": 5.0}]


def test_what_is_wrong_is_said(twin: Twin, ask: ControlClient) -> None:
    for path, body, words in (
        ("/faults", {"kind": "resett"}, "unknown kind resett"),
        ("/faults", {"kind": "reset", "wen": 1}, "unknown key wen"),
        ("/faults", [], "expected an object"),
        ("/clock", {"speed": 0}, "input should be greater than 0"),
        ("/clock", {"jumpp": 1}, "unknown key jumpp"),
        ("/clock", [1], "input should be"),
    ):
        with pytest.raises(UsageError, match=words):
            ask.call("POST", path, body)
    assert (twin.faults.described(), twin.world.clock.speed) == ([], 1.0)


def test_bodies_that_are_no_json(control: TwinControl) -> None:
    for body, status in ((b"{", 400), (b"\xff", 400), (b"[" * 100_000, 400), (b"x" * (2 << 20), 413)):
        for path in ("/faults", "/clock"):
            answer = requests.post(control.url + path, data=body, headers={"X-Twin-Token": control.token}, timeout=5)
            assert answer.status_code == status
            assert "error" in answer.json()


def test_a_client_without_a_twin(control: TwinControl, ask: ControlClient) -> None:
    with pytest.raises(UsageError, match="TWIN_CONTROL_TOKEN not set"):
        ControlClient.of_environment({"TWIN_CONTROL_URL": control.url})
    with pytest.raises(Unauthorised):
        ControlClient(control.url, "wrong").call("GET")
    with pytest.raises(RemoteError, match="without JSON"):
        ask.call("GET", "/nothing")
    control.__exit__(None, None, None)
    with pytest.raises(RemoteError, match="cannot be reached"):
        ask.call("GET")
