"""The five stages, one after another, on a twin: every file, twice in a row, and with nothing to do."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.engine.journal import read_journal
from ingest.errors import SheetError, UsageError
from ingest.model.outcome import Outcome
from ingest.model.snapshot import read_snapshot
from ingest.plan.columns import header
from ingest.plan.pairing import UNMANAGED_COLUMNS
from ingest.plan.sheet import Row, read_sheet, sheet_bytes
from ingest.report.tables import csv_rows
from ingest.stages import run_folder
from ingest.stages.conclude import Concluded, conclude, conclude_from_journal
from ingest.stages.discover_networks import NETWORK_COLUMNS, Discovered, Scope, discover_networks, read_saved_inventory
from ingest.stages.enrich_csv import Planned, enrich_csv
from ingest.stages.list_unmanaged import Listed, list_unmanaged
from ingest.stages.run_folder import RunFolder
from ingest.stages.validate import CALL_COLUMNS, FINDING_COLUMNS, Validated, read_calls, validate
from ingest.twin.generator import REALISTIC, generate
from ingest.twin.serving import Twin
from ingest.twin.world import World
from tests.plan.twin_site import cloudstack_of, import_calls, vcenter_of

RENAMED = "-renamed-behind-our-back"


@dataclass
class Run:
    """One run of the pipeline: its folder and what every stage gave."""

    folder: RunFolder
    discovered: Discovered
    listed: Listed
    planned: Planned
    checked: Validated
    concluded: Concluded | None = None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        assert self.concluded is not None
        return self.concluded.outcomes

    def rows(self, name: str) -> list[dict[str, str]]:
        return csv_rows(self.folder.file(name).read_bytes())

    def sheet_rows(self, name: str) -> dict[str, Row]:
        return {row["moref"]: row for row in read_sheet(self.folder.file(name)).rows}


def plan(twin: Twin, path: Path) -> Run:
    path.mkdir()
    folder = RunFolder(path)
    discovered = discover_networks(vcenter_of(twin), folder)
    listed = list_unmanaged(cloudstack_of(twin), folder)
    return Run(folder, discovered, listed, enrich_csv(folder), validate(folder))


def act(twin: Twin, run: Run) -> None:
    """Import what was approved, four batches side by side."""
    results = import_calls(twin, run.folder)
    assert {one.systemic for one in results} <= {""}
    run.concluded = conclude(run.folder, [outcome for result in results for outcome in result.outcomes])


@dataclass
class Two:
    """A site, imported; and planned and imported again."""

    world: World
    first: Run
    second: Run
    renamed: str


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    world = generate(50, seed=3, shape=REALISTIC)
    world.cloud.import_seconds = 0.02
    with Twin(world) as twin:
        folder = tmp_path_factory.mktemp("runs")
        first = plan(twin, folder / "first")
        # Between check and import somebody renames a VM: the server will not find it.
        renamed = first.checked.ready[-1].moref
        world.vms[renamed].name += RENAMED
        world.touch(world.vms[renamed])
        act(twin, first)
        world.vms[renamed].name = world.vms[renamed].name.removesuffix(RENAMED)
        world.touch(world.vms[renamed])
        second = plan(twin, folder / "second")
        act(twin, second)
        yield Two(world, first, second, renamed)


def test_every_stage_leaves_its_files(two: Two) -> None:
    assert sorted(path.name for path in two.first.folder.path.iterdir()) == sorted(
        [
            run_folder.INVENTORY,
            run_folder.NETWORKS_JSON,
            run_folder.NETWORKS_CSV,
            run_folder.SNAPSHOT,
            run_folder.SOURCE,
            run_folder.UNMANAGED,
            run_folder.PLAN,
            run_folder.FINDINGS,
            run_folder.FINDINGS_PAGE,
            run_folder.CALLS_JSON,
            run_folder.CALLS_CSV,
            run_folder.SEEN_ROWS,
            run_folder.JOURNAL,
            run_folder.RESULTS,
            run_folder.REPORT,
        ]
    )


def test_discovery_counts_what_is_there_and_writes_it(two: Two) -> None:
    run, world = two.first, two.world
    assert run.discovered.vms == len(world.vms)
    assert run.discovered.nics == sum(len(vm.nics) for vm in world.vms.values())
    rows = run.rows(run_folder.NETWORKS_CSV)
    assert tuple(rows[0]) == NETWORK_COLUMNS
    networks = json.loads(run.discovered.networks_json.read_bytes())["networks"]
    assert len(rows) == run.discovered.networks == len(networks) > 0
    for row, network in zip(rows, networks, strict=True):
        assert int(row["nics"]) == len(network["virtualmachines"])
    assert len(read_saved_inventory(run.folder).vms) == len(world.vms)


def test_the_listing_shows_every_vm_and_why_some_are_missing(two: Two) -> None:
    rows = two.first.rows(run_folder.UNMANAGED)
    assert len(rows) == len(two.world.vms)
    assert tuple(rows[0]) == UNMANAGED_COLUMNS
    shown = Counter(row["shown"] for row in rows)
    assert shown["yes"] == two.first.listed.shown
    assert all(row["reason"] for row in rows if row["shown"] != "yes")
    snapshot = read_snapshot(two.first.folder.file(run_folder.SNAPSHOT))
    assert snapshot.taken_at.endswith("+00:00")
    assert len(snapshot.inventory.vms) == len(two.world.vms)


def test_the_plan_has_a_row_for_every_vm(two: Two) -> None:
    run = two.first
    rows = run.sheet_rows(run_folder.PLAN)
    assert set(rows) == set(two.world.vms)
    assert Counter(row["import"] for row in rows.values()) == {"yes": run.planned.to_import, "no": run.planned.left_out}
    assert run.planned.rows == len(rows)
    assert all(row["reason"] for row in rows.values())


def test_findings_stand_in_the_sheet_and_in_a_file(two: Two) -> None:
    run = two.first
    findings = run.rows(run_folder.FINDINGS)
    assert len(findings) == len(run.checked.findings) > 0
    assert tuple(findings[0]) == FINDING_COLUMNS
    by_line: dict[int, list[str]] = {}
    for finding in findings:
        by_line.setdefault(int(finding["row"]), []).append(finding["rule"])
    for row in run.sheet_rows(run_folder.PLAN).values():
        assert row["finding"].split() == list(dict.fromkeys(by_line.get(row.line, [])))
        assert bool(row["fix"]) == bool(row["finding"])
    critical = {finding["row"] for finding in findings if finding["level"] == "critical"}
    assert run.checked.blocked == len(critical) > 0
    assert run.checked.levels == Counter(finding["level"] for finding in findings)


def test_what_was_checked_is_what_is_sent(two: Two) -> None:
    run = two.first
    assert tuple(read_calls(run.folder)) == run.checked.ready
    calls = run.rows(run_folder.CALLS_CSV)
    assert tuple(calls[0]) == CALL_COLUMNS
    assert [int(call["row"]) for call in calls] == [one.row for one in run.checked.ready]
    assert len(calls) == run.planned.to_import - run.checked.blocked
    for call, one in zip(calls, run.checked.ready, strict=True):
        assert (call["vm"], call["hostname"]) == (one.vm, one.request.hostname)
        assert call["nicnetworklist"].count("=") == len(one.request.nic_networks)
        assert call["datadiskofferinglist"].count("=") == len(one.request.data_disk_offerings)


def test_every_row_to_import_has_the_servers_answer(two: Two) -> None:
    run = two.first
    rows = run.sheet_rows(run_folder.PLAN)
    for row in rows.values():
        verdict = run.checked.verdicts.get(row.line)
        assert (row["import"] == "yes") == (verdict is not None)
        assert row["verdict"] == (verdict.answer if verdict else "")
        assert bool(row["server_says"]) == (row["verdict"] in ("refuse", "unknown"))
    # What was sent was foreseen to pass, and what was imported had been sent.
    ready = {one.row for one in run.checked.ready}
    assert {run.checked.verdicts[line].answer for line in ready} <= {"accept", "unknown"}
    calls = run.rows(run_folder.CALLS_CSV)
    assert [call["verdict"] for call in calls] == [run.checked.verdicts[int(call["row"])].answer for call in calls]


def test_what_is_imported_is_what_the_server_says_it_imported(two: Two) -> None:
    instances = two.world.cloud.instances
    imported = [one for one in two.first.outcomes if one.status == "imported"]
    assert len(imported) == len(two.first.checked.ready) - 1
    rows = {row.line: row for row in two.first.sheet_rows(run_folder.RESULTS).values()}
    for one in imported:
        instance = instances[one.vm_id]
        assert instance.moref == rows[one.row]["moref"]
        assert instance.name == rows[one.row]["hostname"]
        assert len(instance.nics) == int(rows[one.row]["nic_count"])
        assert one.duration_s > 0
    imports = [moref for moref, _ in two.world.cloud.journal.imports]
    assert len(imports) == len(set(imports))


def test_results_tell_of_every_row(two: Two) -> None:
    run = two.first
    assert len(run.outcomes) == len(two.world.vms)
    assert Counter(one.status for one in run.outcomes) == {
        "imported": len(run.checked.ready) - 1,
        "held": 1,
        "blocked": run.checked.blocked,
        "skipped": run.planned.left_out,
    }
    rows = run.sheet_rows(run_folder.RESULTS)
    held = rows[two.renamed]
    assert held["status"] == "held"
    assert held["error"] == "changed since the plan: CloudStack no longer lists it as unmanaged"
    for row in rows.values():
        if row["status"] == "blocked":
            assert row["error"] == row["fix"] != ""
        elif row["status"] == "skipped":
            assert row["error"] == row["reason"] != ""
        elif row["status"] == "imported":
            assert row["job_id"] in two.world.cloud.jobs


def test_the_journal_has_three_steps_for_every_row_sent(two: Two) -> None:
    lines = read_journal(two.first.folder.file(run_folder.JOURNAL))
    by_row: dict[int, list[str]] = {}
    for line in lines:
        by_row.setdefault(line["row"], []).append(line["step"])
    assert set(by_row) == {one.row for one in two.first.checked.ready}
    assert by_row.pop(next(one.row for one in two.first.outcomes if one.status == "held")) == ["outcome"]
    assert set(map(tuple, by_row.values())) == {("intent", "submitted", "outcome")}


def test_the_report_is_there(two: Two) -> None:
    page = two.first.folder.file(run_folder.REPORT).read_text(encoding="utf-8")
    assert "Import run first" in page
    assert "no longer lists it as unmanaged" in page


def test_the_second_time_only_what_failed_is_left_to_do(two: Two) -> None:
    run = two.second
    assert [one.moref for one in run.checked.ready] == [two.renamed]
    rows = run.sheet_rows(run_folder.PLAN)
    for one in two.first.outcomes:
        row = rows[next(m for m, r in two.first.sheet_rows(run_folder.RESULTS).items() if r.line == one.row)]
        if one.status == "imported":
            assert (row["import"], row["reason"]) == ("no", "already managed by CloudStack")
    assert run.checked.blocked == two.first.checked.blocked
    assert Counter(one.status for one in run.outcomes)["imported"] == 1


def test_the_results_sheet_as_a_plan_sends_nothing_twice(two: Two, tmp_path: Path) -> None:
    """Somebody hands in results.csv of the first run, against today's snapshot."""
    folder = RunFolder(tmp_path)
    folder.write(run_folder.SNAPSHOT, two.second.folder.file(run_folder.SNAPSHOT).read_bytes())
    checked = validate(folder, two.first.folder.file(run_folder.RESULTS))
    assert [one.moref for one in checked.ready] == [two.renamed]
    imported = [one for one in two.first.outcomes if one.status == "imported"]
    refused = {one.row for one in checked.findings if one.rule == "VM-002"}
    assert refused >= {one.row for one in imported}


def test_checking_again_changes_nothing(two: Two, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for name in (run_folder.SNAPSHOT, run_folder.PLAN):
        folder.write(name, two.first.folder.file(name).read_bytes())
    before = {name: two.first.folder.file(name).read_bytes() for name in (run_folder.PLAN, run_folder.FINDINGS)}
    validate(folder)
    assert {name: folder.file(name).read_bytes() for name in before} == before


def test_an_edited_plan_is_copied_never_changed(two: Two, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write(run_folder.SNAPSHOT, two.first.folder.file(run_folder.SNAPSHOT).read_bytes())
    edited = tmp_path / "mine.csv"
    sheet = read_sheet(two.first.folder.file(run_folder.PLAN))
    first = next(row for row in sheet.rows if row["import"] == "yes")
    first["hostname"] = "1-bad"
    edited.write_bytes(sheet_bytes(sheet))
    before = edited.read_bytes()
    checked = validate(folder, edited)
    assert edited.read_bytes() == before
    assert any(one.rule == "HOST-002" and one.row == first.line for one in checked.findings)
    assert checked.plan_csv == folder.file(run_folder.PLAN)
    assert first.line not in {one.row for one in checked.ready}
    first["import"] = "perhaps"
    edited.write_bytes(sheet_bytes(sheet))
    with pytest.raises(SheetError, match=r"mine\.csv: line \d+, import: 'perhaps' is neither yes nor no"):
        validate(folder, edited)


def test_a_run_that_died_is_concluded_from_its_journal(two: Two, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    source = two.first.folder
    for name in (run_folder.PLAN, run_folder.FINDINGS, run_folder.CALLS_JSON):
        folder.write(name, source.file(name).read_bytes())
    lines = source.file(run_folder.JOURNAL).read_bytes().splitlines(keepends=True)
    known = [json.loads(line) for line in lines[:7]]
    folder.write(run_folder.JOURNAL, b"".join(lines[:7]) + lines[7][:20])
    outcomes = {one.row: one for one in conclude_from_journal(folder).outcomes}
    over = {line["row"] for line in known if line["step"] == "outcome"}
    begun = {line["row"] for line in known}
    for one in two.first.checked.ready:
        if one.row in over:
            assert outcomes[one.row].status in ("imported", "failed")
        else:
            assert outcomes[one.row].status == ("unknown" if one.row in begun else "not-started")
    assert len(outcomes) == len(two.world.vms)


def test_one_cluster_at_a_time(tmp_path: Path) -> None:
    world = generate(12, seed=2)
    with Twin(world) as twin:
        folder = RunFolder(tmp_path)
        cluster = next(iter(world.cloud.clusters.values()))
        discover_networks(vcenter_of(twin), folder, Scope(datacenter=cluster.name.split("/")[1]))
        steps: list[str] = []
        listed = list_unmanaged(cloudstack_of(twin), folder, [cluster.name], progress=steps.append)
        assert listed.clusters == 1
        assert any(cluster.name in step for step in steps)
        with pytest.raises(UsageError, match="CloudStack has no VMware cluster 'nowhere'"):
            list_unmanaged(cloudstack_of(twin), folder, ["nowhere"])


def test_a_site_without_vms(tmp_path: Path) -> None:
    with Twin(generate(0, seed=1)) as twin:
        run = plan(twin, tmp_path / "run")
        act(twin, run)
    assert (run.discovered.vms, run.listed.shown, run.planned.rows) == (0, 0, 0)
    assert run.checked.findings == ()
    assert run.checked.ready == ()
    assert run.outcomes == ()
    headers = {
        run_folder.NETWORKS_CSV: list(NETWORK_COLUMNS),
        run_folder.UNMANAGED: list(UNMANAGED_COLUMNS),
        run_folder.FINDINGS: list(FINDING_COLUMNS),
        run_folder.CALLS_CSV: list(CALL_COLUMNS),
        run_folder.PLAN: header(0, 0),
    }
    for name, columns in headers.items():
        with run.folder.file(name).open(encoding="utf-8-sig", newline="") as content:
            assert list(csv.reader(content)) == [columns], name
    assert read_calls(run.folder) == []
    assert "Every row" in run.folder.file(run_folder.REPORT).read_text(encoding="utf-8")


@pytest.mark.parametrize("written", ["compact", "indented by 4", "as it was"])
def test_calls_are_read_however_they_are_written(two: Two, tmp_path: Path, written: str) -> None:
    text = two.first.folder.file(run_folder.CALLS_JSON).read_text(encoding="utf-8")
    other = {
        "compact": json.dumps(json.loads(text)),
        "indented by 4": json.dumps(json.loads(text), indent=4),
        "as it was": text,
    }
    (tmp_path / run_folder.CALLS_JSON).write_text(other[written], encoding="utf-8")
    assert tuple(read_calls(RunFolder(tmp_path))) == two.first.checked.ready


@pytest.mark.parametrize("damage", ["torn", "an item torn", "wrong", "empty"])
def test_damaged_calls_are_no_calls(two: Two, tmp_path: Path, damage: str) -> None:
    text = two.first.folder.file(run_folder.CALLS_JSON).read_text(encoding="utf-8")
    other = {
        "torn": text.rpartition("]")[0],
        "an item torn": text[: len(text) // 2],
        "wrong": text.replace('"row": ', '"line": ', 1),
        "empty": "",
    }
    (tmp_path / run_folder.CALLS_JSON).write_text(other[damage], encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"is not as the stage validate writes it: .*\n  -> run the stage validate again"
    ):
        read_calls(RunFolder(tmp_path))


OUT_OF_ORDER: list[tuple[Callable[[RunFolder], object], str, str]] = [
    (read_saved_inventory, "inventory.json", "discover_networks"),
    (enrich_csv, "snapshot.json", "list_unmanaged"),
    (validate, "plan.csv", "enrich_csv"),
    (read_calls, "calls.json", "validate"),
    (lambda folder: conclude(folder, []), "plan.csv", "validate"),
]


@pytest.mark.parametrize(("stage", "missing", "made_by"), OUT_OF_ORDER)
def test_a_stage_out_of_order_names_the_one_to_run(
    tmp_path: Path, stage: Callable[[RunFolder], object], missing: str, made_by: str
) -> None:
    with pytest.raises(UsageError, match=rf"there is no {missing} yet\n  -> run the stage {made_by} first"):
        stage(RunFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []
