"""What the other objects show: hosts, networks, switches, datastores, folders, clusters."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from ingest.twin.world import Network, ResourcePool, World

from .conftest import SWITCH_UUID, read_all

spec = vim.dvs.VmwareDistributedVirtualSwitch


def test_hosts_tell_their_standard_port_groups(si: Any) -> None:
    rows, _ = read_all(si, vim.HostSystem, ["name", "parent", "config.network.portgroup", "runtime.connectionState",
                                            "runtime.inMaintenanceMode", "config.product.version"])  # fmt: skip
    groups = {group.spec.name: group for group in rows["host-31"]["config.network.portgroup"]}
    assert {name: group.spec.vlanId for name, group in groups.items()} == {
        "VM Network": 0, "VLAN1": 1, "VLAN10": 10, "guest tagging": 4095, "Management Network": 5
    }  # fmt: skip
    assert groups["VLAN1"].spec.vswitchName == "vSwitch0"
    assert [port.type for port in groups["Management Network"].port] == ["host"]
    assert groups["VLAN1"].port == []
    assert rows["host-32"]["runtime.inMaintenanceMode"] is True
    assert rows["host-33"]["runtime.connectionState"] == "notResponding"
    assert "config.network.portgroup" not in rows["host-33"]
    assert rows["host-31"]["config.product.version"] == "8.0.2"
    assert rows["host-31"]["parent"]._moId == "domain-c8"


def test_hosts_know_their_vms_and_networks(si: Any) -> None:
    host = vim.HostSystem("host-31", si._stub)
    assert [item._moId for item in host.network][:2] == ["network-21", "network-22"]
    assert "network-o70" in [item._moId for item in host.network]
    assert [vm._moId for vm in vim.HostSystem("host-33", si._stub).vm] == ["vm-108"]
    assert host.summary.config.product.fullName.startswith("VMware ESXi 8.0.2")
    assert host.hardware.systemInfo.uuid == host.summary.hardware.uuid


def test_port_groups_tell_their_vlan_by_class(si: Any) -> None:
    rows, _ = read_all(si, vim.dvs.DistributedVirtualPortgroup,
                       ["name", "key", "tag", "config.defaultPortConfig", "config.distributedVirtualSwitch",
                        "config.policy", "config.type", "config.backingType", "config.segmentId"])  # fmt: skip
    vlans = {row["name"]: row["config.defaultPortConfig"].vlan for row in rows.values()}
    assert (type(vlans["prod"]), vlans["prod"].vlanId) == (spec.VlanIdSpec, 100)
    assert [(item.start, item.end) for item in vlans["trunk"].vlanId] == [(1, 10), (20, 20)]
    assert (type(vlans["private"]), vlans["private"].pvlanId) == (spec.PvlanSpec, 101)
    assert (type(vlans["ephemeral"]), vlans["ephemeral"].vlanId) == (spec.VlanIdSpec, 0)
    assert [(item.start, item.end) for item in vlans["DSwitch-uplinks"].vlanId] == [(0, 4094)]
    assert [tag.key for tag in rows["dvportgroup-61"]["tag"]] == ["SYSTEM/DVS.UPLINKPG"]
    assert rows["dvportgroup-62"]["tag"] == []
    assert rows["dvportgroup-62"]["config.policy"].vlanOverrideAllowed is True
    assert rows["dvportgroup-63"]["config.policy"].vlanOverrideAllowed is False
    assert (rows["dvportgroup-65"]["config.type"], rows["dvportgroup-62"]["config.type"]) == (
        "ephemeral",
        "earlyBinding",
    )
    assert (rows["dvportgroup-66"]["config.backingType"], rows["dvportgroup-66"]["config.segmentId"]) == (
        "nsx", "/infra/segments/s1"
    )  # fmt: skip
    assert rows["dvportgroup-62"]["config.distributedVirtualSwitch"]._moId == "dvs-60"


def test_the_switch_is_vmwares_own_class(si: Any) -> None:
    rows, _ = read_all(si, vim.DistributedVirtualSwitch, ["name", "uuid", "config", "portgroup"])
    row = rows["dvs-60"]
    assert type(row["config"]) is vim.dvs.VmwareDistributedVirtualSwitch.ConfigInfo
    assert (row["uuid"], row["config"].uuid) == (SWITCH_UUID, SWITCH_UUID)
    assert [(item.primaryVlanId, item.secondaryVlanId, item.pvlanType) for item in row["config"].pvlanConfig] == [
        (100, 100, "promiscuous"), (100, 101, "isolated"), (100, 102, "community")
    ]  # fmt: skip
    assert [item._moId for item in row["config"].uplinkPortgroup] == ["dvportgroup-61"]
    assert len(row["portgroup"]) == 6


def test_networks_of_three_kinds(si: Any) -> None:
    rows, _ = read_all(si, vim.Network, ["name", "parent", "summary", "host", "vm"])
    assert type(rows["network-o70"]["summary"]) is vim.OpaqueNetwork.Summary
    assert rows["network-o70"]["summary"].opaqueNetworkId == "11111111-aaaa"
    assert rows["network-21"]["summary"].network._moId == "network-21"
    assert [item._moId for item in rows["network-21"]["host"]] == ["host-31", "host-32"]
    assert [item._moId for item in rows["network-22"]["host"]] == ["host-31"]
    assert [item._moId for item in rows["dvportgroup-62"]["vm"]] == ["vm-100"]


def test_datastores_of_several_types(si: Any) -> None:
    rows, _ = read_all(si, vim.Datastore, ["name", "parent", "summary", "info", "vm"])
    assert type(rows["datastore-11"]["info"]) is vim.host.VmfsDatastoreInfo
    assert type(rows["datastore-12"]["info"]) is vim.host.NasDatastoreInfo
    assert type(rows["datastore-14"]["info"]).__name__.endswith("VsanDatastoreInfo")
    assert (rows["datastore-12"]["info"].nas.remoteHost, rows["datastore-12"]["info"].nas.remotePath) == (
        "10.0.0.5", "/exp"
    )  # fmt: skip
    assert rows["datastore-11"]["summary"].url == "ds:///vmfs/volumes/gold/"
    assert rows["datastore-12"]["summary"].type == "NFS"
    assert [item._moId for item in rows["datastore-12"]["vm"]] == ["vm-100"]
    pod = rows["datastore-13"]["parent"]
    assert isinstance(pod, vim.StoragePod)
    assert pod.summary.capacity == rows["datastore-13"]["summary"].capacity


def test_a_datastore_may_be_on_one_host_only_or_lost(si: Any, world: World) -> None:
    with world.lock:
        world.datastores["datastore-12"].hosts = ["host-33"]
        world.datastores["datastore-14"].accessible = False
        world.datastores["datastore-14"].maintenance_mode = "inMaintenance"
        world.datastores["datastore-13"].type = "PMEM"
        world.datastores["datastore-11"].type = "VVOL"
    rows, _ = read_all(si, vim.Datastore, ["summary", "host", "info"])
    local, lost = rows["datastore-12"], rows["datastore-14"]
    assert (local["summary"].multipleHostAccess, [item.key._moId for item in local["host"]]) == (False, ["host-33"])
    assert (lost["summary"].accessible, lost["summary"].maintenanceMode) == (False, "inMaintenance")
    assert {item.mountInfo.accessible for item in lost["host"]} == {False}
    assert rows["datastore-11"]["summary"].multipleHostAccess is True
    for moref, kind in (("datastore-13", "PMemDatastoreInfo"), ("datastore-11", "VvolDatastoreInfo")):
        assert type(rows[moref]["info"]).__name__.endswith(kind)
    for host, expected in (("host-31", False), ("host-33", True)):
        mounted = [item._moId for item in vim.HostSystem(host, si._stub).datastore]
        assert ("datastore-12" in mounted, "datastore-11" in mounted) == (expected, True)
    mounted = [item._moId for item in vim.ClusterComputeResource("domain-c8", si._stub).datastore]
    assert mounted == ["datastore-11", "datastore-13", "datastore-14"]


def test_a_network_no_host_has_is_not_accessible(si: Any, world: World) -> None:
    with world.lock:
        world.networks["network-29"] = Network("network-29", "none", "standard", "datacenter-3", "group-n7")
    rows, _ = read_all(si, vim.Network, ["summary", "host"])
    assert {moref for moref, row in rows.items() if not row["summary"].accessible} == {"network-29"}
    assert rows["network-29"]["host"] == []


def test_resource_pools_form_a_tree(si: Any, world: World) -> None:
    with world.lock:
        world.resource_pools["resgroup-91"] = ResourcePool("resgroup-91", "gold", "resgroup-9", "domain-c8")
        world.resource_pools["resgroup-92"] = ResourcePool("resgroup-92", "inner", "resgroup-91", "domain-c8")
        world.vms["vm-101"].resource_pool = "resgroup-92"
    rows, _ = read_all(si, vim.ResourcePool, ["name", "parent", "owner", "vm", "resourcePool"])
    assert {moref: (row["name"], row["parent"]._moId, row["owner"]._moId) for moref, row in rows.items()} == {
        "resgroup-9": ("Resources", "domain-c8", "domain-c8"),
        "resgroup-90": ("Resources", "domain-s80", "domain-s80"),
        "resgroup-91": ("gold", "resgroup-9", "domain-c8"),
        "resgroup-92": ("inner", "resgroup-91", "domain-c8"),
        "resgroup-v50": ("shop", "resgroup-9", "domain-c8"),
    }
    assert [item._moId for item in rows["resgroup-92"]["vm"]] == ["vm-101"]
    assert [item._moId for item in rows["resgroup-9"]["resourcePool"]] == ["resgroup-91", "resgroup-v50"]
    view = si.content.viewManager.CreateContainerView(
        vim.ResourcePool("resgroup-91", si._stub), [vim.VirtualMachine], True
    )
    assert [vm._moId for vm in view.view] == ["vm-101"]
    assert si.content.searchIndex.FindByInventoryPath("DC/host/C1/Resources/gold/inner")._moId == "resgroup-92"


def test_the_tree_from_the_root(si: Any) -> None:
    root = si.content.rootFolder
    assert (root.name, root.parent, [item._moId for item in root.childEntity]) == (
        "Datacenters",
        None,
        ["datacenter-3"],
    )
    datacenter = root.childEntity[0]
    assert [item.name for item in (datacenter.vmFolder, datacenter.hostFolder, datacenter.networkFolder,
                                   datacenter.datastoreFolder)] == ["vm", "host", "network", "datastore"]  # fmt: skip
    assert {item._moId for item in datacenter.hostFolder.childEntity} == {"domain-c8", "domain-s80"}
    assert datacenter.vmFolder.childType == ["Folder", "VirtualMachine", "VirtualApp"]
    cluster = vim.ClusterComputeResource("domain-c8", si._stub)
    assert (cluster.summary.numHosts, cluster.summary.numEffectiveHosts) == (2, 1)
    assert cluster.resourcePool.owner == cluster
    assert [item._moId for item in cluster.resourcePool.resourcePool] == ["resgroup-v50"]
    lone = vim.ComputeResource("domain-s80", si._stub)
    assert type(lone.summary) is vim.ComputeResource.Summary
    assert [host._moId for host in lone.host] == ["host-33"]
    vapp = vim.VirtualApp("resgroup-v50", si._stub)
    assert (vapp.name, vapp.parentFolder._moId, [vm._moId for vm in vapp.vm]) == ("shop", "group-v4", ["vm-105"])
