"""One real Prefect server for all flow tests, and a twin per test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from ingest.cli.local_server import PrefectServer, prefect_server
from ingest.twin.generator import generate
from ingest.twin.serving import Twin


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server with a database file of its own."""
    given = os.environ.pop("PREFECT_API_URL", None)
    with (
        prefect_server(tmp_path_factory.mktemp("prefect")) as running,
        temporary_settings({PREFECT_API_URL: running.api_url}),
    ):
        yield running
    if given:
        os.environ["PREFECT_API_URL"] = given


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
        yield running
