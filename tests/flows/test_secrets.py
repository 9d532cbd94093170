"""Secrets from Prefect blocks, and none of them anywhere a run leaves traces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_HOME
from prefect.variables import Variable
from psycopg.sql import SQL, Identifier

from flows.import_vms import run_import
from flows.plan_vms import plan_vms
from ingest.cli.local_server import PrefectServer
from ingest.data_files import data_file
from ingest.errors import SettingsError, Unauthorised
from ingest.twin.serving import Twin
from tasks.blocks import CloudStackCredentials, VCenterCredentials
from tasks.parameters import Limits
from tasks.server_traffic import flush_to_server
from tasks.site import SITES_VARIABLE, site_settings

pytestmark = pytest.mark.server


def _credentials(environment: dict[str, str]) -> tuple[CloudStackCredentials, VCenterCredentials]:
    """The blocks an operator would fill in for a site with this environment."""
    cloudstack = CloudStackCredentials(
        url=environment["INGEST_CLOUDSTACK_URL"],
        api_key=environment["INGEST_CLOUDSTACK_API_KEY"],
        secret_key=environment["INGEST_CLOUDSTACK_SECRET_KEY"],
        ca_file=environment.get("INGEST_CLOUDSTACK_CA_FILE", ""),
    )
    vcenter = VCenterCredentials(
        host=environment["INGEST_VCENTER_HOST"],
        port=int(environment["INGEST_VCENTER_PORT"]),
        user=environment["INGEST_VCENTER_USER"],
        password=environment["INGEST_VCENTER_PASSWORD"],
        ca_file=environment.get("INGEST_VCENTER_CA_FILE", ""),
        sha256=environment.get("INGEST_VCENTER_SHA256", ""),
    )
    return cloudstack, vcenter


@contextmanager
def _site(name: str, environment: dict[str, str]) -> Iterator[None]:
    for block in _credentials(environment):
        block.save(name, overwrite=True)
    try:
        yield
    finally:
        CloudStackCredentials.delete(name)
        VCenterCredentials.delete(name)


def _traces(*folders: Path) -> bytes:
    """Everything below these folders: run folders, results, logs, the database with what is not yet merged into it."""
    return b"".join(path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())


def _database(url: str, folders: pytest.TempPathFactory) -> bytes:
    """All that the Prefect server keeps: every row of PostgreSQL as text, or the files of SQLite."""
    if not url:
        databases = [path.parent for path in folders.getbasetemp().rglob("prefect.db")]
        assert databases
        return _traces(*databases)
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [
            str(row[0])
            for (table,) in tables
            for row in connection.execute(SQL("SELECT t::text FROM {} t").format(Identifier(table)))
        ]
    return "\n".join(rows).encode()


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
    written = _traces(tmp_path)
    assert written
    for value in secrets.values():
        assert value.encode() not in written


def test_a_site_is_named_and_its_secrets_are_nowhere(
    server: PrefectServer,
    twin: Twin,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    server_database: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One import that works and one that is refused, then everything both left behind is searched."""
    values = twin.environment()
    for name in [name for name in os.environ if name.startswith(("INGEST_CLOUDSTACK_", "INGEST_VCENTER_"))]:
        monkeypatch.delenv(name)
    twin.world.cloud.import_seconds = 0.05
    with _site("fra1", values):
        result = run_import(dry_run=False, site="fra1", limits=Limits(max_concurrent_imports=8))
    assert result.counts == {"imported": 24}
    wrong = values | {"INGEST_CLOUDSTACK_SECRET_KEY": "only-this-key-is-wrong", "INGEST_VCENTER_PASSWORD": "so-is-that"}
    with _site("fra2", wrong), pytest.raises(Unauthorised):
        run_import(dry_run=False, site="fra2")
    flush_to_server()
    left = _traces(tmp_path, PREFECT_HOME.value() / "storage") + _database(server_database, tmp_path_factory)
    left += "".join(capfd.readouterr()).encode()
    # The search can find: what is no secret is there, in the run's folder and in the database.
    assert b"import-fra1-" in left
    assert result.folder.name.encode() in left
    for environment in (values, wrong):
        for name in ("CLOUDSTACK_API_KEY", "CLOUDSTACK_SECRET_KEY", "VCENTER_PASSWORD"):
            assert environment[f"INGEST_{name}"].encode() not in left, name


def test_a_site_without_blocks_is_never_another_site(
    server: PrefectServer, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        SettingsError, match="no block CloudStack Credentials and no block vCenter Credentials is named"
    ):
        plan_vms(site="ber1")
    monkeypatch.setenv("INGEST_RUN_SITE", "ber1")
    assert site_settings("ber1").cloudstack.url == twin.environment()["INGEST_CLOUDSTACK_URL"]
    with pytest.raises(SettingsError, match="'fra1'"):
        site_settings("fra1")


def test_a_variable_holds_what_differs_between_sites(
    server: PrefectServer, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_RUN_SITE", "ber1")
    rules = str(data_file("rules.yaml"))
    Variable.set(SITES_VARIABLE, {"ber1": {"rules": rules}, "fra1": {"rule": rules}}, overwrite=True)
    try:
        assert site_settings("ber1").run.rules == Path(rules)
        assert site_settings().run.rules is None
        monkeypatch.setenv("INGEST_RUN_SITE", "fra1")
        with pytest.raises(SettingsError, match=r"run\.rule; did you mean rules"):
            _ = site_settings("fra1").run
        Variable.set(SITES_VARIABLE, {"fra1": {"ledger": "postgresql://ingest:secret@db/ledger"}}, overwrite=True)
        with pytest.raises(SettingsError, match="no table of plain values"):
            site_settings("fra1")
    finally:
        Variable.unset(SITES_VARIABLE)
