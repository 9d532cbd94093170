"""`ingest register` as an operator types it: shown first, done with --yes, taken back with --undo."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.twin.serving import Twin
from ingest.twin.worlds.recovery import recovery_site
from tests.cli.conftest import Ingest


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Twin]:
    with Twin(recovery_site(6, seed=4, own=2)) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def statuses(text: str) -> Counter[str]:
    return Counter(row["status"] for row in json.loads(text))


def test_shown_then_done_then_taken_back(ingest: Ingest, twin: Twin) -> None:
    command = ("register", "--datastore", "fra1-*", "--cluster", "fra1-c1", "--format", "json")
    shown = ingest(*command)
    assert (shown.code, statuses(shown.out)) == (0, {"to-register": 6, "already": 2, "hidden": 3})
    assert "nothing was registered; to register: the same command with --yes" in shown.err
    assert not twin.world.cloud.journal.of("registered")
    done = ingest(*command, "--yes")
    assert (done.code, statuses(done.out)) == (0, {"registered": 6, "already": 2, "hidden": 3})
    assert len(twin.world.cloud.journal.of("registered")) == 6
    again = ingest(*command, "--yes")
    assert (again.code, statuses(again.out)) == (0, {"already": 8, "hidden": 3})

    undo = next(line for line in done.err.splitlines() if "--undo" in line).rpartition(": ingest ")[2].split()
    assert statuses(ingest(*undo, "--format", "json").out) == {"to-unregister": 6}
    assert not twin.world.cloud.journal.of("unregistered")
    back = ingest(*undo, "--yes", "--format", "csv")
    assert back.code == 0
    assert {row["status"] for row in csv.DictReader(io.StringIO(back.out))} == {"unregistered"}
    assert len(twin.world.vms) == 2
    assert "nothing is left to take back" in ingest(*undo, "--yes").err
    history = ingest("history", json.loads(done.out)[-1]["path"].rpartition("/")[2].removesuffix(".vmx"))
    assert history.code == 0


def test_what_cannot_be_registered_has_a_code_of_its_own(ingest: Ingest, twin: Twin) -> None:
    with twin.world.lock:
        next(iter(twin.world.unregistered.values())).vm.locked_by = "esx9.example.org"
        twin.world.datastores[next(iter(twin.world.datastores))].accessible = False
    command = ("register", "--datastore", "*", "--cluster", "fra1-c1", "--format", "json")
    shown = ingest(*command)
    assert shown.code == 3
    assert statuses(shown.out)["unusable"] == 1
    done = ingest(*command, "--yes")
    assert done.code == 4
    assert (statuses(done.out)["failed"], statuses(done.out)["registered"]) == (1, 5)


def test_what_is_missing_or_wrong_is_said(ingest: Ingest, twin: Twin, tmp_path: Path) -> None:
    ingest("register").refused(2, "name --datastore and --cluster", "ingest register --help")
    ingest("register", "--datastore", "gold", "--cluster", "fra1-c1").refused(2, "no datastore is called 'gold'", "id")
    ingest("register", "--undo", str(tmp_path / "none")).refused(2, "is not a run folder", "printed")
