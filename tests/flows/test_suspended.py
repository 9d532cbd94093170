"""An approval that takes its time: the run's process ends, a real worker starts it again when somebody has decided."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from ingest.cli.local_server import PrefectServer
from ingest.stages.approval import read_approvals
from ingest.stages.run_folder import existing_run_folder
from ingest.twin.serving import Twin
from tests.flows.test_deployments import _call, deployed, worker

pytestmark = pytest.mark.server
__all__ = ["deployed", "worker"]


def _until(server: PrefectServer, run: dict[str, Any], done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        now = _call(server, "GET", f"/flow_runs/{run['id']}")
        if done(now):
            return dict(now)
        time.sleep(0.5)
    raise AssertionError(f"still {now['state_name']}: {now['state']['message']}")


def _suspended(server: PrefectServer, run: dict[str, Any]) -> bool:
    assert run["state_type"] not in ("FAILED", "CRASHED"), run["state"]
    if run["state_name"] != "Suspended":
        return False
    # Prefect shows the state before it has kept the form.
    schema = run["state"]["state_details"]["run_input_keyset"]["schema"]
    return requests.get(f"{server.api_url}/flow_runs/{run['id']}/input/{schema}", timeout=30).ok


def _over(run: dict[str, Any]) -> bool:
    return run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def test_suspended_approved_and_edited(server: PrefectServer, worker: None, twin: Twin, tmp_path: Path) -> None:
    twin.world.cloud.import_seconds = 0.02
    deployment = _call(server, "GET", "/deployments/name/import-vms/import")["id"]

    def start(**parameters: Any) -> dict[str, Any]:
        run = _call(server, "POST", f"/deployments/{deployment}/create_flow_run", parameters=parameters)
        return _until(server, run, lambda now: _suspended(server, now))

    def answer(run: dict[str, Any], **given: Any) -> Any:
        return _call(server, "POST", f"/flow_runs/{run['id']}/resume", run_input=given)

    # Nobody asked to be asked: it is the default. The fresh plan is made once, and found again afterwards.
    run = start(dry_run=False)
    (note,) = (tmp_path / "runs").glob("*/approval.json")
    folder = note.parent
    assert answer(run, decision="yes")["status"] == "REJECT"
    assert _call(server, "GET", f"/flow_runs/{run['id']}")["state_name"] == "Suspended"
    assert twin.world.cloud.journal.imports == []
    calls = json.loads((folder / "calls.json").read_text(encoding="utf-8"))
    calls[0]["request"]["hostname"] = "edited"
    (folder / "calls.json").write_text(json.dumps(calls), encoding="utf-8")
    assert answer(run, decision="approve everything", name="Ann")["status"] == "ACCEPT"
    run = _until(server, run, _over)
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
    run = _until(server, run, _over)
    assert (run["state_type"], run["state"]["message"]) == ("COMPLETED", "24 imported")
    assert len(list((tmp_path / "runs").glob("*/plan.csv"))) == 1
    assert "edited" in {one.name for one in twin.world.cloud.instances.values()}
    assert [one.verdict for one in read_approvals(existing_run_folder(folder)).decisions] == [
        "plan changed",
        "approved",
    ]
    # Its process ended long ago; the worker took that for no crash.
    assert _call(server, "GET", f"/flow_runs/{ended['id']}")["state_name"] == "PlanChanged"
