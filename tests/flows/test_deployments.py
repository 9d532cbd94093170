"""prefect.yaml, really deployed: a real server, a real worker, runs started over the API as the UI does."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
from prefect.settings import PREFECT_API_URL, temporary_settings

from ingest.cli.local_server import API_VARIABLE, PrefectServer, prefect_server
from ingest.twin.serving import Twin
from tasks.provisioning import Thing, provision
from tasks.server_traffic import flush_to_server
from tests.flows.prefect_api import attention, call, run_until, start_run

# Server, worker and runs are processes of their own: on a busy machine that takes minutes.
pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


def _run(server: PrefectServer, deployment: str, **parameters: Any) -> dict[str, Any]:
    return run_until(server, start_run(server, deployment, **parameters))


def test_every_deployment_runs_once_over_the_api(server: PrefectServer, worker: None, twin: Twin) -> None:
    # A queue that nobody serves: the automation notices while everything else goes on.
    queue = call(server, "GET", "/work_pools/ingest/queues/demo")
    call(server, "PATCH", f"/work_queues/{queue['id']}", is_paused=True)
    late = start_run(server, "import-vms/import-demo")
    planned = _run(server, "plan-vms/plan-nightly")
    assert planned["state_type"] == "COMPLETED", planned["state"]
    assert twin.world.cloud.journal.imports == []
    dry = _run(server, "import-vms/import")
    assert dry["state_type"] == "COMPLETED"
    assert dry["state"]["message"] == "dry run: 24 would be imported"
    assert twin.world.cloud.journal.imports == []
    real = _run(
        server,
        "import-vms/import",
        dry_run=False,
        limits={"max_concurrent_imports": 6},
        approval={"mode": "auto_approve"},
    )
    assert real["state_type"] == "COMPLETED", real["state"]
    assert real["state"]["message"] == "24 imported"
    assert len({moref for moref, _ in twin.world.cloud.journal.imports}) == 24
    assert twin.world.cloud.journal.peak_imports_running <= 6
    # Nothing that was given to the worker as a secret is kept by the server with the run.
    secret = twin.environment()["INGEST_CLOUDSTACK_SECRET_KEY"]
    logs = call(server, "POST", "/logs/filter", logs={"flow_run_id": {"any_": [real["id"]]}})
    assert logs
    assert secret not in str(logs) + str(real)
    # A run that fails is noticed by an automation, which has a worker write it down.
    failed = _run(server, "import-vms/import", resume="/no/such/folder")
    assert failed["state_type"] == "FAILED"
    assert "/no/such/folder" in attention(server, failed["name"], "failed")
    attention(server, late["name"], "late")
    call(server, "DELETE", f"/flow_runs/{late['id']}")
    call(server, "PATCH", f"/work_queues/{queue['id']}", is_paused=False)
    # The cron schedule has made runs of its own, which an incompatible library breaks silently.
    deployment = call(server, "GET", "/deployments/name/plan-vms/plan-nightly")
    deadline = time.monotonic() + 90
    scheduled: list[Any] = []
    while not scheduled and time.monotonic() < deadline:
        scheduled = call(
            server,
            "POST",
            "/flow_runs/filter",
            flow_runs={"deployment_id": {"any_": [deployment["id"]]}, "state": {"type": {"any_": ["SCHEDULED"]}}},
        )
        time.sleep(1)
    assert scheduled
    assert all(run["auto_scheduled"] for run in scheduled)


@pytest.mark.parametrize(
    ("deployment", "parameters", "told"),
    [
        ("import-vms/import", {"limits": {"max_concurrent_imports": 1000}}, "limits.max_concurrent_imports"),
        ("import-vms/import", {"limits": {"max_conc": 3}}, "max_conc"),
        ("import-vms/import", {"safety": {"on_critical": "ignore"}}, "safety.on_critical"),
        ("plan-vms/plan-nightly", {"selection": {"clusters": "c1"}}, "selection.clusters"),
        ("undo-import/undo", {"dry_run": "perhaps"}, "dry_run"),
        ("import-fleet/fleet", {"sites": []}, "sites"),
        ("import-fleet/fleet", {"sites": [{"site": "fra1", "limits": {"batch_size": 26}}]}, "batch_size"),
    ],
)
def test_bad_parameters_are_refused_before_a_run_exists(
    server: PrefectServer, deployed: None, deployment: str, parameters: dict[str, Any], told: str
) -> None:
    found = call(server, "GET", f"/deployments/name/{deployment}")
    answer = requests.post(
        f"{server.api_url}/deployments/{found['id']}/create_flow_run", json={"parameters": parameters}, timeout=30
    )
    assert answer.status_code == 409
    assert told in answer.json()["detail"]


def test_the_form_explains_and_orders_every_field(server: PrefectServer, deployed: None) -> None:
    for name in (
        "discover/discover",
        "plan-vms/plan-nightly",
        "import-vms/import",
        "undo-import/undo",
        "import-fleet/fleet",
        "notice/notice",
    ):
        schema = call(server, "GET", f"/deployments/name/{name}")["parameter_openapi_schema"]
        for box in (schema, *schema.get("definitions", {}).values()):
            fields = box["properties"].values()
            # A group's own words stand in its definition.
            assert [field["title"] for field in fields if not ("description" in field or "$ref" in field)] == []
            assert box is schema or box["description"]
            assert sorted(field["position"] for field in fields) == list(range(len(fields)))
            # An optional text would get a switch "str / None".
            assert [field["title"] for field in fields if "anyOf" in field] == []


def test_setup_makes_everything_once_and_keeps_what_was_set_in_the_ui(
    ingest_command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(API_VARIABLE, raising=False)
    with prefect_server(tmp_path) as server, temporary_settings({PREFECT_API_URL: server.api_url}):
        done = subprocess.run(
            [str(ingest_command), "setup", "--format", "json"],
            env=dict(os.environ) | {API_VARIABLE: server.api_url},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        made = Counter(thing["kind"] for thing in json.loads(done.stdout) if thing["done"] == "created")
        assert made["automation"] == 5
        assert made["deployment"] >= 6
        assert made["limit"] == 2
        # An operator allows two imports at once on a site, switches an automation off, and fills in a site.
        call(server, "PATCH", "/v2/concurrency_limits/ingest-import-demo", limit=2)
        late = next(one for one in call(server, "POST", "/automations/filter") if one["name"] == "ingest: run late")
        call(server, "PATCH", f"/automations/{late['id']}", enabled=False)
        call(server, "PATCH", "/variables/name/ingest_sites", value={"demo": {"rules": "r.yaml"}})
        # What prefect.yaml decides is brought back, and nothing else is touched.
        undo = call(server, "GET", "/deployments/name/undo-import/undo")
        call(server, "PATCH", f"/deployments/{undo['id']}", description="changed by hand")
        assert [thing for thing in provision() if thing.done != "unchanged"] == [
            Thing("deployment", "undo-import/undo", "updated")
        ]
        assert call(server, "GET", "/deployments/name/undo-import/undo")["description"] == undo["description"]
        assert call(server, "GET", "/v2/concurrency_limits/ingest-import-demo")["limit"] == 2
        assert call(server, "GET", f"/automations/{late['id']}")["enabled"] is False
        assert call(server, "GET", "/variables/name/ingest_sites")["value"] == {"demo": {"rules": "r.yaml"}}
        flush_to_server()
