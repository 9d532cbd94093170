"""The import flow on a real Prefect server against the twin; the truth is read from the twin's journal."""

from __future__ import annotations

import contextvars
import csv
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import requests
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.import_vms import import_vms, run_import
from flows.plan_vms import plan_vms
from ingest.cli.local_server import PrefectServer
from ingest.engine.events import ImportBegan, RowDone, tell
from ingest.errors import FindingsBlock, RemoteError, Stopped, Unauthorised
from ingest.model.outcome import Outcome
from ingest.stages.run_folder import FLOW_RUN
from ingest.twin.faults.script import Script
from ingest.twin.serving import Twin
from tasks.automations import BUDGET_EVENT
from tasks.live_artifacts import live_artifacts
from tasks.parameters import Approval, Limits, Planning, Safety

pytestmark = pytest.mark.server


def _results(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("in_flight", [1, 4])
def test_imports_everything_once_and_never_more_at_a_time(server: PrefectServer, twin: Twin, in_flight: int) -> None:
    twin.world.cloud.import_seconds = 0.1
    result = run_import(dry_run=False, limits=Limits(max_concurrent_imports=in_flight, batch_size=2))
    journal = twin.world.cloud.journal
    assert result.counts == {"imported": 24}
    assert sorted(moref for moref, _ in journal.imports) == sorted(twin.world.vms)
    assert journal.peak_imports_running == in_flight
    rows = _results(result.folder)
    assert {row["status"] for row in rows} == {"imported"}
    assert {row["vm_id"] for row in rows} == {instance for _, instance in journal.imports}
    assert all(float(row["duration_s"]) >= 0.1 for row in rows)
    assert (result.folder / "report.html").read_text(encoding="utf-8").count("imported") > 24


def test_dry_run_stops_before_the_first_write_and_shows_it(server: PrefectServer, twin: Twin) -> None:
    result = run_import(dry_run=True)
    assert result.dry_run
    assert len(result.checked.ready) == 24
    assert twin.world.cloud.journal.imports == []
    assert "importUnmanagedInstance" not in twin.world.cloud.journal.requests
    calls = json.loads((result.folder / "calls.json").read_text(encoding="utf-8"))
    assert {call["vm"] for call in calls} == {vm.name for vm in twin.world.vms.values()}
    assert not (result.folder / "results.csv").exists()


def test_second_run_finds_nothing_to_import(server: PrefectServer, twin: Twin) -> None:
    twin.world.cloud.import_seconds = 0.02
    run_import(dry_run=False, limits=Limits(max_concurrent_imports=8))
    again = run_import(dry_run=False, limits=Limits(max_concurrent_imports=8))
    assert again.counts == {"skipped": 24}
    assert {outcome.error for outcome in again.outcomes} == {"already managed by CloudStack"}
    assert len(twin.world.cloud.journal.imports) == 24


def test_an_edited_plan_is_imported_as_it_is(server: PrefectServer, twin: Twin, tmp_path: Path) -> None:
    planned = plan_vms()
    text = (planned.folder / "plan.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    for row in rows[1:]:
        row["import"] = "no"
    rows[0] |= {"hostname": "renamed-by-hand", "display_name": "Renamed by hand"}
    edited = tmp_path / "edited.csv"
    with edited.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    before = edited.read_bytes()
    result = run_import(dry_run=False, planning=Planning(plan=str(edited)))
    assert result.counts == {"imported": 1, "skipped": 23}
    (instance,) = twin.world.cloud.instances.values()
    assert (instance.name, instance.displayname) == ("renamed-by-hand", "Renamed by hand")
    assert edited.read_bytes() == before


def test_critical_findings_leave_rows_out_or_stop_the_run(server: PrefectServer, twin: Twin) -> None:
    suspended = next(iter(twin.world.vms.values()))
    with twin.world.lock:
        suspended.power_state = "suspended"
        twin.world.touch(suspended)
    with pytest.raises(FindingsBlock, match="1 row with critical findings"):
        run_import(dry_run=False, safety=Safety(on_critical="stop"))
    assert twin.world.cloud.journal.imports == []
    result = run_import(dry_run=False, safety=Safety(on_critical="exclude"), limits=Limits(max_concurrent_imports=8))
    assert result.counts == {"imported": 23, "blocked": 1}
    assert suspended.moref not in {moref for moref, _ in twin.world.cloud.journal.imports}


def test_a_row_the_server_refuses_is_data_not_an_exception(server: PrefectServer, twin: Twin) -> None:
    planned = plan_vms()
    refused, renamed = planned.checked.ready[:2]
    calls = planned.folder / "calls.json"
    # Nobody could have known when the plan was made: an offering is gone, a VM has another name.
    sent = json.loads(calls.read_text(encoding="utf-8"))
    by_vm = {one["vm"]: one for one in sent}
    by_vm[refused.vm]["request"]["service_offering_id"] = "00000000-0000-4000-8000-000000000000"
    by_vm[renamed.vm]["request"]["name"] = "gone-meanwhile"
    calls.write_text(json.dumps(sent), encoding="utf-8")

    result = run_import(dry_run=False, resume=str(planned.folder))
    assert result.counts == {"imported": 22, "failed": 1, "held": 1}
    errors = {outcome.vm: outcome.error for outcome in result.outcomes if outcome.error}
    assert "due to incorrect long value format" in errors[refused.vm] or "serviceofferingid" in errors[refused.vm]
    assert errors[renamed.vm] == "changed since the plan: CloudStack no longer lists it as unmanaged"
    assert len(twin.world.cloud.journal.imports) == 22


def test_a_failure_budget_that_is_used_up_is_an_event(server: PrefectServer, twin: Twin) -> None:
    """What the automation of `ingest setup` waits for."""
    planned = plan_vms()
    calls = planned.folder / "calls.json"
    sent = json.loads(calls.read_text(encoding="utf-8"))
    for one in sent[:4]:
        one["request"]["service_offering_id"] = "00000000-0000-4000-8000-000000000000"
    calls.write_text(json.dumps(sent), encoding="utf-8")
    safety, limits = Safety(failures_total=2, failures_per_cause=0), Limits(max_concurrent_imports=1, batch_size=2)
    with pytest.raises(Stopped, match="the failure budget is used up"):
        run_import(dry_run=False, resume=str(planned.folder), safety=safety, limits=limits)
    run = (planned.folder / FLOW_RUN).read_text(encoding="utf-8").strip()
    wanted = {"filter": {"event": {"name": [BUDGET_EVENT]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}}
    deadline = time.monotonic() + 30
    found: list[object] = []
    while not found and time.monotonic() < deadline:
        found = requests.post(f"{server.api_url}/events/filter", json=wanted, timeout=30).json()["events"]
        time.sleep(0.5)
    assert len(found) == 1
    assert twin.world.cloud.journal.imports == []


def test_a_revoked_key_stops_the_line(server: PrefectServer, twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_CLOUDSTACK_SECRET_KEY", "wrong")
    with pytest.raises(Unauthorised):
        run_import(dry_run=False)
    assert twin.world.cloud.journal.imports == []


def test_server_in_maintenance_stops_the_line_and_loses_nothing(server: PrefectServer, twin: Twin) -> None:
    planned = plan_vms()
    twin.world.cloud.in_maintenance = True
    from flows import import_vms as flow_module

    with pytest.raises(RemoteError, match="Maintenance or Shutdown"):
        flow_module.run_import(
            dry_run=False,
            planning=Planning(plan=str(planned.folder / "plan.csv")),
            limits=Limits(max_concurrent_imports=2),
        )
    assert twin.world.cloud.journal.imports == []


def test_a_retry_goes_on_with_the_folder_of_the_first_attempt(server: PrefectServer, twin: Twin) -> None:
    """As the button Retry does it: the same flow run once more."""
    twin.world.cloud.in_maintenance = True
    runs = Path(os.environ["INGEST_RUN_FOLDER"])
    over = threading.Event()

    def mend() -> None:
        while not over.wait(0.1):
            if list(runs.glob("*/results.csv")):
                twin.world.cloud.in_maintenance = False
                return

    threading.Thread(target=mend, daemon=True).start()
    planned = str(plan_vms().folder / "plan.csv")
    try:
        state = import_vms.with_options(retries=1, retry_delay_seconds=2)(
            dry_run=False,
            planning=Planning(plan=planned),
            limits=Limits(max_concurrent_imports=4),
            approval=Approval(mode="auto_approve"),
            return_state=True,
        )
    finally:
        over.set()
    assert state.is_completed(), state.message
    assert state.result().counts == {"imported": 24}
    assert len(list(runs.glob("*/journal.jsonl"))) == 1
    assert len(twin.world.cloud.journal.imports) == 24


def test_artifacts_show_findings_and_outcomes(server: PrefectServer, twin: Twin) -> None:
    result = run_import(dry_run=False, limits=Limits(max_concurrent_imports=8))
    with get_client(sync_client=True) as client:
        found = {
            key: client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
            for key in ("discover-networks", "list-unmanaged", "plan", "findings", "calls", "outcomes")
        }
    assert all(found.values()), {key: len(value) for key, value in found.items()}
    newest = max(found["outcomes"], key=lambda artifact: str(artifact.created))  # the server is shared with other tests
    shown = json.loads(str(newest.data))
    assert len(shown) == len(result.outcomes)


def test_an_interrupted_run_still_says_what_became_of_each_row(
    server: PrefectServer, twin: Twin, ingest_command: Path, tmp_path: Path
) -> None:
    """Killed politely in mid-import: exit code 5, no server left behind, and results that agree with the truth."""
    twin.world.cloud.import_seconds = 1.5
    process = subprocess.Popen(
        [str(ingest_command), "run", "--yes", "--batch-size", "2"],
        cwd=tmp_path,
        env=dict(os.environ) | {"PREFECT_API_URL": server.api_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while len(twin.world.cloud.journal.imports) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    (results,) = tmp_path.glob("runs/*/results.csv")
    rows = _results(results.parent)
    told = Counter(row["status"] for row in rows)
    assert sum(told.values()) == 24
    assert told["not-started"] > 0
    committed = {twin.world.vms[moref].name for moref, _ in twin.world.cloud.journal.imports}
    assert {row["vm"] for row in rows if row["status"] == "imported"} <= committed
    assert committed <= {row["vm"] for row in rows if row["status"] in ("imported", "unknown")}
    assert all(row["job_id"] for row in rows if row["status"] == "unknown")


def _artifacts(*keys: str) -> dict[str, list[Artifact]]:
    with get_client(sync_client=True) as client:
        return {
            key: sorted(
                client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))),
                key=lambda one: str(one.created),
            )
            for key in keys
        }


def test_the_live_artifacts_show_a_run_at_work_and_its_failures(server: PrefectServer, twin: Twin) -> None:
    twin.world.cloud.import_seconds = 1.0
    failing = sorted(vm.name for vm in twin.world.vms.values())[:2]
    for name in failing:
        fault = {"kind": "job-fails", "step": "committed", "vm": name, "text": "the pool <b>is</b> full"}
        twin.faults.set(Script.model_validate({"faults": [fault]}))
    seen: list[tuple[object, str]] = []
    over = threading.Event()
    before = {key: len(found) for key, found in _artifacts("import-progress", "import-now").items()}

    def look() -> None:
        while not over.wait(0.3):
            found = _artifacts("import-progress", "import-now")
            if all(len(found[key]) > before[key] for key in before):
                seen.append((found["import-progress"][-1].data, str(found["import-now"][-1].data)))

    context = contextvars.copy_context()
    watcher = threading.Thread(target=context.run, args=(look,))
    watcher.start()
    try:
        state = import_vms(
            dry_run=False,
            limits=Limits(max_concurrent_imports=2, batch_size=3),
            approval=Approval(mode="auto_approve"),
            return_state=True,
        )
    finally:
        over.set()
        watcher.join()
    assert state.message == "22 imported, 2 failed"
    assert state.is_completed()

    # While it worked: between nothing and everything, with rows in flight and what failed by cause.
    percents = [float(str(percent)) for percent, _ in seen]
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents)
    at_work = [page for percent, page in seen if 0 < float(str(percent)) < 100]
    assert any(" running " in page and "in flight" in page for page in at_work)
    assert any("the pool" in page for page in at_work)

    found = _artifacts("import-progress", "import-now", "failures", "outcomes")
    progress, now, failures, outcomes = (found[key][-1] for key in found)
    assert progress.data == 100
    assert progress.description == "22 imported, 2 failed; left: nothing"
    assert "**24 of 24** (100 %): 22 imported, 2 failed" in str(now.data)
    # Updated, not made anew: one of each belongs to the run.
    run_id = state.state_details.flow_run_id
    assert {progress.flow_run_id, now.flow_run_id, failures.flow_run_id, outcomes.flow_run_id} == {run_id}
    assert [len(found[key]) - before[key] for key in before] == [1, 1]

    page = str(failures.data)
    assert "**2 rows, 1 cause**; the run: 22 imported, 2 failed." in page
    (line,) = (line for line in page.splitlines() if line.startswith("| 2 | failed |"))
    assert r"the pool \<b\>is\</b\> full" in line
    assert all(name in line for name in failing)
    assert "import again" in line  # the cure
    assert "results.csv" in page


def test_a_prefect_server_that_is_away_does_not_harm_the_live_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens on the port; the block is left in time, and nothing is raised."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{taken.getsockname()[1]}/api"}):
            done = []
            with live_artifacts(every_s=0.05):
                tell(ImportBegan("r", "runs/r", ((2, "a"),), 1))
                threading.Event().wait(0.5)
                tell(RowDone(Outcome(2, "a", "imported")))
                done.append(True)
    assert done == [True]


def test_a_stopped_run_is_cancelled_and_says_how_far_it_came(server: PrefectServer, twin: Twin) -> None:
    """Ctrl-C in the middle: jobs that run are waited for, nothing more is sent, every row has its outcome."""
    twin.world.cloud.import_seconds = 1.5
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        while len(twin.world.cloud.journal.imports) < 2 and not over.wait(0.1):
            pass
        if not over.is_set():
            signal.pthread_kill(main, signal.SIGINT)

    over = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        state = import_vms(
            dry_run=False,
            limits=Limits(max_concurrent_imports=3, batch_size=4),
            approval=Approval(mode="auto_approve"),
            return_state=True,
        )
    finally:
        over.set()
        thread.join()
    assert state.is_cancelled(), state
    counts = state.result(raise_on_failure=False).counts
    assert set(counts) == {"imported", "not-started"}
    assert state.message == f"stopped: {counts['imported']} imported, {counts['not-started']} not-started"
    assert counts["imported"] == len(twin.world.cloud.journal.imports) >= 2
    assert sum(counts.values()) == 24


def test_a_used_up_budget_is_a_stop_and_the_state_says_how_far_it_came(server: PrefectServer, twin: Twin) -> None:
    fault = {"kind": "job-fails", "step": "committed", "times": 0, "text": "the pool is full"}
    twin.faults.set(Script.model_validate({"faults": [fault]}))
    state = import_vms(
        dry_run=False,
        limits=Limits(max_concurrent_imports=1),
        safety=Safety(failures_total=2),
        approval=Approval(mode="auto_approve"),
        return_state=True,
    )
    assert state.is_failed()
    with pytest.raises(Stopped) as raised:
        state.result()
    assert raised.value.exit_code == 5
    words = "stopped: the failure budget is used up: 2 rows failed, 2 allowed (22 not-started, 2 failed)"
    assert words in str(state.message)
    assert words in str(raised.value)
