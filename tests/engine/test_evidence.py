"""Evidence of a run: nothing in it can be altered unseen, and no secret is in it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.engine.evidence import HISTORY, MANIFEST, Evidence, examine, pack
from ingest.engine.ledger import Ledger, RunRecord, VmKey, ledger_url
from ingest.errors import UsageError

RUN = RunRecord("20270115-080000-abcd", "ann", "host", "https://cloud/client/api", "d1", "/runs/r", "2027-01-15T08:00Z")
FILES = {"plan.csv": b"vm;hostname\r\nweb;web\r\n", "journal.jsonl": b'{"vm": "web"}\n'}
SECRETS = ("key-4711", "p&ss\"w<r'd ä", "abc")
Contents = dict[str, bytes]


def ledger(path: Path, words: str = "no") -> Ledger:
    """Two runs whose lines alternate."""
    made = Ledger(ledger_url(None, path))
    for name in ("a", "b", "c"):
        for run_id in (RUN.run_id, "another"):
            vm = VmKey(f"{name} {run_id}", "c", "m", name)
            made.claim(vm, run_id=run_id, actor="ann", plan_digest="d1")
            made.note(vm, "failed", error=words)
    return made


def packed(path: Path, words: str = "no", files: Contents = FILES) -> Evidence:
    with ledger(path, words) as made:
        history = made.history(run_id=RUN.run_id)
        links = made.links(history[0].number, history[-1].number)
        return pack(
            RUN,
            files,
            made_at="2027-01-15T09:00:00+00:00",
            history=history,
            links=links,
            left_out={"snapshot.json": b"{}"},
            secrets=SECRETS,
        )


def contents(content: bytes, path: Path) -> Contents:
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, files: Contents) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_evidence_is_as_it_was_made(tmp_path: Path) -> None:
    made = packed(tmp_path)
    assert made.files == ("plan.csv", "journal.jsonl", HISTORY)
    assert made.removed == 0
    path = tmp_path / "evidence.zip"
    inside = contents(made.content, path)
    assert {name: inside[name] for name in FILES} == FILES
    seen = examine(path)
    assert (seen.run_id, seen.files, seen.lines, seen.seal, seen.problems) == (RUN.run_id, 3, 6, made.seal, ())
    manifest = json.loads(inside[MANIFEST])
    assert manifest["left_out"]["snapshot.json"].startswith("44136fa355b3678a")
    lines = [json.loads(line) for line in inside[HISTORY].splitlines()]
    assert [line.get("run_id", "") for line in lines] == [
        *(RUN.run_id, RUN.run_id, "", ""),
        *(RUN.run_id, RUN.run_id, "", ""),
        *(RUN.run_id, RUN.run_id),
    ]


def _alter_plan(inside: Contents) -> None:
    inside["plan.csv"] += b"eve;eve\r\n"


def _drop_journal(inside: Contents) -> None:
    del inside["journal.jsonl"]


def _add_file(inside: Contents) -> None:
    inside["extra.txt"] = b"?"


def _alter_run(inside: Contents) -> None:
    inside[MANIFEST] = inside[MANIFEST].replace(b'"ann"', b'"eve"')


def _alter_line(inside: Contents) -> None:
    inside[HISTORY] = inside[HISTORY].replace(b'"error": "no"', b'"error": "so"')


def _drop_line(inside: Contents) -> None:
    inside[HISTORY] = b"".join(inside[HISTORY].splitlines(keepends=True)[:2] + inside[HISTORY].splitlines(True)[3:])


def _drop_from_manifest(inside: Contents) -> None:
    manifest = json.loads(inside[MANIFEST])
    manifest["files"].pop(1)
    inside[MANIFEST] = json.dumps(manifest).encode()
    del inside["journal.jsonl"]


@pytest.mark.parametrize(
    ("alter", "problems"),
    [
        (_alter_plan, ["plan.csv: altered"]),
        (_drop_journal, ["journal.jsonl: missing"]),
        (_add_file, ["extra.txt: not in the manifest"]),
        (_alter_run, ["manifest.json: altered"]),
        (_drop_from_manifest, ["manifest.json: altered"]),
        (_alter_line, ["history.jsonl: altered", *(f"history.jsonl: line {n} was altered" for n in (2, 6, 10))]),
        (_drop_line, ["history.jsonl: altered", "history.jsonl: line 4 does not follow line 2"]),
    ],
)
def test_what_was_altered_is_told(tmp_path: Path, alter: Callable[[Contents], None], problems: list[str]) -> None:
    path = tmp_path / "evidence.zip"
    inside = contents(packed(tmp_path).content, path)
    alter(inside)
    assert list(examine(rewrite(path, inside)).problems) == problems


def test_made_anew_with_all_hashes_right_the_seal_is_another(tmp_path: Path) -> None:
    first = packed(tmp_path, files=FILES)
    second = pack(RUN, FILES | {"plan.csv": b"vm\r\n"}, made_at="2027-01-15T09:00:00+00:00")
    assert first.seal != second.seal


def test_no_secret_in_whatever_spelling(tmp_path: Path) -> None:
    key, password, short = SECRETS
    files = {
        "plan.csv": f'vm\r\n"{password.replace(chr(34), chr(34) * 2)}"\r\n'.encode(),
        "report.html": b"<p>p&amp;ss&#34;w&lt;r&#39;d \xc3\xa4</p>",
        "calls.json": json.dumps({"password": password, "short": short}).encode(),
        "journal.jsonl": b"GET /client/api?command=x&apiKey=other-key&signature=c2ln%3D HTTP/1.1\n"
        b"postgresql://ann:hunter2@db/ledger postgresql://ann:***@db/ledger https://cloud:8443/client/api\n"
        b"p%26ss%22w%3Cr%27d%20%C3%A4",
    }
    made = packed(tmp_path, f"the key {key} is wrong", files)
    path = tmp_path / "evidence.zip"
    inside = contents(made.content, path)
    everything = b"\n".join(inside.values())
    for word in (key, "p&ss", "p&amp;ss", "p%26ss", "other-key", "c2ln", "hunter2"):
        assert word.encode() not in everything
    assert b"https://cloud:8443/client/api" in inside["journal.jsonl"]
    assert b"://ann:***@db" in inside["journal.jsonl"]
    assert json.loads(inside["calls.json"]) == {"password": "[removed]", "short": short}
    assert made.removed == 10
    assert examine(path).problems == (), "a line a secret was taken out of is marked, not altered"


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_evidence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "evidence.zip"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not evidence"):
        examine(path)
    with pytest.raises(UsageError, match="cannot be read"):
        examine(tmp_path / "absent.zip")
