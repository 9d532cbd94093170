"""Every way a card can be connected, built as pyVmomi objects and run through decoding and classification."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pyVmomi import vim

from ingest.model.inventory import HostPortGroup, Nic, PvlanType, Vlan
from ingest.vsphere.nics import PROBLEMS, Fabric, read_nic
from ingest.vsphere.objects import (
    device_row,
    host_row,
    network_row,
    portgroup_row,
    switch_row,
    vlan_of_setting,
)
from ingest.vsphere.paths import Places
from ingest.vsphere.rows import GuestNicRow, HostRow, NetworkRow, PlaceRow, PortGroupRow, SwitchRow

Card = vim.vm.device.VirtualEthernetCard
Vds = vim.dvs.VmwareDistributedVirtualSwitch

PLACES = Places(
    [
        PlaceRow("group-d1", "Folder", "Datacenters"),
        PlaceRow("datacenter-1", "Datacenter", "DC1", "group-d1"),
        PlaceRow("datacenter-2", "Datacenter", "DC2", "group-d1"),
        PlaceRow("group-n1", "Folder", "network", "datacenter-1"),
        PlaceRow("group-n2", "Folder", "network", "datacenter-2"),
    ]
)
SWITCH = SwitchRow(
    "dvs-1",
    "DSwitch",
    "50 1a",
    "group-n1",
    ((200, 200, "promiscuous"), (200, 201, "isolated"), (200, 202, "community")),
)
HOST = HostRow(
    "host-1",
    "esx1",
    "domain-c1",
    "connected",
    portgroups=(
        HostPortGroup("VLAN10", 10, "vSwitch1"),
        HostPortGroup("VLAN1", 1, "vSwitch0"),
        HostPortGroup("VM Network", 0, "vSwitch0"),
        HostPortGroup("All", 4095, "vSwitch0"),
        HostPortGroup("Management-172.20.0.0/24", 5, "vSwitch0"),
    ),
)
NETWORKS = (
    NetworkRow("network-1", "Network", "VM Network", "group-n1"),
    NetworkRow("network-9", "Network", "VM Network", "group-n2"),
    NetworkRow("network-2", "Network", "none", "group-n1", accessible=False),
    NetworkRow("network-3", "Network", "lost", "group-n1", accessible=False),
    NetworkRow("network-o1", "OpaqueNetwork", "seg-a", "group-n1", opaque_id="ls-1", opaque_type="nsx.LogicalSwitch"),
    NetworkRow("network-o2", "OpaqueNetwork", "seg-a", "group-n2", opaque_id="ls-1", opaque_type="nsx.LogicalSwitch"),
)


def group(key: str, vlan: Vlan | None, **more: Any) -> PortGroupRow:
    return PortGroupRow(key, f"pg {key}", key, "group-n1", "dvs-1", vlan, **more)


def card(backing: Any, kind: Any = vim.vm.device.VirtualVmxnet3, mac: str = "00:50:56:AA:BB:01") -> Any:
    connectable = vim.vm.device.VirtualDevice.ConnectInfo(connected=True, startConnected=False, allowGuestControl=True)
    return kind(
        key=4000,
        deviceInfo=vim.Description(label="Network adapter 1", summary="s"),
        backing=backing,
        macAddress=mac,
        connectable=connectable,
    )


def standard(name: str, network: str = "") -> Any:
    backing = Card.NetworkBackingInfo(deviceName=name)
    if network:
        backing.network = vim.Network(network)
    return backing


def distributed(key: str | None, port: str | None = "7", switch: str = "50 1a") -> Any:
    connection = vim.dvs.PortConnection(switchUuid=switch, portgroupKey=key, portKey=port)
    return Card.DistributedVirtualPortBackingInfo(port=connection)


def opaque(identifier: str) -> Any:
    return Card.OpaqueNetworkBackingInfo(opaqueNetworkId=identifier, opaqueNetworkType="nsx.LogicalSwitch")


def read(
    device: Any,
    *groups: PortGroupRow,
    host: HostRow | None = HOST,
    datacenter: str = "datacenter-1",
    ports: dict[tuple[str, str], Vlan | None] | None = None,
    guest: tuple[GuestNicRow, ...] = (),
) -> Nic:
    fabric = Fabric.of(PLACES, [HOST], [SWITCH], groups, NETWORKS, ports)
    return read_nic(device_row(device), host, datacenter, fabric, guest)


def test_a_standard_card() -> None:
    nic = read(card(standard("VM Network", "network-1")))
    assert (nic.kind, nic.network_name, nic.network_moref) == ("standard", "VM Network", "network-1")
    assert (nic.switch_name, nic.vlan, nic.problem) == ("vSwitch0", Vlan("none"), "")
    assert (nic.key, nic.label, nic.mac, nic.adapter) == (4000, "Network adapter 1", "00:50:56:aa:bb:01", "Vmxnet3")
    assert (nic.connected, nic.start_connected) == (True, False)


@pytest.mark.parametrize(
    ("name", "vlan"),
    [
        ("VLAN1", Vlan("id", id=1)),
        ("VLAN10", Vlan("id", id=10)),
        ("All", Vlan("trunk", ranges=((0, 4094),))),
        ("Management-172.20.0.0/24", Vlan("id", id=5)),
    ],
)
def test_standard_port_groups_match_exactly(name: str, vlan: Vlan) -> None:
    nic = read(card(standard(name)))
    assert (nic.vlan, nic.kind) == (vlan, "standard")


def test_a_standard_network_without_a_reference_is_found_in_its_own_datacenter() -> None:
    assert read(card(standard("VM Network"))).network_moref == "network-1"
    assert read(card(standard("VM Network")), datacenter="datacenter-2").network_moref == "network-9"


@pytest.mark.parametrize(
    ("backing", "problem"),
    [
        (standard("none", "network-2"), "network-inaccessible"),
        (standard("none"), "network-inaccessible"),
        (standard("lost", "network-3"), "network-inaccessible"),
        (standard("deleted"), "portgroup-not-on-host"),
        (standard("VLAN"), "portgroup-not-on-host"),
        (standard("vlan1"), "portgroup-not-on-host"),
        (None, "no-backing"),
        (Card.LegacyNetworkBackingInfo(deviceName="old"), "unknown-backing"),
        (vim.vm.device.VirtualDevice.RemoteDeviceBackingInfo(deviceName="r"), "unknown-backing"),
        (distributed("dvportgroup-404"), "portgroup-unknown"),
        (distributed(None), "no-portgroup-key"),
        (distributed("dvportgroup-1", switch="another"), "portgroup-unknown"),
    ],
)
def test_cards_that_lead_nowhere_are_kept(backing: Any, problem: str) -> None:
    nic = read(card(backing), group("dvportgroup-1", Vlan("id", id=7)))
    assert (nic.kind, nic.problem, nic.vlan) == ("unattached", problem, None)
    assert nic.mac == "00:50:56:aa:bb:01"
    assert problem in PROBLEMS


def test_a_card_whose_host_is_unknown_or_unreadable_keeps_its_network() -> None:
    alone = read(card(standard("VLAN1")), host=None)
    assert (alone.kind, alone.network_name, alone.vlan, alone.problem) == ("standard", "VLAN1", None, "host-unknown")
    unread = read(card(standard("VLAN1")), host=replace(HOST, portgroups=None))
    assert (unread.kind, unread.problem) == ("standard", "host-unreadable")


@pytest.mark.parametrize(
    "vlan", [Vlan("none"), Vlan("id", id=7), Vlan("trunk", ranges=((1, 10), (20, 20)))], ids=lambda vlan: vlan.kind
)
def test_a_distributed_card(vlan: Vlan) -> None:
    nic = read(card(distributed("dvportgroup-1")), group("dvportgroup-1", vlan))
    assert (nic.kind, nic.vlan, nic.problem) == ("dvs", vlan, "")
    assert (nic.network_name, nic.network_moref) == ("pg dvportgroup-1", "dvportgroup-1")
    assert (nic.switch_name, nic.switch_uuid) == ("DSwitch", "50 1a")
    assert (nic.portgroup_key, nic.port_key) == ("dvportgroup-1", "7")


@pytest.mark.parametrize(("secondary", "kind"), [(200, "promiscuous"), (201, "isolated"), (202, "community")])
def test_private_vlans_are_looked_up_in_the_switch(secondary: int, kind: PvlanType) -> None:
    nic = read(card(distributed("dvportgroup-1")), group("dvportgroup-1", Vlan("pvlan", secondary=secondary)))
    assert nic.vlan == Vlan("pvlan", primary=200, secondary=secondary, pvlan_type=kind)
    assert nic.problem == ""


def test_a_private_vlan_the_switch_does_not_know() -> None:
    nic = read(card(distributed("dvportgroup-1")), group("dvportgroup-1", Vlan("pvlan", secondary=999)))
    assert (nic.kind, nic.vlan, nic.problem) == ("dvs", Vlan("pvlan", secondary=999), "pvlan-unmapped")


def test_a_port_group_whose_vlan_cannot_be_read() -> None:
    nic = read(card(distributed("dvportgroup-1")), group("dvportgroup-1", None))
    assert (nic.kind, nic.vlan, nic.problem) == ("dvs", None, "vlan-unreadable")


def test_an_ephemeral_port_of_a_vm_that_is_off() -> None:
    nic = read(
        card(distributed("dvportgroup-1", port=None)),
        group("dvportgroup-1", Vlan("id", id=7), vlan_override_allowed=True),
    )
    assert (nic.port_key, nic.vlan, nic.problem) == ("", Vlan("id", id=7), "")


def test_the_ports_own_vlan_wins_where_the_group_allows_it() -> None:
    allowed = group("dvportgroup-1", Vlan("id", id=7), vlan_override_allowed=True)
    ports: dict[tuple[str, str], Vlan | None] = {("50 1a", "7"): Vlan("pvlan", secondary=202)}
    nic = read(card(distributed("dvportgroup-1")), allowed, ports=ports)
    assert nic.vlan == Vlan("pvlan", primary=200, secondary=202, pvlan_type="community")
    unread = read(card(distributed("dvportgroup-1")), allowed)
    assert (unread.vlan, unread.problem) == (Vlan("id", id=7), "port-unreadable")


def test_an_nsx_segment_on_a_distributed_switch_has_no_vlan() -> None:
    nic = read(card(distributed("dvportgroup-1")), group("dvportgroup-1", Vlan("none"), backing_type="nsx"))
    assert (nic.kind, nic.nsx, nic.vlan, nic.problem) == ("dvs", True, None, "")


def test_an_opaque_network_of_the_vms_own_datacenter() -> None:
    nic = read(card(opaque("ls-1")), datacenter="datacenter-2")
    assert (nic.kind, nic.network_name, nic.network_moref, nic.nsx) == ("opaque", "seg-a", "network-o2", True)
    assert (nic.vlan, nic.problem) == (None, "")


def test_an_opaque_network_nobody_knows() -> None:
    nic = read(card(opaque("ls-404")))
    assert (nic.kind, nic.network_name, nic.problem) == ("opaque", "ls-404", "opaque-unknown")


@pytest.mark.parametrize(
    ("kind", "adapter"),
    [
        (vim.vm.device.VirtualVmxnet3, "Vmxnet3"),
        (vim.vm.device.VirtualVmxnet3Vrdma, "E1000"),
        (vim.vm.device.VirtualVmxnet2, "Vmxnet2"),
        (vim.vm.device.VirtualPCNet32, "PCNet32"),
        (vim.vm.device.VirtualE1000, "E1000"),
        (vim.vm.device.VirtualE1000e, "E1000"),
        (vim.vm.device.VirtualSriovEthernetCard, "E1000"),
    ],
)
def test_adapters_are_named_as_cloudstack_names_them(kind: Any, adapter: str) -> None:
    nic = read(card(standard("VM Network"), kind))
    assert (nic.adapter, nic.card_class) == (adapter, kind._wsdlName)
    assert nic.sriov == (kind is vim.vm.device.VirtualSriovEthernetCard)


def test_addresses_come_by_device_key_or_by_mac_and_are_ipv4() -> None:
    guest = (
        GuestNicRow(4000, "", ("10.0.0.5", "fe80::1", "10.0.0.5", "10.0.0.6")),
        GuestNicRow(-1, "00:50:56:aa:bb:01", ("10.0.0.7",)),
        GuestNicRow(4001, "00:50:56:aa:bb:01", ("10.0.0.8",)),
        GuestNicRow(-1, "", ("172.17.0.1",)),
    )
    assert read(card(standard("VM Network")), guest=guest).ipv4 == ("10.0.0.5", "10.0.0.6", "10.0.0.7")
    assert read(card(standard("VM Network"))).ipv4 == ()


@pytest.mark.parametrize(
    ("spec", "vlan"),
    [
        (Vds.VlanIdSpec(vlanId=0, inherited=True), Vlan("none")),
        (Vds.VlanIdSpec(vlanId=100, inherited=True), Vlan("id", id=100)),
        (Vds.VlanIdSpec(vlanId=4095, inherited=False), Vlan("trunk", ranges=((0, 4094),))),
        (
            Vds.TrunkVlanSpec(vlanId=[vim.NumericRange(start=1, end=9), vim.NumericRange(start=20, end=20)]),
            Vlan("trunk", ranges=((1, 9), (20, 20))),
        ),
        (Vds.PvlanSpec(pvlanId=201), Vlan("pvlan", secondary=201)),
        (None, None),
    ],
)
def test_vlan_specs_go_by_their_class(spec: Any, vlan: Vlan | None) -> None:
    assert vlan_of_setting(Vds.VmwarePortConfigPolicy(vlan=spec)) == vlan


def test_a_port_setting_of_another_vendor_has_no_vlan() -> None:
    assert vlan_of_setting(vim.dvs.DistributedVirtualPort.Setting()) is None
    assert vlan_of_setting(None) is None


def test_port_groups_switches_and_networks_are_decoded() -> None:
    tags = [vim.Tag(key="SYSTEM/DVS.UPLINKPG")]
    policy = Vds.VMwarePortgroupPolicy(vlanOverrideAllowed=True)
    row = portgroup_row("dvportgroup-1", "", {"name": "up", "key": "k", "tag": tags, "config.policy": policy})
    assert (row.key, row.uplink_tag, row.vlan_override_allowed, row.vlan) == ("k", True, True, None)
    entry = Vds.PvlanMapEntry(primaryVlanId=1, secondaryVlanId=2, pvlanType="isolated")
    uplink = vim.dvs.DistributedVirtualPortgroup("dvportgroup-9")
    config = Vds.ConfigInfo(pvlanConfig=[entry], uplinkPortgroup=[uplink])
    switch = switch_row("dvs-1", "", {"name": "s", "uuid": "u", "config": config})
    assert (switch.pvlans, switch.uplink_portgroups) == (((1, 2, "isolated"),), ("dvportgroup-9",))
    assert switch_row("dvs-2", "", {"config": vim.DistributedVirtualSwitch.ConfigInfo()}).pvlans == ()
    summary = vim.OpaqueNetwork.Summary(opaqueNetworkId="o", opaqueNetworkType="nsx.LogicalSwitch", accessible=False)
    network = network_row("network-1", "OpaqueNetwork", {"name": "n", "summary": summary})
    assert (network.opaque_id, network.opaque_type, network.accessible) == ("o", "nsx.LogicalSwitch", False)


def test_host_port_groups_are_decoded() -> None:
    def port_group(name: str, vlan_id: int, *ports: str) -> Any:
        spec = vim.host.PortGroup.Specification(name=name, vlanId=vlan_id, vswitchName="vSwitch0")
        return vim.host.PortGroup(spec=spec, port=[vim.host.PortGroup.Port(type=kind) for kind in ports])

    groups = [port_group("Management", 0, "host"), port_group("Mixed", 5, "host", "virtualMachine"), port_group("a", 1)]
    row = host_row("host-1", "", {"name": "esx1", "config.network.portgroup": groups})
    assert row.portgroups is not None
    assert [portgroup.vmkernel for portgroup in row.portgroups] == [True, False, False]
    assert row.portgroups[1] == HostPortGroup("Mixed", 5, "vSwitch0")
    assert host_row("host-2", "", {"name": "esx2"}).portgroups is None
    assert host_row("host-3", "", {"config.network.portgroup": []}).portgroups == ()
