"""A row of the plan is selected as its VM would be by a rule."""

from __future__ import annotations

import dataclasses

import pytest

from ingest.model.inventory import Vlan
from ingest.plan.enrich import seen_cells
from ingest.plan.rules import Match
from ingest.plan.sheet import Row
from ingest.runbook.rows import read_vlan, vm_of
from ingest.runbook.selection import Selection
from tests.plan import small_site as site

CRITERIA = [
    {"name": "web*"},
    {"name": ["re:.*[0-9]2", "db?03"]},
    {"folder": "*/prod"},
    {"datacenter": "dc1", "cluster": "C1"},
    {"host": "esx2"},
    {"datastore": "ds1"},
    {"portgroup": "PG-200"},
    {"vlan": [200, 300]},
    {"vlan": 0},
    {"guest": "*ubuntu*"},
    {"power_state": "poweredOff"},
    {"cpus": {"min": 3}, "memory_mib": {"max": 8192}},
    {"disk_gib": {"min": 60}},
    {"nics": 2, "disks": 3},
]


@pytest.mark.parametrize("criteria", CRITERIA, ids=lambda one: "+".join(one))
def test_a_row_is_selected_exactly_when_its_vm_is(criteria: dict[str, object]) -> None:
    untagged = site.machine(7, "untagged", nics=(site.nic(1, "77", None),), path="/DC1/vm/untagged")
    vms = (site.web01(), site.app02(), site.db_03(), untagged)
    by_rule = [vm.name for vm in vms if Match.model_validate(criteria).fits(vm)]
    rows = [Row(seen_cells(vm, "cluster-1")) for vm in vms]
    by_row = [row["vm"] for row in rows if Selection.model_validate(criteria).selects(row)]
    assert by_row == by_rule
    assert by_rule, "a criterion that selects nothing shows nothing"


def test_columns_of_the_plan_and_of_the_operator_can_be_asked() -> None:
    rows = [Row({"vm": "a", "tier": "Gold", "account": "shop"}), Row({"vm": "b", "tier": "silver"}), Row({"vm": "c"})]

    def selected(**patterns: str) -> list[str]:
        return [row["vm"] for row in rows if Selection(columns=dict(patterns)).selects(row)]

    assert selected(tier="gold") == ["a"]
    assert selected(tier="*", account="shop") == ["a"]
    assert selected(nonsense="?*") == []


@pytest.mark.parametrize(
    "vlan",
    [
        Vlan("none"),
        Vlan("id", 100),
        Vlan("trunk", ranges=((1, 99), (200, 299))),
        Vlan("pvlan", primary=3200, secondary=3201, pvlan_type="isolated"),
        Vlan("pvlan", secondary=3201),
    ],
    ids=lambda one: one.kind,
)
def test_a_vlan_is_read_back_as_rules_see_it(vlan: Vlan) -> None:
    found = read_vlan(vlan.text)
    assert found is not None
    assert (found.kind, found.id, found.primary, found.secondary) == (vlan.kind, vlan.id, vlan.primary, vlan.secondary)


def test_the_facts_of_a_vm_survive_the_sheet() -> None:
    vm = site.app02()
    back = vm_of(Row(seen_cells(vm, "cluster-1")))
    for field in ("name", "path", "cluster", "host", "power_state", "cpus", "memory_mib", "guest_id", "instance_uuid"):
        assert getattr(back, field) == getattr(vm, field)
    assert [(nic.label, nic.mac, nic.ipv4) for nic in back.nics] == [(nic.label, nic.mac, nic.ipv4) for nic in vm.nics]
    assert [disk.capacity_bytes for disk in back.disks] == [disk.capacity_bytes for disk in vm.disks]
    assert [disk.file_name for disk in back.disks] == ["vm2/disk1.vmdk", "vm2/disk2.vmdk", "vm2/disk3.vmdk"]


def test_a_snapshot_does_not_change_the_name_of_a_file() -> None:
    vm = site.web01()
    with_snapshot = dataclasses.replace(vm.disks[0], file_name="[ds1] vm1/disk1-000002.vmdk")
    cells = seen_cells(dataclasses.replace(vm, disks=(with_snapshot,)), "cluster-1")
    assert cells["disk1_file"] == "vm1/disk1.vmdk"
