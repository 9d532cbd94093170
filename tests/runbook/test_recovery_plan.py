"""The stored plan at the recovery site: what people wanted arrives there, under the identities VMs have there."""

from __future__ import annotations

import dataclasses
from typing import Any

from ingest.model.inventory import VirtualMachine
from ingest.plan.enrich import enrich
from ingest.plan.merging import GONE
from ingest.plan.resolve import import_request, resolve, rows_to_import
from ingest.plan.rules import Rules
from ingest.plan.sheet import Row, Sheet, parse_sheet, render_sheet
from ingest.runbook.model import Networks
from ingest.runbook.recovery_plan import NOT_PLANNED, RecoveryPlan, recovery_plan
from tests.plan import small_site as site
from tests.runbook.books import plan, said
from tests.runbook.test_matching import there
from tests.runbook.test_remapping import networks


def recovered(stored: Sheet, *now: VirtualMachine, by: Networks | None = None) -> RecoveryPlan:
    snapshot = site.snapshot(*now)
    done = recovery_plan(stored, enrich(snapshot, Rules()), by or Networks(), snapshot.catalogue)
    return dataclasses.replace(done, sheet=parse_sheet(render_sheet(done.sheet)))


def row(sheet: Sheet, vm: str) -> Row:
    return next(row for row in sheet.rows if row["vm"] == vm)


def edited(sheet: Sheet, vm: str, **cells: str) -> Sheet:
    for column, value in cells.items():
        row(sheet, vm)[column] = value
    return sheet


def test_what_the_stored_plan_wants_is_sent_for_the_vm_as_it_is_known_there() -> None:
    stored = edited(plan(site.web01(), site.app02()), "app02", hostname="app-two", display_name="App", wave="7")
    now = [there(site.web01()), there(site.app02())]
    done = recovered(stored, *now)
    assert done.findings == ()
    app = row(done.sheet, "app02")
    assert (app["hostname"], app["display_name"], app["wave"]) == ("app-two", "App", "7")
    assert (app["moref"], app["root_disk"]) == ("vm-702", "702-2000")
    (resolved,) = (one for one in resolve(rows_to_import(done.sheet), site.snapshot(*now)) if one.row["vm"] == "app02")
    call = import_request(resolved)
    before = resolve(rows_to_import(stored), site.snapshot(site.web01(), site.app02()))
    wanted = import_request(next(one for one in before if one.row["vm"] == "app02"))
    assert call == dataclasses.replace(
        wanted,
        data_disk_offerings=tuple((f"702-{id_.partition('-')[2]}", name) for id_, name in wanted.data_disk_offerings),
    )


def test_networks_and_addresses_move_and_the_reason_names_the_line_of_the_runbook() -> None:
    stored = edited(plan(site.app02()), "app02", nic2_network="shared-200", nic2_ip="10.1.200.20")
    by = networks("{table: [{vlan: 100, new: shop-isolated}], subnets: [{old: 10.1.0.0/16, new: 10.0.0.0/16}]}")
    app = row(recovered(stored, there(site.app02()), by=by).sheet, "app02")
    assert (app["nic1_network"], app["nic2_network"]) == ("shop-isolated", "shared-200")
    assert app["nic2_ip"] == "10.0.200.20"
    assert "nic1_network=shop-isolated: was shop-100, by the runbook (networks.table[0])" in app["reason"]
    assert "by the runbook (10.1.0.0/16 -> 10.0.0.0/16)" in app["reason"]
    assert app["nic1_mac"] == site.app02().nics[0].mac


def test_a_line_of_the_table_wins_over_what_would_be_proposed_even_when_it_changes_nothing() -> None:
    now = there(site.web01(), nics=(site.nic(1, "01", 300),))
    stored = plan(site.web01())
    assert row(recovered(stored, now, by=networks("{table: [{vlan: 100, new: shop-100}]}")).sheet, "web01")[
        "nic1_network"
    ] == ("shop-100")


def test_what_the_site_does_not_know_is_proposed_anew_and_told() -> None:
    stored = edited(
        plan(site.web01()), "web01", service_offering="Gone", account="nobody", domain="ROOT/dev", nic1_network="lost"
    )
    done = recovered(stored, there(site.web01()))
    fresh = row(enrich(site.snapshot(there(site.web01())), Rules()), "web01")
    web = row(done.sheet, "web01")
    for column in ("service_offering", "account", "domain", "nic1_network"):
        assert web[column] == fresh[column] != ""
    told = " ".join(said(done.findings))
    assert "CARRY-001 web01: compute offering 'Gone' does not exist" in told
    assert "CARRY-001 web01: account 'nobody' does not exist in domain ROOT/dev" in told
    assert "NET-001 web01" in told


def test_vms_that_are_missing_and_vms_nobody_planned_are_not_imported() -> None:
    done = recovered(plan(site.web01(), site.db_03()), there(site.web01()), there(site.app02()))
    assert [one["vm"] for one in rows_to_import(done.sheet)] == ["web01"]
    assert (row(done.sheet, "db_03")["reason"], row(done.sheet, "app02")["reason"]) == (GONE, NOT_PLANNED)
    assert said(done.findings) == [
        "MATCH-001 db_03: no VM has its instance UUID, its name or its disks",
        "MATCH-005 app02: no row of the stored plan is this VM",
    ]


def test_a_row_that_was_left_out_stays_out() -> None:
    stored = edited(plan(site.web01(), site.app02()), "web01", **{"import": "no"})
    assert [
        one["vm"] for one in rows_to_import(recovered(stored, *map(there, (site.web01(), site.app02()))).sheet)
    ] == ["app02"]


def test_a_guess_confirmed_in_the_stored_plan_is_none_and_a_new_one_is_not_confirmed_by_it() -> None:
    plain: dict[str, Any] = {"nics": (site.nic(1, "01"), site.nic(2, "11", None, network_name="shop-isolated"))}

    def at_the_site(**cells: str) -> Row:
        stored = edited(plan(site.web01(**plain)), "web01", **cells)
        assert row(stored, "web01")["guesses"] == "nic2_network"
        return row(recovered(stored, there(site.web01(**plain))).sheet, "web01")

    still = at_the_site()
    assert (still["guesses"], still["nic2_network"]) == ("nic2_network", "shop-isolated")
    sure = at_the_site(confirm="yes")
    assert (sure["guesses"], sure["confirm"], sure["nic2_network"]) == ("", "", "shop-isolated")
    new = at_the_site(confirm="yes", nic2_network="lost")
    assert (new["guesses"], new["confirm"], new["nic2_network"]) == ("nic2_network", "", "shop-isolated")


def test_carrying_over_twice_changes_nothing_more() -> None:
    stored = edited(plan(site.web01(), site.app02()), "web01", hostname="w-1")
    now = [there(site.web01()), there(site.app02())]
    once = recovered(stored, *now)
    twice = recovered(once.sheet, *now)

    def wanted(sheet: Sheet) -> list[dict[str, str]]:
        skipped = ("reason", "changed", "proposed")
        return [{name: value for name, value in one.cells.items() if name not in skipped} for one in sheet.rows]

    assert wanted(twice.sheet) == wanted(once.sheet)
    assert twice.findings == ()
