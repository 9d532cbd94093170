"""A made-up site: the same for the same seed, any size, every reference leads somewhere, unique where it must be."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter

import pytest

from ingest.model.inventory import Vlan
from ingest.twin.generator import CLEAN, REALISTIC, Rates, Shape, admin_keys, generate
from ingest.twin.world import VM, Network, World
from ingest.twin.worlds.integrity import dangling
from ingest.twin.worlds.oddities import ODDITIES

HOST_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@pytest.fixture(scope="module")
def clean() -> World:
    return generate(300, seed=5, shape=CLEAN)


@pytest.fixture(scope="module")
def realistic() -> World:
    return generate(1000, seed=5, shape=REALISTIC)


def test_the_same_seed_gives_an_equal_world_and_another_seed_another() -> None:
    first, again, other = (generate(150, seed=seed, shape=REALISTIC) for seed in (3, 3, 4))
    assert first == again
    assert admin_keys(first) == admin_keys(again)
    assert first != other
    assert admin_keys(first) != admin_keys(other)
    assert {vm.instance_uuid for vm in first.vms.values()}.isdisjoint(vm.instance_uuid for vm in other.vms.values())


@pytest.mark.parametrize("size", [0, 1, 2, 7, 60, 350])
@pytest.mark.parametrize("shape", [CLEAN, REALISTIC], ids=["clean", "realistic"])
def test_any_size_has_exactly_that_many_vms_and_no_dangling_reference(size: int, shape: Shape) -> None:
    world = generate(size, seed=9, shape=shape)
    assert len(world.vms) == size
    assert list(dangling(world)) == []


def test_ten_thousand_vms_are_a_site_of_the_usual_density() -> None:
    world = generate(10_000, seed=2, shape=REALISTIC)
    assert len(world.vms) == 10_000
    hosts = [host for host in world.hosts.values() if world.computes[host.compute].is_cluster]
    assert 60 < 10_000 / len(hosts) <= 90
    assert list(dangling(world)) == []
    assert len({nic.mac for vm in world.vms.values() for nic in vm.nics}) > 10_000


def test_a_size_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 200000"):
        generate(-1)


@pytest.mark.parametrize("shape", [CLEAN, REALISTIC], ids=["clean", "realistic"])
def test_what_vcenter_keeps_unique_is_unique(shape: Shape) -> None:
    world = generate(800, seed=11, shape=shape)
    vms = list(world.vms.values())
    for values in (
        [vm.instance_uuid for vm in vms],
        [vm.bios_uuid for vm in vms],
        [(vm.folder, vm.name) for vm in vms if vm.folder],
        [disk.disk_id for vm in vms for disk in vm.disks],
        [disk.file_name for vm in vms for disk in vm.disks],
        [(vm.moref, nic.key) for vm in vms for nic in vm.nics],
        [(n.switch, nic.port_key) for vm in vms for nic in vm.nics if (n := _dvs(world, nic.network)) and nic.port_key],
        [(network.datacenter, network.kind, network.name) for network in world.networks.values()],
        [(datastore.datacenter, datastore.name) for datastore in world.datastores.values()],
    ):
        assert [value for value, count in Counter(values).items() if count > 1] == []
    duplicates = sum(count - 1 for count in Counter(nic.mac for vm in vms for nic in vm.nics).values())
    assert duplicates == round(shape.rates.duplicate_mac * 800)


def _dvs(world: World, moref: str) -> Network | None:
    network = world.networks.get(moref)
    return network if network is not None and network.kind == "dvs" else None


def test_devices_follow_vcenters_numbering(realistic: World) -> None:
    for vm in realistic.vms.values():
        number = vm.moref.removeprefix("vm-")
        assert [nic.key for nic in vm.nics] == list(range(4000, 4000 + len(vm.nics)))
        assert [nic.label for nic in vm.nics] == [f"Network adapter {n + 1}" for n in range(len(vm.nics))]
        for index, disk in enumerate(vm.disks):
            assert disk.disk_id == f"{number}-{disk.key}"
            assert disk.label == f"Hard disk {index + 1}"
            assert disk.unit != 7 or disk.controller in ("sata", "nvme")
            assert disk.file_name.startswith(f"[{realistic.datastores[disk.datastore].name}] ")
    first = next(disk for vm in realistic.vms.values() for disk in vm.disks if disk.controller == "pvscsi")
    assert first.key == 2000
    assert re.fullmatch(r"\[(\S+)\] (.+)/\2\.vmdk", first.file_name)


def test_addresses_lie_in_the_subnet_of_their_vlan_and_are_unique(realistic: World) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for vm in realistic.vms.values():
        datacenter = realistic.compute_of(vm).datacenter
        site = list(realistic.datacenters).index(datacenter)
        for nic in vm.nics:
            network = realistic.networks.get(nic.network)
            for address in (a for a in nic.ips if "." in a):
                seen[datacenter, address] += 1
                if network is not None and network.vlan == Vlan("id", 201):
                    assert ipaddress.ip_address(address) in ipaddress.ip_network(f"10.{64 * site + 3}.36.0/22")
            assert not nic.ips or vm.power_state == "poweredOn"
    assert len(seen) > 300
    assert max(seen.values()) == 1


def test_realistic_of_enough_size_has_its_oddities_as_often_as_their_rates_say(realistic: World) -> None:
    vms = list(realistic.vms.values())
    names = Counter(vm.name for vm in vms)
    macs = Counter(nic.mac for vm in vms for nic in vm.nics)

    def card_on(vm: VM, purpose: str) -> bool:
        return any((n := realistic.networks.get(nic.network)) is not None and n.name == purpose for nic in vm.nics)

    def store_of(vm: VM) -> set[str]:
        return {realistic.datastores[disk.datastore].name for disk in vm.disks}

    shown = {
        "template": lambda vm: vm.template,
        "vcls_agent": lambda vm: vm.managed_by == ("com.vmware.vim.eam", "cluster-agent") and not vm.nics,
        "placeholder": lambda vm: vm.managed_by is not None and vm.managed_by[1] == "placeholderVm",
        "in_vapp": lambda vm: bool(vm.vapp) and not vm.folder and vm.resource_pool == vm.vapp,
        "standalone_host": lambda vm: not realistic.compute_of(vm).is_cluster,
        "fault_tolerant": lambda vm: vm.ft_role == 1,
        "escaped_name": lambda vm: "%2f" in vm.name,
        "long_name": lambda vm: 63 < len(vm.name) <= 80,
        "suspended": lambda vm: vm.power_state == "suspended",
        "pending_question": lambda vm: bool(vm.question),
        "inaccessible": lambda vm: vm.connection_state == "inaccessible",
        "encrypted": lambda vm: vm.encrypted,
        "passthrough": lambda vm: "VirtualPCIPassthrough" in vm.extra_devices,
        "cpu_reservation": lambda vm: vm.cpu_reservation_mhz > 0,
        "odd_size": lambda vm: vm.cpus in (3, 5, 6) or (vm.cpus, vm.memory_mib) == (2, 3072),
        "unmapped_guest": lambda vm: vm.guest_id == "amazonlinux2_64Guest",
        "snapshot": lambda vm: vm.snapshot and vm.disks[0].file_name.endswith("-000001.vmdk"),
        "consolidation_needed": lambda vm: vm.consolidation_needed,
        "linked_clone": lambda vm: bool(vm.disks) and "golden-image" in vm.disks[0].parent_file,
        "rdm_disk": lambda vm: any(disk.backing == "rdm" for disk in vm.disks),
        "nvme_controller": lambda vm: any(disk.controller == "nvme" for disk in vm.disks),
        "sata_controller": lambda vm: any(disk.controller == "sata" for disk in vm.disks),
        "mixed_disk_controllers": lambda vm: len({disk.controller for disk in vm.disks[1:]}) > 1,
        "multi_writer_disk": lambda vm: any(disk.sharing == "sharingMultiWriter" for disk in vm.disks),
        "independent_disk": lambda vm: any(disk.mode.startswith("independent") for disk in vm.disks),
        "no_disk": lambda vm: not vm.disks,
        "disk_without_pool": lambda vm: any(name.endswith("-archive") for name in store_of(vm)),
        "disk_on_trap": lambda vm: "ds1" in store_of(vm),
        "no_nic": lambda vm: not vm.nics and vm.managed_by is None,
        "mixed_adapters": lambda vm: len({nic.card for nic in vm.nics}) > 1,
        "nic_not_at_start": lambda vm: any(not nic.start_connected for nic in vm.nics),
        "untagged_nic": lambda vm: card_on(vm, "VM Network") or card_on(vm, "native-lan"),
        "guest_tagging_nic": lambda vm: card_on(vm, "guest-trunk"),
        "trunk_nic": lambda vm: card_on(vm, "trunk-all"),
        "opaque_nic": lambda vm: card_on(vm, "nsx-segment-1"),
        "orphan_nic": lambda vm: card_on(vm, "none"),
        "ephemeral_nic": lambda vm: card_on(vm, "recovery-ephemeral") and vm.nics[0].port_key == "",
        "port_override_nic": lambda vm: any(nic.port_vlan == Vlan("id", 201) for nic in vm.nics),
        "shared_network_nic": lambda vm: card_on(vm, "shared-services"),
        "missing_network_nic": lambda vm: card_on(vm, "legacy-scada"),
        "drifting_portgroup_nic": lambda vm: card_on(vm, "Legacy"),
    }  # fmt: skip
    counted = {name: sum(1 for vm in vms if test(vm)) for name, test in shown.items()}
    counted["duplicate_name"] = sum(count - 1 for count in names.values())
    counted["duplicate_mac"] = sum(count - 1 for count in macs.values())
    rates = {name: getattr(REALISTIC.rates, name) for name in ODDITIES}
    assert counted == {name: round(rate * 1000) for name, rate in rates.items() if rate}
    assert min(counted.values()) >= 1


def test_realistic_names_and_tools_are_as_bad_as_in_the_field(realistic: World) -> None:
    invalid = [vm.name for vm in realistic.vms.values() if not HOST_NAME.fullmatch(vm.name)]
    assert 0.14 < len(invalid) / 1000 < 0.24
    assert {mark for name in invalid for mark in "._ (" if mark in name} == set("._ (")
    running = [vm for vm in realistic.vms.values() if vm.power_state == "poweredOn"]
    assert 0.35 < sum(vm.tools_status == "toolsOk" for vm in running) / len(running) < 0.6


def test_in_a_clean_world_nothing_stands_against_an_import(clean: World) -> None:
    names = Counter(vm.name for vm in clean.vms.values())
    assert max(names.values()) == 1
    mapped = {mapping.osnameforhypervisor for mapping in clean.cloud.os_mappings.values()}
    for vm in clean.vms.values():
        assert HOST_NAME.fullmatch(vm.name)
        assert vm.disks
        assert vm.nics
        assert vm.guest_id in mapped
        assert vm.power_state in ("poweredOn", "poweredOff")
        assert vm.tools_status == ("toolsOk" if vm.power_state == "poweredOn" else "toolsNotRunning")
        assert clean.compute_of(vm).is_cluster
        assert len({nic.card for nic in vm.nics}) == 1
        assert len({disk.controller for disk in vm.disks}) == 1
        assert {disk.controller for disk in vm.disks} <= {"pvscsi", "lsilogic", "lsisas1068"}
        assert not any(disk.parent_file for disk in vm.disks)


def test_every_card_of_a_clean_world_has_exactly_one_network_and_it_is_its_owners(clean: World) -> None:
    cloud = clean.cloud
    for vm in clean.vms.values():
        tenant = clean.folders[vm.folder].name
        for nic in vm.nics:
            fitting = [n for n in cloud.networks.values() if n.broadcasturi == _uri(clean, vm, nic.network)]
            assert len(fitting) == 1
            owner = cloud.projects[fitting[0].projectid].name if fitting[0].projectid else None
            assert (owner or cloud.accounts[fitting[0].accountid].name) == tenant


def _uri(world: World, vm: VM, moref: str) -> str:
    network = world.networks[moref]
    if network.kind == "standard":
        return next(f"vlan://{g.vlan_id}" for g in world.hosts[vm.host].portgroups if g.name == network.name)
    assert network.vlan is not None
    if network.vlan.kind == "pvlan":
        assert network.vlan.pvlan_type is not None
        return f"pvlan://{network.vlan.primary}-{network.vlan.pvlan_type[0]}{network.vlan.secondary}"
    return f"vlan://{network.vlan.id}"


def test_private_vlans_of_all_three_types_are_in_their_switchs_map(clean: World) -> None:
    groups = [n for n in clean.networks.values() if n.vlan is not None and n.vlan.kind == "pvlan"]
    assert {n.vlan.pvlan_type for n in groups if n.vlan} == {"promiscuous", "isolated", "community"}
    for group in groups:
        assert group.vlan is not None
        entry = (group.vlan.primary, group.vlan.secondary, group.vlan.pvlan_type)
        assert entry in clean.switches[group.switch].pvlans


def test_a_standard_port_group_is_one_network_with_a_vlan_on_every_host(clean: World) -> None:
    for host in clean.hosts.values():
        by_name = {group.name: group.vlan_id for group in host.portgroups if not group.vmkernel}
        assert by_name["VLAN10"] == 10
        assert by_name["VLAN100"] == 100  # a name that contains another
        assert by_name["VM Network"] == 0
        assert by_name["guest-trunk"] == 4095
        assert {group.name for group in host.portgroups if group.vmkernel} == {"Management Network", "vMotion"}


def test_a_rate_above_one_and_rates_above_one_in_sum_are_refused() -> None:
    with pytest.raises(ValueError, match="rate template"):
        Rates(template=1.5)
    with pytest.raises(ValueError, match=re.escape("add up to 1.20")):
        Rates(template=0.6, no_nic=0.6)


def test_datastores_hold_what_their_disks_promise(realistic: World) -> None:
    promised: Counter[str] = Counter()
    for vm in realistic.vms.values():
        for disk in vm.disks:
            promised[disk.datastore] += disk.capacity_bytes
    for moref, datastore in realistic.datastores.items():
        assert promised[moref] <= datastore.capacity_bytes
        assert 0 < datastore.free_bytes <= datastore.capacity_bytes
