"""The last look: what decides the import counts, what the guest does does not."""

from __future__ import annotations

import pytest

from ingest.engine.recheck import changed_since
from ingest.model.catalogue import UnmanagedDisk, UnmanagedInstance, UnmanagedNic

DISK = UnmanagedDisk(id="1-2000", capacity=10, controller="pvscsi", imagepath="[ds] a/a.vmdk", datastorename="ds")
NIC = UnmanagedNic(id="NIC 1", macaddress="02:00:00:00:00:01", adaptertype="Vmxnet3", vlanid=100)
VM = UnmanagedInstance(name="a", powerstate="PowerOn", cpunumber=2, memory=4096, osid="linux", disk=(DISK,), nic=(NIC,))


def vm(**changes: object) -> UnmanagedInstance:
    return VM.model_copy(update=changes)


def test_nothing_changed() -> None:
    assert changed_since(VM, VM.model_copy(deep=True)) == ""


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (vm(cpunumber=4), "cpunumber was 2, is 4"),
        (vm(memory=8192), "memory was 4096, is 8192"),
        (vm(powerstate="PowerOff"), "powerstate was PowerOn, is PowerOff"),
        (vm(osid="windows"), "osid was linux, is windows"),
        (vm(disk=()), "disk 1-2000 is gone"),
        (vm(disk=(DISK, DISK.model_copy(update={"id": "1-2001"}))), "disk 1-2001 is new"),
        (vm(disk=(DISK.model_copy(update={"capacity": 20}),)), "disk 1-2000: capacity was 10, is 20"),
        (
            vm(disk=(DISK.model_copy(update={"imagepath": "[ds] a/a-000001.vmdk"}),)),
            "disk 1-2000: imagepath was [ds] a/a.vmdk, is [ds] a/a-000001.vmdk",
        ),
        (vm(disk=(DISK.model_copy(update={"datastorename": "ds2"}),)), "disk 1-2000: datastorename was ds, is ds2"),
        (vm(nic=()), "NIC NIC 1 is gone"),
        (vm(nic=(NIC.model_copy(update={"vlanid": 200}),)), "NIC NIC 1: vlanid was 100, is 200"),
        (vm(nic=(NIC.model_copy(update={"adaptertype": "E1000"}),)), "NIC NIC 1: adaptertype was Vmxnet3, is E1000"),
        (vm(cpunumber=4, memory=8192), "cpunumber was 2, is 4; memory was 4096, is 8192"),
    ],
)
def test_what_changed_is_named(now: UnmanagedInstance, says: str) -> None:
    assert changed_since(VM, now) == says


@pytest.mark.parametrize(
    "now",
    [
        vm(nic=(NIC.model_copy(update={"ipaddresses": ("10.0.0.1",)}),)),
        vm(hostid="another-host", hostname="another"),
        vm(cpuspeed=2000),
    ],
)
def test_what_comes_and_goes_does_not_count(now: UnmanagedInstance) -> None:
    assert changed_since(VM, now) == ""
