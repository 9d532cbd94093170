"""A recovery as a flow: signed in the run as the UI does it, its work as task runs, the clock as an artifact."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.fail_back import fail_back
from flows.recover import recover
from ingest.cli.local_server import PrefectServer
from ingest.twin.serving import Twin
from ingest.twin.worlds.recovery import recovery_site
from tasks.parameters import Approval
from tests.flows.prefect_api import Person, call
from tests.recovery.site import SITES, store_plan

pytestmark = pytest.mark.server
VMS = 4
BOOK = f"""
name: small
plan: plan.csv
rto: 4h
people: [{{role: lead}}]
{SITES}
steps: [{{name: declared, say: the loss is declared, who: lead}}]
waves:
  - name: all
    select: {{}}
    checks: [{{kind: tools, retries: 60, pause: 1s}}]
"""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Twin]:
    """A recovery site the settings of this process point at."""
    world = recovery_site(VMS, seed=4, own=1)
    with Twin(world) as twin:
        for name in [name for name in os.environ if name.startswith("INGEST_")]:
            monkeypatch.delenv(name)
        for name, value in twin.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("INGEST_RUN_FOLDER", str(tmp_path / "runs"))
        monkeypatch.setenv("INGEST_RUN_STATE", str(tmp_path / "state"))
        yield twin


def test_a_recovery_is_signed_in_the_run_and_given_back(server: PrefectServer, site: Twin, tmp_path: Path) -> None:
    plan = store_plan(tmp_path / "stored", VMS)
    book = tmp_path / "book.yaml"
    book.write_text(BOOK, encoding="utf-8")
    journal = site.world.cloud.journal
    seen: dict[str, Any] = {}

    def sign(run: dict[str, Any]) -> None:
        seen.update(run)
        assert not journal.of("registered"), "nothing is written before the signature"
        run_input = {"decision": "done", "name": "Ann", "reason": "TICKET-7"}
        call(server, "POST", f"/flow_runs/{run['id']}/resume", run_input=run_input)

    approval = Approval(mode="pause", timeout_minutes=3)
    with Person(server, sign):
        state = recover(runbook=str(book), plan=str(plan), dry_run=False, approval=approval, return_state=True)
    assert (state.name, state.type.value) == ("Completed", "COMPLETED")
    done = state.result()
    assert (done.outcome, done.report.counts["healthy"]) == ("recovered", VMS)
    assert [(one["key"], one["name"], one["words"]) for one in done.report.people] == [("declared", "Ann", "TICKET-7")]
    assert Counter(str(facts["vm"]) for facts in journal.of("started")).most_common(1)[0][1] == 1

    artifacts = call(server, "POST", "/artifacts/latest/filter", artifacts={"flow_run_id": {"any_": [seen["id"]]}})
    found = {one["key"]: one for one in artifacts}
    assert {"recovery", "recovery-now", "recovery-progress"} <= found.keys()
    assert found["recovery-progress"]["data"] == 100.0
    assert "declared: done, signed by Ann" in found["recovery-now"]["data"]
    runs = call(server, "POST", "/task_runs/filter", task_runs={"name": {"like_": "import #"}})
    assert runs, "batches are task runs"

    back = fail_back(
        run_folder=done.report.folder,
        unregister=True,
        dry_run=False,
        approval=Approval(mode="auto_approve"),
        return_state=True,
    )
    assert back.is_completed(), back.message
    assert len(site.world.unregistered) == VMS
