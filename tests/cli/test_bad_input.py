"""Everything an operator gets wrong at two in the morning: one message, place and cure, the documented exit code."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.twin.certificate import TwinCertificate
from ingest.twin.generator import generate
from ingest.twin.serving import Twin
from tests.cli.conftest import Ingest


def _left_behind(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port nothing listens on, held so that nothing else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_unknown_option(ingest: Ingest) -> None:
    ingest("plan", "--nope").refused(2, "--nope", "ingest plan --help")


def test_unknown_command(ingest: Ingest) -> None:
    ingest("plann").refused(2, "plann", "ingest --help")


def test_bad_value_of_an_option(ingest: Ingest) -> None:
    ingest("run", "--max-concurrent-imports", "many").refused(2, "many", "ingest run --help")


def test_too_much_at_once(ingest: Ingest) -> None:
    ingest("run", "--max-concurrent-imports", "500").refused(2, "at most 100 imports in flight")


@pytest.mark.parametrize("command", [("discover",), ("plan",), ("run",)])
def test_missing_setting(ingest: Ingest, tmp_path: Path, command: tuple[str, ...]) -> None:
    ingest(*command).refused(2, "INGEST_VCENTER_HOST is not set", "ingest doctor")
    assert _left_behind(tmp_path) == []


def test_unreachable_vcenter(ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setenv("INGEST_VCENTER_PORT", str(closed_port))
    ingest("discover").refused(6, f"127.0.0.1:{closed_port}")


def test_unreachable_cloudstack(
    ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch, closed_port: int, tmp_path: Path
) -> None:
    monkeypatch.setenv("INGEST_CLOUDSTACK_URL", f"https://127.0.0.1:{closed_port}/client/api")
    ingest("plan").refused(6, f"127.0.0.1:{closed_port}")
    assert not any(name.endswith(("snapshot.json", "plan.csv")) for name in _left_behind(tmp_path))


def test_wrong_password(ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INGEST_VCENTER_PASSWORD", "s3cr3t-but-wrong")
    said = ingest("discover")
    said.refused(2, "user name or password is wrong", "INGEST_VCENTER_PASSWORD")
    assert "s3cr3t" not in said.err
    assert _left_behind(tmp_path) == []


def test_untrusted_certificates(ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = TwinCertificate().write_ca(tmp_path / "other-ca.pem")
    monkeypatch.setenv("INGEST_VCENTER_CA_FILE", str(other))
    ingest("discover").refused(2, "certificate", "INGEST_VCENTER_CA_FILE")
    monkeypatch.setenv("INGEST_VCENTER_CA_FILE", str(site.ca_file))
    monkeypatch.setenv("INGEST_CLOUDSTACK_CA_FILE", str(other))
    ingest("plan").refused(2, "certificate", "INGEST_CLOUDSTACK_CA_FILE")


def test_wrong_pin(ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INGEST_VCENTER_CA_FILE")
    monkeypatch.setenv("INGEST_VCENTER_SHA256", "ab" * 32)
    ingest("discover").refused(2, "INGEST_VCENTER_SHA256")


def test_wrong_key(ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "not-the-secret-key-of-anyone"
    monkeypatch.setenv("INGEST_CLOUDSTACK_SECRET_KEY", secret)
    said = ingest("plan")
    said.refused(2, "INGEST_CLOUDSTACK_SECRET_KEY")
    assert secret not in said.err + said.out


def test_malformed_rules_are_told_before_anything_is_read(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - set: {acount: x}\n", encoding="utf-8")
    ingest("plan", "--rules", str(rules)).refused(2, f"{rules}:2", "rules[0].set.acount: unknown key")
    rules.write_text("rules: [\n", encoding="utf-8")
    ingest("plan", "--rules", str(rules)).refused(2, "not YAML: expected the node content")
    ingest("plan", "--rules", "nowhere.yaml").refused(2, "nowhere.yaml: cannot be read")
    assert _left_behind(tmp_path) == ["rules.yaml"]


def test_malformed_sheet(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    assert ingest("plan").code == 0
    (snapshot,) = tmp_path.glob("runs/*/snapshot.json")
    files = _left_behind(tmp_path)
    sheet = tmp_path / "edited.csv"
    for text, words in {
        "vm;import\nweb01;yes\n": "missing columns instance_uuid, moref, cluster_id, hostname, service_offering",
        'vm,import\n"web01,yes\n': "a quoted cell that starts here never ends",
    }.items():
        sheet.write_text(text, encoding="utf-8")
        ingest("check", str(sheet), "--snapshot", str(snapshot)).refused(2, f"{sheet}:", words)
    good = (snapshot.parent / "plan.csv").read_text(encoding="utf-8-sig")
    sheet.write_text(good.replace(",yes,", ",maybe,", 1), encoding="utf-8")
    ingest("check", str(sheet), "--snapshot", str(snapshot)).refused(2, "line 2, import: 'maybe'", "write yes or no")
    assert _left_behind(tmp_path) == sorted([*files, "edited.csv"])


def test_check_without_a_snapshot(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_text("vm\n", encoding="utf-8")
    ingest("check", str(tmp_path / "plan.csv")).refused(2, "there is no snapshot.json")
    ingest("check", "nowhere/plan.csv").refused(2, "is not a run folder")


def test_torn_snapshot(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    assert ingest("plan").code == 0
    (snapshot,) = tmp_path.glob("runs/*/snapshot.json")
    snapshot.write_bytes(snapshot.read_bytes()[:1000])
    ingest("check", str(snapshot.parent / "plan.csv")).refused(2, str(snapshot.name), "ingest plan")


def test_unknown_cluster_and_datacenter(ingest: Ingest, site: Twin) -> None:
    known = next(iter(site.world.cloud.clusters.values())).name
    ingest("plan", "--cluster", "nowhere").refused(2, "nowhere", known)
    ingest("discover", "--datacenter", "nowhere").refused(2, "nowhere")


def test_unknown_world_file(ingest: Ingest) -> None:
    ingest("twin", "serve", "--world", "nowhere.yaml").refused(2, "nowhere.yaml")
    ingest("twin", "serve", "--world", "nowhere.yaml", "--vms", "3").refused(2, "exclude each other")
    ingest("twin", "serve", "--recording", "nowhere", "--vms", "3").refused(2, "exclude each other")
    ingest("twin", "serve", "--recording", "nowhere").refused(2, "nowhere", "not a directory", "govc object.save")


def test_empty_cluster(ingest: Ingest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Twin(generate(0, seed=1)) as twin:
        for name, value in twin.environment().items():
            monkeypatch.setenv(name, value)
        said = ingest("plan")
    assert said.code == 0
    assert "0 VMs" in said.err
    assert "0 rows ready, 0 blocked" in said.err
    (plan,) = tmp_path.glob("runs/*/plan.csv")
    assert plan.read_text(encoding="utf-8-sig").startswith("vm,import,")


def test_two_vms_of_one_name(ingest: Ingest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = generate(12, seed=11)
    first, second = list(world.vms.values())[:2]
    second.name = first.name
    second.host = first.host
    with Twin(world) as twin:
        for name, value in twin.environment().items():
            monkeypatch.setenv(name, value)
        said = ingest("plan")
    assert "Traceback" not in said.err
    (plan,) = tmp_path.glob("runs/*/plan.csv")
    lines = [line for line in plan.read_text(encoding="utf-8-sig").splitlines() if line.startswith(f"{first.name},")]
    assert len(lines) == 2
    assert all("another VM of this cluster has the same name" in line and ",no," in line for line in lines)
