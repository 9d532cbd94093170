"""Resource pools and vApps of a recorded inventory, as they are nested."""

from __future__ import annotations

from ingest.twin.recorded.documents import Documents
from ingest.twin.world import ResourcePool, VApp, World


def read_pools(documents: Documents, world: World) -> None:
    """Add every pool below a root pool and every vApp; the compute resources are there already."""
    roots = {compute.resource_pool for compute in world.computes.values()}
    holders = {item.moref for item in documents.of("ResourcePool", "VirtualApp")}
    for item in documents.of("ResourcePool"):
        parent, owner = item.reference("parent"), item.reference("owner")
        if item.moref in roots:
            continue
        if owner in world.computes:
            world.resource_pools[item.moref] = ResourcePool(item.moref, item.text("name"), parent, owner)
        elif parent in holders:
            documents.leave("ResourcePool without a place")
    for item in documents.of("VirtualApp"):
        compute = world.computes.get(item.reference("owner"))
        if compute is None:
            documents.leave("VirtualApp without a place")
            continue
        folder = item.reference("parentFolder")
        world.vapps[item.moref] = VApp(
            item.moref, item.text("name"), item.reference("parent"), folder if folder in world.folders else "",
            compute.moref,
        )  # fmt: skip
    _settle(world, roots)


def _settle(world: World, roots: set[str]) -> None:
    """What hangs on nothing that was recorded goes to the root pool, a vApp there without a folder to the VMs'."""
    items: list[ResourcePool | VApp] = [*world.resource_pools.values(), *world.vapps.values()]
    parents = {item.moref: item.parent for item in items}
    for item in items:
        seen: set[str] = set()
        above = item.moref
        while above in parents and above not in seen:
            seen.add(above)
            above = parents[above]
        if above not in roots:
            item.parent = parents[item.moref] = world.computes[item.compute].resource_pool
    for vapp in world.vapps.values():
        if not vapp.folder and vapp.parent not in world.vapps:
            vapp.folder = world.datacenters[world.computes[vapp.compute].datacenter].vm_folder
