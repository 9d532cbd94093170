"""Events as JSON lines: of a real run on the twin, and when nobody reads them."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.cli.event_file import events_written
from ingest.cli.local_server import PrefectServer
from ingest.engine.event_lines import COMMON, EVENTS, FIELDS
from ingest.engine.events import ImportBegan, RowDone, StageDone, tell
from ingest.engine.picture import UNDERWAY
from ingest.errors import FindingsBlock, UsageError
from ingest.model.outcome import Outcome
from ingest.twin.faults.script import Script
from ingest.twin.generator import generate
from ingest.twin.serving import Twin

OF_RECOVERIES = {
    *("wave-began", "wave-over", "person-asked", "person-answered"),
    *("vm-started", "vm-checked", "clock", "target-at-risk"),
}


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.server
def test_a_run_told_line_by_line(server: PrefectServer, ingest_command: Path, tmp_path: Path) -> None:
    world = generate(12, seed=5)
    world.cloud.import_seconds = 0.3
    with Twin(world) as twin:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INGEST_")}
        environment |= twin.environment() | {"PREFECT_API_URL": server.api_url}
        failing = sorted(vm.name for vm in world.vms.values())[0]
        fault = {"kind": "job-fails", "step": "committed", "vm": failing, "text": "the pool is full"}
        twin.faults.set(Script.model_validate({"faults": [fault]}))
        done = subprocess.run(
            [str(ingest_command), "run", "--yes", "--max-concurrent-imports", "3", "--events", "-"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        imports = list(world.cloud.journal.imports)
        names = ("INGEST_VCENTER_PASSWORD", "INGEST_CLOUDSTACK_API_KEY", "INGEST_CLOUDSTACK_SECRET_KEY")
        secrets = [twin.environment()[name] for name in names]
    assert done.returncode == 4, done.stderr
    told = lines_of(done.stdout)  # nothing but JSON on stdout

    # Exactly the documented fields, no more and no less.
    assert {one["event"] for one in told} == set(EVENTS) - {"stopping", *OF_RECOVERIES}
    figures = {name.removeprefix("progress.") for name in FIELDS if name.startswith("progress.")}
    for one in told:
        assert set(one) == {*COMMON, *EVENTS[one["event"]][1]}, one["event"]
        assert set(one) <= set(FIELDS)
        assert set(one.get("progress", figures)) == figures
    times = [datetime.fromisoformat(one["at"]) for one in told]
    assert times == sorted(times)
    assert {one.utcoffset() for one in times} == {timedelta(0)}

    (began,) = (one for one in told if one["event"] == "import-began")
    assert (began["total"], began["in_flight_at_most"], began["history"]) == (12, 3, 0)
    run = Path(began["folder"]).name
    after = told[told.index(began) :]
    assert {one["run"] for one in after} == {run}
    assert (tmp_path / "runs" / run).is_dir()

    rows = [one for one in after if one["event"] == "row"]
    by_vm: dict[str, list[dict[str, Any]]] = {}
    for one in rows:
        by_vm.setdefault(one["vm"], []).append(one)
    assert set(by_vm) == {vm.name for vm in world.vms.values()}
    for vm, steps in by_vm.items():
        outcome = "failed" if vm == failing else "imported"
        assert [one["state"] for one in steps] == [*list(UNDERWAY)[1:], outcome]
        assert [one["job_id"] is None for one in steps] == [True, True, False, False, False, False]
        assert len({one["job_id"] for one in steps[2:]}) == 1
        assert (steps[-1]["seconds"] > 0, bool(steps[-1]["error"])) == (True, vm == failing)
    # The failed one was committed too, and taken back.
    truly = {instance for moref, instance in imports if world.vms[moref].name != failing}
    assert {one["vm_id"] for one in rows if one["vm_id"]} == truly

    for one in rows:
        now = one["progress"]
        assert now["total"] == 12
        assert now["done"] == sum(now["counts"].values())
        assert now["in_flight"] <= 3
        assert now["done"] + now["in_flight"] + now["waiting"] <= 12
    assert rows[0]["progress"]["eta_s"] is None  # no idea yet
    later = [one["progress"] for one in rows if 6 <= one["progress"]["done"] < 12 and one["progress"]["eta_s"]]
    assert later
    assert all(one["eta_low_s"] <= one["eta_s"] <= one["eta_high_s"] for one in later)
    assert rows[-1]["progress"]["counts"] == {"imported": 11, "failed": 1}

    end = told[-1]
    assert (end["event"], end["exit_code"], end["message"]) == ("end", 4, "11 imported, 1 failed")
    assert (tmp_path / end["results"]).is_file()
    assert not [secret for secret in secrets if secret in done.stdout]


def test_a_run_that_is_stopped_by_an_error_says_so_in_the_last_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"event":"of an earlier run"}\n', encoding="utf-8")

    def command() -> None:
        with events_written(file):
            tell(StageDone("validate", "rows"))
            raise FindingsBlock("1 row has critical findings")

    with pytest.raises(FindingsBlock):
        command()
    _, first, last = lines_of(file.read_text(encoding="utf-8"))
    assert (first["event"], first["run"]) == ("stage-done", None)
    assert (last["event"], last["exit_code"], last["message"]) == ("end", 3, "1 row has critical findings")


def test_whoever_is_slow_to_read_holds_nothing_up(tmp_path: Path) -> None:
    """A pipe holds 64 KiB; the rows of a large run are told all the same, and read later."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    begun, told = threading.Event(), threading.Event()
    read: list[bytes] = []

    def reader() -> None:
        with pipe.open("rb") as file:
            begun.set()
            told.wait(60)
            read.append(file.read())

    thread = threading.Thread(target=reader)
    thread.start()
    with events_written(pipe):
        begun.wait(60)
        tell(ImportBegan("r", "runs/r", tuple((row, f"vm{row}") for row in range(2, 2002)), 5))
        for row in range(2, 2002):
            tell(RowDone(Outcome(row, f"vm{row}", "imported")))
        told.set()
    thread.join(60)
    found = lines_of(read[0].decode())
    assert len(read[0]) > 2 * 65536
    assert Counter(one["event"] for one in found) == {"import-began": 1, "row": 2000, "end": 1}
    assert found[-1]["counts"] == {"imported": 2000}


def test_a_reader_that_goes_away_is_no_trouble(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=lambda: pipe.open("rb").close())
    thread.start()
    with events_written(pipe) as ending:
        thread.join(60)
        for _ in range(100):
            tell(StageDone("validate", "rows"))
        ending.message = "done"


def test_a_file_that_cannot_be_written_is_told_before_anything_begins(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"), events_written(tmp_path / "no" / "folder"):
        pytest.fail("the command began")
