"""The plan as a whole: which rows, which columns, in which order, whatever the order of what was read."""

from __future__ import annotations

import dataclasses
import random
import re
from pathlib import Path
from typing import Any

import pytest

from ingest.model.catalogue import Catalogue
from ingest.model.inventory import Cluster, VirtualMachine
from ingest.model.snapshot import Snapshot
from ingest.plan.columns import PLAN_COLUMNS, header
from ingest.plan.enrich import enrich
from ingest.plan.rules import Rules
from ingest.plan.rules_file import parse_rules
from ingest.plan.sheet import Row, Sheet, read_sheet, sheet_bytes
from tests.plan import small_site as site


def plan(*vms: VirtualMachine, rules: str = "", shown: list[VirtualMachine] | None = None) -> Sheet:
    return enrich(site.snapshot(*vms, shown=shown), parse_rules(rules))


def row_of(sheet: Sheet, moref: str) -> Row:
    return next(row for row in sheet.rows if row["moref"] == moref)


def another(vm: VirtualMachine, number: int, **changes: Any) -> VirtualMachine:
    """A VM like another one, with an identity and MACs of its own."""
    cards = tuple(dataclasses.replace(card, mac=f"00:50:56:01:{number:02x}:{card.key % 256:02x}") for card in vm.nics)
    own = {"moref": f"vm-{number}", "instance_uuid": f"uuid-{number}", "nics": cards}
    return dataclasses.replace(vm, **(own | changes))


def test_every_vm_has_one_row_and_every_row_every_column() -> None:
    sheet = plan()
    assert sorted(row["vm"] for row in sheet.rows) == ["app02", "db_03", "golden", "legacy01", "web01"]
    assert sheet.columns == header(nics=2, disks=3)
    assert all(list(row.cells) == sheet.columns for row in sheet.rows)


def test_rows_left_out_come_last_and_say_why() -> None:
    sheet = plan(rules="rules: [{name: no databases, match: {name: 'db*'}, set: {skip: handled by the DBAs}}]")
    assert [(row["vm"], row["import"]) for row in sheet.rows] == [
        ("app02", "yes"),
        ("web01", "yes"),
        ("db_03", "no"),
        ("golden", "no"),
        ("legacy01", "no"),
    ]
    reasons = {row["vm"]: row["reason"] for row in sheet.rows if row["import"] == "no"}
    assert reasons == {
        "db_03": "handled by the DBAs (by no databases)",
        "golden": "vSphere template",
        "legacy01": "already managed by CloudStack",
    }
    assert row_of(sheet, "vm-3")["hostname"] == ""
    assert row_of(sheet, "vm-3")["cpus"] == "3"


def test_rows_are_sorted_by_wave_cluster_and_name() -> None:
    rules = """
rules:
  - set: {wave: 10}
  - match: {name: web*}
    set: {wave: 9}
"""
    sheet = plan(another(site.web01(), 9, name="aaa"), site.web01(), site.db_03(), rules=rules)
    assert [(row["wave"], row["vm"]) for row in sheet.rows] == [("9", "web01"), ("10", "aaa"), ("10", "db_03")]


def test_both_vms_of_one_name_are_left_out() -> None:
    sheet = plan(site.web01(), another(site.web01(), 9))
    assert {row["import"] for row in sheet.rows} == {"no"}
    assert {row["reason"] for row in sheet.rows} == {
        "another VM of this cluster has the same name; CloudStack could import either: rename one"
    }


def test_the_seen_facts() -> None:
    row = row_of(plan(), "vm-2")
    expected = {
        "vm": "app02",
        "instance_uuid": "50000000-0000-4000-8000-000000000002",
        "cluster_id": "cluster-1",
        "power_state": "poweredOff",
        "memory_mib": "8192",
        "snapshot": "no",
        "nic_count": "2",
        "nic2_label": "Network adapter 2",
        "nic2_mac": "00:50:56:00:00:12",
        "nic2_vlan": "200",
        "nic2_portgroup": "PG-200",
        "nic2_guest_ip": "10.0.200.20",
        "disk3_id": "2-2002",
        "disk3_size_gib": "10",
        "disk3_datastore": "ds1",
    }
    assert {name: row[name] for name in expected} == expected


def test_choices_are_made_and_explained() -> None:
    row = row_of(plan(), "vm-2")
    wanted = {
        "import": "yes",
        "wave": "1",
        "hostname": "app02",
        "account": "shop",
        "domain": "ROOT/dev",
        "project": "",
        "service_offering": "custom",
        "root_disk": "2-2000",
        "disk1_offering": "",
        "disk2_offering": "any-size",
        "nic1_network": "shop-100",
        "nic1_ip": "",
        "nic2_network": "shared-200",
        "nic2_ip": "10.0.200.20",
        "confidence": "likely",
        "status": "",
    }
    assert {name: row[name] for name in wanted} == wanted
    assert "nic2_network=shared-200: the only usable network with vlan://200 (certain)" in row["reason"]
    assert "account=shop: owner of the networks on its VLANs (likely)" in row["reason"]


def test_rules_decide_and_are_cited() -> None:
    rules = """
rules:
  - name: shop default
    set: {account: shop, domain: ROOT/dev, cpu_speed_mhz: 2400, template: ubuntu, service_offering: small}
"""
    row = row_of(plan(site.web01(), rules=rules), "vm-1")
    assert (row["template"], row["cpu_speed_mhz"], row["service_offering"]) == ("ubuntu", "2400", "small")
    assert row["confidence"] == "certain"
    assert row["reason"].count("by shop default (certain)") == 5


def test_a_project_by_rule_makes_its_networks_usable() -> None:
    rules = "rules: [{set: {project: apollo, networks: [{network: apollo-300}]}}]"
    row = row_of(plan(site.web01(), rules=rules), "vm-1")
    assert (row["project"], row["account"], row["nic1_network"]) == ("apollo", "", "apollo-300")


def hostnames(*vms: VirtualMachine) -> dict[str, str]:
    return {row["moref"]: row["hostname"] for row in plan(*vms).rows}


def test_a_repaired_name_gives_way_to_the_vm_whose_name_it_is() -> None:
    mine, repaired = another(site.web01(), 8, name="db-1"), another(site.web01(), 9, name="db 1")
    assert hostnames(mine, repaired) == hostnames(repaired, mine) == {"vm-8": "db-1", "vm-9": "db-1-2"}


def test_names_that_are_repaired_into_the_same_are_numbered() -> None:
    vms = [another(site.web01(), number, name=name) for number, name in enumerate(("a_b", "a.b", "a b"), start=7)]
    assert sorted(hostnames(*vms).values()) == ["a-b", "a-b-2", "a-b-3"]


def test_of_two_clusters_vms_of_one_name_the_first_keeps_it() -> None:
    elsewhere = another(site.web01(), 9, cluster="C2", cluster_moref="domain-c2")
    snapshot = two_clusters(site.web01(), elsewhere)
    names = {row["moref"]: row["hostname"] for row in enrich(snapshot, Rules()).rows}
    assert names == {"vm-1": "web01", "vm-9": "web01-2"}


def two_clusters(here: VirtualMachine, there: VirtualMachine) -> Snapshot:
    second = Cluster("domain-c2", "C2", "DC1", "datacenter-1", "/DC1/host/C2", standalone=False)
    first = site.catalogue().clusters[0]
    clusters = (first, first.model_copy(update={"id": "cluster-2", "name": "vcenter.example.org/DC1/C2"}))
    records = (site.as_listed(here), site.as_listed(there).model_copy(update={"clusterid": "cluster-2"}))
    return Snapshot(
        taken_at="2026-01-01T00:00:00+00:00",
        inventory=site.inventory((here, there), clusters=(*site.inventory().clusters, second)),
        catalogue=site.catalogue(clusters=clusters, unmanaged=records),
    )


def test_names_of_managed_instances_are_taken_whatever_their_case() -> None:
    assert hostnames(another(site.web01(), 9, name="LEGACY01")) == {"vm-9": "LEGACY01-2"}


def test_a_disk_cloudstack_does_not_see_gets_no_offering() -> None:
    disks = (site.disk(1, 40, 2), site.disk(2, 10, 2, backing="rdm"), site.disk(3, 10, 2))
    row = row_of(plan(site.app02(disks=disks)), "vm-2")
    assert (row["disk2_offering"], row["disk3_offering"]) == ("", "any-size")


def test_lines_are_those_of_the_written_file(tmp_path: Path) -> None:
    sheet = plan()
    path = tmp_path / "plan.csv"
    path.write_bytes(sheet_bytes(sheet))
    again = read_sheet(path)
    assert [(row["vm"], row.line) for row in again.rows] == [(row["vm"], row.line) for row in sheet.rows]
    assert [row.cells for row in again.rows] == [row.cells for row in sheet.rows]


def test_no_vms_give_an_empty_sheet_with_a_header() -> None:
    snapshot = site.snapshot()
    empty = Snapshot(taken_at="", inventory=site.inventory(()), catalogue=snapshot.catalogue)
    assert enrich(empty, Rules()) == Sheet(header(0, 0), [])
    assert {name.replace("1", "#") for name in header(0, 0) if name[:3] in ("nic", "dis") and "1" in name} == {
        column.name for column in PLAN_COLUMNS if "#" in column.name
    }


def shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    source = random.Random(seed)

    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(source.sample(items, len(items)))

    inventory = dataclasses.replace(
        snapshot.inventory,
        vms=mixed(snapshot.inventory.vms),
        hosts=mixed(snapshot.inventory.hosts),
        clusters=mixed(snapshot.inventory.clusters),
    )
    lists = {
        name: value for name in Catalogue.model_fields if isinstance(value := getattr(snapshot.catalogue, name), tuple)
    }
    catalogue = snapshot.catalogue.model_copy(update={name: mixed(items) for name, items in lists.items()})
    return snapshot.model_copy(update={"inventory": inventory, "catalogue": catalogue})


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_what_was_read_changes_nothing(seed: int) -> None:
    vms = [another(site.web01(), 20 + n, name=name) for n, name in enumerate(("a_b", "a-b", "a.b", "A-B", "a b"))]
    rivals = [site.NETWORKS[0].model_copy(update={"id": f"net-{n}", "name": f"rival-{n}"}) for n in range(3)]
    snapshot = site.snapshot(*site.everyone(), *vms, networks=(*site.NETWORKS, *rivals))
    rules = parse_rules("rules: [{match: {name: 'a*'}, set: {wave: 2}}]")
    assert enrich(shuffled(snapshot, seed), rules) == enrich(snapshot, rules)


def test_reasons_can_be_taken_apart_again() -> None:
    sheet = enrich(site.snapshot(), Rules())
    parts = [part for row in sheet.rows if row["import"] == "yes" for part in row["reason"].split("; ")]
    assert len(parts) > 10
    for part in parts:
        assert re.fullmatch(r"[a-z0-9_]+=.*\((certain|likely|guess)(, else .*)?\)", part), part
