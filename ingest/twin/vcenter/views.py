"""Who is in a container view: what lies below an object, of the wanted types.

vSphere API, `ViewManager.CreateContainerView`: a folder's children, a datacenter's four folders, a compute resource's
hosts and pool, a pool's pools and VMs, a host's VMs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ingest.twin import world as w
from ingest.twin.vcenter.scene import ROOT_FOLDER, Pool, Scene
from ingest.twin.vcenter.schema import is_a
from ingest.twin.vcenter.sessions import ContainerView
from ingest.twin.vcenter.values import Ref, Value

CONTAINERS = frozenset({
    "Folder", "StoragePod", "Datacenter", "ComputeResource", "ClusterComputeResource", "ResourcePool", "VirtualApp",
    "HostSystem",
})  # fmt: skip


def members_of(scene: Scene, view: ContainerView) -> list[Value]:
    """The view's members now, each once."""
    if view.container.moref == ROOT_FOLDER and view.recursive:
        below: Iterator[str] = _everything(scene)
    elif view.recursive:
        below = _descendants(scene, view.container.moref)
    else:
        below = iter(_children(scene, view.container.moref))
    refs = scene.refs(list(below))
    return [ref for ref in refs if not view.types or any(is_a(ref.kind, kind) for kind in view.types)]


def everything(scene: Scene) -> list[Ref]:
    """Every object of the inventory, the root folder first."""
    return [Ref("Folder", ROOT_FOLDER), *scene.refs(list(_everything(scene)))]


def _everything(scene: Scene) -> Iterator[str]:
    world = scene.world
    folders = (moref for moref in world.folders if moref != ROOT_FOLDER)
    return chain(folders, world.datacenters, world.computes, scene.pools, world.vapps, world.hosts, world.networks,
                 world.switches, world.datastores, world.vms)  # fmt: skip


def _descendants(scene: Scene, moref: str) -> Iterator[str]:
    waiting = deque([moref])
    seen = {moref}
    while waiting:
        for child in _children(scene, waiting.popleft()):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                yield child


def _children(scene: Scene, moref: str) -> list[str]:
    located = scene.locate(moref)
    item: Any = located[1] if located else None
    if isinstance(item, w.Folder):
        return scene.children[moref]
    if isinstance(item, w.Datacenter):
        return [item.vm_folder, item.host_folder, item.datastore_folder, item.network_folder]
    if isinstance(item, w.Compute):
        return [*scene.hosts_of_compute[moref], item.resource_pool]
    if isinstance(item, Pool | w.VApp):
        return [*scene.pools_of[moref], *scene.vms_of[moref]]
    if isinstance(item, w.Host):
        return scene.vms_of[moref]
    return []
