"""A twin per test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.twin.generator import generate
from ingest.twin.serving import Twin


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
