"""Shapes, objects and races of rows, read off a generated site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.engine.schedule.canary import canaries
from ingest.engine.schedule.traits import Key, Landscape, races_of, system_family
from ingest.model.catalogue import Catalogue, Cluster, Network, Project, ServiceOffering
from ingest.model.inventory import Disk, Inventory, Nic, VirtualMachine
from ingest.model.request import ImportRequest, PlannedImport
from ingest.model.snapshot import Snapshot
from tests.engine.schedule.rows import row

GIB = 1 << 30


def disk(key: int, controller: str, bus: int, datastore: str = "gold") -> Disk:
    return Disk(key, f"disk {key}", f"1-{key}", GIB, "flat", "", datastore, f"ds-{datastore}", controller, bus, 0)


VM = VirtualMachine(
    "vm-1", "web1", "uuid-1", "/DC/vm/web1", "DC", "dc-1", "C1", "domain-c1", "esx1", "host-1",
    power_state="poweredOn",
    connection_state="connected",
    guest_id="centos7_64Guest",
    nics=(
        Nic(4000, "Network adapter 1", "00:50:56:00:00:01", "Vmxnet3", "VirtualVmxnet3", "standard"),
        Nic(4001, "Network adapter 2", "00:50:56:00:00:02", "E1000", "VirtualE1000", "standard"),
    ),
    disks=(disk(2000, "pvscsi", 0), disk(2001, "pvscsi", 0), disk(2002, "pvscsi", 1), disk(2003, "ide", 0, "nas")),
)  # fmt: skip
CALL = PlannedImport(
    2, "web1", "vm-1", "uuid-1", 1,
    ImportRequest(
        "cluster-id", "web1", "custom-id", hostname="web-1", account="shop", domain_id="domain-id",
        nic_networks=(("Network adapter 1", "l2-id"), ("Network adapter 2", "shared-id")),
        nic_addresses=(("Network adapter 1", "auto"), ("Network adapter 2", "auto")),
    ),
)  # fmt: skip
SNAPSHOT = Snapshot(
    taken_at="now",
    inventory=Inventory("vc", "vCenter", "8", "VirtualCenter", "vc-uuid", vms=(VM,)),
    catalogue=Catalogue(
        clusters=(Cluster(id="cluster-id", name="vc/DC/C1"),),
        networks=(
            Network(id="l2-id", name="vlan100", type="L2"),
            Network(id="shared-id", name="public", type="Shared"),
        ),
        service_offerings=(
            ServiceOffering(id="custom-id", name="Custom", iscustomized=True),
            ServiceOffering(id="small-id", name="Small"),
        ),
        projects=(Project(id="project-id", name="apollo", projectaccountname="PrjAcct-apollo-1"),),
    ),
)


def test_the_shape_of_a_row() -> None:
    shape = Landscape(SNAPSHOT).traits(CALL).shape
    assert shape.text == ("custom offering, L2 + Shared auto, ide + pvscsi + pvscsi, E1000 + Vmxnet3, linux, poweredOn")


def test_what_a_servers_text_may_call_the_objects_of_a_row() -> None:
    objects = {(shared.kind, name) for shared in Landscape(SNAPSHOT).traits(CALL).objects for name in shared.names}
    assert {
        ("cluster", "vc/DC/C1"), ("cluster", "cluster-id"), ("offering", "Custom"), ("network", "public"),
        ("network", "l2-id"), ("owner", "shop"), ("hostname", "web-1"), ("host", "esx1"), ("datastore", "nas"),
        ("mac", "00:50:56:00:00:02"),
    } <= objects  # fmt: skip


def test_a_project_is_known_by_all_its_names() -> None:
    in_project = replace(CALL, request=replace(CALL.request, account="", project_id="project-id"))
    (owner,) = (one for one in Landscape(SNAPSHOT).traits(in_project).objects if one.kind == "owner")
    assert owner.names == {"project-id", "apollo", "PrjAcct-apollo-1"}


def test_places_and_races_of_a_row() -> None:
    traits = Landscape(SNAPSHOT).traits(CALL)
    assert traits.places == {
        Key("host", "host-1"), Key("datastore", "ds-gold"), Key("datastore", "ds-nas"), Key("network", "shared-id"),
    }  # fmt: skip
    assert traits.races == {
        Key("name", "web1"), Key("addresses", "shared-id"),
        Key("hostname", "web-1@l2-id"), Key("hostname", "web-1@shared-id"),
    }  # fmt: skip
    assert traits.keys == traits.places | traits.races


def test_without_a_snapshot_every_auto_address_races() -> None:
    assert {key for key in races_of(CALL) if key.kind == "addresses"} == {
        Key("addresses", "l2-id"),
        Key("addresses", "shared-id"),
    }


def test_what_the_snapshot_does_not_know_stays_open() -> None:
    unknown = Landscape(SNAPSHOT).traits(replace(row(9, network="gone"), moref="vm-9"))
    assert unknown.shape.text == "unknown offering, unknown, no controller, no NIC, unknown, unknown"
    assert unknown.places == frozenset()


def test_a_managed_object_id_that_now_belongs_to_another_vm_is_not_taken_for_it() -> None:
    assert Landscape(SNAPSHOT).traits(replace(CALL, instance_uuid="another")).shape.power_state == "unknown"


@pytest.mark.parametrize(
    ("guest_id", "family"),
    [
        ("win2019srvNext_64Guest", "windows"),
        ("windows9_64Guest", "windows"),
        ("ubuntu64Guest", "linux"),
        ("otherLinux64Guest", "linux"),
        ("other5xLinuxGuest", "linux"),
        ("otherGuest64", "other"),
        ("freebsd13_64Guest", "other"),
        ("darwin20_64Guest", "other"),
        ("", "unknown"),
    ],
)
def test_families_of_guest_systems(guest_id: str, family: str) -> None:
    assert system_family(guest_id) == family


def test_canaries_are_the_first_of_each_shape() -> None:
    landscape = Landscape(SNAPSHOT)

    def shape_of(one: PlannedImport) -> object:
        return landscape.traits(one).shape

    fixed = replace(CALL, row=3, request=replace(CALL.request, service_offering_id="small-id"))
    rows = [CALL, replace(CALL, row=4), fixed, replace(fixed, row=5)]
    assert [one.row for one in canaries(rows, lambda one: landscape.traits(one).shape)] == [2, 3]
    seen = {landscape.traits(CALL).shape}
    assert [one.row for one in canaries(rows, lambda one: landscape.traits(one).shape, seen=seen)] == [3]
    assert shape_of(CALL) != shape_of(fixed)
