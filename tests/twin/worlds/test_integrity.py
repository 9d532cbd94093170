"""References of a world that lead nowhere, and the one that may."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from ingest.twin.generator import REALISTIC, Rates, generate
from ingest.twin.registration import unregister_site
from ingest.twin.world import VM, ResourcePool, World
from ingest.twin.worlds.integrity import dangling


def any_vm(world: World) -> VM:
    return next(vm for vm in world.vms.values() if any(nic.backing == "dvs" for nic in vm.nics))


def lose_pool_parent(world: World) -> None:
    compute = next(iter(world.computes))
    world.resource_pools["resgroup-9"] = ResourcePool("resgroup-9", "gold", "resgroup-none", compute)


def lose_pool(world: World) -> None:
    any_vm(world).resource_pool = "resgroup-none"


def lose_partner(world: World) -> None:
    any_vm(world).ft_partner = "vm-none"


def lose_mount(world: World) -> None:
    next(iter(world.datastores.values())).hosts = ["host-none"]


def lose_switch(world: World) -> None:
    any_vm(world).nics[0].switch = "dvs-none"


def lose_group(world: World) -> None:
    any_vm(world).nics[0].network = "dvportgroup-none"


@pytest.mark.parametrize(
    ("lose", "field", "message"),
    [
        (lose_pool_parent, "parent", "resgroup-none is none of the resource pools"),
        (lose_pool, "resource_pool", "resgroup-none is none of the resource pools"),
        (lose_partner, "ft_partner", "vm-none is none of the vms"),
        (lose_mount, 0, "host-none is none of the hosts"),
        (lose_switch, "switch", "dvs-none is none of the switches"),
        (lose_group, "network", "dvportgroup-none is none of the networks"),
    ],
)
def test_a_lost_reference_is_found(lose: Callable[[World], None], field: str | int, message: str) -> None:
    world = generate(5)
    lose(world)
    ((path, what),) = dangling(world)
    assert (path[-1], what) == (field, message)


def test_a_card_that_names_its_switch_may_keep_the_key_of_a_group_that_is_gone() -> None:
    world = generate(5)
    any_vm(world).nics[0].switch = next(iter(world.switches))
    lose_group(world)
    assert list(dangling(world)) == []


def test_a_pool_in_a_pool_is_a_place_for_a_vm() -> None:
    world = generate(5)
    compute = next(iter(world.computes.values()))
    world.resource_pools["resgroup-9"] = ResourcePool("resgroup-9", "gold", compute.resource_pool, compute.moref)
    world.resource_pools["resgroup-10"] = ResourcePool("resgroup-10", "inner", "resgroup-9", compute.moref)
    any_vm(world).resource_pool = "resgroup-10"
    assert list(dangling(world)) == []


def test_a_site_of_every_oddity_may_be_taken_out_of_the_inventory() -> None:
    rates = Rates(**{field.name: 0.98 / len(dataclasses.fields(Rates)) for field in dataclasses.fields(Rates)})
    world = generate(130, seed=5, shape=dataclasses.replace(REALISTIC, rates=rates))
    assert unregister_site(world, [next(iter(world.datastores))]) > 1
    assert list(dangling(world)) == []
    assert unregister_site(world) > 100
    assert list(dangling(world)) == []
