"""Folders made, VMs and folders moved and renamed. Names are unique in their folder."""

from __future__ import annotations

import re
from collections.abc import Callable

from ingest.twin.files import vmx_path
from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import (
    duplicate_name,
    invalid_folder,
    invalid_name,
    not_supported,
    object_gone,
    task_in_progress,
)
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Ref, Value
from ingest.twin.world import VM, Folder, World

_PREFIXES = {"vm_folder": "group-v", "host_folder": "group-h", "network_folder": "group-n",
             "datastore_folder": "group-s", "": "group-d"}  # fmt: skip
LONGEST_NAME = 80


def valid_name(name: str) -> str:
    """The name as vCenter keeps it. Raises VimFault.

    ManagedEntity.name: slashes, backslashes and percent signs are escaped, unless a percent sign begins an escape.
    """
    kept = re.sub(r"%(?!2[fF]|5[cC]|25)", "%25", name).replace("/", "%2f").replace("\\", "%5c")
    if not kept.strip() or len(name) > LONGEST_NAME:
        raise invalid_name(name)
    return kept


def free_name(scene: Scene, folder: str, name: str, but: str = "") -> None:
    """Raises VimFault when something in the folder, other than the object `but`, has the name."""
    for child in scene.children[folder]:
        located = scene.locate(child)
        if located is not None and child != but and getattr(located[1], "name", None) == name:
            raise duplicate_name(name, Ref(located[0], child))


def tree_of(world: World, folder: str) -> tuple[str, str]:
    """(datacenter, which of its four trees) of a folder; both '' above the datacenters."""
    moref = folder
    while moref in world.folders:
        for datacenter in world.datacenters.values():
            for kind in ("vm_folder", "host_folder", "network_folder", "datastore_folder"):
                if getattr(datacenter, kind) == moref:
                    return datacenter.moref, kind
        moref = world.folders[moref].parent
    return "", ""


def _folder(call: Call) -> Folder:
    folder = call.service.world.folders.get(call.this.moref)
    if folder is None:
        raise object_gone(call.this)
    return folder


def _create(call: Call) -> Value:
    world = call.service.world
    with world.lock:
        parent = _folder(call)
        name = valid_name(call.argument("name"))
        free_name(call.reader.scene, parent.moref, name)
        datacenter, kind = tree_of(world, parent.moref)
        made = Folder(world.new_moref(_PREFIXES[kind]), name, parent.moref, datacenter)
        world.folders[made.moref] = made
        return Ref("Folder", made.moref)


def _move(call: Call) -> Value:
    service = call.service
    with service.world.lock:
        folder = _folder(call)
        wanted: list[Ref] = call.argument("list")
        for ref in wanted:
            call.reader.resolve(ref)
            _not_busy(call, ref)
        user = call.user_session.user
        return service.tasks.begin(
            call.this, folder.name, call.request.method, user, service.settings.task_s, lambda: _moved(call, wanted)
        )


def _not_busy(call: Call, ref: Ref) -> None:
    busy = call.service.tasks.running_on(ref.moref)
    if busy is not None:
        raise task_in_progress(busy.ref)


def _moved(call: Call, wanted: list[Ref]) -> Value:
    world = call.service.world
    target = call.this.moref
    for ref in wanted:
        call.reader.refresh()
        item = world.vms.get(ref.moref) or world.folders.get(ref.moref)
        if item is None:
            raise not_supported("The twin moves virtual machines and folders.")
        free_name(call.reader.scene, target, item.name, ref.moref)
        datacenter, kind = tree_of(world, target)
        if isinstance(item, VM):
            if kind != "vm_folder" or world.compute_of(item).datacenter != datacenter or item.vapp:
                raise not_supported("The folder does not take this virtual machine.")
            item.folder = target
            world.touch(item)
        else:
            _move_folder(world, item, target)
    return None


def _move_folder(world: World, folder: Folder, target: str) -> None:
    if tree_of(world, folder.moref) != tree_of(world, target) or folder.parent not in world.folders:
        raise not_supported("The folder does not take this folder.")
    above = target
    while above:
        if above == folder.moref:
            raise invalid_folder(Ref("Folder", target))
        above = world.folders[above].parent if above in world.folders else ""
    folder.parent = target


def _rename(call: Call) -> Value:
    service = call.service
    world = service.world
    with world.lock:
        item = world.vms.get(call.this.moref) or world.folders.get(call.this.moref)
        if item is None:
            raise not_supported("The twin renames virtual machines and folders.")
        _not_busy(call, call.this)
        method, user, seconds = call.request.method, call.user_session.user, service.settings.task_s
        if isinstance(item, VM):
            return service.tasks.start(item, method, user, seconds, lambda vm: rename_vm(call, vm))

        def work() -> Value:
            call.reader.refresh()
            name = valid_name(call.argument("newName"))
            free_name(call.reader.scene, item.parent, name, item.moref)
            item.name = name
            return None

        return service.tasks.begin(call.this, item.name, method, user, seconds, work)


def rename_vm(call: Call, vm: VM, new_name: str | None = None) -> None:
    """Give a VM another name; its files keep theirs. Raises VimFault."""
    call.reader.refresh()
    name = valid_name(call.argument("newName") if new_name is None else new_name)
    free_name(call.reader.scene, vm.folder, name, vm.moref)
    vm.vmx_path = vmx_path(call.service.world, vm)
    vm.name = name


PLACES: dict[str, Callable[[Call], Value]] = {
    "CreateFolder": _create,
    "MoveIntoFolder_Task": _move,
    "Rename_Task": _rename,
}
