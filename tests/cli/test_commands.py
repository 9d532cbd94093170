"""Each command as an operator runs it: what it prints where, what it writes, how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from ingest.cli.local_server import PrefectServer
from ingest.cli.main import COMMANDS, GROUPS
from ingest.plan.causes import CAUSES
from ingest.plan.checks import CHECKS
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.run_folder import existing_run_folder
from ingest.twin.generator import CLEAN, generate
from ingest.twin.recording import write_recording
from ingest.twin.serving import Twin
from tests.cli.conftest import Ingest
from tests.plan.twin_site import import_calls


def test_help_names_every_command_and_the_exit_codes(ingest: Ingest) -> None:
    said = ingest("--help")
    assert said.code == 0
    for word in ("demo", "doctor", "discover", "plan", "check", "run", "twin", "6 remote unreachable"):
        assert word in " ".join(said.out.split())


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in GROUPS])
def test_every_option_is_explained(ingest: Ingest, command: str) -> None:
    said = ingest(command, "--help")
    assert said.code == 0
    assert "Parameters" in said.out or "Options" in said.out


def test_discover(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    said = ingest("discover", "--format", "json")
    assert said.code == 0
    rows = json.loads(said.out)
    (document,) = tmp_path.glob("runs/*/networks.json")
    report = json.loads(document.read_text(encoding="utf-8"))
    assert report["count"] == len(rows) > 0
    seen = [entry for network in report["networks"] for entry in network["virtualmachines"]]
    assert len(seen) == sum(len(vm.nics) for vm in site.world.vms.values())


def test_discover_as_csv_is_whole(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    said = ingest("discover", "--format", "csv")
    printed = list(csv.DictReader(io.StringIO(said.out)))
    (written,) = tmp_path.glob("runs/*/networks.csv")
    with written.open(encoding="utf-8-sig", newline="") as file:
        assert printed == list(csv.DictReader(file))


def test_plan_then_check_offline(ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = ingest("plan")
    assert said.code == 0, said.err
    (plan,) = tmp_path.glob("runs/*/plan.csv")
    assert f"next: edit the plan if needed, then: ingest run {plan.relative_to(tmp_path)}" in said.err
    for name in site.environment():
        monkeypatch.delenv(name)
    assert ingest("check", str(plan)).code == 0
    text = plan.read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    rows[0]["hostname"] = "not_valid"
    with plan.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    checked = ingest("check", str(plan), "--format", "json")
    assert checked.code == 3
    (finding,) = json.loads(checked.out)
    assert (finding["row"], finding["column"], finding["rule"]) == (2, "hostname", "HOST-002")


def test_explain(ingest: Ingest) -> None:
    said = ingest("explain", "host-003")
    assert said.code == 0
    assert "unique in each network" in said.out
    assert len(json.loads(ingest("explain", "--format", "json").out)) == len(CHECKS)
    ingest("explain", "HOST-0003").refused(2, "there is no rule HOST-0003; nearest: HOST-003")


def test_why_a_vm_is_listed_or_not(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    name = next(iter(site.world.vms.values())).name
    said = ingest("why", name)
    assert said.code == 0, said.err
    assert "CloudStack: lists it" in said.out
    (folder,) = tmp_path.glob("runs/*")
    said = ingest("why", f"{name}x", "--snapshot", str(folder / "snapshot.json"), "--format", "json")
    assert said.code == 3
    (row,) = json.loads(said.out)
    assert name in row["fact"]


def test_missing_networks_are_listed_and_created(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    world = site.world
    gone = next(
        one for one in world.cloud.networks.values() if one.type == "L2" and one.broadcasturi.startswith("vlan")
    )
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{set: {account: platform, domain: ROOT/Corporate}}]", encoding="utf-8")
    with world.lock:
        gone.removed = True
    try:
        assert ingest("plan", "--rules", str(rules)).code == 3
        (plan,) = tmp_path.glob("runs/*/plan.csv")
        said = ingest("networks", str(plan), "--format", "json")
        assert said.code == 3, said.err
        assert gone.broadcasturi in {row["uri"] for row in json.loads(said.out)}
        (listed,) = plan.parent.glob("networks/*/networks_to_create.csv")
        shown = ingest("networks", "--create", str(listed), "--format", "json")
        assert {row["status"] for row in json.loads(shown.out)} == {"to-create"}
        assert "nothing was created" in shown.err
        made = ingest("networks", "--create", str(listed), "--yes", "--format", "json")
        assert made.code == 0, made.err
        ids = {row["network_id"] for row in json.loads(made.out)}
        assert ids <= set(world.cloud.networks)
    finally:
        with world.lock:
            gone.removed = False
            for network in [one for one in world.cloud.networks.values() if one.name.startswith("l2-platform-vlan")]:
                if network.created:
                    del world.cloud.networks[network.id]
    ingest("networks").refused(2, "name a plan to list, or --create")


def test_every_rule_has_its_cause() -> None:
    assert set(CAUSES) == {check.id for check in CHECKS}
    assert all(text.endswith(".") for text in CAUSES.values())


def test_a_plan_is_carried_on_and_compared(
    ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert ingest("plan").code == 0
    (old,) = tmp_path.glob("runs/*/plan.csv")
    mine = tmp_path / "mine.csv"
    rows = list(csv.DictReader(old.read_text(encoding="utf-8-sig").splitlines()))
    rows[0]["display_name"] = "shown as this"
    with mine.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert ingest("plan", "--update", str(mine)).code == 0
    (carried_on,) = set(tmp_path.glob("runs/*/plan.csv")) - {old}
    kept = next(csv.DictReader(carried_on.read_text(encoding="utf-8-sig").splitlines()))
    assert kept["display_name"] == "shown as this"
    said = ingest("plan", "--diff", str(mine), "--format", "json")
    assert said.code == 0, said.err
    expected = {"vm": rows[0]["vm"], "moref": rows[0]["moref"], "column": "display_name"}
    assert json.loads(said.out) == [expected | {"what": "wanted", "before": "shown as this", "after": ""}]
    for name in site.environment():
        monkeypatch.delenv(name)
    said = ingest("plan", "--diff", str(old), "--against", str(mine), "--format", "markdown")
    assert said.out.splitlines() == [
        "| vm | moref | what | column | before | after |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| {rows[0]['vm']} | {rows[0]['moref']} | edited | display_name |  | shown as this |",
    ]
    assert "1 edited" in said.err
    ingest("plan", "--against", str(mine)).refused(2, "--against needs --diff")


def test_doctor_on_a_healthy_site(ingest: Ingest, site: Twin) -> None:
    said = ingest("doctor", "--format", "json")
    assert said.code == 0, said.out
    tests = json.loads(said.out)
    assert {test["verdict"] for test in tests} == {"ok"}
    assert {"connection and login", "TLS", "permission to read", "hosts Up", "clusters known to both"} <= {
        test["test"] for test in tests
    }


def test_doctor_without_settings_says_what_is_missing_on_both_sides(ingest: Ingest) -> None:
    said = ingest("doctor", "--format", "json")
    assert said.code == 2
    tests = json.loads(said.out)
    assert [(test["side"], test["verdict"]) for test in tests] == [("vCenter", "fail"), ("CloudStack", "fail")]


def test_doctor_finds_each_fault(ingest: Ingest, site: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_VCENTER_PASSWORD", "wrong")
    monkeypatch.setenv("INGEST_CLOUDSTACK_VERIFY_TLS", "false")
    said = ingest("doctor", "--format", "json")
    assert said.code == 2
    verdicts = {(test["side"], test["test"]): test["verdict"] for test in json.loads(said.out)}
    assert verdicts["vCenter", "connection and login"] == "fail"
    assert verdicts["CloudStack", "TLS"] == "warn"
    assert verdicts["CloudStack", "API importUnmanagedInstance"] == "ok"


def test_doctor_misses_an_api_the_role_lacks(ingest: Ingest, site: Twin) -> None:
    user = next(user for user in site.world.cloud.users.values())
    whole = user.apis
    allowed = {"listCapabilities", "listApis", "listClusters", "listHosts", "listUnmanagedInstances"}
    user.apis = frozenset(allowed | {"queryAsyncJobResult", "listVirtualMachines"})
    try:
        said = ingest("doctor", "--format", "json")
    finally:
        user.apis = whole
    verdicts = {test["test"]: test["verdict"] for test in json.loads(said.out)}
    assert said.code == 2
    assert verdicts["API importUnmanagedInstance"] == "fail"
    assert verdicts["API unmanageVirtualMachine"] == "warn"
    assert verdicts["API listUnmanagedInstances"] == "ok"


def test_twin_serve_takes_a_recording(ingest_command: Path, tmp_path: Path) -> None:
    write_recording(generate(5, seed=1), tmp_path / "recording")
    secret = tmp_path / "recording" / "9000-LicenseManager-secret.xml"
    secret.write_text('<ObjectContent><obj type="LicenseManager">secret</obj></ObjectContent>')
    process = subprocess.Popen(
        [str(ingest_command), "twin", "serve", "--recording", "recording"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(9)]
        assert all(line.startswith("export INGEST_") for line in printed)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert err.splitlines()[0] == "left out: 1 LicenseManager: the twin has none"
    assert "twin of 5 VMs is up" in err
    assert "secret" not in err


def test_twin_serve_prints_a_working_set_of_variables(ingest_command: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [str(ingest_command), "twin", "serve", "--vms", "5"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        variables = {}
        while len(variables) < 9:
            word = shlex.split(process.stdout.readline())
            assert word[0] == "export"
            name, _, value = word[1].partition("=")
            variables[name] = value
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INGEST_")}
        done = subprocess.run(
            [str(ingest_command), "doctor"],
            cwd=tmp_path,
            env=clean | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err


@pytest.mark.server
def test_demo_twice(tmp_path: Path, ingest_command: Path) -> None:
    """The second run finds the first one's Prefect database and folders, and needs no whole site for that."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("INGEST_", "PREFECT_API"))}
    (tmp_path / "small.yaml").write_text(
        "version: 1\ngenerate: {vms: 3}\ncloud: {import_seconds: 0.1}\n", encoding="utf-8"
    )
    for options, summary, truth in (
        ((), "55 imported, 2 skipped, 7 blocked", "55 imports of 55 VMs"),
        (("--world", "small.yaml"), "3 imported", "3 imports of 3 VMs"),
    ):
        done = subprocess.run(
            [str(ingest_command), "demo", *options],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert summary in done.stderr
        assert f"the twin's own journal: {truth}" in done.stderr
        for name in ("plan.csv", "results.csv", "report.html"):
            assert f"/{name}" in done.stderr
        assert "next: ingest twin serve" in done.stderr
        assert "Traceback" not in done.stderr
    assert len(list(tmp_path.glob("runs/demo/*/report.html"))) == 2


@pytest.mark.server
def test_run_shows_first_and_writes_with_yes(tmp_path: Path, server: PrefectServer, ingest_command: Path) -> None:
    with Twin(generate(12, seed=11)) as twin:
        _show_then_write(twin, tmp_path, server, ingest_command)


def _show_then_write(twin: Twin, tmp_path: Path, server: PrefectServer, command: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("INGEST_", "PREFECT_API"))}
    environment = clean | twin.environment() | {"PREFECT_API_URL": server.api_url}

    def ingest_(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(command), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )

    shown = ingest_("run", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    assert len(json.loads(shown.stdout)) == 12
    assert twin.world.cloud.journal.imports == []
    hint = next(
        line for line in shown.stderr.splitlines() if line.startswith("nothing was written; to import: ingest ")
    )
    again = shlex.split(hint.partition("to import: ingest ")[2])
    done = ingest_(*again, "--max-concurrent-imports", "12", "--batch-size", "1", "--format", "json")
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert {outcome["status"] for outcome in outcomes} == {"imported"}
    assert len(twin.world.cloud.journal.imports) == 12


def test_undo_and_settle_say_what_they_need(ingest: Ingest, site: Twin, tmp_path: Path) -> None:
    ingest("undo").refused(2, "name a run's folder, or --vm and a VM")
    ingest("undo", "--vm", "nobody").refused(2, "manages no VM called nobody")
    ingest("undo", "nowhere").refused(2, "is not a run folder")
    ingest("settle").refused(2, "no run here has imported anything")
    (tmp_path / "empty").mkdir()
    ingest("settle", "empty").refused(2, "there is no journal.jsonl yet")


def test_a_run_is_settled_and_given_back(ingest: Ingest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Twin(generate(3, seed=2, shape=CLEAN)) as twin:
        twin.world.cloud.import_seconds = 0.0
        for name, value in twin.environment().items():
            monkeypatch.setenv(name, value)
        assert ingest("plan").code == 0
        (plan,) = tmp_path.glob("runs/*/plan.csv")
        folder = existing_run_folder(plan.parent)
        import_calls(twin, folder)
        conclude_from_journal(folder)
        said = ingest("settle")
        assert (said.code, "every row was settled already" in said.err) == (0, True)
        shown = ingest("undo", str(folder.path), "--format", "json")
        assert shown.code == 0, shown.err
        assert {row["status"] for row in json.loads(shown.out)} == {"to-undo"}
        assert f"to give back: ingest undo {folder.path} --yes" in shown.err
        instances = list(twin.world.cloud.instances.values())
        with twin.world.lock:
            instances[0].isoid = "iso"
        assert ingest("undo", str(folder.path)).code == 3
        done = ingest("undo", str(folder.path), "--yes", "--format", "json")
        assert done.code == 4
        assert sorted(row["status"] for row in json.loads(done.out)) == ["refused", "undone", "undone"]
        assert [one.removed for one in instances] == [False, True, True]
