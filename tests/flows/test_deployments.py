"""prefect.yaml, really deployed: a real server, a real worker, runs started over the API as the UI does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from ingest.cli.local_server import PrefectServer
from ingest.twin.serving import Twin

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]
# The keys Prefect reads; others are ignored silently, so a typing error would go unnoticed.
DEPLOYMENT_KEYS = {
    "name", "version", "tags", "description", "schedules", "paused", "concurrency_limit", "entrypoint",
    "parameters", "enforce_parameter_schema", "pull", "work_pool", "triggers",
}  # fmt: skip


def _prefect(server: PrefectServer, *arguments: str) -> str:
    environment = dict(os.environ) | {"PREFECT_API_URL": server.api_url}
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def deployed(server: PrefectServer) -> None:
    """All of prefect.yaml on the server."""
    _prefect(server, "work-pool", "create", "ingest", "--type", "process", "--overwrite")
    _prefect(server, "deploy", "--all")


@pytest.fixture
def worker(server: PrefectServer, deployed: None, twin: Twin, tmp_path: Path) -> Iterator[None]:
    """A worker whose environment points at the twin."""
    environment = dict(os.environ) | {"PREFECT_API_URL": server.api_url, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "ingest", "--type", "process"],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _call(server: PrefectServer, method: str, path: str, **body: Any) -> Any:
    for _ in range(10):
        answer = requests.request(method, f"{server.api_url}{path}", json=body or None, timeout=30)
        if answer.status_code != 503:  # SQLite is busy: the UI asks again as well
            break
        time.sleep(1)
    assert answer.ok, answer.text
    return answer.json()


def _run(server: PrefectServer, deployment: str, **parameters: Any) -> dict[str, Any]:
    found = _call(server, "GET", f"/deployments/name/{deployment}")
    run = _call(server, "POST", f"/deployments/{found['id']}/create_flow_run", parameters=parameters)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        run = _call(server, "GET", f"/flow_runs/{run['id']}")
        if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return dict(run)
        time.sleep(0.5)
    raise AssertionError(f"{deployment} is still {run['state_type']}")


def test_every_deployment_runs_once_over_the_api(server: PrefectServer, worker: None, twin: Twin) -> None:
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
    logs = _call(server, "POST", "/logs/filter", logs={"flow_run_id": {"any_": [real["id"]]}})
    assert logs
    assert secret not in str(logs) + str(real)
    # The cron schedule has made runs of its own, which an incompatible library breaks silently.
    deployment = _call(server, "GET", "/deployments/name/plan-vms/plan-nightly")
    deadline = time.monotonic() + 90
    scheduled: list[Any] = []
    while not scheduled and time.monotonic() < deadline:
        scheduled = _call(
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
    ],
)
def test_bad_parameters_are_refused_before_a_run_exists(
    server: PrefectServer, deployed: None, deployment: str, parameters: dict[str, Any], told: str
) -> None:
    found = _call(server, "GET", f"/deployments/name/{deployment}")
    answer = requests.post(
        f"{server.api_url}/deployments/{found['id']}/create_flow_run", json={"parameters": parameters}, timeout=30
    )
    assert answer.status_code == 409
    assert told in answer.json()["detail"]


def test_the_form_explains_and_orders_every_field(server: PrefectServer, deployed: None) -> None:
    for name in ("discover/discover", "plan-vms/plan-nightly", "import-vms/import", "undo-import/undo"):
        schema = _call(server, "GET", f"/deployments/name/{name}")["parameter_openapi_schema"]
        for box in (schema, *schema.get("definitions", {}).values()):
            fields = box["properties"].values()
            # A group's own words stand in its definition.
            assert [field["title"] for field in fields if not ("description" in field or "$ref" in field)] == []
            assert box is schema or box["description"]
            assert sorted(field["position"] for field in fields) == list(range(len(fields)))
            # An optional text would get a switch "str / None".
            assert [field["title"] for field in fields if "anyOf" in field] == []


def test_no_unknown_keys() -> None:
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    for deployment in document["deployments"]:
        assert set(deployment) <= DEPLOYMENT_KEYS
