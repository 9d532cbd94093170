"""The short form: what a person writes is what the world has, and the demo shows what it promises."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from ingest.errors import RulesError
from ingest.model.inventory import Vlan
from ingest.twin.generator import generate
from ingest.twin.world import VM, World
from ingest.twin.worldfile import load_world
from ingest.twin.worlds.description import parse_vlan
from ingest.twin.worlds.integrity import dangling

DEMO = Path(__file__).parents[3] / "data" / "demo-world.yaml"


def described(tmp_path: Path, text: str) -> World:
    path = tmp_path / "world.yaml"
    path.write_text("version: 1\n" + text)
    return load_world(path)


def named(world: World, name: str) -> VM:
    (vm,) = [vm for vm in world.vms.values() if vm.name == name]
    return vm


@pytest.fixture(scope="module")
def demo() -> World:
    return load_world(DEMO)


def test_a_bare_description_is_the_generated_world(tmp_path: Path) -> None:
    world = described(tmp_path, "generate: {vms: 40, seed: 3}\n")
    assert world == generate(40, seed=3)


def test_the_demo_has_about_sixty_vms_over_two_clusters_and_nothing_dangling(demo: World) -> None:
    assert 60 <= len(demo.vms) <= 66
    used = {demo.compute_of(vm).name for vm in demo.vms.values()}
    assert used == {"fra1-c1", "fra1-c2"}
    assert list(dangling(demo)) == []
    assert demo == load_world(DEMO)


def test_the_generated_vms_of_the_demo_can_be_imported_as_they_are(demo: World) -> None:
    special = set(re.findall(r"^  - name: (.+?)(?: #.*)?$", DEMO.read_text(), re.MULTILINE))
    ordinary = [vm for vm in demo.vms.values() if vm.name not in special and vm.managed_by is None]
    assert len(ordinary) >= 45
    names = Counter(vm.name for vm in demo.vms.values())
    for vm in ordinary:
        assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", vm.name)
        assert names[vm.name] == 1
        assert not vm.template
        assert not vm.snapshot
        assert vm.power_state in ("poweredOn", "poweredOff")
        assert {disk.controller for disk in vm.disks} <= {"pvscsi", "lsilogic", "lsisas1068"}
        assert len({nic.card for nic in vm.nics}) == 1


def test_the_demo_shows_one_of_each_thing_that_needs_a_decision(demo: World) -> None:
    uris = {network.broadcasturi for network in demo.cloud.networks.values()}
    groups = {network.name: network for network in demo.networks.values()}
    names = Counter(vm.name for vm in demo.vms.values())
    fixed = {(o.cpunumber, o.memory) for o in demo.cloud.service_offerings.values() if o.cpunumber}
    odd = named(demo, "batch-odd01")
    assert named(demo, "File Server 2").disks[1].capacity_bytes == 500 << 30
    assert [name for name, count in names.items() if count > 1] == ["crm-legacy"]
    assert named(demo, "wiki-upgrade").snapshot
    assert {disk.controller for disk in named(demo, "analytics-nvme01").disks} == {"nvme"}
    assert [disk.backing for disk in named(demo, "oracle-rac1").disks] == ["flat", "rdm"]
    assert named(demo, "scada-gw01").nics[0].network == groups["legacy-scada"].moref
    assert groups["legacy-scada"].vlan == Vlan("id", 666)
    assert "vlan://666" not in uris
    assert "vlan://201" in uris
    assert demo.networks[named(demo, "firewall01").nics[0].network].vlan.kind == "trunk"  # type: ignore[union-attr]
    assert named(demo, "ubuntu-22-golden").template
    assert [vm.managed_by for vm in demo.vms.values() if vm.managed_by] == [("com.vmware.vim.eam", "cluster-agent")]
    assert named(demo, "lab-paused01").power_state == "suspended"
    assert [nic.card for nic in named(demo, "mail-gw01").nics] == ["VirtualVmxnet3", "VirtualE1000"]
    assert odd.power_state == "poweredOn"
    assert (odd.cpus, odd.memory_mib) not in fixed
    assert demo.cloud.import_seconds == pytest.approx(1, abs=0.5)


def test_explicit_vms_are_what_was_written(tmp_path: Path) -> None:
    world = described(
        tmp_path,
        """
generate: {vms: 2}
networks:
  - {name: special, vlan: "pvlan 3200/3201 isolated", tenant: shop}
  - {name: host-lan, vlan: 77, kind: standard}
  - {name: segment, kind: opaque}
vms:
  - name: box
    tenant: shop
    cluster: fra1-c2
    folder: Old/Boxes
    power_state: poweredOff
    cpus: 6
    memory_mib: 1536
    firmware: efi
    custom_fields: {owner: me}
    disks:
      - {size_gib: 0.5, controller: ide}
      - {size_gib: 7, controller: sata, mode: independent_persistent, datastore: fra1-c2-nfs-01}
    nics:
      - {network: special, card: VirtualE1000, mac: "00:50:56:00:00:99", start_connected: false}
      - {network: host-lan}
      - {network: segment}
""",
    )
    vm = named(world, "box")
    assert (vm.cpus, vm.memory_mib, vm.power_state, vm.firmware) == (6, 1536, "poweredOff", "efi")
    assert vm.custom_fields == {"owner": "me"}
    assert world.folders[vm.folder].name == "Boxes"
    assert world.folders[world.folders[vm.folder].parent].name == "Old"
    assert world.compute_of(vm).name == "fra1-c2"
    assert [(d.controller, d.capacity_bytes, d.mode) for d in vm.disks] == [
        ("ide", 1 << 29, "persistent"),
        ("sata", 7 << 30, "independent_persistent"),
    ]
    assert vm.disks[1].file_name == "[fra1-c2-nfs-01] box/box_1.vmdk"
    assert [nic.backing for nic in vm.nics] == ["dvs", "standard", "opaque"]
    assert (vm.nics[0].mac, vm.nics[0].start_connected, vm.nics[0].ips) == ("00:50:56:00:00:99", False, ())
    cloud = {network.name: network for network in world.cloud.networks.values()}
    assert cloud["l2-shop-pvlan-3200-isolated"].broadcasturi == "pvlan://3200-i3201"
    assert world.cloud.accounts[cloud["l2-shop-pvlan-3200-isolated"].accountid].name == "shop"
    assert "l2-platform-vlan-77" in cloud
    assert (3200, 3201, "isolated") in next(iter(world.switches.values())).pvlans
    assert list(dangling(world)) == []


def test_changes_hosts_and_cloud_tweaks_apply(tmp_path: Path) -> None:
    name = next(iter(generate(10, seed=4).vms.values())).name
    world = described(
        tmp_path,
        f"""
name: drill
generate: {{vms: 10, seed: 4}}
vcenter: {{name: vc.lab.example.org, user: root, password: secret}}
cloud:
  import_seconds: 0.25
  job_threads: 3
  configuration: {{vm.instancename.flag: "true"}}
  without_networks: ["vlan://201"]
hosts:
  - {{name: esx0101.fra1.example.org, connection_state: disconnected}}
  - {{name: esx0102.fra1.example.org, in_maintenance: true}}
change:
  - {{vm: {name}, name: renamed, oddities: [snapshot]}}
""",
    )
    assert named(world, "renamed").snapshot
    assert (world.name, world.vcenter_name, world.vcenter_user) == ("drill", "vc.lab.example.org", "root")
    assert (world.cloud.import_seconds, world.cloud.job_threads) == (0.25, 3)
    assert world.cloud.configuration["vm.instancename.flag"] == "true"
    assert world.cloud.configuration["default.page.size"] == "500"
    states = {host.name: (host.state, host.resourcestate) for host in world.cloud.hosts.values()}
    assert states["esx0101.fra1.example.org"] == ("Disconnected", "Enabled")
    assert states["esx0102.fra1.example.org"] == ("Up", "Maintenance")
    assert all(cluster.name.startswith("vc.lab.example.org/fra1/") for cluster in world.cloud.clusters.values())
    assert "vlan://201" not in {network.broadcasturi for network in world.cloud.networks.values()}


@pytest.mark.parametrize(
    "vlan",
    [
        Vlan("none"),
        Vlan("id", 1),
        Vlan("id", 4094),
        Vlan("trunk", ranges=((0, 4094),)),
        Vlan("trunk", ranges=((1, 10), (20, 20))),
        Vlan("pvlan", primary=100, secondary=101, pvlan_type="community"),
    ],
)
def test_a_vlan_is_read_as_the_sheet_writes_it(vlan: Vlan) -> None:
    assert parse_vlan(vlan.text) == vlan


@pytest.mark.parametrize(
    "text", ["0", "4095", "-1", "trunk", "trunk 5-1", "trunk a", "pvlan 1/2", "pvlan 0/1 isolated"]
)
def test_what_is_no_vlan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no VLAN"):
        parse_vlan(text)


def test_vms_can_lie_in_a_datastore_unregistered(tmp_path: Path) -> None:
    text = "generate: {vms: 20, seed: 3}\nvms: [{name: lost, registered: false}, {name: kept}]\n"
    world = described(tmp_path, text)
    (stored,) = world.unregistered.values()
    assert (stored.vm.name, stored.vm.moref, stored.vm.power_state) == ("lost", "", "poweredOff")
    assert stored.vm.vmx_path == stored.vm.disks[0].file_name.replace(".vmdk", ".vmx")
    assert named(world, "kept").power_state == "poweredOn"
    assert list(dangling(world)) == []


def test_a_replicated_datastore_has_no_registered_vm(tmp_path: Path) -> None:
    before = described(tmp_path, "generate: {vms: 20, seed: 3}\n")
    store = next(iter(before.datastores.values()))
    world = described(tmp_path, f"generate: {{vms: 20, seed: 3}}\nreplicated: [{store.name}]\n")
    assert 0 < len(world.unregistered) < 20
    assert len(world.vms) + len(world.unregistered) == 20
    assert {stored.datastore for stored in world.unregistered.values()} == {store.moref}
    assert not [vm for vm in world.vms.values() if vm.disks[0].datastore == store.moref]
    everything = described(tmp_path, 'generate: {vms: 20, seed: 3, shape: realistic}\nreplicated: ["*"]\n')
    assert (len(everything.vms), len(everything.unregistered)) == (0, 20)
    assert everything.cloud == described(tmp_path, "generate: {vms: 20, seed: 3, shape: realistic}\n").cloud
    with pytest.raises(RulesError, match="no datastore is called nowhere"):
        described(tmp_path, "replicated: [nowhere]\n")
