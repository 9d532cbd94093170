"""The files VMs consist of: which datastore they are in, under which path, how large.

A VM's home folder holds its configuration, firmware settings, snapshot list and log; a disk is where its path says.
The extents of disks (`-flat.vmdk`) and lock files stay out of sight, as in vSphere's own datastore browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ingest.twin.world import VM, Datastore, Disk, World

FileKind = Literal["config", "template", "disk", "nvram", "log", "snapshot", "other"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file: `datastore` by name, `path` below its root. `vm` is whose it is, `disk` for those that are one."""

    datastore: str
    path: str
    kind: FileKind
    size_bytes: int
    vm: VM | None = None
    disk: Disk | None = None


def vmx_path(world: World, vm: VM) -> str:
    """`[datastore] folder/file.vmx` of a VM: next to its first disk unless the world says otherwise."""
    if vm.vmx_path:
        return vm.vmx_path
    suffix = "vmtx" if vm.template else "vmx"
    if vm.disks:
        folder, _, _ = vm.disks[0].file_name.rpartition("/")
        if folder:
            return f"{folder}/{vm.name}.{suffix}"
    host = world.hosts.get(vm.host)
    datacenter = world.computes[host.compute].datacenter if host else ""
    stores = list(world.datastores.values())
    near = [item for item in stores if item.datacenter == datacenter] or stores
    name = near[0].name if near else "unknown"
    return f"[{name}] {vm.name}/{vm.name}.{suffix}"


def split_path(path: str) -> tuple[str, str] | None:
    """(datastore name, path below its root without slashes at the ends); None for what is no datastore path."""
    name, bracket, below = path.strip().partition("]")
    if not bracket or not name.startswith("[") or len(name) == 1:
        return None
    return name[1:], below.strip().strip("/")


def files_of(world: World, vm: VM) -> Iterator[StoredFile]:
    """The files of one VM, registered or not."""
    split = split_path(vmx_path(world, vm))
    if split is not None:
        datastore, path = split
        folder = path.rpartition("/")[0]
        base = path.rpartition(".")[0]

        def here(name: str, kind: FileKind, size_bytes: int) -> StoredFile:
            return StoredFile(datastore, name, kind, size_bytes, vm)

        yield here(path, "template" if path.endswith(".vmtx") else "config", 3072)
        yield here(f"{base}.nvram", "nvram", 270_840 if vm.firmware == "efi" else 8684)
        yield here(f"{base}.vmsd", "other", 512 if vm.snapshot else 0)
        yield here(f"{folder}/vmware.log" if folder else "vmware.log", "log", 262_144)
        for number in [item.id for item in vm.snapshots] or [1] * vm.snapshot:
            yield here(f"{base}-Snapshot{number}.vmsn", "snapshot", 28_672)
        if vm.power_state == "suspended":
            yield here(f"{base}.vmss", "other", vm.memory_mib << 20)
        elif vm.power_state == "poweredOn" or vm.swap_left:
            yield here(f"{base}.vswp", "other", vm.memory_mib << 20)
    for disk in vm.disks:
        for file_name in (disk.file_name, disk.parent_file, *disk.ancestors):
            split = split_path(file_name)
            if split is not None:
                yield StoredFile(split[0], split[1], "disk", disk.capacity_bytes, vm, disk)


def datastore_files(world: World, moref: str) -> dict[str, StoredFile]:
    """Everything in a datastore by its path below the root, registered or not."""
    datastore = world.datastores[moref]
    found: dict[str, StoredFile] = {}
    for vm in (*vms_of_datacenter(world, datastore.datacenter), *unregistered_in(world, datastore.datacenter)):
        found.update((file.path, file) for file in files_of(world, vm) if file.datastore == datastore.name)
    for path in datastore.other_files:
        found.setdefault(path, StoredFile(datastore.name, path, _kind(path), 3072))
    return found


def _kind(path: str) -> FileKind:
    kinds: dict[str, FileKind] = {"vmx": "config", "vmtx": "template", "vmdk": "disk", "nvram": "nvram", "log": "log"}
    return kinds.get(path.rpartition(".")[2].lower(), "other")


def vms_of_datacenter(world: World, datacenter: str) -> Iterator[VM]:
    """The registered VMs of a datacenter. A datastore's name is unique only there, and paths are made of names."""
    hosts = {moref for moref, host in world.hosts.items() if world.computes[host.compute].datacenter == datacenter}
    yield from (vm for vm in world.vms.values() if vm.host in hosts)


def unregistered_in(world: World, datacenter: str) -> Iterator[VM]:
    """The VMs on disk only, in the datastores of a datacenter."""
    for stored in world.unregistered.values():
        if world.datastores[stored.datastore].datacenter == datacenter:
            yield stored.vm


def datastore_named(world: World, name: str, datacenter: str) -> Datastore | None:
    """The datastore of that name in a datacenter."""
    stores = world.datastores.values()
    return next((item for item in stores if item.name == name and item.datacenter == datacenter), None)
