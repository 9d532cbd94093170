"""The search index: objects by UUID, inventory path or name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ingest.twin.files import split_path, vms_of_datacenter, vmx_path
from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import invalid_datastore_path, not_supported
from ingest.twin.vcenter.scene import ROOT_FOLDER, Scene
from ingest.twin.vcenter.values import Ref, Value


def _matching(call: Call) -> Iterator[Ref]:
    if not call.argument("vmSearch"):
        raise not_supported("The twin finds virtual machines by UUID, not hosts.")
    wanted = str(call.argument("uuid")).lower()
    attribute = "instance_uuid" if call.argument("instanceUuid") else "bios_uuid"
    datacenter: Ref | None = call.argument("datacenter")
    world = call.service.world
    for vm in world.vms.values():
        if getattr(vm, attribute).lower() != wanted:
            continue
        if datacenter is None or call.reader.scene.datacenter_of(vm) == datacenter.moref:
            yield Ref("VirtualMachine", vm.moref)


def _by_uuid(call: Call) -> Value:
    with call.service.world.lock:
        return next(_matching(call), None)


def _all_by_uuid(call: Call) -> Value:
    with call.service.world.lock:
        return list(_matching(call))


def _by_datastore_path(call: Call) -> Value:
    """SearchIndex.FindByDatastorePath: the VM of a .vmx, in that datacenter."""
    with call.service.world.lock:
        world = call.service.world
        datacenter: Ref = call.argument("datacenter")
        split = split_path(str(call.argument("path")))
        if split is None:
            raise invalid_datastore_path(str(call.argument("path")))
        wanted = f"[{split[0]}] {split[1]}"
        for vm in vms_of_datacenter(world, datacenter.moref):
            if vmx_path(world, vm) == wanted:
                return Ref("VirtualMachine", vm.moref)
        return None


def _by_path(call: Call) -> Value:
    with call.service.world.lock:
        scene = call.reader.scene
        moref = ROOT_FOLDER
        for name in str(call.argument("inventoryPath")).strip("/").split("/"):
            found = _child(scene, moref, name)
            if found is None:
                return None
            moref = found
        return scene.ref(moref)


def _find_child(call: Call) -> Value:
    with call.service.world.lock:
        scene = call.reader.scene
        found = _child(scene, call.argument("entity").moref, call.argument("name"))
        return scene.ref(found) if found else None


def _child(scene: Scene, moref: str, name: str) -> str | None:
    located = scene.locate(moref)
    if located is None:
        return None
    item: Any = located[1]
    children: list[str]
    if located[0] == "Datacenter":
        children = [item.vm_folder, item.host_folder, item.datastore_folder, item.network_folder]
    elif located[0] in ("ComputeResource", "ClusterComputeResource"):
        children = [*scene.hosts_of_compute[moref], item.resource_pool]
    elif located[0] in ("ResourcePool", "VirtualApp"):
        children = [*scene.pools_of[moref], *scene.vms_of[moref]]
    else:
        children = scene.children[moref]
    for child in children:
        found = scene.locate(child)
        if found is not None and getattr(found[1], "name", "Resources") == name:
            return child
    return None


SEARCH: dict[str, Callable[[Call], Value]] = {
    "FindByDatastorePath": _by_datastore_path,
    "FindByUuid": _by_uuid,
    "FindAllByUuid": _all_by_uuid,
    "FindByInventoryPath": _by_path,
    "FindChild": _find_child,
}
