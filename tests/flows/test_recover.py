"""A recovery as a flow: signed in the run as the UI does it, its work as task runs, the clock as an artifact."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow

from flows.fail_back import fail_back
from flows.recover import recover
from ingest.cli.local_server import PrefectServer
from ingest.recovery.report import read_report
from ingest.stages.run_folder import existing_run_folder
from ingest.twin.serving import Twin
from ingest.twin.worlds.recovery import recovery_site
from tasks.one_at_a_time import limit_name
from tasks.parameters import Approval
from tests.flows.prefect_api import Person, call, form, suspended
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


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_plan(tmp_path_factory.mktemp("stored"), VMS)


def test_a_recovery_is_signed_in_the_run_and_given_back(
    server: PrefectServer, site: Twin, plan: Path, tmp_path: Path
) -> None:
    book = tmp_path / "book.yaml"
    book.write_text(BOOK, encoding="utf-8")
    journal = site.world.cloud.journal
    seen: dict[str, Any] = {}
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(limit_name(""), 1)

    def slots_taken() -> int:
        return int(call(server, "GET", f"/v2/concurrency_limits/{limit_name('')}")["active_slots"])

    def sign(run: dict[str, Any]) -> None:
        seen.update(run, slots=slots_taken())
        assert not journal.of("registered"), "nothing is written before the signature"
        run_input = {"decision": "done", "name": "Ann", "reason": "TICKET-7"}
        call(server, "POST", f"/flow_runs/{run['id']}/resume", run_input=run_input)

    approval = Approval(mode="pause", timeout_minutes=3)
    with Person(server, sign):
        state = recover(runbook=str(book), plan=str(plan), dry_run=False, approval=approval, return_state=True)
    assert (state.name, state.type.value) == ("Completed", "COMPLETED")
    assert (seen["slots"], slots_taken()) == (1, 0), "no import of the site meanwhile"
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
    steps = call(server, "POST", "/task_runs/filter", flow_runs={"id": {"any_": [seen["id"]]}})
    states = {one["name"].rsplit("-", 1)[0]: one["state_type"] for one in steps}
    assert {"register_vms", "plan", "start_vms", "check_health"} <= states.keys()
    assert set(states.values()) == {"COMPLETED"}

    back = fail_back(
        run_folder=done.report.folder,
        unregister=True,
        dry_run=False,
        approval=Approval(mode="auto_approve"),
        return_state=True,
    )
    assert back.is_completed(), back.message
    assert len(site.world.unregistered) == VMS


@pytest.fixture
def deployment(server: PrefectServer) -> Iterator[str]:
    """Its id. Prefect suspends only what something can start again; here the test does."""
    with get_client(sync_client=True) as client:
        made = client.create_deployment(client.create_flow(recover), "suspended")
        yield str(made)
        client.delete_deployment(made)


def test_a_recovery_is_suspended_until_somebody_signs(
    server: PrefectServer, deployment: str, site: Twin, plan: Path, tmp_path: Path
) -> None:
    """Begun from the top each time, as a worker does; a worker's process would have ended in between."""
    book = tmp_path / "book.yaml"
    after = "    steps: [{say: it serves, who: lead, when: after}]\n"
    book.write_text(BOOK.replace("name: all\n", f"name: all\n{after}"), encoding="utf-8")
    journal = site.world.cloud.journal
    parameters = {"runbook": str(book), "plan": str(plan), "dry_run": False}
    asked = call(server, "POST", f"/deployments/{deployment}/create_flow_run", parameters=parameters)

    def work() -> dict[str, Any]:
        """Until the run ends, or is suspended."""
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(asked["id"])
        with suppress(Pause):
            run_flow(recover, flow_run=run, return_type="state")
        return dict(call(server, "GET", f"/flow_runs/{asked['id']}"))

    def sign(name: str) -> None:
        call(server, "POST", f"/flow_runs/{asked['id']}/resume", run_input={"decision": "done", "name": name})

    run = work()
    assert suspended(server, run)
    assert "the loss is declared" in form(server, run, "description")
    assert not journal.of("registered")
    sign("Ann")
    run = work()
    assert suspended(server, run)
    assert "it serves" in form(server, run, "description")
    counts = [len(journal.of("registered")), len(journal.imports), len(journal.of("started"))]
    assert counts == [VMS, VMS, VMS]
    sign("Bob")
    run = work()
    assert (run["state_name"], run["state_type"]) == ("Completed", "COMPLETED")
    assert counts == [len(journal.of("registered")), len(journal.imports), len(journal.of("started"))]
    (folder,) = (tmp_path / "runs").glob("*/recovery.json")
    report = read_report(existing_run_folder(folder.parent))
    assert [(one["key"], one["name"]) for one in report.people] == [("declared", "Ann"), ("all/after/1", "Bob")]
    assert (report.well, len(report.waves)) == (True, 1)
