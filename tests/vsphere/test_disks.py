from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim

from ingest.model.inventory import Disk
from ingest.vsphere.disks import read_disks
from ingest.vsphere.objects import device_rows
from ingest.vsphere.rows import DatastoreRow

device = vim.vm.device
DATASTORES = {"datastore-1": DatastoreRow("datastore-1", "ds 1")}


def disk(key: int, backing: Any, controller: int = 1000, unit: int | None = 0) -> Any:
    return device.VirtualDisk(
        key=key,
        deviceInfo=vim.Description(label=f"Hard disk {key - 1999}", summary="s"),
        backing=backing,
        controllerKey=controller,
        unitNumber=unit,
        capacityInKB=1024,
        capacityInBytes=1048576,
        diskObjectId=f"37-{key}",
    )


def flat(file: str = "[ds 1] a/a.vmdk", **more: Any) -> Any:
    values: dict[str, Any] = {"diskMode": "persistent", "datastore": vim.Datastore("datastore-1")}
    return device.VirtualDisk.FlatVer2BackingInfo(fileName=file, **(values | more))


def read(*devices: Any) -> tuple[Disk, ...]:
    return read_disks("vm-37", device_rows(devices), DATASTORES)


def test_a_flat_disk() -> None:
    controller = device.ParaVirtualSCSIController(key=1000, busNumber=2, sharedBus="noSharing")
    assert read(controller, disk(2000, flat(), unit=3)) == (
        Disk(
            key=2000,
            label="Hard disk 1",
            disk_id="37-2000",
            capacity_bytes=1048576,
            backing="flat",
            file_name="[ds 1] a/a.vmdk",
            datastore_name="ds 1",
            datastore_moref="datastore-1",
            controller="pvscsi",
            controller_bus=2,
            unit=3,
        ),
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (device.VirtualLsiLogicController, "lsilogic"),
        (device.VirtualLsiLogicSASController, "lsisas1068"),
        (device.VirtualBusLogicController, "buslogic"),
        (device.ParaVirtualSCSIController, "pvscsi"),
        (device.VirtualIDEController, "ide"),
        (device.VirtualAHCIController, "sata"),
        (device.VirtualSATAController, "sata"),
        (device.VirtualNVMEController, "nvme"),
    ],
)
def test_controllers(kind: Any, name: str) -> None:
    assert read(kind(key=1000, busNumber=0), disk(2000, flat()))[0].controller == name


def test_a_disk_without_a_known_controller() -> None:
    assert read(disk(2000, flat(), controller=77))[0].controller == ""


@pytest.mark.parametrize(
    ("backing", "name"),
    [
        (device.VirtualDisk.RawDiskMappingVer1BackingInfo(fileName="[ds 1] a/rdm.vmdk"), "rdm"),
        (device.VirtualDisk.SeSparseBackingInfo(fileName="[ds 1] a/se.vmdk"), "VirtualDiskSeSparseBackingInfo"),
        (device.VirtualDisk.FlatVer1BackingInfo(fileName="[ds 1] a/old.vmdk"), "VirtualDiskFlatVer1BackingInfo"),
        (device.VirtualDisk.RawDiskVer2BackingInfo(descriptorFileName="x"), "VirtualDiskRawDiskVer2BackingInfo"),
        (None, ""),
    ],
)
def test_only_one_backing_is_flat(backing: Any, name: str) -> None:
    assert read(disk(2000, backing))[0].backing == name


def test_what_makes_a_disk_special_is_kept() -> None:
    shared = device.VirtualLsiLogicController(key=1000, busNumber=0, sharedBus="physicalSharing")
    parent = flat("[ds 1] a/base.vmdk")
    (found,) = read(
        shared, disk(2000, flat(parent=parent, sharing="sharingMultiWriter", diskMode="independent_persistent"))
    )
    assert found.parent_file == "[ds 1] a/base.vmdk"
    assert (found.sharing, found.shared_bus) == ("sharingMultiWriter", "physicalSharing")
    assert found.mode == "independent_persistent"


def test_an_unreadable_datastore_is_named_by_the_file() -> None:
    (found,) = read(disk(2000, flat("[ds 2] b/b.vmdk", datastore=vim.Datastore("datastore-2"))))
    assert (found.datastore_name, found.datastore_moref) == ("ds 2", "datastore-2")


def test_disks_are_sorted_by_key_and_old_capacities_count() -> None:
    late, early = disk(2001, flat()), disk(2000, flat())
    late.capacityInBytes = None
    assert [(row.key, row.capacity_bytes) for row in read(late, early)] == [(2000, 1048576), (2001, 1048576)]


def test_an_id_the_server_does_not_give_is_composed_as_vcenter_does() -> None:
    anonymous = disk(2000, flat())
    anonymous.diskObjectId = None
    assert read(anonymous)[0].disk_id == "37-2000"
