"""The nightly look on a real Prefect server: what changed behind our back is in the run's state and artifact."""

from __future__ import annotations

import json

import pytest
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.discover import discover
from ingest.cli.local_server import PrefectServer
from ingest.twin.serving import Twin

pytestmark = pytest.mark.server


def test_what_changed_overnight_is_told(server: PrefectServer, twin: Twin) -> None:
    first = discover(return_state=True)
    assert first.message == "the first snapshot of this site: nothing to compare with"
    with twin.world.lock:
        renamed, gone = list(twin.world.vms.values())[:2]
        was, renamed.name = renamed.name, "db-renamed"
        twin.world.touch(renamed)
        del twin.world.vms[gone.moref]
    second = discover(return_state=True)
    assert second.message == "VMs: 1 gone, 1 renamed"
    result = second.result()
    assert result.drifted.since == first.result().folder
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["drift"])))
    newest = max(found, key=lambda artifact: str(artifact.created))
    rows = json.loads(str(newest.data))
    assert [(row["what"], row["name"], row["before"]) for row in rows if row["what"] == "renamed"] == [
        ("renamed", "db-renamed", was)
    ]
    assert str(result.drifted.drift_csv) in str(newest.description)
    assert "importUnmanagedInstance" not in twin.world.cloud.journal.requests
