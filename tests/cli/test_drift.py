"""`ingest drift` as an operator runs it: first look, second look, two looks compared offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingest.twin.generator import generate
from ingest.twin.serving import Twin
from tests.cli.conftest import Ingest


def test_drift(ingest: Ingest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Twin(generate(4, seed=11)) as twin:
        for name, value in twin.environment().items():
            monkeypatch.setenv(name, value)
        first = ingest("drift", "--format", "json")
        assert (first.code, first.out) == (0, "")
        assert "first snapshot of this site" in first.err
        with twin.world.lock:
            renamed, switched = list(twin.world.vms.values())[:2]
            was, renamed.name = renamed.name, "db-renamed"
            state = "poweredOff" if switched.power_state == "poweredOn" else "poweredOn"
            twin.world.switch(switched, state)
            twin.world.touch(renamed)
        second = ingest("drift", "--format", "json")
    assert second.code == 0
    rows = json.loads(second.out)
    assert [(row["what"], row["before"], row["after"]) for row in rows if row["what"] == "renamed"] == [
        ("renamed", was, "db-renamed")
    ]
    assert "1 renamed" in second.err
    assert f"Power: 1 {'off' if state == 'poweredOff' else 'on'} now." in second.err
    # The servers are gone: two run folders are compared offline, and for people power is a number only.
    # Both may be of the same second.
    old, new = sorted(tmp_path.glob("runs/*"), key=lambda run: (run / "snapshot.json").stat().st_mtime_ns)
    offline = ingest("drift", str(old), str(new / "snapshot.json"), "--format", "markdown")
    assert offline.code == 0
    assert f"| VM | db-renamed | renamed |  | {was} | db-renamed |" in offline.out
    assert "power" not in offline.out
    ingest("drift", str(old), str(tmp_path / "nowhere")).refused(2, "is not a run folder")
