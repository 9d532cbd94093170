"""Shapes that are rare in the field and must exist in a rehearsal: made by name, saved, loaded, shown on the wire."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from pyVmomi import vim

from ingest.twin.certificate import TwinCertificate
from ingest.twin.generator import CLEAN, REALISTIC, Rates, generate
from ingest.twin.vcenter import VCenterServer
from ingest.twin.world import VM, World
from ingest.twin.worldfile import load_world, save_world
from ingest.twin.worlds.integrity import dangling

from .conftest import connect, read_all

device = vim.vm.device
card = device.VirtualEthernetCard
RARE = [field.name for field in dataclasses.fields(Rates) if not getattr(REALISTIC.rates, field.name)]


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two VMs of each rare shape, from a file."""
    made = generate(60, seed=14, shape=dataclasses.replace(CLEAN, rates=Rates(**dict.fromkeys(RARE, 2 / 60))))
    assert list(dangling(made)) == []
    path = tmp_path_factory.mktemp("world") / "rare.json"
    save_world(made, path)
    loaded = load_world(path)
    assert loaded == made
    return loaded


@pytest.fixture(scope="module")
def rows(rare: World, certificate: TwinCertificate) -> Iterator[dict[str, dict[str, Any]]]:
    """All that is known of every VM."""
    with VCenterServer(rare, certificate=certificate) as server:
        instance = connect(server)
        yield read_all(instance, vim.VirtualMachine, [])[0]
        instance._stub.DropConnections()


def those(rare: World, rows: dict[str, dict[str, Any]], test: Any) -> list[dict[str, Any]]:
    """The rows of the VMs that pass; there are two of each shape."""
    found = [rows[vm.moref] for vm in rare.vms.values() if test(vm)]
    assert len(found) == 2
    return found


def devices(row: dict[str, Any], kind: Any) -> list[Any]:
    return [item for item in row["config"].hardware.device if isinstance(item, kind)]


def chain_of(backing: Any) -> list[Any]:
    return [] if backing is None else [backing, *chain_of(backing.parent)]


def test_a_clean_rest_is_left(rows: dict[str, dict[str, Any]]) -> None:
    assert len(rows) == 60
    assert all(row["config"] is not None for row in rows.values())


def test_keys_are_unique_and_every_device_sits_on_a_controller_that_lists_it(rows: dict[str, dict[str, Any]]) -> None:
    for row in rows.values():
        found = {item.key: item for item in row["config"].hardware.device}
        assert len(found) == len(row["config"].hardware.device)
        for key, item in found.items():
            if item.controllerKey in (100, 200, 201):
                assert key in found[item.controllerKey].device
            elif item.controllerKey is not None:
                assert item.controllerKey in found


def test_snapshots_are_a_tree_over_chains_of_files(rare: World, rows: dict[str, dict[str, Any]]) -> None:
    for row in those(rare, rows, lambda vm: vm.snapshots):
        (root,) = row["snapshot"].rootSnapshotList
        (child,) = root.childSnapshotList
        assert (root.name, root.id, child.name, child.id, child.quiesced) == (
            "before upgrade", 1, "after upgrade", 2, True
        )  # fmt: skip
        assert row["snapshot"].currentSnapshot == child.snapshot
        assert row["rootSnapshot"] == [root.snapshot]
        assert child.createTime > root.createTime
        for disk in devices(row, device.VirtualDisk):
            names = [backing.fileName for backing in chain_of(disk.backing)]
            base = names[-1].removesuffix(".vmdk")
            assert names == [f"{base}-000002.vmdk", f"{base}-000001.vmdk", f"{base}.vmdk"]
            assert len({backing.datastore._moId for backing in chain_of(disk.backing)}) == 1
        files = {item.key: item.name for item in row["layoutEx"].file}
        chain = row["layoutEx"].disk[0].chain
        assert [files[unit.fileKey[0]].rpartition("-")[2] for unit in chain][1:] == ["000001.vmdk", "000002.vmdk"]


def test_a_snapshot_is_an_object_with_the_disks_of_its_time(rare: World, certificate: TwinCertificate) -> None:
    vm = next(vm for vm in rare.vms.values() if vm.snapshots)
    with VCenterServer(rare, certificate=certificate) as server:
        instance = connect(server)
        tree = vim.VirtualMachine(vm.moref, instance._stub).snapshot.rootSnapshotList[0]
        first, second = tree.snapshot, tree.childSnapshotList[0].snapshot
        files = [
            next(item.backing for item in one.config.hardware.device if isinstance(item, device.VirtualDisk)).fileName
            for one in (first, second)
        ]
        assert (first.vm._moId, list(first.childSnapshot), list(second.childSnapshot)) == (vm.moref, [second], [])
        instance._stub.DropConnections()
    assert files == [vm.disks[0].ancestors[0], vm.disks[0].parent_file]


def test_disks_that_are_no_plain_files(rare: World, rows: dict[str, dict[str, Any]]) -> None:
    mapping = device.VirtualDisk.RawDiskMappingVer1BackingInfo
    for row in those(rare, rows, lambda vm: any(disk.backing == "rdm" for disk in vm.disks)):
        assert [disk.backing.compatibilityMode for disk in devices(row, device.VirtualDisk)
                if isinstance(disk.backing, mapping)] == ["virtualMode"]  # fmt: skip
    for row in those(rare, rows, lambda vm: any(disk.backing == "seflat" for disk in vm.disks)):
        assert isinstance(devices(row, device.VirtualDisk)[-1].backing, device.VirtualDisk.SeSparseBackingInfo)
    for row in those(rare, rows, lambda vm: any(disk.shared_bus != "noSharing" for disk in vm.disks)):
        assert {item.sharedBus for item in devices(row, device.VirtualSCSIController)} == {"physicalSharing"}


def test_the_boot_order_names_a_disk_or_is_not_there(rare: World, rows: dict[str, dict[str, Any]]) -> None:
    for row in those(rare, rows, lambda vm: vm.boot_disk_key):
        (first,) = row["config"].bootOptions.bootOrder
        assert isinstance(first, vim.vm.BootOptions.BootableDiskDevice)
        assert first.deviceKey == devices(row, device.VirtualDisk)[1].key
    ordinary = [row for moref, row in rows.items() if not rare.vms[moref].boot_disk_key]
    assert not any(row["config"].bootOptions.bootOrder for row in ordinary)


def test_storage_clusters_and_vsan(rare: World, certificate: TwinCertificate) -> None:
    with VCenterServer(rare, certificate=certificate) as server:
        instance = connect(server)
        stores, _ = read_all(instance, vim.Datastore, ["name", "parent", "summary", "info", "host"])
        pods, _ = read_all(instance, vim.StoragePod, ["name", "childEntity", "summary"])
        clusters, _ = read_all(instance, vim.ClusterComputeResource, ["name", "host", "datastore"])
        instance._stub.DropConnections()
    for moref, pod in pods.items():
        assert [item._moId for item in pod["childEntity"]] == [
            store for store, row in stores.items() if row["parent"]._moId == moref
        ]
        assert pod["summary"].capacity == sum(stores[item._moId]["summary"].capacity for item in pod["childEntity"])
    assert pods
    vsan = {moref: row for moref, row in stores.items() if row["summary"].type == "vsan"}
    assert vsan
    for moref, row in vsan.items():
        assert type(row["info"]).__name__.endswith("VsanDatastoreInfo")
        (owner,) = [one for one in clusters.values() if row["name"].startswith(one["name"])]
        assert [mount.key for mount in row["host"]] == list(owner["host"])
        assert [moref in [item._moId for item in one["datastore"]] for one in clusters.values()].count(True) == 1


def test_cards_that_are_plugged_into_nothing_known(rare: World, rows: dict[str, dict[str, Any]]) -> None:
    def first(test: Any) -> list[Any]:
        return [devices(row, card)[0].backing for row in those(rare, rows, lambda vm: vm.nics and test(vm.nics[0]))]

    assert first(lambda nic: nic.backing == "none") == [None, None]
    for backing in first(lambda nic: nic.backing == "legacy"):
        assert (type(backing), backing.deviceName) == (card.LegacyNetworkBackingInfo, "vmnet0")
    uuids = {switch.uuid for switch in rare.switches.values()}
    for backing in first(lambda nic: nic.switch and nic.network):
        assert backing.port.portgroupKey not in rare.networks
        assert backing.port.switchUuid in uuids
    for backing in first(lambda nic: nic.switch and not nic.network):
        assert (backing.port.portgroupKey, backing.port.switchUuid in uuids) == (None, True)
        assert backing.port.portKey


def test_a_port_without_a_group_is_among_its_switchs_ports(rare: World, certificate: TwinCertificate) -> None:
    users = [vm for vm in rare.vms.values() if vm.nics and vm.nics[0].switch and not vm.nics[0].network]
    with VCenterServer(rare, certificate=certificate) as server:
        instance = connect(server)
        switch = vim.dvs.VmwareDistributedVirtualSwitch(users[0].nics[0].switch, instance._stub)
        found = [port for port in switch.FetchDVPorts(None) if port.portgroupKey is None]
        counted = switch.config.numStandalonePorts
        instance._stub.DropConnections()
    assert [port.connectee.connectedEntity._moId for port in found] == [vm.moref for vm in users]
    assert counted == 2


def test_sriov_nsx_and_ipv6(rare: World, rows: dict[str, dict[str, Any]]) -> None:
    for row in those(rare, rows, lambda vm: vm.nics and vm.nics[0].card == "VirtualSriovEthernetCard"):
        assert all(item.sriovBacking is not None and item.backing is not None for item in devices(row, card))
    segments = {moref for moref, network in rare.networks.items() if network.nsx_segment}
    those(rare, rows, lambda vm: any(nic.network in segments for nic in vm.nics))
    spoken = [row["guest"] for row in rows.values() if row["guest"].net and row["guest"].ipAddress]
    modern = [guest for guest in spoken if ":" in guest.ipAddress]
    assert modern
    assert all("." not in address for guest in modern for nic in guest.net for address in nic.ipAddress)


def test_what_ties_a_vm_to_its_host(rare: World, rows: dict[str, dict[str, Any]]) -> None:
    for row in those(rare, rows, lambda vm: vm.vgpus):
        (gpu,) = devices(row, device.VirtualPCIPassthrough)
        assert (type(gpu.backing), gpu.backing.vgpu) == (device.VirtualPCIPassthrough.VmiopBackingInfo, "grid_t4-4q")
    for row in those(rare, rows, lambda vm: "VirtualUSB" in vm.extra_devices):
        (dongle,) = devices(row, device.VirtualUSB)
        (controller,) = devices(row, device.VirtualUSBXHCIController)
        assert (dongle.controllerKey, dongle.deviceInfo.label) == (controller.key, "USB 1")
    for row in those(rare, rows, lambda vm: vm.iso):
        (drive,) = devices(row, device.VirtualCdrom)
        assert isinstance(drive.backing, device.VirtualCdrom.IsoBackingInfo)
        assert drive.backing.datastore in list(row["datastore"])
        assert drive.connectable.startConnected is True
        assert drive.connectable.connected is (row["runtime"].powerState == "poweredOn")


def test_a_vapp_in_a_vapp_is_in_no_folder(rare: World, certificate: TwinCertificate) -> None:
    (inner,) = [vapp for vapp in rare.vapps.values() if vapp.parent in rare.vapps][:1]
    with VCenterServer(rare, certificate=certificate) as server:
        instance = connect(server)
        below, above = (vim.VirtualApp(moref, instance._stub) for moref in (inner.moref, inner.parent))
        assert (below.parent, below.parentVApp, below.parentFolder) == (above, above, None)
        assert (list(above.resourcePool), above.parentFolder is not None) == ([below], True)
        assert all(vm.parent is None and vm.parentVApp == below and vm.resourcePool == below for vm in below.vm)
        on = [vm for vm in below.vm if vm.runtime.powerState == "poweredOn"]
        assert below.summary.vAppState == ("started" if on else "stopped")
        root = instance.content.rootFolder
        view = instance.content.viewManager.CreateContainerView(root, [vim.VirtualApp], True)
        assert {below, above} <= set(view.view)
        instance._stub.DropConnections()


def test_a_fault_tolerant_pair_names_each_other(rare: World, rows: dict[str, dict[str, Any]]) -> None:
    for row in those(rare, rows, lambda vm: vm.ft_role == 2):
        secondary = row["config"].ftInfo
        assert type(secondary) is vim.vm.FaultToleranceSecondaryConfigInfo
        primary = rows[secondary.primaryVM._moId]["config"].ftInfo
        assert type(primary) is vim.vm.FaultTolerancePrimaryConfigInfo
        assert [(primary.role, secondary.role), primary.instanceUuids] == [(1, 2), secondary.instanceUuids]
        assert [item._moId for item in primary.secondaries] == [row["summary"].vm._moId]
        assert rows[secondary.primaryVM._moId]["name"] == row["name"]


@pytest.mark.parametrize("kind", ["sparse", "raw"])
def test_backings_no_vsphere_host_makes_but_an_inventory_may_hold(
    world: World, server: VCenterServer, si: Any, kind: Any
) -> None:
    with world.lock:
        world.vms["vm-101"].disks[0].backing = kind
    (disk,) = [item for item in vim.VirtualMachine("vm-101", si._stub).config.hardware.device
               if isinstance(item, device.VirtualDisk)]  # fmt: skip
    expected = {"sparse": device.VirtualDisk.SparseVer2BackingInfo, "raw": device.VirtualDisk.RawDiskVer2BackingInfo}
    assert type(disk.backing) is expected[kind]


def test_devices_of_the_pc_are_shown_by_their_class(world: World, si: Any) -> None:
    vm: VM = world.vms["vm-101"]
    with world.lock:
        vm.extra_devices = ["VirtualFloppy", "VirtualSerialPort", "VirtualHdAudioCard", "VirtualWDT", "VirtualUSB",
                            "VirtualPCIPassthrough", "VirtualPCIPassthrough", "VirtualSoundBlaster16",
                            "VirtualSriovEthernetCard"]  # fmt: skip
        vm.vgpus = ["grid_t4-1q"]
    found = vim.VirtualMachine("vm-101", si._stub).config.hardware.device
    labels = [item.deviceInfo.label for item in found][13:]
    assert labels == ["USB controller", "Floppy drive 1", "Serial port 1", "Sound card", "Watchdog timer", "USB 1",
                      "PCI device 0", "PCI device 1", "VirtualSoundBlaster16 1", "PCI device 2"]  # fmt: skip
    assert len({item.key for item in found}) == len(found)


def test_an_encrypted_vms_disks_are_encrypted_with_its_key(si: Any) -> None:
    config = vim.VirtualMachine("vm-100", si._stub).config
    keys = [getattr(item.backing, "keyId", None) for item in config.hardware.device
            if isinstance(item, device.VirtualDisk)]  # fmt: skip
    assert {key.keyId for key in keys if key} == {config.keyId.keyId}
    assert keys.count(None) == 1  # the raw device mapping
