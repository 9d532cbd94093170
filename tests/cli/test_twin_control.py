"""`ingest twin serve` with faults and control, and the commands that talk to a running twin."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ingest.data_files import data_file
from ingest.twin.control import TwinControl
from ingest.twin.generator import generate
from ingest.twin.serving import Twin
from ingest.twin.worldfile import load_world

from .conftest import Ingest


@pytest.fixture
def twin(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twin]:
    """A running twin, whose control endpoint the environment names."""
    with Twin(generate(3, seed=2)) as running, TwinControl(running) as control:
        for name, value in control.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def test_faults_clock_and_journal_of_a_running_twin(ingest: Ingest, twin: Twin) -> None:
    said = ingest("twin", "fault", "host-down", "host=*", "seconds=600")
    assert (said.code, said.out) == (0, "")
    assert "set: host-down-1" in said.err
    assert {host.connection_state for host in twin.world.hosts.values()} == {"notResponding"}
    assert ingest("twin", "fault", "vm-renamed", "vm=*", "to=0815", "after_seconds=1000").code == 0
    assert [fault["fired"] for fault in twin.faults.described()] == [1, 0]
    assert "taken back: 2" in ingest("twin", "calm").err
    assert {host.connection_state for host in twin.world.hosts.values()} == {"connected"}
    assert "speed 3" in ingest("twin", "clock", "--speed", "3", "--jump", "-60").out
    assert twin.world.clock.speed == 3
    assert "speed 3" in ingest("twin", "clock").out
    table = ingest("twin", "journal")
    assert "fault=host-down-1 what=host-down" in " ".join(table.out.split())
    assert "imports: 0 accepted, 0 committed, 0 VMs imported once, 0 more than once, 0 half imported" in table.err
    kept = json.loads(ingest("twin", "journal", "--format", "json").out)
    assert [entry["kind"] for entry in kept["entries"]] == ["fault", "clock"]
    assert ingest("twin", "journal", "--format", "csv").out.startswith("at,what,facts")


def test_what_the_twin_refuses(ingest: Ingest, twin: Twin) -> None:
    ingest("twin", "fault", "resett").refused(2, "unknown kind resett", "did you mean reset?")
    ingest("twin", "fault", "reset", "when").refused(2, "expected KEY=VALUE")
    ingest("twin", "fault", "delay", "seconds=long").refused(2, "seconds: input should be a valid number")
    ingest("twin", "clock", "--speed", "-1").refused(2, "input should be greater than 0")


def test_no_twin_to_talk_to(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (("journal",), ("fault", "reset"), ("calm",), ("clock",)):
        ingest("twin", *command).refused(2, "TWIN_CONTROL_URL and TWIN_CONTROL_TOKEN not set", "twin serve --control")
    monkeypatch.setenv("TWIN_CONTROL_URL", "http://127.0.0.1:1/twin")
    monkeypatch.setenv("TWIN_CONTROL_TOKEN", "x")
    ingest("twin", "calm").refused(6, "cannot be reached", "is the twin still running?")


def test_serve_refuses_before_it_serves(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "night.yaml").write_text("faults:\n  - {kind: reset, whn: after}\n", encoding="utf-8")
    ingest("twin", "serve", "--faults", "night.yaml").refused(2, "night.yaml:2: faults[0].whn", "did you mean when?")
    ingest("twin", "serve", "--faults", "none.yaml").refused(2, "none.yaml: cannot be read")
    for address in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        ingest("twin", "serve", "--listen", address).refused(2, "is not a loopback address", "--allow-remote")
    ingest("twin", "serve", "--save-world", "none/world.json").refused(2, "its folder does not exist")


def test_serve_with_everything(ingest_command: Path, tmp_path: Path) -> None:
    (tmp_path / "night.yaml").write_text("faults:\n  - {kind: status, times: 0}\n", encoding="utf-8")
    process = subprocess.Popen(
        [str(ingest_command), "twin", "serve", "--vms", "5", "--faults", "night.yaml", "--control",
         "--speed", "7", "--save-world", "after.json", "--listen", "0.0.0.0", "--allow-remote"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        variables: dict[str, str] = {}
        while len(variables) < 11:
            word = shlex.split(process.stdout.readline())
            name, _, value = word[1].partition("=")
            variables[name] = value
        token = {"X-Twin-Token": variables["TWIN_CONTROL_TOKEN"]}
        state = requests.get(variables["TWIN_CONTROL_URL"], headers=token, timeout=10).json()
        assert (state["vms"], state["clock"]["speed"]) == (5, 7)
        assert "//127.0.0.1:" in variables["INGEST_CLOUDSTACK_URL"]
        answer = requests.get(
            variables["INGEST_CLOUDSTACK_URL"], verify=variables["INGEST_CLOUDSTACK_CA_FILE"], timeout=10
        )
        assert answer.status_code == 503
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "warning: the twin can be reached from other machines at 0.0.0.0" in err
    assert "faults set: 1" in err
    world = load_world(tmp_path / "after.json")
    assert [facts["what"] for facts in world.cloud.journal.of("fault")] == ["status"]


def test_the_example_is_shipped() -> None:
    assert data_file("faults/bad-night.yaml").is_file()
