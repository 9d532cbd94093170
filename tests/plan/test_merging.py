"""Planning again: edits win, facts are refreshed, drift is shown, nothing of the operator's is lost."""

from __future__ import annotations

import dataclasses

from ingest.model.inventory import VirtualMachine
from ingest.model.snapshot import Snapshot
from ingest.plan.differences import Difference, differences
from ingest.plan.enrich import enrich
from ingest.plan.merging import GONE, merged
from ingest.plan.rules import Rules
from ingest.plan.rules_file import parse_rules
from ingest.plan.sheet import Row, Sheet, parse_sheet, render_sheet
from tests.plan import small_site as site


def plan(*vms: VirtualMachine, rules: Rules | None = None) -> Sheet:
    return enrich(site.snapshot(*vms), rules or Rules())


def row(sheet: Sheet, vm: str) -> Row:
    return next(row for row in sheet.rows if row["vm"] == vm)


def again(sheet: Sheet) -> Sheet:
    """What reading back the written file gives."""
    return parse_sheet(render_sheet(sheet))


def test_planning_again_over_an_unchanged_site_changes_nothing() -> None:
    snapshot: Snapshot = site.snapshot()
    sheet = again(enrich(snapshot, Rules()))
    assert render_sheet(merged(sheet, enrich(snapshot, Rules()))) == render_sheet(sheet)


def test_edits_win_and_what_was_only_proposed_is_made_new() -> None:
    old = again(plan(site.web01(), site.db_03()))
    row(old, "web01")["hostname"] = "shop-web"
    row(old, "web01")["account"] = ""
    new = plan(site.web01(), site.db_03(), rules=parse_rules("rules: [{set: {host_name: 'x-{name}', wave: 4}}]"))
    both = merged(old, new)
    assert (row(both, "web01")["hostname"], row(both, "web01")["account"]) == ("shop-web", "")
    assert "hostname=shop-web: yours, not x-web01" in row(both, "web01")["reason"]
    assert row(both, "web01")["wave"] == "4"
    assert row(both, "db_03")["hostname"] == "x-db-03"
    # And once more: an edit stays an edit.
    assert row(merged(again(both), new), "web01")["hostname"] == "shop-web"


def test_seen_columns_are_refreshed_and_drift_is_shown() -> None:
    old = again(plan(site.web01()))
    both = merged(old, plan(dataclasses.replace(site.web01(), cpus=8, power_state="poweredOff")))
    assert row(both, "web01")["cpus"] == "8"
    assert row(both, "web01")["changed"] == "power_state poweredOn -> poweredOff; cpus 2 -> 8"


def test_layout_order_comments_and_own_columns_stay() -> None:
    text = render_sheet(plan(site.web01(), site.db_03())).replace("\r\n", "\n")
    old = parse_sheet(text)
    old.columns.insert(1, "ticket")
    for one in old.rows:
        one["ticket"] = f"T-{one['vm']}"
    old.rows.reverse()
    old.comments.append((1, "# ask finance"))
    old.delimiter = ";"
    both = merged(old, plan(site.db_03(), site.web01()))
    assert both.columns[:2] == ["vm", "ticket"]
    assert [(one["vm"], one["ticket"]) for one in both.rows] == [(one["vm"], one["ticket"]) for one in old.rows]
    assert (both.delimiter, both.newline) == (";", "\n")
    assert render_sheet(both).splitlines()[2] == "# ask finance"


def test_new_vms_come_last_and_gone_ones_keep_their_row() -> None:
    old = again(plan(site.web01(), site.db_03()))
    row(old, "web01")["display_name"] = "mine"
    both = merged(old, plan(site.db_03(), site.app02()))
    assert [one["vm"] for one in both.rows] == [*(one["vm"] for one in old.rows), "app02"]
    gone = row(both, "web01")
    assert (gone["import"], gone["changed"], gone["display_name"]) == ("no", GONE, "mine")


def test_a_vm_registered_again_is_found_by_its_instance_uuid() -> None:
    old = again(plan(site.web01()))
    row(old, "web01")["hostname"] = "mine"
    both = merged(old, plan(dataclasses.replace(site.web01(), moref="vm-777")))
    assert [(one["moref"], one["hostname"]) for one in both.rows] == [("vm-777", "mine")]
    assert "moref vm-1 -> vm-777" in both.rows[0]["changed"]


def test_edits_follow_their_device_when_numbers_move() -> None:
    two = dataclasses.replace(site.web01(), nics=(site.nic(1, "01"), site.nic(2, "02")))
    old = again(plan(two))
    row(old, "web01")["nic2_network"] = "mine"
    both = merged(old, plan(dataclasses.replace(two, nics=(site.nic(2, "02"),))))
    assert row(both, "web01")["nic1_network"] == "mine"
    assert row(both, "web01")["nic2_network"] == ""


def test_outcomes_of_earlier_runs_stay_and_findings_go() -> None:
    old = again(plan(site.web01()))
    row(old, "web01").cells.update(status="failed", error="the server's words", finding="NIC-001", fix="x")
    both = row(merged(old, plan(site.web01())), "web01")
    assert (both["status"], both["error"], both["finding"], both["fix"]) == ("failed", "the server's words", "", "")


def test_differences_between_plans() -> None:
    old = again(plan(site.web01(), site.db_03()))
    grown = dataclasses.replace(site.web01(), memory_mib=8192)
    new = again(merged(old, plan(grown, site.app02())))
    row(new, "web01")["wave"] = "7"
    new.rows = [one for one in new.rows if one["vm"] != "db_03"]
    new.add_columns(["ticket"])
    row(new, "web01")["ticket"] = "T1"
    assert differences(old, new) == [
        Difference("app02", "vm-2", "added"),
        Difference("db_03", "vm-3", "gone"),
        Difference("web01", "vm-1", "edited", "wave", "1", "7"),
        Difference("web01", "vm-1", "world", "memory_mib", "4096", "8192"),
        Difference("web01", "vm-1", "own column", "ticket", "", "T1"),
    ]
    assert differences(new, new) == []
