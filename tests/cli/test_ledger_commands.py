"""What the ledger knows, as an operator asks for it: status, history, evidence."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from ingest.engine.ledger import Ledger, RunRecord, VmKey, ledger_url
from ingest.twin.serving import Twin
from tests.cli.conftest import Ingest

RUN = "20270115-080000-abcd"


def vm(name: str) -> VmKey:
    return VmKey(f"uuid-of-{name}", "c1", f"vm-of-{name}", name)


@pytest.fixture
def ledger(ingest: Ingest, tmp_path: Path) -> Ledger:
    """A run in the ledger of the working folder: one VM in each of these states."""
    made = Ledger(ledger_url(None, tmp_path / ".ingest"), holder="night shift")
    made.open_run(RunRecord(RUN, "ann", "host", "https://cloud", "d1", f"runs/{RUN}", "2027-01-15T08:00:00+00:00"))
    for name, state in {"web 1": "submitted", "db1": "incomplete", "app1": "imported", "old1": "failed"}.items():
        made.claim(vm(name), run_id=RUN, actor="ann", plan_digest="d1")
        made.note(vm(name), "intended", job_id=f"job-{name}", detail={"disks": 2})
        made.note(vm(name), state, vm_id=f"id-{name}", error="" if name == "app1" else f"[words] about {name}")  # type: ignore[arg-type]
    return made


def test_status_shows_what_is_unfinished_and_the_next_command(ingest: Ingest, ledger: Ledger) -> None:
    rows = json.loads(ingest("status", "--format", "json").out)
    assert [(row["vm"], row["state"], row["next"]) for row in rows] == [
        ("db1", "incomplete", f"ingest settle runs/{RUN}"),
        ("web 1", "submitted", f"wait: {ledger.holder} is at work"),
    ]
    assert rows[1]["holder"] == ledger.holder
    assert rows[1]["alive"] is True
    ledger.close()
    said = ingest("status", "--format", "json")
    assert said.code == 0
    assert json.loads(said.out)[1]["next"] == f"ingest run --resume runs/{RUN} --yes"
    assert "1 incomplete, 1 submitted" in said.err


def test_status_of_a_run_or_a_state(ingest: Ingest, ledger: Ledger) -> None:
    ledger.close()
    for run in (RUN, f"runs/{RUN}/"):
        rows = list(csv.DictReader(io.StringIO(ingest("status", "--run", run, "--format", "csv").out)))
        assert [row["vm"] for row in rows] == ["app1", "db1", "old1", "web 1"]
    (row,) = json.loads(ingest("status", "--state", "failed", "--format", "json").out)
    assert (row["error"], row["next"]) == ("[words] about old1", "ingest history old1")
    assert "web 1" in ingest("status").out
    ingest("status", "--run", "nope").refused(2, "no run nope", "ingest status")


def test_history_of_a_vm(ingest: Ingest, ledger: Ledger, tmp_path: Path) -> None:
    ledger.close()
    said = ingest("history", "web 1", "--format", "json", "--verify")
    assert said.code == 0
    assert "every line of the history is as it was written" in said.err
    lines = json.loads(said.out)
    assert [(line["what"], line["state"]) for line in lines] == [
        *(("claimed", "claimed"), ("noted", "intended"), ("noted", "submitted"), ("released", "submitted")),
    ]
    assert lines[1]["detail"] == {"disks": 2}
    assert {line["actor"] for line in lines} == {"ann"}
    assert ingest("history", "UUID-of-web 1", "--run", f"runs/{RUN}", "--format", "csv").out.count("\n") == 5
    ingest("history", "web").refused(2, "nothing is known of web", "ingest status")
    ingest("history").refused(2, "neither a VM nor a run is named")
    whole = json.loads(ingest("history", "--run", RUN, "--format", "json").out)
    assert {line["vm"] for line in whole} > {"web 1"}
    with sqlite3.connect(tmp_path / ".ingest" / "ledger.db") as database:
        database.execute("UPDATE ledger_history SET actor = 'eve' WHERE number = 2")
    database.close()
    said = ingest("history", "web 1", "--verify")
    assert said.code == 4
    assert "line 2: it was altered" in said.err


@pytest.mark.parametrize("command", [("status",), ("history", "web1")])
def test_without_a_ledger(ingest: Ingest, tmp_path: Path, command: tuple[str, ...]) -> None:
    ingest(*command).refused(2, "there is no ledger yet", "the first import makes it")
    assert list(tmp_path.iterdir()) == []


def test_evidence_of_a_run(ingest: Ingest, ledger: Ledger, site: Twin, tmp_path: Path) -> None:
    ledger.close()
    folder = tmp_path / "runs" / RUN
    folder.mkdir(parents=True)
    secrets = [value for name, value in site.environment().items() if name.endswith(("_KEY", "_PASSWORD"))]
    assert len(secrets) == 3
    names = ("plan.csv", "findings.csv", "findings.html", "calls.json", "journal.jsonl", "results.csv", "report.html")
    for name in (*names, "snapshot.json", "my notes.txt"):
        (folder / name).write_text(f"{name}: {' '.join(secrets)}\n", encoding="utf-8")
    said = ingest("evidence", str(folder), "-o", "out.zip")
    assert said.code == 0, said.err
    seal = said.err.split("seal: ")[1].split()[0]
    with zipfile.ZipFile("out.zip") as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    assert set(inside) == {"manifest.json", "history.jsonl", *names}
    for secret in secrets:
        assert secret.encode() not in b"".join(inside.values())
    assert json.loads(inside["manifest.json"])["run"]["actor"] == "ann"
    checked = ingest("evidence", "--check", "out.zip")
    assert checked.code == 0, checked.err
    assert seal in checked.err
    assert "8 files, 13 lines of history" in checked.err
    with zipfile.ZipFile("out.zip", "a") as archive:
        archive.writestr("extra", "?")
    checked = ingest("evidence", "--check", "out.zip")
    assert checked.code == 4
    assert "altered: extra: not in the manifest" in checked.err


def test_evidence_without_a_ledger(ingest: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / RUN
    folder.mkdir(parents=True)
    ingest("evidence", str(folder)).refused(2, "there is no plan.csv yet")
    (folder / "plan.csv").write_text("vm\n", encoding="utf-8")
    said = ingest("evidence", str(folder))
    assert said.code == 0
    assert "without history" in said.err
    assert ingest("evidence", "--check", str(folder / "evidence.zip")).code == 0
    ingest("evidence").refused(2, "a file to --check")
    ingest("evidence", str(tmp_path / "nope")).refused(2, "is not a run folder")
