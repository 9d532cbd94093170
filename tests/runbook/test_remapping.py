"""Networks by the table, addresses by subnet with their host part, MACs never."""

from __future__ import annotations

import pytest

from ingest.plan.sheet import Row
from ingest.runbook.addresses import moved_address
from ingest.runbook.model import Networks, SubnetMap
from ingest.runbook.remapping import Remapped, remap
from tests.plan import small_site as site
from tests.runbook.books import book, said

RULES = [
    SubnetMap(old="10.1.0.0/16", new="10.9.0.0/16"),
    SubnetMap(old="10.1.7.0/24", new="192.168.7.0/24"),
    SubnetMap(old="10.2.0.0/16", new="10.1.0.0/16"),
]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("10.1.2.3", "10.9.2.3"),
        ("10.1.255.254", "10.9.255.254"),
        ("10.1.7.42", "192.168.7.42"),
        ("10.2.0.5", "10.1.0.5"),
        ("10.3.0.1", "10.3.0.1"),
        ("auto", "auto"),
        ("", ""),
    ],
)
def test_the_host_part_stays_and_the_smallest_subnet_decides_once(old: str, new: str) -> None:
    assert moved_address(old, RULES)[0] == new


def networks(text: str) -> Networks:
    return book(f"networks: {text}\nwaves: [{{name: a, select: {{}}}}]").networks


def row(vm: str, line: int = 2, **cells: str) -> Row:
    facts = {"vm": vm, "import": "yes", "nic1_label": "Network adapter 1", "nic1_mac": "00:50:56:00:00:01"}
    return Row(facts | cells, line)


def cells(done: Remapped, column: str) -> list[str]:
    return [one[column] for one in done.rows]


def test_the_first_line_of_the_table_that_fits_wins() -> None:
    rows = [
        row("a", nic1_network="shop-100", nic1_vlan="100", nic1_portgroup="PG-100"),
        row("b", 3, nic1_network="shop-101", nic1_vlan="101", nic1_portgroup="PG-101"),
        row("c", 4, nic1_network="", nic1_vlan="", nic1_portgroup="VM Network"),
        row("d", 5, nic1_network="dmz", nic1_vlan="pvlan 3100/3101 isolated", nic1_portgroup="DMZ"),
        row("e", 6, nic1_network="lab", nic1_vlan="trunk 1-9", nic1_portgroup="T"),
    ]
    table = (
        "{table: [{vlan: 100, new: dr-100}, {network: 'shop-*', new: dr-shop}, {portgroup: vm network, new: dr-plain}, "
        "{vlan: 3100, new: dr-dmz}]}"
    )
    done = remap(rows, networks(table))
    assert cells(done, "nic1_network") == ["dr-100", "dr-shop", "dr-plain", "dr-dmz", "lab"]
    assert [(one.row, one.before, one.after, one.why) for one in done.changes] == [
        (2, "shop-100", "dr-100", "networks.table[0]"),
        (3, "shop-101", "dr-shop", "networks.table[1]"),
        (4, "", "dr-plain", "networks.table[2]"),
        (5, "dmz", "dr-dmz", "networks.table[3]"),
    ]
    assert rows[0]["nic1_network"] == "shop-100", "the rows given are not changed"
    assert cells(done, "nic1_mac") == [one["nic1_mac"] for one in rows]


def test_networks_the_site_does_not_have_are_told_with_the_nearest() -> None:
    catalogue = site.snapshot().catalogue
    rows = [row("a", nic1_network="shop-100"), row("b", 3, nic1_network="shop-99"), row("c", 4, nic1_network="old")]
    done = remap(rows, networks("{table: [{network: old, new: shared-20}]}"), catalogue)
    assert said(done.findings) == [
        "NET-001 b: no line of the table fits Network adapter 1, and the site has no network 'shop-99'"
        "; nearest: shop-100",
        "NET-002 networks.table[0].new: network 'shared-20' does not exist at the recovery site; nearest: shared-200",
    ]
    assert (2, "nic1_network") in done.decided
    assert (3, "nic1_network") not in done.decided


def test_addresses_follow_the_rules_and_what_fits_none_is_told() -> None:
    rows = [
        row("a", nic1_ip="10.1.2.3"),
        row("b", 3, nic1_ip="172.16.0.1"),
        row("c", 4, nic1_ip="auto"),
        row("d", 5, nic1_ip="10.9.4.4"),
        row("left out", 6, nic1_ip="10.1.2.9", **{"import": "no"}),
    ]
    done = remap(rows, networks("{subnets: [{old: 10.1.0.0/16, new: 10.9.0.0/16}]}"))
    assert cells(done, "nic1_ip") == ["10.9.2.3", "172.16.0.1", "auto", "10.9.4.4", "10.1.2.9"]
    assert said(done.findings) == ["NET-003 b: no subnet rule fits 172.16.0.1"]


def test_without_subnet_rules_addresses_stay_and_nobody_is_warned() -> None:
    done = remap([row("a", nic1_ip="10.1.2.3")], Networks())
    assert (cells(done, "nic1_ip"), done.findings, done.changes) == (["10.1.2.3"], (), ())


def test_two_nics_do_not_get_one_address() -> None:
    rules = "{subnets: [{old: 10.1.0.0/24, new: 10.9.0.0/24}, {old: 10.2.0.0/24, new: 10.9.0.0/24}]}"
    rows = [
        row("a", nic1_network="n", nic1_ip="10.1.0.5"),
        row("b", 3, nic1_network="n", nic1_ip="10.2.0.5"),
        row("c", 4, nic1_network="other", nic1_ip="10.2.0.5"),
    ]
    assert said(remap(rows, networks(rules)).findings) == [
        "NET-004 b: 10.9.0.5 in n goes to a (line 2) already",
    ]
