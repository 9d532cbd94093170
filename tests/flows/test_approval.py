"""A person decides: the run waits in its process, and is answered over the API as the UI does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows.import_vms import import_vms, run_import
from flows.plan_vms import plan_vms
from flows.undo_import import undo_import
from ingest.cli.local_server import PrefectServer
from ingest.engine.ledger import open_ledger
from ingest.settings import load_settings
from ingest.stages.approval import read_approvals
from ingest.stages.run_folder import existing_run_folder
from ingest.twin.serving import Twin
from tasks.parameters import Approval, Limits
from tests.flows.prefect_api import Person, call, form

pytestmark = pytest.mark.server


def _import(folder: Path, minutes: float = 2) -> State[Any]:
    approval = Approval(mode="pause", timeout_minutes=minutes)
    return import_vms(
        dry_run=False, resume=str(folder), limits=Limits(max_concurrent_imports=8), approval=approval, return_state=True
    )


def _in_two_waves(folder: Path) -> None:
    """The last 20 calls in wave 2; two running VMs may be switched off."""
    calls = json.loads((folder / "calls.json").read_text(encoding="utf-8"))
    for later in calls[4:]:
        later["wave"] = 2
    (folder / "calls.json").write_text(json.dumps(calls), encoding="utf-8")


def test_one_wave_then_the_rest(server: PrefectServer, twin: Twin) -> None:
    twin.world.cloud.import_seconds = 0.02
    folder = plan_vms().folder
    _in_two_waves(folder)

    def first(run: dict[str, Any]) -> None:
        resume = f"/flow_runs/{run['id']}/resume"
        for bad, told in (
            ({}, "'decision' is a required property"),
            ({"decision": "approve only wave 3"}, "'approve only wave 3' is not one of ['approve everything'"),
            ({"decision": "reject", "why": "no"}, "('why' was unexpected)"),
        ):
            answer = call(server, "POST", resume, run_input=bad)
            assert answer["status"] == "REJECT"
            assert told in answer["details"]["reason"]
        assert twin.world.cloud.journal.imports == []
        shown = json.loads(form(server, run, "description"))
        assert "**24 VMs would be imported**" in shown
        assert "| 2 | 20 | 0 |" in shown
        answer = call(
            server, "POST", resume, run_input={"decision": "approve only wave 1", "name": "Ann", "reason": "CHG-1"}
        )
        assert answer["status"] == "ACCEPT"

    with Person(server, first):
        state = _import(folder)
    assert state.is_completed(), state.message
    assert state.message == "4 imported, 20 not-started"
    assert len(twin.world.cloud.journal.imports) == 4

    def second(run: dict[str, Any]) -> None:
        answer = call(server, "POST", f"/flow_runs/{run['id']}/resume", run_input={"decision": "approve everything"})
        assert answer["status"] == "ACCEPT"

    with Person(server, second):
        state = _import(folder)
    assert state.message == "24 imported"
    assert len(twin.world.cloud.journal.imports) == 24
    decisions = read_approvals(existing_run_folder(folder)).decisions
    assert [(one.verdict, one.by, one.waves, one.reason) for one in decisions] == [
        ("approved", "Ann", (1,), "CHG-1"),
        ("approved", "", (), ""),
    ]
    with open_ledger(load_settings().run) as ledger:
        lines = [line for line in ledger.history(run_id=folder.name) if not line.vm_key]
        assert [(line.what, line.actor, line.plan_digest) for line in lines] == [
            ("approved", "Ann", decisions[0].digest),
            ("approved", "", decisions[0].digest),
        ]
        assert ledger.verify_chain() is None
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert f"approved by Ann, only wave 1: CHG-1 (plan {decisions[0].digest[:12]})" in report


@pytest.mark.parametrize("how", ["rejected", "edited", "unanswered"])
def test_what_is_not_approved_ends_in_a_state_that_says_so(server: PrefectServer, twin: Twin, how: str) -> None:
    folder = plan_vms().folder

    def deeds(run: dict[str, Any]) -> None:
        resume = f"/flow_runs/{run['id']}/resume"
        if how == "rejected":
            call(server, "POST", resume, run_input={"decision": "reject", "name": "Bo", "reason": "not before Monday"})
        elif how == "edited":
            _in_two_waves(folder)
            call(server, "POST", resume, run_input={"decision": "approve everything", "name": "Bo"})

    with Person(server, deeds):
        state = _import(folder, minutes=0.1 if how == "unanswered" else 2)
    assert state.is_cancelled(), state
    expected = {
        "rejected": ("Rejected", "rejected by Bo: not before Monday (plan "),
        "edited": ("PlanChanged", "plan changed by Bo: it was edited after it was shown; have it approved anew (plan "),
        "unanswered": ("NotApproved", "unanswered: nobody decided within 0.1 minutes (plan "),
    }[how]
    assert state.name == expected[0]
    assert str(state.message).startswith(expected[1])
    assert str(state.message).endswith("; nothing was imported")
    result = state.result(raise_on_failure=False)
    assert result.counts == {"not-started": 24}
    assert "importUnmanagedInstance" not in twin.world.cloud.journal.requests
    assert expected[1].partition(" (")[0] in (folder / "report.html").read_text(encoding="utf-8")
    with open_ledger(load_settings().run) as ledger:
        assert [run.status for run in ledger.runs(folder.name)] == [
            read_approvals(existing_run_folder(folder)).decisions[-1].verdict
        ]
    (kept,) = call(
        server, "POST", "/flow_runs/filter", flow_runs={"id": {"any_": [str(state.state_details.flow_run_id)]}}
    )
    assert kept["state_name"] == expected[0]


def test_giving_back_is_previewed_and_approved(server: PrefectServer, twin: Twin) -> None:
    twin.world.cloud.import_seconds = 0.02
    folder = run_import(dry_run=False, limits=Limits(max_concurrent_imports=8)).folder
    answers = iter([{"decision": "reject", "name": "Bo", "reason": "wrong run"}, {"decision": "approve everything"}])

    def deeds(run: dict[str, Any]) -> None:
        assert not any(one.removed for one in twin.world.cloud.instances.values())
        assert call(server, "POST", f"/flow_runs/{run['id']}/resume", run_input=next(answers))["status"] == "ACCEPT"

    def undo() -> State[Any]:
        with Person(server, deeds):
            return undo_import(str(folder), dry_run=False, approval=Approval(mode="pause"), return_state=True)

    state = undo()
    assert (state.name, str(state.message).partition(" (")[0]) == ("Rejected", "rejected by Bo: wrong run")
    assert undo().message == "24 undone"
    assert all(one.removed for one in twin.world.cloud.instances.values())
    with open_ledger(load_settings().run) as ledger:
        told = [line.what for line in ledger.history(run_id=folder.name) if not line.vm_key]
    assert told == ["approved", "undo rejected", "undo approved"]
