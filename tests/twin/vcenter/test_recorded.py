"""Recordings read back: the same vCenter again, and whatever is wrong with the files said without repeating them."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.errors import UsageError
from ingest.model.endpoints import VCenterEndpoint
from ingest.model.inventory import Inventory, Vlan
from ingest.twin.certificate import TwinCertificate
from ingest.twin.generator import CLEAN, REALISTIC, Rates, Shape, generate
from ingest.twin.recorded import add_cloudstack, read_recording
from ingest.twin.recording import write_recording
from ingest.twin.vcenter import VCenterServer
from ingest.twin.world import Datastore, Host, ResourcePool, Snapshot, VApp, World
from ingest.twin.worldfile import load_world, save_world
from ingest.twin.worlds.integrity import dangling
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.session import connect

from .conftest import make_disk, make_nic, make_vm

# Each oddity twice among a few VMs, and every kind of site.
EVERY_ODDITY = replace(REALISTIC, rates=Rates(**{field.name: 0.98 / len(fields(Rates)) for field in fields(Rates)}))
SHAPES: dict[str, tuple[Shape, int]] = {
    "empty": (CLEAN, 0),
    "clean": (CLEAN, 25),
    "realistic": (REALISTIC, 150),
    "every oddity": (EVERY_ODDITY, 2 * len(fields(Rates)) + 4),
    "large": (replace(REALISTIC, datacenters=3, clusters_per_datacenter=2, opaque_networks=3), 60),
}


def texts(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in sorted(directory.rglob("*.xml"))}


def discovered(world: World, certificate: TwinCertificate, tmp_path: Path) -> Inventory:
    with VCenterServer(world, certificate=certificate) as server:
        endpoint = VCenterEndpoint(
            host="127.0.0.1", port=server.port, user=world.vcenter_user, password=SecretStr(world.vcenter_password),
            ca_file=certificate.write_ca(tmp_path / "ca.pem"),
        )  # fmt: skip
        with connect(endpoint) as vcenter:
            return read_inventory(vcenter)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_written_is_read_back(name: str, seed: int, tmp_path: Path) -> None:
    shape, size = SHAPES[name]
    world = generate(size, seed=seed, shape=shape)
    write_recording(world, tmp_path / "first")
    left_out: list[str] = []
    again = read_recording(tmp_path / "first", left_out)
    assert left_out == []
    assert list(dangling(again)) == []
    write_recording(again, tmp_path / "second")
    assert texts(tmp_path / "second") == texts(tmp_path / "first")
    for field in fields(World):
        if field.compare and field.name not in ("name", "seed", "cloud", "vms"):
            assert getattr(again, field.name) == getattr(world, field.name), field.name
    readable = {moref: vm for moref, vm in world.vms.items() if vm.connection_state == "connected"}
    assert {moref: again.vms[moref] for moref in readable} == readable
    assert set(again.vms) == set(world.vms)


def test_discovery_finds_the_same_and_so_does_a_saved_world(certificate: TwinCertificate, tmp_path: Path) -> None:
    world = generate(120, seed=5, shape=EVERY_ODDITY)
    write_recording(world, tmp_path / "recording")
    again = read_recording(tmp_path / "recording")
    add_cloudstack(again, seed=3)
    before, after = discovered(world, certificate, tmp_path), discovered(again, certificate, tmp_path)
    assert after == replace(before, server=after.server, requests=after.requests)
    assert {zone.name for zone in again.cloud.zones.values()} == {"fra1"}
    save_world(again, tmp_path / "world.json")
    assert load_world(tmp_path / "world.json") == again


def test_a_world_with_loose_ends_is_read_too(world: World, tmp_path: Path) -> None:
    write_recording(world, tmp_path / "recording")
    again = read_recording(tmp_path / "recording")
    assert set(again.vms) == set(world.vms)
    assert again.vms["vm-100"].disks == world.vms["vm-100"].disks
    assert [(nic.mac, nic.backing) for nic in again.vms["vm-100"].nics] == [
        (nic.mac, nic.backing) for nic in world.vms["vm-100"].nics
    ]
    assert list(dangling(again)) == []


def unusual(world: World) -> None:
    """What no shape has, put into the small world."""
    world.resource_pools["resgroup-91"] = ResourcePool("resgroup-91", "inner", "resgroup-92", "domain-c8")
    world.resource_pools["resgroup-92"] = ResourcePool("resgroup-92", "gold", "resgroup-9", "domain-c8")
    world.resource_pools["resgroup-93"] = ResourcePool("resgroup-93", "in the app", "resgroup-v51", "domain-c8")
    world.vapps["resgroup-v51"] = VApp("resgroup-v51", "suite", "resgroup-91", "group-v20", "domain-c8")
    world.vapps["resgroup-v52"] = VApp("resgroup-v52", "inner suite", "resgroup-v51", "", "domain-c8")
    world.hosts["host-34"] = Host("host-34", "esx3.example.org", "domain-c8", "disconnected")
    plain = ("datacenter-3", "group-s6")
    for store in (
        Datastore("datastore-15", "local", *plain, hosts=["host-32"]),
        Datastore("datastore-16", "lost", *plain, hosts=["host-32", "host-31"], accessible=False),
        Datastore("datastore-17", "leaving", *plain, maintenance_mode="inMaintenance"),
    ):
        world.datastores[store.moref] = store
    disks = [
        make_disk(2000, backing="raw", label="whole device"),
        make_disk(2001, unit=1, backing="sparse", file_name="[gold] a/a-2.vmdk", parent_file="[nas] a/a-1.vmdk",
                  ancestors=("[gold] a/a.vmdk", "[gone] base/base.vmdk")),
        make_disk(2002, unit=2, backing="rdm", rdm_mode="virtualMode", sharing="sharingMultiWriter"),
        make_disk(32000, controller="nvme", shared_bus="physicalSharing"),
    ]  # fmt: skip
    cards = [
        make_nic(4000, "", backing="legacy", device_name="vmnet8"),
        make_nic(4001, "", backing="dvs", switch="dvs-60", port_key="40", port_vlan=Vlan("id", 140)),
        make_nic(4002, "dvportgroup-98", backing="dvs", switch="dvs-60", port_key="41"),
    ]
    snapshots = [
        Snapshot(1, "first", description="a\nb"),
        Snapshot(2, "tried", parent=1, power_state="poweredOn"),
        Snapshot(4, "again", parent=1, quiesced=True),
        Snapshot(5, "other root"),
        Snapshot(3, "back on this one", parent=2, power_state="suspended"),
    ]
    pair = [make_vm(number, name="ft", ft_role=number - 200, ft_partner=f"vm-{403 - number}") for number in (201, 202)]
    for vm in (
        *pair,
        make_vm(203, disks=disks, nics=cards, resource_pool="resgroup-91", snapshot=True, snapshots=snapshots),
        make_vm(204, iso="[gold] iso/tools.iso", vgpus=["grid_a", "grid_b"], extra_devices=["VirtualPCIPassthrough"]),
        make_vm(
            205,
            nics=[],
            iso="[] /vmimages/linux.iso",
            power_state="poweredOff",
            tools_status="toolsOld",
            resource_pool="resgroup-93",
        ),
        make_vm(206, folder="", vapp="resgroup-v52", resource_pool="resgroup-v52", snapshot=True),
        make_vm(207, host="host-34"),
        make_vm(
            208,
            power_state="poweredOff",
            tools_status="toolsNotRunning",
            disabled_methods=["MigrateVM_Task", "PowerOnVM_Task"],
        ),
        make_vm(209, connection_state="disconnected"),
        make_vm(210, nics=[make_nic(4000, "dvportgroup-65", backing="dvs")]),
    ):
        world.vms[vm.moref] = vm


def test_what_no_shape_has_is_read_back(world: World, tmp_path: Path) -> None:
    unusual(world)
    write_recording(world, tmp_path / "first")
    left_out: list[str] = []
    again = read_recording(tmp_path / "first", left_out)
    assert left_out == []
    assert list(dangling(again)) == []
    write_recording(again, tmp_path / "second")
    assert texts(tmp_path / "second") == texts(tmp_path / "first")
    for name in ("resource_pools", "vapps", "hosts", "datastores"):
        assert getattr(again, name) == getattr(world, name), name
    world.vms["vm-210"].nics[0].port_key = "h-2104000"  # the key the switch gave
    odd = {moref: vm for moref, vm in world.vms.items() if vm.moref > "vm-200"}
    assert {moref: again.vms[moref] for moref in odd} == odd


def test_of_a_pair_the_readable_vm_tells_of_the_other(world: World, tmp_path: Path) -> None:
    unusual(world)
    world.vms["vm-202"].connection_state, world.vms["vm-202"].power_state = "inaccessible", "poweredOff"
    write_recording(world, tmp_path / "first")
    again = read_recording(tmp_path / "first")
    partner = again.vms["vm-202"]
    assert (partner.instance_uuid, partner.ft_role, partner.ft_partner) == (
        world.vms["vm-202"].instance_uuid, 2, "vm-201"
    )  # fmt: skip
    write_recording(again, tmp_path / "second")
    assert texts(tmp_path / "second") == texts(tmp_path / "first")


def test_what_a_state_forbids_is_allowed_after_it(world: World, tmp_path: Path) -> None:
    write_recording(world, tmp_path / "recording")
    again = read_recording(tmp_path / "recording")
    assert again.vms["vm-101"].power_state == "poweredOff"
    assert again.vms["vm-101"].disabled_methods == []
    assert again.vms["vm-100"].disabled_methods == ["ShutdownGuest"]
    assert again.vms["vm-108"].connection_state == "connected"  # its host does not answer
    assert again.connection_of(again.vms["vm-108"]) == "disconnected"


@pytest.mark.parametrize(
    ("change", "parents", "left"),
    [
        (lambda text: text.replace(">resgroup-92<", ">resgroup-99<"),
         {"resgroup-91": "resgroup-9", "resgroup-92": "resgroup-9"}, []),
        (lambda text: text.replace(">resgroup-9<", ">resgroup-91<"),
         {"resgroup-91": "resgroup-9", "resgroup-92": "resgroup-91"}, []),
        (lambda text: text.replace(">domain-c8<", ">domain-c7<"), {}, ["3 ResourcePool without a place"]),
    ],
    ids=["not recorded", "in a circle", "of no cluster"],
)  # fmt: skip
def test_pools_hang_on_something(
    change: Any, parents: dict[str, str], left: list[str], world: World, tmp_path: Path
) -> None:
    unusual(world)
    write_recording(world, tmp_path / "recording")
    for path in tmp_path.glob("recording/*-ResourcePool-resgroup-9[1-9].xml"):
        head, name, rest = path.read_text().partition("<name>parent</name>")
        value, end, tail = rest.partition("</propSet>")
        if "domain-c7" in change(">domain-c8<"):
            tail = change(tail)
        path.write_text(head + name + change(value) + end + tail)
    left_out: list[str] = []
    again = read_recording(tmp_path / "recording", left_out)
    assert {moref: again.resource_pools[moref].parent for moref in parents} == parents
    assert left_out == left
    assert list(dangling(again)) == []


def test_a_datastore_that_no_host_mounts_is_told(world: World, tmp_path: Path) -> None:
    write_recording(world, tmp_path / "recording")
    (path,) = tmp_path.glob("recording/*-Datastore-datastore-14.xml")
    path.write_text(re.sub("<DatastoreHostMount>.*</DatastoreHostMount>", "", path.read_text()))
    left_out: list[str] = []
    read_recording(tmp_path / "recording", left_out)
    assert left_out == ["1 Datastore that no host mounts, taken for one that every host does"]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    write_recording(generate(12, seed=1), tmp_path / "recording")
    return tmp_path / "recording"


def edit(directory: Path, kind: str, change: Any) -> None:
    for path in directory.glob(f"*-{kind}-*.xml"):
        path.write_text(change(path.read_text()))


def test_the_form_of_the_files_does_not_matter(recording: Path) -> None:
    before = read_recording(recording)
    edit(recording, "*", lambda text: text.replace(' xmlns:xsd="http://www.w3.org/2001/XMLSchema"', ""))
    assert read_recording(recording) == before  # prefixes of types need no declaration
    edit(recording, "*", lambda text: text.replace("<ObjectContent", '<ObjectContent xmlns="urn:vim25"', 1))
    assert read_recording(recording) == before
    go = ('xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"', "xsi:type=")
    edit(recording, "*", lambda text: text.replace(go[0], go[0].replace("xsi", "XMLSchema-instance", 1))
         .replace(go[1], "XMLSchema-instance:type="))  # fmt: skip
    assert read_recording(recording) == before
    for path in list(recording.glob("*.xml")):  # names tell nothing: the content does
        path.rename(path.with_name(f"{path.name[:4]}.xml"))
    assert read_recording(recording).vms.keys() == before.vms.keys()


def test_unknown_things_are_left_out_and_counted(recording: Path) -> None:
    head = '<ObjectContent xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    (recording / "9000-LicenseManager-secret.xml").write_text(
        f'{head}<obj type="LicenseManager">secret</obj></ObjectContent>'
    )
    (recording / "9001-secret.xml").write_text(f'{head}<obj type="SecretThing">x</obj></ObjectContent>')
    (recording / "9002-Alarm-secret.xml").write_text("not XML, secret")
    (recording / "9003-Folder-secret.xml").write_text("not XML, secret")
    (recording / "9004-Folder-secret.xml").write_text("<html>secret</html>")
    (recording / "notes.txt").write_text("secret")
    (path, *_) = sorted(recording.glob("*-VirtualMachine-*.xml"))
    path.write_text(
        path.read_text().replace("<config", "<config", 1).replace('type="HostSystem">', 'type="HostSystem">x')
    )
    devices = sorted(recording.glob("*-VirtualMachine-*.xml"))[1]
    text = devices.read_text().replace('xsi:type="VirtualKeyboard"', 'xsi:type="VirtualSecret"')
    devices.write_text(text.replace('xsi:type="VirtualPointingDevice"', 'xsi:type="VirtualFloppy"'))
    left_out: list[str] = []
    world = read_recording(recording, left_out)
    assert sorted(left_out) == [
        "1 Alarm: the twin has none",
        "1 LicenseManager: the twin has none",
        "1 VirtualMachine without a host",
        "1 devices of a type vSphere does not have",
        "1 files that cannot be read",
        "1 files that hold no object",
        "1 of a type vSphere does not have",
    ]
    assert not any("secret" in line.lower() for line in left_out)
    assert len(world.vms) == 11
    assert [vm.extra_devices for vm in world.vms.values() if vm.extra_devices] == [["VirtualFloppy"]]
    assert list(dangling(world)) == []


@pytest.mark.parametrize(
    ("lost", "reasons"),
    [
        ("HostSystem", {"VirtualMachine without a host"}),
        ("ClusterComputeResource", {"HostSystem without a place", "VirtualMachine without a host"}),
        ("VmwareDistributedVirtualSwitch", {"DistributedVirtualPortgroup without its switch"}),
        ("Datastore", set()),
        ("Network", set()),
        ("ResourcePool", set()),
        ("CustomFieldsManager", set()),
        ("OptionManager", set()),
    ],
)
def test_what_was_not_recorded_leaves_nothing_dangling(recording: Path, lost: str, reasons: set[str]) -> None:
    for path in recording.glob(f"*-{lost}-*.xml"):
        path.unlink()
    left_out: list[str] = []
    world = read_recording(recording, left_out)
    assert {re.sub(r"^\d+ ", "", line) for line in left_out} == reasons
    assert list(dangling(world)) == []
    add_cloudstack(world)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, "not a directory"),
        (lambda path: path.mkdir(), "no recorded inventory"),
        (lambda path: (path.mkdir(), (path / "0000-Folder-x.xml").write_text("<a/>")), "no recorded inventory"),
    ],
)
def test_what_is_no_recording(tmp_path: Path, spoil: Any, message: str) -> None:
    spoil(tmp_path / "nothing")
    with pytest.raises(UsageError, match=message) as caught:
        read_recording(tmp_path / "nothing")
    assert "xml" not in str(caught.value)


def test_a_recording_of_a_host_or_without_a_datacenter_is_refused(recording: Path) -> None:
    for path in recording.glob("*-Datacenter-*.xml"):
        path.unlink()
    with pytest.raises(UsageError, match="no datacenter"):
        read_recording(recording)
    edit(recording, "ServiceInstance", lambda text: text.replace("VirtualCenter<", "HostAgent<"))
    with pytest.raises(UsageError, match="not of a vCenter"):
        read_recording(recording)


def test_settings_of_vms_that_may_hold_secrets_are_not_kept(recording: Path) -> None:
    option = '<extraConfig><key>{}</key><value xsi:type="xsd:string">{}</value></extraConfig>'
    added = option.format("RemoteDisplay.vnc.password", "hunter2") + option.format("uuid.action", "keep")
    edit(recording, "VirtualMachine", lambda text: text.replace("<datastoreUrl>", f"{added}<datastoreUrl>", 1))
    world = read_recording(recording)
    assert {str(vm.extra_config) for vm in world.vms.values()} == {"{'uuid.action': 'keep'}"}
