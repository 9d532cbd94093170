"""Conclusions about imports from the state of a world and its journal. Pure: call them with the world's lock held."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.twin.cloud import Instance
from ingest.twin.world import World


def live_instances(world: World) -> dict[str, list[Instance]]:
    """The instances that are not removed, by the moref of the VM they were imported from."""
    found: dict[str, list[Instance]] = {}
    for instance in world.cloud.instances.values():
        if not instance.removed and instance.moref:
            found.setdefault(instance.moref, []).append(instance)
    return found


def duplicates(world: World) -> dict[str, list[str]]:
    """VMs with more than one live instance: moref -> instance ids. Two instances over the same disks."""
    return {moref: [one.id for one in found] for moref, found in live_instances(world).items() if len(found) > 1}


def half_imported(world: World) -> list[str]:
    """Ids of live instances whose import has begun writing and has not finished."""
    begun = {str(facts["instance"]) for facts in world.cloud.journal.of("import-committed")}
    whole = {str(facts["instance"]) for facts in world.cloud.journal.of("import-completed")}
    live = world.cloud.instances
    return [one for one in live if one in begun - whole and not live[one].removed]


def lost(world: World, names: Iterable[str]) -> list[str]:
    """Those of the VMs a client takes for imported that are not: no whole, live instance of that name."""
    half = set(half_imported(world))
    there = {one.instancename for found in live_instances(world).values() for one in found if one.id not in half}
    return [name for name in names if name not in there]


def imported_once(world: World) -> list[str]:
    """Morefs of the VMs that were imported whole and exactly once, in the order of their commits."""
    half = set(half_imported(world))
    return [moref for moref, found in live_instances(world).items() if len(found) == 1 and found[0].id not in half]
