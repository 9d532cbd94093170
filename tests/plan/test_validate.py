"""The checks as a whole: findings at the right place, the same every time, and never a silent pass."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import SheetError
from ingest.model.outcome import Finding
from ingest.plan.checks import CHECKS, Check
from ingest.plan.columns import numbered
from ingest.plan.enrich import enrich
from ingest.plan.frames import DRIFT_COLUMNS, frames
from ingest.plan.resolve import resolve
from ingest.plan.rules import Rules
from ingest.plan.sheet import Sheet, parse_sheet, read_sheet, render_sheet, sheet_bytes
from ingest.plan.validate import LEVELS, apply_findings, judge, validate
from tests.plan import small_site as site
from tests.plan.cases import changed_site, edit


def plan() -> Sheet:
    return enrich(site.snapshot(), Rules())


def faulty() -> Sheet:
    """web01 (line 4) with a bad host name, and app02 (line 2) with an offering that is not there and an odd network."""
    sheet = plan()
    edit(sheet, {"web01/hostname": "web_01", "app02/service_offering": "nowhere", "app02/nic2_network": "nowhere"})
    return sheet


def places(findings: list[Finding]) -> list[tuple[int, str, str]]:
    return [(one.row, one.column, one.rule) for one in findings]


def test_a_fresh_plan_has_no_findings() -> None:
    assert validate(plan(), site.snapshot()) == []


def test_findings_name_line_column_value_and_cure() -> None:
    findings = validate(faulty(), site.snapshot())
    assert places(findings) == [
        (2, "nic2_network", "NIC-001"),
        (2, "service_offering", "OFFER-001"),
        (4, "hostname", "HOST-002"),
    ]
    assert findings[1] == Finding(
        row=2,
        vm="app02",
        column="service_offering",
        rule="OFFER-001",
        level="critical",
        value="nowhere",
        message="compute offering 'nowhere' does not exist",
        fix="name one of the offerings",
    )


def test_checking_twice_finds_the_same() -> None:
    sheet = faulty()
    first = validate(sheet, site.snapshot())
    apply_findings(sheet, first)
    before = [dict(row.cells) for row in sheet.rows]
    assert validate(sheet, site.snapshot()) == first
    apply_findings(sheet, first)
    assert [row.cells for row in sheet.rows] == before


def test_lines_are_the_files_own_with_comments_and_blank_lines(tmp_path: Path) -> None:
    header, app02, db_03, web01, *_ = render_sheet(faulty()).splitlines()
    blank = "," * header.count(",")
    lines = ["# a plan", header, "", app02, "# done: the database", blank, db_03, web01]
    path = tmp_path / "plan.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sheet = read_sheet(path)
    findings = validate(sheet, site.snapshot())
    assert [(one.row, one.vm) for one in findings] == [(4, "app02"), (4, "app02"), (8, "web01")]
    # Written again, with the findings in it, every row still stands in its line.
    apply_findings(sheet, findings)
    path.write_bytes(sheet_bytes(sheet))
    again = read_sheet(path)
    assert [(row["vm"], row.line) for row in again.rows] == [("app02", 4), ("db_03", 7), ("web01", 8)]
    assert validate(again, site.snapshot()) == findings


def test_findings_in_the_sheet_the_most_severe_first_and_gone_when_mended() -> None:
    sheet = plan()
    edit(sheet, {"web01/hostname": "-", "web01/note": "mine"})
    now = changed_site({"vms/web01/has_snapshot": True})
    apply_findings(sheet, validate(sheet, now))
    row = next(row for row in sheet.rows if row["vm"] == "web01")
    assert row["finding"] == "HOST-002 VM-008"
    assert row["fix"] == (
        "hostname: '-' is not a valid host name -> letters, digits, hyphens; at most 63; a letter first"
    )
    assert all(other["finding"] == "" for other in sheet.rows if other is not row)
    row["hostname"] = "web01"
    apply_findings(sheet, validate(sheet, site.snapshot()))
    assert (row["finding"], row["fix"], row["note"]) == ("", "", "mine")


def test_findings_columns_are_added_to_a_sheet_without_them() -> None:
    sheet = parse_sheet("vm,import\nx,no\n", required=("vm",))
    apply_findings(sheet, [])
    assert sheet.columns == ["vm", "import", "finding", "fix"]


def test_findings_are_sorted_by_row_and_severity() -> None:
    sheet = plan()
    edit(sheet, {"app02/hostname": "-a", "web01/hostname": "-b", "web01/accept": "CTRL-002"})
    now = changed_site(
        {"vms/web01/disks/1/controller": "nvme", "vms/web01/has_snapshot": True, "vms/app02/has_snapshot": True}
    )
    findings = validate(sheet, now)
    assert [(one.row, one.level, one.rule) for one in findings] == [
        (2, "critical", "HOST-002"),
        (2, "warning", "VM-008"),
        (4, "critical", "HOST-002"),
        (4, "warning", "VM-008"),
        (4, "info", "CTRL-002"),
    ]


def test_rows_that_are_not_to_be_imported_are_not_checked() -> None:
    sheet = faulty()
    for row in sheet.rows:
        row["import"] = "no"
    assert validate(sheet, site.snapshot()) == []
    assert validate(Sheet(sheet.columns, []), site.snapshot()) == []


def test_a_template_that_is_asked_for_all_the_same_is_refused() -> None:
    sheet = plan()
    edit(sheet, {"golden/import": "yes", "legacy01/import": "yes"})
    found = {(one.vm, one.rule): one.message for one in validate(sheet, site.snapshot())}
    assert found["golden", "VM-002"] == "vSphere template"
    assert found["legacy01", "VM-002"] == "already managed by CloudStack"


def test_a_cell_that_cannot_be_read_names_the_file() -> None:
    sheet = plan()
    edit(sheet, {"web01/import": "perhaps"})
    with pytest.raises(SheetError, match=r"my\.csv: line 4, import: 'perhaps' is neither yes nor no"):
        validate(sheet, site.snapshot(), place="my.csv")


DRIFTS: dict[str, tuple[str, Any]] = {
    "vm": ("name", "web01-renamed"),
    "cpus": ("cpus", 4),
    "memory_mib": ("memory_mib", 2048),
    "power_state": ("power_state", "poweredOff"),
    "cluster_id": ("cluster_moref", "domain-c9"),
    "nic_count": ("nics", ()),
    "disk_count": ("disks", ()),
    "nic#_mac": ("nics", (site.nic(1, "99"),)),
    "nic#_vlan": ("nics", (site.nic(1, "01", 101, network_name="PG-100"),)),
    "nic#_portgroup": ("nics", (site.nic(1, "01", network_name="PG-other"),)),
    "disk#_id": ("disks", (site.disk(1, 20, 1, disk_id="1-2005"),)),
    "disk#_size_gib": ("disks", (site.disk(1, 20.5, 1),)),
}


@pytest.mark.parametrize("column", sorted(DRIFT_COLUMNS))
def test_a_fact_that_changed_since_is_drift(column: str) -> None:
    field, value = DRIFTS[column]
    sheet = enrich(site.snapshot(site.web01()), Rules())
    now = site.snapshot(dataclasses.replace(site.web01(), **{field: value}))
    rows = resolve(sheet.rows, now)
    (drift,) = judge(frames(rows, now), rows, [one for one in CHECKS if one.id == "VM-004"])
    assert f"{numbered(column, 1)} was '{sheet.rows[0][numbered(column, 1)]}', is '" in drift.message


@pytest.mark.parametrize("removed", ["nic1_mac", "power_state", "disk1_size_gib"])
def test_a_fact_the_operator_took_out_of_the_sheet_cannot_drift(removed: str) -> None:
    sheet = plan()
    sheet.columns.remove(removed)
    for row in sheet.rows:
        del row.cells[removed]
    assert validate(sheet, site.snapshot()) == []


def check(frame: Any = "vm", helper: str = "gone", **changes: Any) -> Check:
    facts = {"id": "X-001", "show": "vm", "level": "critical", "message": "{value}", "fix": "", "mirrors": "safety"}
    return Check(frame=frame, helper=helper, **(facts | changes))


def test_a_rule_that_cannot_be_evaluated_is_an_error_and_no_pass() -> None:
    snapshot = site.snapshot()
    rows = resolve(plan().rows[:3], snapshot)
    tables = frames(rows, snapshot)
    with pytest.raises(RuntimeError, match="rule X-001 could not be evaluated"):
        judge(tables, rows, [check(helper="no_such_column")])
    with pytest.raises(RuntimeError, match="rule X-002 could not be evaluated"):
        judge(tables, rows, [*CHECKS, check(id="X-002", expect=lambda gx, column: between_words(gx))])
    assert judge(tables, rows, [check()]) == []


def between_words(gx: Any) -> Any:
    """An expectation that crashes: words are not between numbers."""
    return gx.ExpectColumnValuesToBeBetween(column="hostname", max_value=1)


def test_every_level_is_known() -> None:
    assert {one.level for one in CHECKS} <= set(LEVELS)


def test_a_run_may_confirm_every_guess_at_once() -> None:
    rival = site.NETWORKS[0].model_copy(update={"id": "net-b", "name": "shop-b"})
    snapshot = site.snapshot(networks=(*site.NETWORKS, rival))
    sheet = enrich(snapshot, Rules())
    assert {one.rule for one in validate(sheet, snapshot)} >= {"VM-010"}
    assert "VM-010" not in {one.rule for one in validate(sheet, snapshot, confirm_guesses=True)}
