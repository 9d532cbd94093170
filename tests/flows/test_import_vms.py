"""The import flow on a real Prefect server against the twin; the truth is read from the twin's journal."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.import_vms import import_vms, run_import
from flows.plan_vms import plan_vms
from ingest.cli.local_server import PrefectServer
from ingest.errors import FindingsBlock, RemoteError, Unauthorised
from ingest.twin.serving import Twin
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
    with pytest.raises(FindingsBlock, match="1 rows have critical findings"):
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
    server: PrefectServer, twin: Twin, tmp_path: Path
) -> None:
    """Killed politely in mid-import: exit code 5, no server left behind, and results that agree with the truth."""
    twin.world.cloud.import_seconds = 1.5
    process = subprocess.Popen(
        [sys.executable, "-c", "from ingest.cli.main import main; main()", "run", "--yes", "--batch-size", "2"],
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
