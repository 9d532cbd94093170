"""A twin per test; the deployments and a worker on the server of the session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.cli.local_server import PrefectServer
from ingest.twin.generator import generate
from ingest.twin.serving import Twin
from tests.flows.prefect_api import call
from tests.flows.workers import worker_command


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Twin]:
    """A twin of 24 importable VMs whose imports take 0.3 s; the settings of this process point at it."""
    world = generate(24, seed=5)
    world.cloud.import_seconds = 0.3
    with Twin(world) as running:
        for name in [name for name in os.environ if name.startswith("INGEST_")]:
            monkeypatch.delenv(name)
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("INGEST_RUN_FOLDER", str(tmp_path / "runs"))
        monkeypatch.setenv("INGEST_RUN_STATE", str(tmp_path / "state"))
        yield running


@pytest.fixture(scope="session")
def deployed(server: PrefectServer, python_command: Path) -> None:
    """Everything `ingest setup` makes is on the server; no schedule is due before half a day has passed."""
    from tasks.provisioning import provision

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "executable", str(python_command))
        list(provision())
    later = (datetime.now(UTC) + timedelta(hours=12)).hour
    for deployment in call(server, "POST", "/deployments/filter"):
        for one in deployment["schedules"]:
            path = f"/deployments/{deployment['id']}/schedules/{one['id']}"
            call(server, "PATCH", path, schedule={"cron": f"0 {later} * * *", "timezone": "UTC"})


@pytest.fixture
def worker(server: PrefectServer, deployed: None, twin: Twin, python_command: Path, tmp_path: Path) -> Iterator[None]:
    """A worker whose environment points at the twin."""
    environment = dict(os.environ) | {"PREFECT_API_URL": server.api_url, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            worker_command(python_command),
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
