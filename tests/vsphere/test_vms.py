"""The VM read: both implementations, over the wire, must give equal rows and equal errors."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyVmomi import vim, vmodl

from ingest.errors import NotTheApi, RemoteError, Transient
from ingest.vsphere import elements, objects, specs
from ingest.vsphere.rows import BackingRow, GuestNicRow, Missing, VmRow
from ingest.vsphere.session import VCenter
from ingest.vsphere.stream import PageParser
from ingest.vsphere.vms import How, read_vms
from tests.vsphere.fake import Answer, Fake, answer, fault, page, text, thing
from tests.vsphere.xml import FULL_VALUES, FULL_VM, device, devices, simple_vm

ROOT = Path(__file__).parents[2]
BOTH: tuple[How, ...] = ("stream", "objects")


def read(vcenter: VCenter, how: How, page_size: int = 1000) -> list[VmRow]:
    return list(read_vms(vcenter, how=how, page_size=page_size))


def test_both_give_equal_rows_for_a_vm_with_everything(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [page(FULL_VM + simple_vm(2))]
    streamed = read(vcenter, "stream")
    assert streamed == read(vcenter, "objects")
    full = streamed[0]
    assert set(FULL_VALUES) == set(specs.VMS["VirtualMachine"])
    assert full.name == "wéb & db%2f1 "
    assert (full.managed_by, full.ft_role, full.encrypted, full.has_snapshot) == ("com.example.x", 2, True, True)
    assert full.secure_boot
    assert full.boot_disk_key == 2001
    assert (full.cpus, full.cores_per_socket, full.memory_mib, full.cpu_reservation_mhz) == (4, 2, 8192, 500)
    assert (full.guest_id, full.tools_status, full.question) == (
        "ubuntu64Guest",
        "toolsOld",
        "I moved it or I copied it?",
    )
    assert full.custom_values == ((101, "web team"),)
    assert full.guest_nics == (
        GuestNicRow(4000, "00:50:56:aa:bb:01", ("10.0.0.5", "fe80::1")),
        GuestNicRow(-1, "", ()),
    )
    kinds = [row.kind for row in full.devices]
    assert kinds == [
        "ParaVirtualSCSIController",
        "VirtualDisk",
        "VirtualDisk",
        "VirtualVmxnet3",
        "VirtualE1000e",
        "VirtualPCNet32",
        "VirtualSriovEthernetCard",
        "VirtualTPM",
        "VirtualCdrom",
        "VirtualUSB",
    ]
    assert [row.key for row in full.devices if row.is_card] == [4000, 4001, 4002, 4003]
    assert full.devices[1].capacity_bytes == 1 << 30
    assert full.devices[2].capacity_bytes == 2048
    assert full.devices[1].backing is not None
    assert full.devices[1].backing.parent_file == "[ds 1] a/a.vmdk"
    assert full.devices[1].backing.ancestors == ("[ds 1] gold/gold-000001.vmdk", "[ds 1] gold/gold.vmdk")
    assert full.devices[3].connected is False
    assert full.devices[3].start_connected is True
    assert full.devices[6].backing is None


def test_both_know_the_same_properties() -> None:
    asked = set(specs.VMS["VirtualMachine"])
    assert set(elements.DECODERS) == asked
    assert set(objects._VM_DECODERS) <= asked


@pytest.mark.parametrize("how", BOTH)
def test_unset_properties_get_defaults(fake: Fake, vcenter: VCenter, how: How) -> None:
    fake.script["RetrievePropertiesEx"] = [page(thing("VirtualMachine", "vm-1", {"name": text("gone wrong")}))]
    assert read(vcenter, how) == [VmRow("vm-1", "gone wrong", has_config=False)]


@pytest.mark.parametrize("how", BOTH)
def test_a_property_named_without_a_value_is_unset(fake: Fake, vcenter: VCenter, how: How) -> None:
    # vcsim does this from the second page on.
    fake.script["RetrievePropertiesEx"] = [
        page(thing("VirtualMachine", "vm-1", {"name": text("a"), "config.keyId": "", "config.managedBy": ""}))
    ]
    assert read(vcenter, how) == [VmRow("vm-1", "a")]


@pytest.mark.parametrize("how", BOTH)
def test_pages_are_followed_even_when_not_asked_for(fake: Fake, vcenter: VCenter, how: How) -> None:
    fake.script["RetrievePropertiesEx"] = [page(simple_vm(1), token="t1")]
    fake.script["ContinueRetrievePropertiesEx"] = [
        _continued(simple_vm(2) + simple_vm(3), "t2"),
        _continued(simple_vm(4)),
    ]
    assert [row.moref for row in read(vcenter, how)] == ["vm-1", "vm-2", "vm-3", "vm-4"]
    assert fake.calls[3:] == [
        "CreateContainerView",
        "RetrievePropertiesEx",
        "ContinueRetrievePropertiesEx",
        "ContinueRetrievePropertiesEx",
        "DestroyView",
    ]
    assert ">t2</token>" in fake.bodies[-2]
    assert vcenter.requests == len(fake.calls)


def _continued(objects_xml: str, token: str = "") -> Answer:
    head = f"<token>{token}</token>" if token else ""
    return answer("ContinueRetrievePropertiesEx", f"<returnval>{head}{objects_xml}</returnval>")


@pytest.mark.parametrize("how", BOTH)
def test_the_page_size_is_asked_for(fake: Fake, vcenter: VCenter, how: How) -> None:
    read(vcenter, how, page_size=250)
    assert "<maxObjects>250</maxObjects>" in fake.bodies[-2]


@pytest.mark.parametrize("how", BOTH)
def test_no_vm_at_all(fake: Fake, vcenter: VCenter, how: How) -> None:
    fake.script["RetrievePropertiesEx"] = [answer("RetrievePropertiesEx")]
    assert read(vcenter, how) == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("how", BOTH)
def test_packed_answers(fake: Fake, vcenter: VCenter, how: How, chunked: bool) -> None:
    vms = "".join(simple_vm(number) for number in range(300))
    fake.script["RetrievePropertiesEx"] = [page(vms, zipped=True, chunked=chunked)]
    assert [row.moref for row in read(vcenter, how)] == [f"vm-{number}" for number in range(300)]
    assert "gzip" in fake.encodings[-2]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("cut", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("how", BOTH)
def test_an_answer_cut_short_is_an_outage(
    fake: Fake, vcenter: VCenter, how: How, cut: float, chunked: bool, zipped: bool
) -> None:
    vms = "".join(simple_vm(number) for number in range(50))
    fake.script["RetrievePropertiesEx"] = [page(vms, cut=cut, chunked=chunked, zipped=zipped)]
    with pytest.raises(Transient):
        read(vcenter, how)
    assert fake.calls[-1] == "DestroyView"  # over a fresh connection


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NotAuthenticated", vim.fault.NotAuthenticated),
        ("NoPermission", vim.fault.NoPermission),
        ("InvalidProperty", vmodl.query.InvalidProperty),
        ("ManagedObjectNotFound", vmodl.fault.ManagedObjectNotFound),
    ],
)
def test_faults_are_of_the_same_type(fake: Fake, vcenter: VCenter, how: How, name: str, kind: type[Exception]) -> None:
    fake.script["RetrievePropertiesEx"] = [fault(name, "said so")]
    with pytest.raises(kind) as caught:
        read(vcenter, how)
    assert type(caught.value) is kind
    assert getattr(caught.value, "msg", "") == "said so"


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Answer("busy", status=503), Transient),
        (Answer("no", status=403), NotTheApi),
        (Answer("<html><br></html>"), NotTheApi),
    ],
)
def test_other_answers(fake: Fake, vcenter: VCenter, how: How, said: Answer, error: type[RemoteError]) -> None:
    fake.script["RetrievePropertiesEx"] = [said]
    with pytest.raises(error):
        read(vcenter, how)


def test_well_formed_xml_that_is_no_soap_answer_is_not_an_empty_inventory(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [Answer("<html><body>Sign in</body></html>")]
    with pytest.raises(NotTheApi):
        read(vcenter, "stream")


@pytest.mark.parametrize("how", BOTH)
def test_stopping_early_cancels_the_rest(fake: Fake, vcenter: VCenter, how: How) -> None:
    fake.script["RetrievePropertiesEx"] = [page(simple_vm(1) + simple_vm(2), token="t1")]
    rows = read_vms(vcenter, how=how)
    assert next(rows).moref == "vm-1"
    rows.close()  # type: ignore[attr-defined]
    assert fake.calls[-2:] == ["CancelRetrievePropertiesEx", "DestroyView"]
    assert ">t1</token>" in fake.bodies[-2]


@pytest.mark.parametrize("how", BOTH)
def test_stopping_early_without_more_pages_only_destroys_the_view(fake: Fake, vcenter: VCenter, how: How) -> None:
    fake.script["RetrievePropertiesEx"] = [page(simple_vm(1) + simple_vm(2))]
    rows = read_vms(vcenter, how=how)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert fake.calls[-2:] == ["RetrievePropertiesEx", "DestroyView"]


@pytest.mark.parametrize("how", BOTH)
def test_what_could_not_be_read_is_said(fake: Fake, vcenter: VCenter, how: How) -> None:
    gaps = {"config.hardware.device": "NoPermission", "guest.net": "NoPermission"}
    fake.script["RetrievePropertiesEx"] = [page(thing("VirtualMachine", "vm-1", {"name": text("a")}, gaps))]
    (row,) = read(vcenter, how)
    assert row.missing == (
        Missing("vm-1", "config.hardware.device", "NoPermission"),
        Missing("vm-1", "guest.net", "NoPermission"),
    )


@pytest.mark.parametrize("how", BOTH)
def test_class_names_may_carry_any_prefix(fake: Fake, vcenter: VCenter, how: How) -> None:
    backing = (
        '<backing xsi:type="q:VirtualEthernetCardNetworkBackingInfo"><deviceName>n</deviceName></backing>'
        "<macAddress>00:50:56:00:00:01</macAddress>"
    )
    listed = devices(device("VirtualE1000", 4000, backing, prefix="q:"))
    vm = thing("VirtualMachine", "vm-1", {"name": text("a"), "config.hardware.device": listed})
    fake.script["RetrievePropertiesEx"] = [page(vm.replace("<objects>", '<objects xmlns:q="urn:vim25">'))]
    (row,) = read(vcenter, how)
    assert row.devices[0].kind == "VirtualE1000"
    assert row.devices[0].backing == BackingRow("VirtualEthernetCardNetworkBackingInfo", device_name="n")


def test_a_card_of_an_unknown_class_is_still_a_card(fake: Fake, vcenter: VCenter) -> None:
    listed = devices(device("VirtualVmxnet9", 4000, "<macAddress>00:50:56:00:00:01</macAddress>"))
    vm = thing("VirtualMachine", "vm-1", {"name": text("a"), "config.hardware.device": listed})
    fake.script["RetrievePropertiesEx"] = [page(vm)]
    (row,) = read(vcenter, "stream")
    assert row.devices[0].is_card


def test_a_connection_is_kept_for_the_next_call(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [page(simple_vm(1))]
    read(vcenter, "stream")
    assert len(vcenter.stub.pool) == 1


def stream_peak_bytes(count: int) -> int:
    """The most memory in use while a page of `count` VMs is streamed."""

    def chunks() -> Iterator[bytes]:
        head, tail = page("|", token="t").body.split("|")
        yield head.encode()
        for number in range(count):
            yield simple_vm(number).encode()
        yield tail.encode()

    parser = PageParser()
    tracemalloc.start()
    seen = sum(1 for _ in parser.objects(chunks()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (seen, parser.token, parser.answered) == (count, "t", True)
    return peak


def test_the_stream_needs_constant_memory() -> None:
    # In a process of its own: memory is traced for all threads, and other tests leave some of Prefect's running. The
    # least of three, because Python's table of interned strings doubles now and then, at megabytes a time.
    code = (
        "from tests.vsphere.test_vms import stream_peak_bytes as peak\n"
        "print(peak(400), min(peak(4000) for _ in range(3)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    small, large = map(int, done.stdout.split())
    # What stays of each VM is an empty element; 4,000 VMs are 7 MB of XML.
    assert large - small < 1_000_000
