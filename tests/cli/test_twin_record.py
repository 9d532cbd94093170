"""`ingest twin record` as an operator runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.twin.serving import Twin
from ingest.twin.worldfile import load_world
from tests.cli.conftest import Ingest


def test_a_site_becomes_a_file_to_serve(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    said = ingest("twin", "record", "site.json")
    assert said.code == 0, said.err
    assert "12 VMs" in said.err
    assert "next: ingest twin serve --world site.json" in said.err
    assert set(load_world(tmp_path / "site.json").vms) == set(site.world.vms)
    assert (tmp_path / "site.json").stat().st_mode & 0o077 == 0
    for name, value in site.environment().items():
        if "KEY" in name or "PASSWORD" in name:
            assert value not in (tmp_path / "site.json").read_text(), name


def test_scrubbed(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    assert ingest("twin", "record", "site.json", "--scrub").code == 0
    names = {vm.name for vm in site.world.vms.values()}
    assert names.isdisjoint(vm.name for vm in load_world(tmp_path / "site.json").vms.values())


def test_the_vcenter_alone_needs_no_other_settings(
    ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in site.environment():
        if "CLOUDSTACK" in name:
            monkeypatch.delenv(name)
    ingest("twin", "record", "site.json").refused(2, "INGEST_CLOUDSTACK_URL")
    assert ingest("twin", "record", "site.json", "--no-cloudstack").code == 0
    assert set(load_world(tmp_path / "site.json").vms) == set(site.world.vms)


def test_what_is_not_readable_is_named_and_the_code_says_so(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    user = next(iter(site.world.cloud.users.values()))
    user.apis = frozenset({"listCapabilities", "listZones", "listAccounts", "listDomains"})
    try:
        said = ingest("twin", "record", "site.json")
    finally:
        user.apis = None
    assert said.code == 4
    assert "not recorded: CloudStack: guest OS mappings: listGuestOsMapping refused with 432" in said.err
    assert len(load_world(tmp_path / "site.json").vms) == 12


def test_errors_leave_no_file(ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ingest("twin", "record", "no/such/folder/site.json").refused(2, "cannot be written: No such file or directory")
    monkeypatch.setenv("INGEST_CLOUDSTACK_SECRET_KEY", "wrong")
    ingest("twin", "record", "site.json").refused(2, "401")
    monkeypatch.setenv("INGEST_CLOUDSTACK_URL", "https://127.0.0.1:9/client/api")
    ingest("twin", "record", "site.json").refused(6, "cannot connect")
    assert list(tmp_path.iterdir()) == []
