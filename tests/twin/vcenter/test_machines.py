"""What a VM shows: devices with their classes and backings, guest, state, identity."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim, vmodl

from ingest.twin.world import World

from .conftest import GIB, SWITCH_UUID, machine

device = vim.vm.device


def devices_of(si: Any, number: int, kind: Any) -> dict[int, Any]:
    return {item.key: item for item in machine(si, number).config.hardware.device if isinstance(item, kind)}


def test_every_kind_of_card_and_backing(si: Any) -> None:
    cards = devices_of(si, 100, device.VirtualEthernetCard)
    assert list(cards) == list(range(4000, 4010))
    assert [type(card).__name__.rpartition(".")[2] for card in cards.values()] == [
        "VirtualE1000", "VirtualVmxnet3", "VirtualVmxnet2", "VirtualPCNet32", "VirtualE1000e", "VirtualVmxnet3",
        "VirtualVmxnet3", "VirtualSriovEthernetCard", "VirtualVmxnet3", "VirtualVmxnet3",
    ]  # fmt: skip
    standard = cards[4000].backing
    assert isinstance(standard, device.VirtualEthernetCard.NetworkBackingInfo)
    assert (standard.deviceName, standard.network._moId) == ("VM Network", "network-21")
    distributed = cards[4001].backing
    assert isinstance(distributed, device.VirtualEthernetCard.DistributedVirtualPortBackingInfo)
    port = distributed.port
    assert (port.switchUuid, port.portgroupKey, port.portKey) == (SWITCH_UUID, "dvportgroup-62", "5")
    assert cards[4004].backing.port.portKey == "h-1004004"
    opaque = cards[4005].backing
    assert isinstance(opaque, device.VirtualEthernetCard.OpaqueNetworkBackingInfo)
    assert (opaque.opaqueNetworkId, opaque.opaqueNetworkType) == ("11111111-aaaa", "nsx.LogicalSwitch")
    assert cards[4006].backing is None
    assert (cards[4006].connectable.connected, cards[4006].connectable.startConnected) == (False, False)
    assert cards[4007].sriovBacking is not None
    assert (cards[4008].backing.deviceName, cards[4008].backing.network) == ("removed", None)
    assert (cards[4009].backing.port.portgroupKey, cards[4009].backing.port.switchUuid) == (
        "dvportgroup-99",
        SWITCH_UUID,
    )
    assert cards[4000].deviceInfo.label == "Network adapter 1"
    assert cards[4000].macAddress == "00:50:56:aa:00:00"


def test_every_kind_of_disk_and_controller(si: Any) -> None:
    disks = devices_of(si, 100, device.VirtualDisk)
    controllers = devices_of(si, 100, device.VirtualController)
    assert {key: type(controllers[disk.controllerKey]).__name__.rpartition(".")[2] for key, disk in disks.items()} == {
        2000: "ParaVirtualSCSIController",
        2001: "VirtualLsiLogicController",
        2002: "VirtualLsiLogicSASController",
        2003: "VirtualBusLogicController",
        3000: "VirtualIDEController",
        16000: "VirtualAHCIController",
        32000: "VirtualNVMEController",
    }
    assert {key: type(disk.backing).__name__.rpartition(".")[2] for key, disk in disks.items()} == {
        2000: "FlatVer2BackingInfo",
        2001: "RawDiskMappingVer1BackingInfo",
        2002: "SeSparseBackingInfo",
        2003: "FlatVer2BackingInfo",
        3000: "FlatVer2BackingInfo",
        16000: "FlatVer2BackingInfo",
        32000: "FlatVer2BackingInfo",
    }
    first = disks[2000]
    assert (first.diskObjectId, first.capacityInBytes, first.capacityInKB) == ("100-2000", 40 * GIB, 40 << 20)
    assert (first.backing.fileName, first.backing.datastore._moId) == ("[gold] vm100/disk2000.vmdk", "datastore-11")
    assert (first.backing.diskMode, first.backing.sharing) == ("persistent", "sharingMultiWriter")
    assert (first.backing.thinProvisioned, first.backing.eagerlyScrub) == (False, True)
    assert (disks[2003].backing.thinProvisioned, disks[2003].backing.eagerlyScrub) == (True, None)
    assert disks[2001].backing.compatibilityMode == "physicalMode"
    assert disks[2001].backing.diskMode == "independent_persistent"
    assert disks[2003].backing.parent.fileName == "[gold] base/base.vmdk"
    assert first.backing.parent is None
    assert controllers[1000].device == [2000]
    assert (controllers[1001].busNumber, controllers[1001].sharedBus) == (1, "noSharing")


def test_keys_of_devices_are_unique_and_their_controllers_exist(si: Any, world: World) -> None:
    for number in (100, 101, 108):
        devices = machine(si, number).config.hardware.device
        keys = [item.key for item in devices]
        assert len(set(keys)) == len(keys)
        assert {item.controllerKey for item in devices if item.controllerKey is not None} <= set(keys)


def test_the_other_devices(si: Any) -> None:
    others = machine(si, 100).config.hardware.device
    classes = {type(item).__name__.rpartition(".")[2] for item in others}
    assert {"VirtualTPM", "VirtualPCIPassthrough", "VirtualKeyboard", "VirtualVideoCard"} <= classes
    (with_iso,) = devices_of(si, 100, device.VirtualCdrom).values()
    (empty,) = devices_of(si, 101, device.VirtualCdrom).values()
    assert isinstance(with_iso.backing, device.VirtualCdrom.IsoBackingInfo)
    assert (with_iso.connectable.connected, empty.connectable.connected) == (True, False)
    assert len(machine(si, 101).config.hardware.device) == 13


def test_identity_and_configuration(si: Any, world: World) -> None:
    vm, config = world.vms["vm-100"], machine(si, 100).config
    assert (config.instanceUuid, config.uuid, config.name) == (vm.instance_uuid, vm.bios_uuid, "vm100")
    assert config.annotation == "first\nsecond & <third>"
    assert (config.hardware.numCPU, config.hardware.memoryMB, config.cpuAllocation.reservation) == (2, 4096, 500)
    assert (config.firmware, config.bootOptions.efiSecureBootEnabled) == ("efi", True)
    assert (config.keyId.providerId.id, config.template) == ("native-key-provider", False)
    assert config.files.vmPathName == "[gold] vm100/vm100.vmx"
    assert [(item.name, item.url) for item in config.datastoreUrl] == [
        ("gold", "ds:///vmfs/volumes/gold/"), ("nas", "/")
    ]  # fmt: skip
    assert machine(si, 104).config.template is True
    assert machine(si, 106).config.managedBy.extensionKey == "com.vmware.vim.eam"
    assert machine(si, 107).config.ftInfo.role == 1
    assert machine(si, 101).config.managedBy is None


def test_places_and_relations(si: Any) -> None:
    vm = machine(si, 100)
    assert (vm.parent._moId, vm.parentVApp, vm.resourcePool._moId) == ("group-v20", None, "resgroup-9")
    assert [item._moId for item in vm.datastore] == ["datastore-11", "datastore-12"]
    assert [item._moId for item in vm.network] == [
        "network-21", "dvportgroup-62", "dvportgroup-63", "dvportgroup-64", "dvportgroup-65", "network-o70",
        "dvportgroup-66",
    ]  # fmt: skip
    member = machine(si, 105)
    assert (member.parent, member.parentVApp._moId) == (None, "resgroup-v50")
    assert isinstance(member.resourcePool, vim.VirtualApp)
    assert machine(si, 104).resourcePool is None


def test_custom_fields_are_numbered_and_named(si: Any) -> None:
    vm = machine(si, 100)
    names = {field.key: field.name for field in vm.availableField}
    assert {names[item.key]: item.value for item in vm.customValue} == {"owner": "shop", "cost": "17"}
    assert {field.name for field in si.content.customFieldsManager.field} == {"owner", "cost"}
    assert vm.runtime.host.availableField == []  # they are fields of VMs
    assert {field.managedObjectType for field in vm.availableField} == {vim.VirtualMachine}


def test_a_field_made_later_gets_the_next_number(si: Any, world: World) -> None:
    with world.lock:
        world.vms["vm-101"].custom_fields["cloud.vm.internal.name"] = "i-2-5-VM"
        world.touch(world.vms["vm-101"])
    (value,) = machine(si, 101).customValue
    names = {field.key: field.name for field in machine(si, 101).availableField}
    assert (names[value.key], value.value, value.key) == ("cloud.vm.internal.name", "i-2-5-VM", 103)


def test_states_and_warnings(si: Any) -> None:
    vm = machine(si, 107)
    assert (vm.runtime.powerState, vm.runtime.consolidationNeeded) == ("suspended", True)
    assert vm.runtime.faultToleranceState == "running"
    assert machine(si, 108).runtime.question.text == "Moved or copied?"
    assert machine(si, 101).runtime.question is None
    assert "ShutdownGuest" in machine(si, 100).disabledMethod
    snapshot = machine(si, 100).snapshot
    assert snapshot.currentSnapshot == snapshot.rootSnapshotList[0].snapshot
    assert machine(si, 101).snapshot is None
    assert machine(si, 103).config is None


@pytest.mark.parametrize(
    ("number", "disabled", "enabled"),
    [
        (105, {"PowerOnVM_Task", "AnswerVM"}, {"PowerOffVM_Task", "SuspendVM_Task", "ShutdownGuest"}),
        (101, {"PowerOffVM_Task", "SuspendVM_Task", "ShutdownGuest"}, {"PowerOnVM_Task"}),
        (102, {"PowerOnVM_Task", "ShutdownGuest", "RebootGuest"}, {"PowerOffVM_Task"}),
        (104, {"PowerOnVM_Task", "PowerOffVM_Task"}, {"Destroy_Task"}),
        (107, {"SuspendVM_Task", "ShutdownGuest"}, {"PowerOnVM_Task", "PowerOffVM_Task"}),
        (108, {"PowerOnVM_Task"}, {"AnswerVM"}),
    ],
)
def test_what_makes_no_sense_in_a_state_is_disabled(
    si: Any, number: int, disabled: set[str], enabled: set[str]
) -> None:
    found = set(machine(si, number).disabledMethod)
    assert disabled <= found
    assert enabled.isdisjoint(found)


def test_of_a_host_that_does_not_answer_all_vms_are_disconnected(si: Any, world: World) -> None:
    assert machine(si, 108).runtime.connectionState == "disconnected"
    assert machine(si, 108).config.name == "vm108"  # what vCenter read before
    assert machine(si, 101).runtime.connectionState == "connected"
    with world.lock:
        world.hosts["host-31"].connection_state = "disconnected"
    assert machine(si, 101).runtime.connectionState == "disconnected"
    assert machine(si, 103).runtime.connectionState == "inaccessible"
    with world.lock:
        world.hosts["host-31"].connection_state = "connected"
    assert machine(si, 101).summary.runtime.connectionState == "connected"


def test_an_ephemeral_port_exists_while_the_vm_runs(si: Any, world: World) -> None:
    def port() -> Any:
        return devices_of(si, 100, device.VirtualEthernetCard)[4004].backing.port

    assert (port().portKey, port().connectionCookie is None) == ("h-1004004", False)
    with world.lock:
        world.vms["vm-100"].power_state = "poweredOff"
        world.touch(world.vms["vm-100"])
    assert (port().portKey, port().connectionCookie) == (None, None)


@pytest.mark.parametrize(
    ("addresses", "primary"),
    [
        (("fe80::1", "10.0.0.9", "10.0.0.10"), "10.0.0.9"),
        (("fd00::7",), "fd00::7"),
        ((), None),
    ],
)
def test_the_first_ipv4_address_is_the_guests_own(
    si: Any, world: World, addresses: tuple[str, ...], primary: str | None
) -> None:
    with world.lock:
        world.vms["vm-105"].nics[0].ips = addresses
        world.touch(world.vms["vm-105"])
    guest = machine(si, 105).guest
    assert (guest.ipAddress, list(guest.net[0].ipAddress)) == (primary, list(addresses))


def test_a_property_the_twin_lacks_is_refused_not_empty(si: Any) -> None:
    with pytest.raises(vmodl.fault.NotSupported):
        len(machine(si, 100).environmentBrowser)
    assert machine(si, 100).capability.snapshotOperationsSupported is True
    assert machine(si, 100).layout is None  # one that a server may leave out


def test_the_guest_reports_only_while_its_tools_run(si: Any) -> None:
    guest = machine(si, 100).guest
    assert (guest.toolsStatus, guest.toolsRunningStatus) == ("toolsOk", "guestToolsRunning")
    assert (guest.hostName, guest.ipAddress) == ("web.example.org", "10.0.0.7")
    reported = {nic.deviceConfigId: nic for nic in guest.net}
    assert reported[4000].ipAddress == ["10.0.0.7", "fe80::1"]
    assert [(item.ipAddress, item.prefixLength) for item in reported[4000].ipConfig.ipAddress] == [
        ("10.0.0.7", 24), ("fe80::1", 64)
    ]  # fmt: skip
    assert (reported[4001].macAddress, reported[4001].network) == ("00:50:56:aa:00:01", "prod")
    off, without = machine(si, 101).guest, machine(si, 102).guest
    assert (off.toolsStatus, off.toolsRunningStatus, off.net) == ("toolsNotRunning", "guestToolsNotRunning", [])
    assert (without.toolsStatus, without.guestFullName) == ("toolsNotInstalled", None)


def test_the_summary_agrees_with_the_parts(si: Any) -> None:
    vm = machine(si, 100)
    summary = vm.summary
    assert (summary.vm, summary.runtime.host._moId) == (vm, "host-31")
    assert (summary.config.numEthernetCards, summary.config.numVirtualDisks) == (10, 7)
    assert (summary.guest.toolsStatus, summary.config.tpmPresent) == ("toolsOk", True)


@pytest.mark.parametrize("name", ["a & b <c>", "tab\tand\rreturn", "büro–Ω", "ctrl\x07char", "  blank ", "%2f"])
def test_names_travel_unharmed(si: Any, world: World, name: str) -> None:
    with world.lock:
        world.vms["vm-101"].name = name
        world.touch(world.vms["vm-101"])
    assert machine(si, 101).name == name.replace("\x07", "\ufffd")
