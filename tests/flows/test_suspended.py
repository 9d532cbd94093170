"""An approval that takes its time: the run's process ends, a real worker starts it again when somebody has decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.cli.local_server import PrefectServer
from ingest.stages.approval import read_approvals
from ingest.stages.run_folder import existing_run_folder
from ingest.twin.serving import Twin
from tests.flows.prefect_api import attention, call, run_until, start_run, suspended

pytestmark = pytest.mark.server


def test_suspended_approved_and_edited(server: PrefectServer, worker: None, twin: Twin, tmp_path: Path) -> None:
    twin.world.cloud.import_seconds = 0.02

    def start(**parameters: Any) -> dict[str, Any]:
        run = start_run(server, "import-vms/import", **parameters)
        return run_until(server, run, lambda now: suspended(server, now))

    def answer(run: dict[str, Any], **given: Any) -> Any:
        return call(server, "POST", f"/flow_runs/{run['id']}/resume", run_input=given)

    # Nobody asked to be asked: it is the default. The fresh plan is made once, and found again afterwards.
    run = start(dry_run=False)
    (note,) = (tmp_path / "runs").glob("*/approval.json")
    folder = note.parent
    assert answer(run, decision="yes")["status"] == "REJECT"
    assert call(server, "GET", f"/flow_runs/{run['id']}")["state_name"] == "Suspended"
    assert twin.world.cloud.journal.imports == []
    calls = json.loads((folder / "calls.json").read_text(encoding="utf-8"))
    calls[0]["request"]["hostname"] = "edited"
    (folder / "calls.json").write_text(json.dumps(calls), encoding="utf-8")
    assert answer(run, decision="approve everything", name="Ann")["status"] == "ACCEPT"
    run = run_until(server, run)
    assert (run["state_type"], run["state_name"]) == ("CANCELLED", "PlanChanged"), (
        run["state"]["message"],
        run["run_count"],
        sorted((tmp_path / "runs").glob("*/*")),
    )
    assert twin.world.cloud.journal.imports == []

    ended = run

    # The edited plan is shown, and approved as it is.
    run = start(dry_run=False, resume=str(folder))
    assert answer(run, decision="approve everything", name="Ann")["status"] == "ACCEPT"
    run = run_until(server, run)
    assert (run["state_type"], run["state"]["message"]) == ("COMPLETED", "24 imported")
    assert len(list((tmp_path / "runs").glob("*/plan.csv"))) == 1
    assert "edited" in {one.name for one in twin.world.cloud.instances.values()}
    assert [one.verdict for one in read_approvals(existing_run_folder(folder)).decisions] == [
        "plan changed",
        "approved",
    ]
    assert "press Resume and decide" in attention(server, ended["name"], "waits for approval")
    # Its process ended long ago; the worker took that for no crash.
    assert call(server, "GET", f"/flow_runs/{ended['id']}")["state_name"] == "PlanChanged"
