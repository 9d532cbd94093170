"""The weekly rehearsal on a real Prefect server: what got worse ends in a state of its own, told in an artifact."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.rehearse import rehearse
from ingest.cli.local_server import PrefectServer
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.stages.run_folder import PLAN
from ingest.twin.generator import generate
from tests.rehearsal.site import planned_site, trap

pytestmark = pytest.mark.server


def test_a_row_that_fails_newly_ends_the_run_as_regressed(
    server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = planned_site(generate(4, seed=5), tmp_path / "runs" / "real")
    with trap() as real:
        for name, value in real.environment().items():
            monkeypatch.setenv(name, value)
        how = {"import_seconds": 5.0, "tolerance": 9.0, "runs_folder": str(tmp_path / "runs")}
        first = rehearse(**how, return_state=True)  # type: ignore[arg-type]
        assert (first.type.value, first.name) == ("COMPLETED", "Completed"), first.message
        sheet = read_sheet(site.file(PLAN))
        sheet.rows[0]["nic1_network"] = "not-there"
        site.write(PLAN, sheet_bytes(sheet))
        second = rehearse(**how, return_state=True)  # type: ignore[arg-type]
        assert (second.type.value, second.name) == ("FAILED", "Regressed"), second.message
        assert real.caught == 0
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["rehearsal"])))
    newest = str(max(found, key=lambda artifact: str(artifact.created)).data)
    assert newest.startswith("**regressed**")
    assert f"worse: row {sheet.rows[0]['vm']}" in newest
