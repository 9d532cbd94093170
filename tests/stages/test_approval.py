"""What is approved is what is imported: this very plan, these waves, and a retried run does not ask again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.engine.ledger import open_ledger
from ingest.errors import UsageError
from ingest.model.approval import Decision
from ingest.model.outcome import Outcome
from ingest.settings import RunSettings
from ingest.stages.approval import (
    note_ask,
    note_decision,
    open_ask,
    plan_digest,
    read_approvals,
    standing,
    summary_to_approve,
    waves_waiting,
)
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.import_batch import ImportOptions, ImportRun
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import APPROVAL, CALLS_JSON, RunFolder
from ingest.stages.validate import validate
from ingest.twin.generator import generate
from tests.plan.twin_site import Site, cloudstack_of, running, vcenter_of


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running(generate(6, seed=5)) as one:
        yield one


@pytest.fixture
def folder(site: Site, tmp_path: Path) -> RunFolder:
    """Six calls: the first two are wave 1, the others wave 2; two running VMs may be switched off."""
    made = RunFolder(tmp_path / "run")
    made.path.mkdir()
    discover_networks(vcenter_of(site.twin), made)
    list_unmanaged(cloudstack_of(site.twin), made)
    enrich_csv(made)
    ready = validate(made).ready
    calls = json.loads(made.file(CALLS_JSON).read_bytes())
    assert len(calls) == len(ready)
    for number, call in enumerate(calls):
        call["wave"] = 1 if number < 2 else 2
        call["power"] = "shutdown"
    made.file(CALLS_JSON).write_text(json.dumps(calls), encoding="utf-8")
    return made


def _decision(folder: RunFolder, asker: str = "run-1", ask: str = "", waves: tuple[int, ...] = ()) -> Decision:
    return Decision(
        verdict="approved", digest=plan_digest(folder), at="2026-01-01", by="Ann", asker=asker, ask=ask, waves=waves
    )


def test_an_approval_stands_for_its_run_and_its_plan(folder: RunFolder, tmp_path: Path) -> None:
    settings = RunSettings(state=tmp_path / "state")
    assert standing(folder, settings, "run-1") is None
    ask = note_ask(folder, asker="run-1", mode="suspend")
    assert open_ask(folder, "run-1") == ask
    assert open_ask(folder, "run-2") is None
    assert note_ask(folder, asker="run-1", mode="suspend").key != ask.key
    ask = read_approvals(folder).asks[-1]
    given = note_decision(folder, _decision(folder, ask=ask.key, waves=(1,)), settings, "https://cloud")
    assert open_ask(folder, "run-1") is None
    assert standing(folder, settings, "run-1") == given
    assert standing(folder, settings, "run-2") is None
    with open_ledger(settings) as ledger:
        (line,) = ledger.history(run_id="run")
        assert (line.what, line.actor, line.plan_digest) == ("approved", "Ann", given.digest)
        assert line.detail == {"waves": [1], "flow_run": "run-1"}
    calls = folder.file(CALLS_JSON)
    calls.write_bytes(calls.read_bytes().replace(b'"start": false', b'"start": true', 1))
    assert standing(folder, settings, "run-1") is None
    note_decision(folder, given.model_copy(update={"verdict": "rejected"}), settings, "https://cloud")
    assert standing(folder, settings, "run-1") is None
    folder.file(APPROVAL).write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="does not say what was approved"):
        read_approvals(folder)


def test_the_summary_tells_what_would_be_switched_off(site: Site, folder: RunFolder, tmp_path: Path) -> None:
    text = summary_to_approve(folder, RunSettings(state=tmp_path / "state"))
    on = [vm.name for vm in site.world.vms.values() if vm.power_state == "poweredOn"]
    assert f"**{len(on)} running VMs to be asked to shut down**" in text
    assert all(f"`{name}`" in text for name in on)
    assert "| 1 | 2 | 0 |" in text
    assert "| 2 | 4 | 0 |" in text


def test_only_what_was_approved_is_imported(site: Site, folder: RunFolder, tmp_path: Path) -> None:
    settings = RunSettings(state=tmp_path / "state")
    journal = site.world.cloud.journal

    def run(*waves: int, digest: str = "") -> list[Outcome]:
        options = ImportOptions(waves=waves, approved_digest=digest or plan_digest(folder))
        stop = threading.Event()
        with ImportRun(cloudstack_of(site.twin), vcenter_of(site.twin), settings, folder, stop, options) as one:
            found = list(one.left_alone)
            for wave in one.waves():
                for members in one.rounds(wave):
                    for rows in members:
                        found += one.import_batch(rows).outcomes
        return sorted(found, key=lambda outcome: outcome.row)

    with pytest.raises(UsageError, match="not the one that was approved"):
        run(digest="0" * 64)
    assert journal.imports == []
    note_decision(folder, _decision(folder, waves=(1,)), settings, "https://cloud")
    first = run(1)
    assert [one.status for one in first] == ["imported"] * 2 + ["not-started"] * 4
    assert {one.error for one in first[2:]} == {"wave 2 is not approved"}
    assert len(journal.imports) == 2
    # Nothing is left of what was approved: a retried run asks anew.
    assert standing(folder, settings, "run-1") is None
    assert waves_waiting(folder, settings) == {2: 4}
    assert [one.status for one in run(2)] == ["imported"] * 6
    assert len(journal.imports) == 6
