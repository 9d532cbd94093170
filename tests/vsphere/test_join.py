from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingest.errors import UsageError
from ingest.model.inventory import Inventory, Problem
from ingest.vsphere.join import build_inventory
from ingest.vsphere.paths import Places
from ingest.vsphere.rows import BackingRow, DeviceRow, Missing, VmRow
from ingest.vsphere.scope import Scope, choose
from tests.vsphere.world import HOSTS, PLACES, nic, seen, vm


def one(row: VmRow, **more: Any) -> Any:
    (found,) = build_inventory(seen(row, **more)).vms
    return found


def codes(inventory: Inventory) -> dict[str, list[Problem]]:
    found: dict[str, list[Problem]] = {}
    for problem in inventory.problems:
        found.setdefault(problem.code, []).append(problem)
    return found


def test_a_vm_is_joined_with_its_place() -> None:
    found = one(vm(1, nic(4000), parent="group-v12", name="a%2fb"))
    assert (found.name, found.path) == ("a%2fb", "/DC1/vm/web/shop/prod/a/b")
    assert (found.datacenter, found.datacenter_moref) == ("DC1", "datacenter-1")
    assert (found.cluster, found.cluster_moref) == ("Cluster", "domain-c1")
    assert (found.host, found.host_moref) == ("esx1", "host-1")
    assert (found.in_vapp, found.unreadable, found.firmware) == (False, False, "bios")


def test_a_standalone_host_has_no_cluster() -> None:
    found = one(vm(1, host="host-4"))
    assert (found.cluster, found.cluster_moref, found.host, found.datacenter) == ("", "", "lone", "DC1")


def test_a_datacenter_in_a_folder() -> None:
    assert one(vm(1, parent="group-v21", host="host-3")).path == "/Europe/DC2/vm/prod/vm1"


@pytest.mark.parametrize(
    ("vapp", "path"),
    [
        ("resgroup-v1", "/DC1/vm/web/shop/shop/vm1"),
        ("resgroup-v2", "/DC1/vm/web/shop/shop/inner/vm1"),
        ("resgroup-v3", "/DC1/vm/poolapp/vm1"),
    ],
)
def test_members_of_vapps_have_a_path(vapp: str, path: str) -> None:
    found = one(vm(1, parent="", parent_vapp=vapp))
    assert (found.path, found.in_vapp, found.datacenter) == (path, True, "DC1")


def test_a_vm_without_a_host_belongs_to_its_folders_datacenter() -> None:
    found = one(vm(1, nic(4000), host="", parent="group-v21"))
    assert (found.datacenter, found.cluster, found.host) == ("DC2", "", "")
    assert found.nics[0].problem == "host-unknown"


def test_a_vm_whose_folder_is_not_readable_is_found_by_its_host() -> None:
    found = one(vm(1, parent="group-v404"))
    assert (found.path, found.datacenter) == ("/DC1/vm/vm1", "DC1")


@pytest.mark.parametrize("state", ["inaccessible", "orphaned", "invalid", "disconnected"])
def test_a_vm_without_configuration_is_listed(state: str) -> None:
    row = VmRow("vm-1", "lost", "group-v1", host="host-1", connection_state=state)
    inventory = build_inventory(seen(row))
    assert inventory.vms[0].unreadable
    assert inventory.vms[0].power_state == "unknown"
    assert codes(inventory)["vm-unreadable"][0].object == "/DC1/vm/lost"


def test_custom_fields_have_names_and_pinning_devices_are_told() -> None:
    devices = (DeviceRow(11000, "VirtualTPM"), DeviceRow(13000, "VirtualPCIPassthrough"), nic(4000))
    found = one(vm(1, *devices, custom_values=((101, "web"), (9, "x"))), custom_fields={101: "team"})
    assert found.custom_fields == (("9", "x"), ("team", "web"))
    assert found.passthrough == ("VirtualPCIPassthrough", "VirtualTPM")
    assert len(found.nics) == 1


def test_nics_are_sorted_by_key_and_all_of_them_are_there() -> None:
    found = one(vm(1, nic(4002), nic(4000, "gone"), nic(4001, "dvportgroup-1")))
    assert [(card.key, card.problem) for card in found.nics] == [
        (4000, "portgroup-not-on-host"),
        (4001, ""),
        (4002, ""),
    ]


def test_everything_is_sorted_whatever_the_order_of_the_server() -> None:
    rows = [vm(number, nic(4000 + number)) for number in range(5)]
    straight = seen(*rows)
    reverse = replace(
        straight,
        **{
            name: tuple(reversed(getattr(straight, name)))
            for name in ("places", "hosts", "switches", "portgroups", "networks", "datastores", "vms")
        },
    )
    assert build_inventory(straight) == build_inventory(reverse)


def test_networks_datastores_and_hosts_know_their_datacenter() -> None:
    inventory = build_inventory(seen())
    assert {(row.moref, row.datacenter, row.kind) for row in inventory.networks} >= {
        ("dvportgroup-1", "DC1", "dvs"),
        ("dvportgroup-2", "DC2", "dvs"),
        ("network-1", "DC1", "standard"),
        ("network-o4", "DC2", "opaque"),
    }
    assert {row.moref for row in inventory.networks if row.uplink} == {"dvportgroup-8", "dvportgroup-9"}
    assert {row.moref for row in inventory.networks if row.nsx} == {"network-o4"}
    assert [row.vlan.text for row in inventory.networks if row.name == "iso" and row.vlan] == ["pvlan 200/201 isolated"]
    assert [(row.name, row.datacenter, row.remote_path) for row in inventory.datastores] == [
        ("ds1", "DC1", ""),
        ("ds2", "DC1", "/v"),
    ]
    assert [(row.name, row.cluster, row.datacenter) for row in inventory.hosts] == [
        ("esx1", "Cluster", "DC1"),
        ("esx2", "Cluster", "DC1"),
        ("esx3", "Cluster", "DC2"),
        ("lone", "", "DC1"),
    ]
    assert [(row.path, row.standalone) for row in inventory.clusters] == [
        ("/DC1/host/Cluster", False),
        ("/DC1/host/lone", True),
        ("/Europe/DC2/host/Cluster", False),
    ]


def test_hosts_that_cloudstack_passes_over_are_told() -> None:
    found = codes(build_inventory(seen(vm(1, host="host-3"), vm(2, host="host-4"))))
    assert found["host-not-connected"] == [
        Problem("host-not-connected", "esx3", "notResponding: CloudStack lists only hosts that are up; 1 VM on it")
    ]
    assert found["host-in-maintenance"][0].object == "lone"
    assert found["host-standalone"][0].object == "lone"


def test_a_disconnected_host_whose_configuration_is_cached_is_used() -> None:
    hosts = (*HOSTS[1:], replace(HOSTS[0], connection_state="disconnected"))
    found = one(vm(1, nic(4000)), hosts=hosts)
    assert (found.nics[0].switch_name, found.nics[0].problem) == ("vSwitch0", "")


def test_duplicate_macs_and_mixed_adapters_are_told() -> None:
    inventory = build_inventory(
        seen(vm(1, nic(4000), nic(4001, kind="VirtualE1000")), vm(2, nic(4000), nic(4005, mac=""), nic(4006, mac="")))
    )
    found = codes(inventory)
    assert found["duplicate-mac"] == [
        Problem("duplicate-mac", "00:50:56:00:00:00", "/DC1/vm/vm1: Network adapter 1; /DC1/vm/vm2: Network adapter 1")
    ]
    assert [problem.object for problem in found["mixed-adapters"]] == ["/DC1/vm/vm1"]
    assert "E1000, Vmxnet3" in found["mixed-adapters"][0].detail


def test_cards_of_two_classes_with_one_cloudstack_name_are_not_mixed() -> None:
    row = vm(1, nic(4000, kind="VirtualE1000e"), nic(4001, kind="VirtualSriovEthernetCard"))
    assert "mixed-adapters" not in codes(build_inventory(seen(row)))


def test_a_vm_that_can_move_to_another_vlan_is_told() -> None:
    found = codes(build_inventory(seen(vm(1, nic(4000)), vm(2, nic(4001), host="host-4"))))
    assert found["vlan-differs-by-host"] == [
        Problem("vlan-differs-by-host", "/DC1/vm/vm1: Network adapter 1", "VM Network: untagged on esx1; 20 on esx2")
    ]


def test_every_unresolved_card_is_a_problem() -> None:
    found = codes(build_inventory(seen(vm(1, nic(4000, backing=None), nic(4001, backing=BackingRow("Odd"))))))
    assert [problem.object for problem in found["no-backing"]] == ["/DC1/vm/vm1: Network adapter 1"]
    assert len(found["unknown-backing"]) == 1


def test_what_could_not_be_read_and_what_is_gone_is_told() -> None:
    missing = (Missing("vm-1", "guest.net", "NoPermission"), Missing("vm-1", "snapshot", "NoPermission"))
    found = codes(build_inventory(seen(vm(1), missing=missing, gone=("vm-7",))))
    assert found["unreadable-property"] == [
        Problem("unreadable-property", "/DC1/vm/vm1 (vm-1)", "NoPermission: guest.net, snapshot")
    ]
    assert found["gone-while-reading"][0].object == "vm-7"


ROWS = (
    vm(1, nic(4000), parent="group-v12"),
    vm(2, nic(4001, "dvportgroup-2"), parent="group-v21", host="host-3"),
    vm(3, nic(4002), host="host-4"),
    vm(4, nic(4003, "dvportgroup-1"), parent="", parent_vapp="resgroup-v2", host="host-2"),
)


def chosen(**names: str) -> Inventory:
    asked = {"datacenter": None, "cluster": None, "folder": None} | names
    return build_inventory(seen(*ROWS, scope=choose(Places(PLACES), **asked)))


@pytest.mark.parametrize(
    ("names", "vms"),
    [
        ({}, ["vm-1", "vm-2", "vm-3", "vm-4"]),
        ({"datacenter": "DC1"}, ["vm-1", "vm-3", "vm-4"]),
        ({"datacenter": "/Europe/DC2"}, ["vm-2"]),
        ({"datacenter": "datacenter-2"}, ["vm-2"]),
        ({"cluster": "/DC1/host/Cluster"}, ["vm-1", "vm-4"]),
        ({"cluster": "Cluster", "datacenter": "DC2"}, ["vm-2"]),
        ({"cluster": "lone"}, ["vm-3"]),
        ({"folder": "web/shop"}, ["vm-1", "vm-4"]),
        ({"folder": "web%2fshop"}, ["vm-1", "vm-4"]),
        ({"folder": "/DC1/vm/web/shop/prod"}, ["vm-1"]),
        ({"folder": "prod", "datacenter": "DC2"}, ["vm-2"]),
        ({"folder": "web/shop", "cluster": "domain-c1"}, ["vm-1", "vm-4"]),
        ({"folder": "/DC1/vm/web/shop/prod", "cluster": "lone"}, []),
    ],
)
def test_the_scope_restricts_vms_too(names: dict[str, str], vms: list[str]) -> None:
    assert sorted(row.moref for row in chosen(**names).vms) == vms


def test_a_cluster_brings_its_own_networks_and_what_its_vms_use() -> None:
    inventory = chosen(cluster="/DC1/host/Cluster")
    assert {row.moref for row in inventory.networks} == {"network-1", "dvportgroup-1"}
    assert {row.moref for row in inventory.datastores} == {"datastore-1"}
    assert [row.moref for row in inventory.hosts] == ["host-1", "host-2"]
    assert [row.moref for row in inventory.clusters] == ["domain-c1"]
    assert [row.moref for row in inventory.datacenters] == ["datacenter-1"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            {"cluster": "Cluster"},
            ["ambiguous", "/DC1/host/Cluster (domain-c1)", "/Europe/DC2/host/Cluster (domain-c2)"],
        ),
        ({"folder": "prod"}, ["ambiguous", "group-v12", "group-v21"]),
        ({"datacenter": "DC3"}, ["unknown", "/DC1 (datacenter-1)", "/Europe/DC2 (datacenter-2)"]),
        ({"cluster": "clus"}, ["unknown", "domain-c1"]),
        ({"cluster": "/DC2/host/Cluster"}, ["unknown"]),
        ({"datacenter": "DC1", "cluster": "domain-c2"}, ["unknown", "domain-c1"]),
        ({"folder": "prod", "cluster": "nope"}, ["cluster 'nope' is unknown"]),
    ],
)
def test_names_that_do_not_fit_are_refused_with_candidates(names: dict[str, str], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(**names)
    assert all(word in caught.value.message for word in words)


def test_only_folders_that_may_hold_vms_are_proposed() -> None:
    with pytest.raises(UsageError) as caught:
        chosen(folder="none of these")
    assert "/DC1/vm (" in caught.value.message
    assert "/Europe (" in caught.value.message
    assert "/host" not in caught.value.message
    with pytest.raises(UsageError, match="the folder 'host' is unknown"):
        chosen(folder="host")


def test_a_cluster_fixes_the_datacenter_of_the_folder() -> None:
    assert choose(Places(PLACES), datacenter=None, cluster="domain-c2", folder="prod") == Scope(
        "datacenter-2", "domain-c2", "group-v21"
    )


def test_a_broken_parent_chain_ends() -> None:
    loop = Places([replace(PLACES[1], parent="group-d9"), replace(PLACES[1], moref="group-d9", parent="group-d2")])
    assert len(list(loop.chain("group-d2"))) == 2
    assert loop.datacenter("group-d2") is None
