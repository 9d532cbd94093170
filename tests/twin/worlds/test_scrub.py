"""Scrubbed worlds: names go, and what checks look at stays."""

from __future__ import annotations

import ipaddress
import random
import re

import pytest

from ingest.twin import cloud as c
from ingest.twin.generator import CLEAN, REALISTIC, generate
from ingest.twin.scrub import NOTE, scrub
from ingest.twin.world import World
from ingest.twin.worlds.integrity import dangling

HOST_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def renamed(*names: str, seed: int = 1) -> list[str]:
    """What VMs of these names are called afterwards."""
    world = generate(len(names), seed=1, shape=CLEAN)
    for vm, name in zip(world.vms.values(), names, strict=True):
        vm.name = name
    scrub(world, random.Random(seed))
    return [vm.name for vm in world.vms.values()]


@pytest.mark.parametrize(
    "name",
    [
        "web01", "WEB01", "db_prod 01.corp", "9-lives", "a", "File Server 2", "x" * 70, "web%2fnew%5C", "äÖü-straße",
        "日本-01", "10.0.0.8 old", "-dash-", "UPPER.lower.MiXed", "100%", "wiki\N{SNOWMAN}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_length_signs_digits_and_validity_stay(name: str, seed: int) -> None:
    (made,) = renamed(name, seed=seed)
    assert len(made) == len(name)
    assert bool(HOST_NAME.fullmatch(made)) == bool(HOST_NAME.fullmatch(name))
    for old, new in zip(name, made, strict=True):
        assert (old.isalpha(), old.isupper(), old.isascii()) == (new.isalpha(), new.isupper(), new.isascii())
        assert old.isalpha() or old == new
    assert made.lower() != name.lower() or not re.search(r"[^\W\d_]{3}", name)


def test_equal_names_stay_equal_and_different_ones_different_whatever_their_case() -> None:
    one, same, shouted, other, longer = renamed("shop-web01", "shop-web01", "SHOP-Web01", "shop-app01", "shop-web011")
    assert one == same != other
    assert shouted.lower() == one.lower()
    assert shouted != one
    assert longer == one + "1"
    assert one.partition("-")[0] == other.partition("-")[0]


def test_platform_vms_are_still_recognised() -> None:
    names = ["vCLS-1f0c0a7e-aaaa", "vCLS (2)", "i-2-34-VM", "v-1-VM"]
    assert renamed(*names) == names


def test_all_short_words_can_be_taken() -> None:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    kanji = [chr(0x4E00 + number) for number in range(40)]
    made = renamed(*letters, *kanji)
    assert len(set(made)) == len(made)


def test_one_name_is_replaced_by_one_name_everywhere() -> None:
    world = generate(30, seed=2, shape=CLEAN)
    before = {vm.moref: (vm.name, vm.disks[0].file_name) for vm in world.vms.values()}
    scrub(world, random.Random(4))
    for vm in world.vms.values():
        store = world.datastores[vm.disks[0].datastore]
        old_name, old_file = before[vm.moref]
        assert vm.name != old_name
        assert vm.disks[0].file_name.startswith(f"[{store.name}] ")
        assert (vm.name in vm.disks[0].file_name) == (old_name in old_file)
        assert vm.disks[0].file_name.endswith(".vmdk")
    for cluster in world.cloud.clusters.values():
        compute = world.computes[cluster.compute]
        place = f"{world.datacenters[compute.datacenter].name}/{compute.name}"
        assert cluster.name == f"{world.vcenter_name}/{place}"
    assert {host.name for host in world.cloud.hosts.values()} <= {host.name for host in world.hosts.values()}
    assert next(iter(world.cloud.domains.values())).path == "ROOT"


@pytest.mark.parametrize("seed", range(5))
def test_a_datastore_that_is_part_of_a_pools_path_stays_so_and_no_other_becomes_so(seed: int) -> None:
    world = generate(40, seed=6, shape=REALISTIC)
    names = ["ds1", "ds10", "fast", "breakfast-01", "fastest", "s", "San", "san-ssd"]
    for store, name in zip(world.datastores.values(), names, strict=False):
        for pool in world.cloud.storage_pools.values():
            if pool.name == store.name:
                pool.path = pool.path.replace(store.name, name)
        store.name = name
    before = containment(world)
    assert sum(map(sum, before)) > len(before)
    scrub(world, random.Random(seed))
    assert containment(world) == before


def containment(world: World) -> list[list[bool]]:
    paths = [pool.path for pool in world.cloud.storage_pools.values()]
    return [[store.name in path for path in paths] for store in world.datastores.values()]


def test_private_addresses_stay_and_public_ones_move_with_their_network() -> None:
    world = generate(3, seed=1, shape=CLEAN)
    first, second, third = world.vms.values()
    first.nics[0].ips, second.nics[0].ips, third.nics[0].ips = (
        ("8.8.4.4",),
        ("8.8.8.8", "9.9.9.9"),
        ("10.1.2.3", "fe80::250:56ff:fe9a:1384", "2a00:1450::5"),
    )
    network = next(iter(world.cloud.networks.values()))
    network.cidr, network.gateway, network.startip, network.endip = "8.8.0.0/20", "8.8.0.1", "8.8.4.1", "8.8.8.9"
    scrub(world, random.Random(1))
    public = first.nics[0].ips + second.nics[0].ips
    assert not any(ipaddress.ip_address(one).is_global for one in public)
    assert third.nics[0].ips == ("10.1.2.3", "fe80::250:56ff:fe9a:1384", "2001:db8::5")
    inside = [ipaddress.ip_address(one) in ipaddress.ip_network(network.cidr) for one in public]
    assert inside == [True, True, False]
    assert [one.rpartition(".")[2] for one in public] == ["4", "8", "9"]
    assert network.startip < network.endip


def test_notes_custom_values_jobs_and_events_go() -> None:
    world = generate(3, seed=1, shape=CLEAN)
    first, second, third = world.vms.values()
    first.annotation, second.annotation = "root: hunter2", ""
    first.custom_fields = {"owner": "jane", "cloud.vm.internal.name": "i-2-3-VM"}
    second.custom_fields = third.custom_fields = {"owner": "jane", "site": "north"}
    world.cloud.events.append(c.Event("e", "VM.IMPORT", "INFO", "Started", f"Importing {first.name}", "", 1.0))
    scrub(world, random.Random(1))
    assert (first.annotation, second.annotation) == (NOTE, "")
    assert first.custom_fields == {"field 1": "value 1", "cloud.vm.internal.name": "i-2-3-VM"}
    assert second.custom_fields == {"field 1": "value 1", "field 2": "value 2"}
    assert world.cloud.events == []


def test_tags_of_managed_vms_are_numbered_alike() -> None:
    world = generate(3, seed=1, shape=CLEAN)
    for number, tags in enumerate(({"owner": "jane"}, {"owner": "jane", "site": "north"}), start=1):
        name = f"i-{number}"
        world.cloud.instances[name] = c.Instance(
            name, name, name, name, "Running", "", "", "", "", "", "", "", "", "", 1, 512, "", tags=tags
        )
    scrub(world, random.Random(1))
    one, two = world.cloud.instances.values()
    assert len(one.tags) == 1
    assert two.tags.items() > one.tags.items()
    assert "jane" not in str(two.tags)
    assert "owner" not in two.tags


@pytest.mark.parametrize("seed", range(4))
def test_whole_worlds_stay_whole(seed: int) -> None:
    world = generate(60, seed=seed, shape=REALISTIC)
    macs = [nic.mac for vm in world.vms.values() for nic in vm.nics]
    scrub(world, random.Random(seed))
    assert list(dangling(world)) == []
    assert [nic.mac for vm in world.vms.values() for nic in vm.nics] == macs
