"""The property collector: views, pages, paths, traversals, and what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim, vmodl

from ingest.twin.certificate import TwinCertificate
from ingest.twin.vcenter import VCenterServer, VCenterSettings
from ingest.twin.world import World

from .conftest import connect, machine, make_vm, read_all, spec_for

query = vmodl.query.PropertyCollector


def retrieve(si: Any, start: Any, kind: Any, paths: list[str]) -> dict[str, Any]:
    """{path: value} of one object; missing paths are under "missing" with their fault."""
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=start)], propSet=[query.PropertySpec(type=kind, pathSet=paths)]
    )
    (content,) = si.content.propertyCollector.RetrieveContents([spec])
    found = {prop.name: prop.val for prop in content.propSet}
    found["missing"] = {item.path: type(item.fault) for item in content.missingSet}
    return found


@pytest.mark.parametrize(
    ("kind", "count"),
    [(vim.VirtualMachine, 9), (vim.HostSystem, 3), (vim.ComputeResource, 2), (vim.ClusterComputeResource, 1),
     (vim.ResourcePool, 3), (vim.Network, 9), (vim.dvs.DistributedVirtualPortgroup, 6), (vim.OpaqueNetwork, 1),
     (vim.Datastore, 4), (vim.Folder, 6), (vim.StoragePod, 1), (vim.DistributedVirtualSwitch, 1)],
)  # fmt: skip
def test_a_view_holds_the_class_and_its_subclasses(si: Any, kind: Any, count: int) -> None:
    rows, _ = read_all(si, kind, ["name", "parent"])
    assert len(rows) == count


def test_every_property_of_every_object_is_readable(si: Any) -> None:
    rows, pages = read_all(si, vim.ManagedEntity, [])
    assert pages == 1
    assert len(rows) == 38
    assert all("name" in row for row in rows.values())
    wholes = [vim.VirtualMachine, vim.HostSystem, vim.Network, vim.Datastore, vim.ComputeResource, vim.ResourcePool]
    for kind in wholes:
        rows, _ = read_all(si, kind, [])
        assert all("summary" in row for row in rows.values()), kind


def test_pages_are_as_small_as_asked(si: Any, world: World) -> None:
    rows, pages = read_all(si, vim.VirtualMachine, ["name"], page=4)
    assert pages == 3
    assert {moref: row["name"] for moref, row in rows.items()} == {vm.moref: vm.name for vm in world.vms.values()}


def test_the_server_pages_unasked(world: World, certificate: TwinCertificate) -> None:
    with VCenterServer(world, settings=VCenterSettings(page_objects=2), certificate=certificate) as server:
        instance = connect(server)
        rows, pages = read_all(instance, vim.VirtualMachine, ["name"])
        _, pages_of_asking_more = read_all(instance, vim.VirtualMachine, ["name"], page=100)
        instance._stub.DropConnections()
    assert (len(rows), pages, pages_of_asking_more) == (9, 5, 5)


def test_pages_show_the_state_at_the_time_they_are_asked_for(si: Any, world: World) -> None:
    content = si.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    spec = spec_for(view, vim.VirtualMachine, ["runtime.host"])
    first = content.propertyCollector.RetrievePropertiesEx([spec], query.RetrieveOptions(maxObjects=5))
    with world.lock:
        del world.vms["vm-106"]
        world.vms["vm-107"].host = "host-32"
        world.touch(world.vms["vm-107"])
    second = content.propertyCollector.ContinueRetrievePropertiesEx(first.token)
    hosts = {item.obj._moId: item.propSet[0].val._moId for item in second.objects}
    assert hosts == {"vm-105": "host-31", "vm-107": "host-32", "vm-108": "host-33"}
    assert second.token is None


def test_a_page_of_objects_that_are_all_gone_is_empty_and_the_last(si: Any, world: World) -> None:
    content = si.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    spec = spec_for(view, vim.VirtualMachine, ["name"])
    first = content.propertyCollector.RetrievePropertiesEx([spec], query.RetrieveOptions(maxObjects=8))
    with world.lock:
        del world.vms["vm-108"]
    second = content.propertyCollector.ContinueRetrievePropertiesEx(first.token)
    assert (second.objects, second.token) == ([], None)


def test_a_token_works_once_and_can_be_cancelled(si: Any) -> None:
    content = si.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    collector = content.propertyCollector
    for use in (collector.ContinueRetrievePropertiesEx, collector.CancelRetrievePropertiesEx):
        spec = spec_for(view, vim.VirtualMachine, ["name"])
        token = collector.RetrievePropertiesEx([spec], query.RetrieveOptions(maxObjects=1)).token
        use(token)
        with pytest.raises(vmodl.fault.InvalidArgument, match="token"):
            collector.ContinueRetrievePropertiesEx(token)


def test_an_empty_result_is_none(si: Any, world: World) -> None:
    world.vms.clear()
    assert read_all(si, vim.VirtualMachine, ["name"]) == ({}, 0)


def test_a_view_of_a_cluster_or_a_folder_is_limited_to_it(si: Any) -> None:
    content = si.RetrieveContent()
    for container, expected in (
        (vim.ClusterComputeResource("domain-c8", si._stub), [f"vm-{number}" for number in range(100, 108)]),
        (vim.Folder("group-v20", si._stub), ["vm-100"]),
        (vim.HostSystem("host-33", si._stub), ["vm-108"]),
        (vim.VirtualApp("resgroup-v50", si._stub), ["vm-105"]),
    ):
        view = content.viewManager.CreateContainerView(container, [vim.VirtualMachine], True)
        assert sorted(vm._moId for vm in view.view) == expected, container
        view.Destroy()
    flat = content.viewManager.CreateContainerView(vim.Folder("group-v4", si._stub), [vim.VirtualMachine], False)
    assert "vm-100" not in [vm._moId for vm in flat.view]


def test_a_destroyed_view_is_gone_and_so_is_one_of_another_session(server: VCenterServer, si: Any) -> None:
    content = si.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    other = connect(server)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        len(vim.view.ContainerView(view._moId, other._stub).view)
    other._stub.DropConnections()
    view.Destroy()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        len(view.view)


def test_a_list_view_holds_what_it_was_given(si: Any) -> None:
    view = si.content.viewManager.CreateListView([machine(si, 100), machine(si, 101)])
    unknown = machine(si, 999)
    assert view.Modify(add=[machine(si, 102), unknown], remove=[machine(si, 100)]) == [unknown]
    assert [vm._moId for vm in view.view] == ["vm-101", "vm-102"]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (vim.VirtualMachine, "nonsense"),
        (vim.VirtualMachine, "config.nonsense"),
        (vim.VirtualMachine, "config.name.length"),
        (vim.VirtualMachine, "config.hardware.device.key"),
        (vim.VirtualMachine, "config.hardware.device[4000].macAddress"),
        (vim.VirtualMachine, "runtime.host.name"),
        (vim.VirtualMachine, "config[4]"),
        (vim.VirtualMachine, "config..name"),
        (vim.VirtualMachine, "config."),
        (vim.dvs.DistributedVirtualPortgroup, "config.defaultPortConfig.vlan"),
        (vim.DistributedVirtualSwitch, "config.pvlanConfig"),
        (vim.Network, "key"),
        (vim.Datastore, "info.vmfs"),
    ],
)
def test_a_wrong_path_fails_the_whole_call(si: Any, kind: Any, path: str) -> None:
    with pytest.raises(vmodl.query.InvalidProperty) as caught:
        read_all(si, kind, ["name", path])
    assert caught.value.name == path


def test_a_path_newer_than_the_server_is_wrong(world: World, certificate: TwinCertificate) -> None:
    world.vcenter_version = "6.7"
    with VCenterServer(world, certificate=certificate) as server:
        instance = connect(server)
        portgroup = vim.dvs.DistributedVirtualPortgroup
        assert len(read_all(instance, portgroup, ["config.uplink"])[0]) == 6
        with pytest.raises(vmodl.query.InvalidProperty):
            read_all(instance, portgroup, ["config.segmentId"])
        instance._stub.DropConnections()


def test_keyed_paths_pick_one_item_or_nothing(si: Any) -> None:
    paths = ["config.hardware.device[4000]", "config.hardware.device[4999]", 'config.extraConfig["svga.present"].value']
    row = retrieve(si, machine(si, 100), vim.VirtualMachine, paths)
    assert row[paths[0]].macAddress == "00:50:56:aa:00:00"
    assert row[paths[2]] == "TRUE"
    assert paths[1] not in row
    assert row["missing"] == {}


def test_an_unreadable_vm_has_no_config_and_no_fault(si: Any) -> None:
    paths = ["name", "config", "config.hardware.device", "runtime.connectionState", "summary.config.name"]
    row = retrieve(si, machine(si, 103), vim.VirtualMachine, paths)
    assert row == {
        "name": "vm103", "runtime.connectionState": "inaccessible", "summary.config.name": "vm103", "missing": {}
    }  # fmt: skip


def test_what_may_not_be_read_is_in_the_missing_set(world: World, certificate: TwinCertificate) -> None:
    denied = {"vm-100": ("config",), "host-31": ("",)}
    with VCenterServer(world, settings=VCenterSettings(no_permission=denied), certificate=certificate) as server:
        instance = connect(server)
        row = retrieve(instance, machine(instance, 100), vim.VirtualMachine, ["name", "config.template", "config"])
        host = retrieve(instance, vim.HostSystem("host-31", instance._stub), vim.HostSystem, ["name"])
        with pytest.raises(vim.fault.NoPermission):
            machine(instance, 100).config.name  # noqa: B018  the read is the test
        instance._stub.DropConnections()
    denial = vim.fault.NoPermission
    assert row == {"name": "vm100", "missing": {"config.template": denial, "config": denial}}
    assert host == {"missing": {"name": denial}}


def test_an_object_that_does_not_exist_fails_the_call(si: Any) -> None:
    for missing in (machine(si, 999), vim.HostSystem("vm-100", si._stub)):
        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            retrieve(si, missing, type(missing), ["name"])


def test_the_tree_can_be_walked_with_recursive_traversals(si: Any) -> None:
    """The specs govc and older scripts use: folders and datacenters by named, recursive selections."""
    again = query.SelectionSpec
    folder = query.TraversalSpec(
        name="folder", type=vim.Folder, path="childEntity", skip=False,
        selectSet=[again(name="folder"), again(name="dc"), again(name="compute")],
    )  # fmt: skip
    datacenter = query.TraversalSpec(
        name="dc", type=vim.Datacenter, path="vmFolder", skip=False, selectSet=[again(name="folder")]
    )
    hosts = query.TraversalSpec(
        name="hosts", type=vim.Datacenter, path="hostFolder", skip=False, selectSet=[again(name="folder")]
    )
    compute = query.TraversalSpec(name="compute", type=vim.ComputeResource, path="host", skip=False)
    datacenter.selectSet.append(again(name="folder"))
    folder.selectSet.append(again(name="hosts"))
    start = query.ObjectSpec(obj=si.content.rootFolder, skip=True, selectSet=[folder, datacenter, hosts, compute])
    wanted = [
        query.PropertySpec(type=vim.VirtualMachine, pathSet=["name"]),
        query.PropertySpec(type=vim.HostSystem, pathSet=["name", "runtime.inMaintenanceMode"]),
    ]
    spec = query.FilterSpec(objectSet=[start], propSet=wanted)
    found = {item.obj._moId: item.propSet for item in si.content.propertyCollector.RetrieveContents([spec])}
    vms = {f"vm-{number}" for number in range(100, 109)} - {"vm-105"}  # the vApp's VM is in no folder
    assert set(found) == vms | {"host-31", "host-32", "host-33"}
    assert {prop.name: prop.val for prop in found["host-32"]}["runtime.inMaintenanceMode"] is True


def test_an_unknown_named_selection_is_refused(si: Any) -> None:
    start = query.ObjectSpec(obj=si.content.rootFolder, selectSet=[query.SelectionSpec(name="nowhere")])
    spec = query.FilterSpec(objectSet=[start], propSet=[query.PropertySpec(type=vim.Folder, pathSet=["name"])])
    with pytest.raises(vmodl.fault.InvalidArgument):
        si.content.propertyCollector.RetrieveContents([spec])


def test_a_changed_vm_is_rendered_again(si: Any, world: World) -> None:
    assert machine(si, 101).config.annotation == ""
    with world.lock:
        world.vms["vm-101"].annotation = "moved"
        world.touch(world.vms["vm-101"])
    assert machine(si, 101).config.annotation == "moved"
    paths = ["config.annotation"]
    assert retrieve(si, machine(si, 101), vim.VirtualMachine, paths)["config.annotation"] == "moved"
    with world.lock:
        world.vms["vm-101"] = make_vm(101, annotation="another VM of that id")
    assert retrieve(si, machine(si, 101), vim.VirtualMachine, paths)["config.annotation"] == "another VM of that id"


def test_the_cache_starts_again_when_full(world: World, certificate: TwinCertificate) -> None:
    with VCenterServer(world, settings=VCenterSettings(cache_bytes=5000), certificate=certificate) as server:
        instance = connect(server)
        first, _ = read_all(instance, vim.VirtualMachine, ["config.hardware.device"])
        second, _ = read_all(instance, vim.VirtualMachine, ["config.hardware.device"])
        instance._stub.DropConnections()
    assert [len(row["config.hardware.device"]) for row in first.values() if row] == [
        len(row["config.hardware.device"]) for row in second.values() if row
    ]
    assert len(first["vm-100"]["config.hardware.device"]) > 30


def test_the_search_index_finds_by_uuid_path_and_name(si: Any, world: World) -> None:
    index = si.content.searchIndex
    vm = world.vms["vm-102"]
    assert index.FindByUuid(None, vm.instance_uuid.upper(), True, True)._moId == "vm-102"
    assert index.FindByUuid(None, vm.bios_uuid, True, False)._moId == "vm-102"
    assert index.FindByUuid(None, "none", True, True) is None
    assert index.FindByInventoryPath("/DC/vm/shop%2fweb/vm100")._moId == "vm-100"
    assert index.FindByInventoryPath("DC/host/C1/Resources/shop")._moId == "resgroup-v50"
    assert index.FindByInventoryPath("/DC/vm/nobody") is None
    assert index.FindChild(vim.Folder("group-h5", si._stub), "C1")._moId == "domain-c8"
