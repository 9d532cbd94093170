"""Secrets from Prefect blocks, and none of them anywhere a run leaves traces."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.blocks.system import Secret

from flows.plan_vms import plan_vms
from ingest.cli.local_server import PrefectServer
from ingest.errors import SettingsError
from ingest.twin.serving import Twin

pytestmark = pytest.mark.server


def test_secret_blocks_fill_in_what_the_environment_lacks(
    server: PrefectServer, twin: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = twin.environment()
    secrets = {
        "ingest-vcenter-password": values["INGEST_VCENTER_PASSWORD"],
        "ingest-cloudstack-api-key": values["INGEST_CLOUDSTACK_API_KEY"],
        "ingest-cloudstack-secret-key": values["INGEST_CLOUDSTACK_SECRET_KEY"],
    }
    for name in secrets:
        monkeypatch.delenv(name.replace("-", "_").upper())
    with pytest.raises(SettingsError, match="INGEST_VCENTER_PASSWORD is not set"):
        plan_vms()
    for name, value in secrets.items():
        Secret(value=value).save(name, overwrite=True)
    try:
        planned = plan_vms()
    finally:
        for name in secrets:
            Secret.delete(name)
    assert len(planned.checked.ready) == 24
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert written
    for value in secrets.values():
        assert value.encode() not in written
