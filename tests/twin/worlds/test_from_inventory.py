"""A world copied from an inventory: the objects of the inventory as they are, and a CloudStack that fits."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from ingest.model import inventory as seen
from ingest.model.endpoints import VCenterEndpoint
from ingest.model.inventory import Vlan
from ingest.twin.from_inventory import world_from_inventory
from ingest.twin.generator import REALISTIC, Rates, Shape, admin_keys, generate
from ingest.twin.vcenter import VCenterServer
from ingest.twin.world import World
from ingest.twin.worlds.integrity import dangling
from ingest.twin.worlds.oddities import ODDITIES
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.session import connect

VM = seen.VirtualMachine(
    moref="vm-57",
    name="web%2f01",
    instance_uuid="50000000-0000-4000-8000-000000000001",
    path="/Europe/DC0/vm/Web/Prod/web/01",
    datacenter="DC0",
    datacenter_moref="datacenter-2",
    cluster="C0",
    cluster_moref="domain-c10",
    host="esx1",
    host_moref="host-21",
    power_state="poweredOn",
    connection_state="connected",
    managed_by="com.example",
    cpus=2,
    memory_mib=2048,
    guest_id="otherGuest",
    guest_full_name="Other (32-bit)",
    tools_status="toolsOk",
    has_snapshot=True,
    custom_fields=(("owner", "me"),),
    passthrough=("VirtualPCIPassthrough",),
    nics=(
        seen.Nic(
            4000, "Network adapter 1", "00:0c:29:00:00:01", "Vmxnet3", "VirtualVmxnet3", "dvs",
            "pg-100", "dvportgroup-30", "dvs", "uuid-1", "dvportgroup-30", "7", Vlan("id", 100), ipv4=("10.0.0.5",),
        ),
        seen.Nic(
            4001, "Network adapter 2", "00:0c:29:00:00:02", "Vmxnet3", "VirtualVmxnet3", "dvs",
            "pg-open", "dvportgroup-31", "dvs", "uuid-1", "dvportgroup-31", "8", Vlan("id", 205),
        ),
        seen.Nic(
            4002, "Network adapter 3", "00:0c:29:00:00:03", "E1000", "VirtualE1000e", "standard",
            "VM Network", "network-32", "vSwitch0", vlan=Vlan("none"), connected=False,
        ),
        seen.Nic(4003, "Network adapter 4", "00:0c:29:00:00:04", "E1000", "VirtualE1000", "unattached",
                 "gone", problem="portgroup-not-on-host"),
        seen.Nic(4004, "Network adapter 5", "00:0c:29:00:00:05", "E1000", "VirtualE1000", "unattached",
                 problem="no-backing"),
        seen.Nic(4005, "Network adapter 6", "00:0c:29:00:00:06", "Vmxnet3", "VirtualVmxnet3", "opaque",
                 "segment", "network-o33", nsx=True),
        seen.Nic(4006, "Network adapter 7", "00:0c:29:00:00:07", "E1000", "VirtualE1000", "unattached",
                 "vmnet0", problem="unknown-backing"),
        seen.Nic(4007, "Network adapter 8", "00:0c:29:00:00:08", "E1000", "VirtualE1000", "unattached",
                 switch_name="dvs", switch_uuid="uuid-1", portgroup_key="dvportgroup-99", port_key="9",
                 problem="portgroup-unknown"),
        seen.Nic(4008, "Network adapter 9", "00:0c:29:00:00:09", "E1000", "VirtualE1000", "unattached",
                 switch_uuid="uuid-gone", portgroup_key="dvportgroup-98", problem="portgroup-unknown"),
    ),
    disks=(
        seen.Disk(2000, "Hard disk 1", "57-2000", 10 << 30, "flat", "[LocalDS_0] web/web.vmdk", "LocalDS_0",
                  "datastore-40", "pvscsi", 0, 0, parent_file="[LocalDS_0] web/base.vmdk",
                  ancestors=("[LocalDS_0] gold/gold.vmdk",), shared_bus="virtualSharing"),
        seen.Disk(2001, "Hard disk 2", "57-2001", 5 << 30, "rdm", "[LocalDS_0] w", "LocalDS_0", "datastore-40", "",
                  0, 1),
        seen.Disk(2002, "Hard disk 3", "57-2002", 5 << 30, "VirtualDiskRawDiskVer2BackingInfo", "", "", "", "", 0, 2),
        seen.Disk(2003, "Hard disk 4", "57-2003", 5 << 30, "VirtualDiskSparseVer2BackingInfo", "[LocalDS_0] s",
                  "LocalDS_0", "datastore-40", "", 0, 3),
        seen.Disk(2004, "Hard disk 5", "57-2004", 5 << 30, "VirtualDiskSeSparseBackingInfo", "[LocalDS_0] e",
                  "LocalDS_0", "datastore-40", "", 0, 4),
        seen.Disk(2005, "Hard disk 6", "57-2005", 5 << 30, "VirtualDiskOfTheFutureBackingInfo", "[LocalDS_0] f",
                  "LocalDS_0", "datastore-40", "", 0, 5),
    ),
    boot_disk_key=2001,
)  # fmt: skip

INVENTORY = seen.Inventory(
    server="vc.example.org",
    product="VMware vCenter Server",
    version="8.0.2",
    api_type="VirtualCenter",
    instance_uuid="uuid-of-vcenter",
    datacenters=(
        seen.Datacenter("datacenter-2", "DC0", "/Europe/DC0"),
        seen.Datacenter("datacenter-3", "DC1", "/DC1"),
    ),
    clusters=(
        seen.Cluster("domain-c10", "C0", "DC0", "datacenter-2", "/Europe/DC0/host/Racks/C0", False),
        seen.Cluster("domain-s11", "solo", "DC0", "datacenter-2", "/Europe/DC0/host/solo", True),
        seen.Cluster("domain-s12", "edge", "DC1", "datacenter-3", "/DC1/host/edge", True),
    ),
    hosts=(
        seen.Host("host-21", "esx1", "DC0", "C0", "domain-c10", "connected", False, "8.0.2",
                  (seen.HostPortGroup("VM Network", 0, "vSwitch0"), seen.HostPortGroup("VLAN7", 7, "vSwitch0"),
                   seen.HostPortGroup("Management", 9, "vSwitch0", vmkernel=True))),
        seen.Host("host-22", "solo", "DC0", "", "domain-s11", "connected", True, "7.0.3",
                  (seen.HostPortGroup("VLAN8", 8, "vSwitch0"),)),
        seen.Host("host-23", "edge", "DC1", "", "domain-s12", "disconnected", False, "8.0.2"),
    ),
    switches=(
        seen.Switch("dvs-29", "dvs", "uuid-1", "DC0", ((300, 300, "promiscuous"), (300, 301, "isolated")),
                    ("dvportgroup-34",)),
    ),
    networks=(
        seen.Network("dvportgroup-30", "pg-100", "dvs", "DC0", "dvs", "uuid-1", "dvportgroup-30", Vlan("id", 100)),
        seen.Network("dvportgroup-31", "pg-open", "dvs", "DC0", "dvs", "uuid-1", "dvportgroup-31", Vlan("id", 200),
                     vlan_override_allowed=True),
        seen.Network("dvportgroup-34", "uplinks", "dvs", "DC0", "dvs", "uuid-1", "dvportgroup-34",
                     Vlan("trunk", ranges=((0, 4094),)), uplink=True),
        seen.Network("dvportgroup-35", "pg-iso", "dvs", "DC0", "dvs", "uuid-1", "dvportgroup-35",
                     Vlan("pvlan", primary=300, secondary=301, pvlan_type="isolated")),
        seen.Network("network-32", "VM Network", "standard", "DC0"),
        seen.Network("network-o33", "segment", "opaque", "DC0", opaque_id="o-1", opaque_type="nsx.LogicalSwitch",
                     nsx=True),
    ),
    datastores=(
        seen.Datastore("datastore-40", "LocalDS_0", "DC0", "OTHER", 1 << 40, 1 << 39),
        seen.Datastore("datastore-41", "share", "DC0", "NFS", 1 << 40, 1 << 39, "nas", "/export"),
    ),
    vms=(
        VM,
        replace(VM, moref="vm-58", name="app", path="/Europe/DC0/vm/suite/app", in_vapp=True, nics=(), disks=()),
        replace(VM, moref="vm-59", name="edge-app", path="/DC1/vm/edge-app", datacenter="DC1", cluster="",
                host_moref="host-23", nics=(), disks=()),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return world_from_inventory(INVENTORY)


def test_the_copy_is_whole_and_the_same_each_time(world: World) -> None:
    assert list(dangling(world)) == []
    assert world == world_from_inventory(INVENTORY)
    assert admin_keys(world) != admin_keys(world_from_inventory(INVENTORY, seed=2))


def test_objects_keep_their_ids_and_names(world: World) -> None:
    assert set(world.vms) == {"vm-57", "vm-58", "vm-59"}
    assert set(world.hosts) == {"host-21", "host-22", "host-23"}
    assert set(world.networks) == {network.moref for network in INVENTORY.networks}
    assert {compute.name: compute.is_cluster for compute in world.computes.values()} == {
        "C0": True, "solo": False, "edge": False,
    }  # fmt: skip
    assert (world.vcenter_name, world.vcenter_uuid) == ("vc.example.org", "uuid-of-vcenter")
    assert world.hosts["host-22"].in_maintenance
    assert [group.vmkernel for group in world.hosts["host-21"].portgroups] == [False, False, True]
    taken = set(world.vms) | set(world.hosts) | set(world.networks) | set(world.computes) | set(world.datacenters)
    assert taken.isdisjoint(world.folders)


def test_folders_are_rebuilt_from_paths(world: World) -> None:
    def above(moref: str) -> list[str]:
        names = []
        while moref:
            place = world.folders.get(moref) or world.datacenters[moref]
            names.append(place.name)
            moref = place.parent
        return names[::-1]

    assert above(world.vms["vm-57"].folder) == ["Datacenters", "Europe", "DC0", "vm", "Web", "Prod"]
    assert above(world.vms["vm-59"].folder) == ["Datacenters", "DC1", "vm"]
    assert above(world.computes["domain-c10"].parent) == ["Datacenters", "Europe", "DC0", "host", "Racks"]


def test_vms_keep_what_the_inventory_knows(world: World) -> None:
    vm = world.vms["vm-57"]
    assert (vm.name, vm.cpus, vm.memory_mib, vm.snapshot) == ("web%2f01", 2, 2048, True)
    assert vm.managed_by == ("com.example", "")
    assert vm.custom_fields == {"owner": "me"}
    assert vm.extra_devices == ["VirtualPCIPassthrough"]
    assert vm.boot_disk_key == 2001
    dvs, override, standard, gone, nothing, opaque, legacy, deleted, adrift = vm.nics
    assert (dvs.backing, dvs.network, dvs.port_key, dvs.ips, dvs.port_vlan) == (
        "dvs", "dvportgroup-30", "7", ("10.0.0.5",), None,
    )  # fmt: skip
    assert override.port_vlan == Vlan("id", 205)
    assert (standard.backing, standard.device_name, standard.connected) == ("standard", "VM Network", False)
    assert (gone.backing, gone.device_name, gone.network) == ("standard", "gone", "")
    assert (nothing.backing, nothing.network) == ("none", "")
    assert (opaque.backing, opaque.network) == ("opaque", "network-o33")
    assert (legacy.backing, legacy.device_name) == ("legacy", "vmnet0")
    assert (deleted.backing, deleted.network, deleted.switch, deleted.port_key) == (
        "dvs", "dvportgroup-99", "dvs-29", "9",
    )  # fmt: skip
    assert (adrift.backing, adrift.network, adrift.switch) == ("dvs", "", "")  # a key without a switch leads nowhere
    flat, mapped, *_ = vm.disks
    assert (flat.disk_id, flat.parent_file, flat.ancestors, flat.shared_bus) == (
        "57-2000", "[LocalDS_0] web/base.vmdk", ("[LocalDS_0] gold/gold.vmdk",), "virtualSharing",
    )  # fmt: skip
    assert [disk.backing for disk in vm.disks] == ["flat", "rdm", "raw", "sparse", "seflat", "rdm"]
    assert mapped.unit == 1


def test_a_member_of_a_vapp_has_no_folder(world: World) -> None:
    member = world.vms["vm-58"]
    assert member.folder == ""
    assert member.resource_pool == member.vapp
    vapp = world.vapps[member.vapp]
    assert (vapp.name, vapp.compute) == ("suite", "domain-c10")


def test_cloudstack_knows_clusters_only(world: World) -> None:
    cloud = world.cloud
    assert [zone.name for zone in cloud.zones.values()] == ["DC0"]
    assert [cluster.name for cluster in cloud.clusters.values()] == ["vc.example.org/DC0/C0"]
    assert [host.name for host in cloud.hosts.values()] == ["esx1"]


def test_networks_pools_and_guests_fit_what_is_there(world: World) -> None:
    cloud = world.cloud
    uris = {network.broadcasturi for network in cloud.networks.values() if network.type == "L2"}
    assert uris == {"vlan://100", "vlan://200", "pvlan://300-i301", "vlan://untagged", "vlan://7", ""}
    assert {network.name for network in cloud.networks.values()} >= {"l2-VM Network", "l2-segment"}
    assert {(p.name, p.path, p.type) for p in cloud.storage_pools.values()} == {
        ("LocalDS_0", "/DC0/LocalDS_0", "VMFS"),
        ("share", "/export", "NetworkFilesystem"),
    }
    other = [m for m in cloud.os_mappings.values() if m.osnameforhypervisor == "otherGuest"]
    assert {mapping.hypervisorversion for mapping in other} == {"8.0.2", "7.0.3"}
    assert cloud.os_types[other[0].ostypeid].description == "Other (32-bit)"


def test_a_vm_without_a_host_is_left_out_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    orphan = replace(VM, moref="vm-60", name="orphan", host_moref="")
    with caplog.at_level(logging.WARNING, logger="ingest.twin"):
        world = world_from_inventory(replace(INVENTORY, vms=(VM, orphan)))
    assert set(world.vms) == {"vm-57"}
    assert "orphan (vm-60) has no host" in caplog.text


def test_an_empty_inventory_is_a_world_without_zones() -> None:
    world = world_from_inventory(seen.Inventory("h", "ESXi", "8.0.2", "HostAgent", "u"))
    assert not world.vms
    assert not world.cloud.zones
    assert list(dangling(world)) == []


# All but nested vApps, which become one.
EVERY_ODDITY = replace(REALISTIC, rates=Rates(**dict.fromkeys(set(ODDITIES) - {"nested_vapp"}, 0.98 / len(ODDITIES))))


@pytest.mark.parametrize("shape", [REALISTIC, EVERY_ODDITY], ids=["realistic", "every oddity"])
def test_a_copy_served_as_a_vcenter_reads_like_the_original(shape: Shape, tmp_path: Path) -> None:
    original = generate(300, seed=3, shape=shape)
    first = _read(original, tmp_path / "first.pem")
    second = _read(world_from_inventory(first), tmp_path / "second.pem")
    assert len(first.vms) == 300
    assert replace(second, requests=first.requests) == first


def _read(world: World, ca_file: Path) -> seen.Inventory:
    with VCenterServer(world) as server:
        ca_file.write_bytes(server.ca_pem)
        endpoint = VCenterEndpoint(
            host="127.0.0.1",
            port=server.port,
            user=world.vcenter_user,
            password=SecretStr(world.vcenter_password),
            ca_file=ca_file,
        )
        with connect(endpoint) as vcenter:
            return read_inventory(vcenter)
