from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from ingest.vsphere.join import build_inventory
from ingest.vsphere.networks import network_report, network_rows
from ingest.vsphere.rows import BackingRow, DeviceRow, VmRow
from tests.vsphere.world import HOSTS, NETWORKS, nic, seen, vm


def report(*vms: VmRow, **options: bool) -> dict[str, Any]:
    return network_report(build_inventory(seen(*vms)), **options)


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {network["portgroup"]: network for network in document["networks"]}


def opaque(key: int) -> DeviceRow:
    backing = BackingRow("VirtualEthernetCardOpaqueNetworkBackingInfo", opaque_id="ls-1", opaque_type="nsx.X")
    return nic(key, backing=backing)


def test_the_old_fields_keep_their_shape() -> None:
    document = report(vm(1, nic(4000, "dvportgroup-1"), nic(4001, "dvportgroup-1")))
    assert document["count"] == 1
    (network,) = document["networks"]
    old = {name: network[name] for name in ("portgroup", "switch", "cluster", "host", "vlanid")}
    assert old == {"portgroup": "app", "switch": "DSwitch", "cluster": "Cluster", "host": "esx1", "vlanid": "100"}
    assert [(entry["name"], entry["device"]) for entry in network["virtualmachines"]] == [
        ("vm1", {"label": "Network adapter 1", "macaddress": "00:50:56:00:00:00"}),
        ("vm1", {"label": "Network adapter 2", "macaddress": "00:50:56:00:00:01"}),
    ]
    assert "isolatedpvlan" not in network


def test_the_new_fields() -> None:
    (network,) = report(vm(1, nic(4000, "dvportgroup-1"), name="a%2fb"))["networks"]
    assert (network["datacenter"], network["kind"], network["moref"]) == ("DC1", "dvs", "dvportgroup-1")
    assert (network["switchuuid"], network["hosts"], network["clusters"]) == ("u1", ["esx1"], ["Cluster"])
    assert network["vlan"] == {
        "kind": "id",
        "text": "100",
        "id": 100,
        "ranges": [],
        "primary": None,
        "secondary": None,
        "type": None,
    }
    entry = network["virtualmachines"][0]
    assert (entry["name"], entry["path"]) == ("a%2fb", "/DC1/vm/a/b")
    assert (entry["moref"], entry["instanceuuid"], entry["powerstate"]) == ("vm-1", "uuid-1", "poweredOn")
    assert (entry["template"], entry["nickey"]) == (False, 4000)


def test_private_vlans_and_trunks() -> None:
    networks = by_name(report(vm(1, nic(4000, "dvportgroup-3"), nic(4001, "dvportgroup-4"))))
    iso, trunk = networks["iso"], networks["tr"]
    assert (iso["vlanid"], iso["isolatedpvlan"], iso["isolatedpvlantype"]) == ("200", "201", "isolated")
    assert "vlanid" not in trunk
    assert (trunk["vlan"]["kind"], trunk["vlan"]["ranges"]) == ("trunk", [[1, 9]])


def test_one_name_with_another_vlan_on_another_host_is_two_networks() -> None:
    networks = report(vm(1, nic(4000)), vm(2, nic(4001), host="host-2"))["networks"]
    assert [(row["portgroup"], row["vlanid"], row["host"]) for row in networks] == [
        ("VM Network", "0", "esx1"),
        ("VM Network", "20", "esx2"),
    ]


def test_one_name_in_two_datacenters_is_two_networks() -> None:
    document = report(vm(1, nic(4000, "dvportgroup-1")), vm(2, nic(4001, "dvportgroup-2"), host="host-3"))
    assert [(row["datacenter"], row["switch"], row["portgroup"]) for row in document["networks"]] == [
        ("DC1", "DSwitch", "app"),
        ("DC2", "DSwitch", "app"),
    ]


def test_a_standard_and_a_distributed_group_of_one_name_are_two_networks() -> None:
    named = nic(4000, backing=BackingRow("VirtualEthernetCardNetworkBackingInfo", device_name="app"))
    kinds = [(row["portgroup"], row["kind"]) for row in report(vm(1, named, nic(4001, "dvportgroup-1")))["networks"]]
    assert sorted(kinds) == [("app", "dvs"), ("app", "unattached")]


def test_an_opaque_network_says_its_id() -> None:
    (network,) = report(vm(1, opaque(4000), host="host-3"))["networks"]
    assert (network["kind"], network["opaqueid"], network["opaquetype"]) == ("opaque", "ls-1", "nsx.LogicalSwitch")
    assert network["nsx"]
    assert network["vlan"] is None
    assert "vlanid" not in network


def test_no_card_is_lost() -> None:
    cards = (nic(4000), nic(4001, backing=None), nic(4002, "deleted"), nic(4003, "dvportgroup-404"), opaque(4004))
    document = report(vm(1, *cards))
    assert sum(len(network["virtualmachines"]) for network in document["networks"]) == 5
    assert {network["problem"] for network in document["networks"]} == {
        "",
        "no-backing",
        "portgroup-not-on-host",
        "portgroup-unknown",
    }
    assert {problem["code"] for problem in document["problems"]} >= {"no-backing", "portgroup-unknown"}


def test_templates_and_system_vms_are_left_out_and_counted() -> None:
    vms = (
        vm(1, nic(4000), template=True),
        vm(2, nic(4001), managed_by="com.vmware.vim.eam"),
        vm(3, nic(4002), name="vCLS (12)"),
        vm(4, nic(4003), name="vCLSomething"),
    )
    document = report(*vms)
    assert [entry["moref"] for row in document["networks"] for entry in row["virtualmachines"]] == ["vm-4"]
    assert document["left_out"] == {"templates": 1, "system": 2}
    everything = report(*vms, include_templates=True, include_system=True)
    assert len(everything["networks"][0]["virtualmachines"]) == 4
    assert everything["left_out"] == {"templates": 0, "system": 0}


def test_unused_networks_only_when_asked_for() -> None:
    assert report()["networks"] == []
    networks = report(vm(1, nic(4000)), include_unused=True)["networks"]
    listed = [(row["datacenter"], row["portgroup"], row["vlan"] and row["vlan"]["text"]) for row in networks]
    assert listed == [
        ("DC1", "app", "100"),
        ("DC1", "iso", "pvlan 200/201 isolated"),
        ("DC1", "tr", "trunk 1-9"),
        ("DC1", "VM Network", ""),
        ("DC1", "VM Network", "20"),
        ("DC1", "spare", "30"),
        ("DC2", "seg", None),
        ("DC2", "app", "100"),
    ]  # no uplinks, no VMkernel-only port group
    spare = next(row for row in networks if row["portgroup"] == "spare")
    assert (spare["virtualmachines"], spare["hosts"], spare["clusters"]) == ([], ["esx2"], ["Cluster"])


def test_port_groups_of_cloudstack_are_flagged() -> None:
    from dataclasses import replace

    from ingest.model.inventory import HostPortGroup

    own = HostPortGroup("cloud.public.50.0.1-vSwitch0", 50, "vSwitch0")
    hosts = (replace(HOSTS[0], portgroups=(own,)), *HOSTS[1:])
    inventory = build_inventory(seen(vm(1, nic(4000, own.name), nic(4001)), hosts=hosts, networks=NETWORKS))
    networks = by_name(network_report(inventory))
    assert networks[own.name]["cloudstack"]
    assert not networks["VM Network"]["cloudstack"]


def test_guest_tagging_on_a_standard_switch_keeps_4095() -> None:
    from dataclasses import replace

    from ingest.model.inventory import HostPortGroup

    hosts = (replace(HOSTS[0], portgroups=(HostPortGroup("All", 4095, "vSwitch0"),)), *HOSTS[1:])
    (network,) = network_report(build_inventory(seen(vm(1, nic(4000, "All")), hosts=hosts)))["networks"]
    assert (network["vlanid"], network["vlan"]["kind"], network["vlan"]["text"]) == ("4095", "trunk", "trunk 0-4094")


def test_the_report_is_json_and_independent_of_order() -> None:
    vms = [vm(number, nic(4000 + number), nic(4100, "dvportgroup-1", mac=f"m{number}")) for number in range(4)]
    straight, reverse = report(*vms), report(*reversed(vms))
    assert json.dumps(straight) == json.dumps(reverse)


def test_rows_are_flat_and_readable() -> None:
    document = report(
        vm(1, nic(4000, "dvportgroup-1"), nic(4001, "dvportgroup-1")), vm(2, nic(4002, "dvportgroup-1"), host="host-2")
    )
    assert network_rows(document) == [
        {
            "datacenter": "DC1",
            "switch": "DSwitch",
            "portgroup": "app",
            "kind": "dvs",
            "vlan": "100",
            "vms": 2,
            "nics": 3,
            "hosts": "esx1, esx2",
            "clusters": "Cluster",
            "moref": "dvportgroup-1",
            "problem": "",
        }
    ]


def test_what_is_pure_needs_no_pyvmomi() -> None:
    program = (
        "import sys; import ingest.vsphere.networks, ingest.vsphere.join, ingest.vsphere.elements;"
        "sys.exit(any(name.startswith(('pyVmomi', 'pyVim')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
