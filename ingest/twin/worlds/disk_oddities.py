"""What makes a VM special by its disks: deltas, controllers, backings, datastores."""

from __future__ import annotations

from ingest.twin.world import VM, Controller, Datastore, Snapshot
from ingest.twin.worlds.oddity import Setting, oddity


def _only_disk_controller(vm: VM, setting: Setting, controller: Controller) -> None:
    old = vm.disks[:]
    vm.disks.clear()
    for disk in old:
        datastore = setting.parts.world.datastores[disk.datastore]
        made = setting.parts.disk(vm, datastore, disk.capacity_bytes / (1 << 30), controller)
        made.file_name = disk.file_name


@oddity
def snapshot(vm: VM, setting: Setting) -> None:
    """One snapshot: every disk writes to a delta over its base."""
    vm.snapshot = True
    for disk in vm.disks:
        disk.parent_file = disk.file_name
        disk.file_name = disk.file_name.removesuffix(".vmdk") + "-000001.vmdk"


@oddity
def snapshot_chain(vm: VM, setting: Setting) -> None:
    """A second snapshot on the first: every disk is a chain of three files."""
    vm.snapshot = True
    vm.snapshots = [Snapshot(1, "before upgrade"), Snapshot(2, "after upgrade", parent=1, quiesced=True)]
    for disk in vm.disks:
        base = disk.file_name.removesuffix(".vmdk")
        disk.file_name, disk.parent_file, disk.ancestors = (
            f"{base}-000002.vmdk", f"{base}-000001.vmdk", (disk.file_name,)
        )  # fmt: skip


@oddity
def consolidation_needed(vm: VM, setting: Setting) -> None:
    """The snapshot is gone, its delta files are not."""
    snapshot(vm, setting)
    vm.snapshot = False
    vm.consolidation_needed = True


@oddity
def linked_clone(vm: VM, setting: Setting) -> None:
    """Its root disk is a delta over a template's disk; there is no snapshot to see."""
    root = vm.disks[0]
    datastore = setting.parts.world.datastores[root.datastore].name
    root.parent_file = f"[{datastore}] golden-image/golden-image.vmdk"


@oddity
def rdm_disk(vm: VM, setting: Setting) -> None:
    """A raw device mapping next to the root disk: CloudStack leaves it out of its listing."""
    datastore = setting.parts.world.datastores[vm.disks[0].datastore]
    setting.parts.disk(vm, datastore, 200, vm.disks[0].controller, backing="rdm")


@oddity
def virtual_rdm_disk(vm: VM, setting: Setting) -> None:
    """A raw device mapping that behaves as a file, so that it can be part of snapshots."""
    rdm_disk(vm, setting)
    vm.disks[-1].rdm_mode = "virtualMode"


@oddity
def sesparse_disk(vm: VM, setting: Setting) -> None:
    """A data disk in the space-efficient sparse format, as virtual desktops have."""
    datastore = setting.parts.world.datastores[vm.disks[0].datastore]
    setting.parts.disk(vm, datastore, 20, vm.disks[0].controller, backing="seflat")


@oddity
def nvme_controller(vm: VM, setting: Setting) -> None:
    """All disks on NVMe: CloudStack reports the controller as none."""
    _only_disk_controller(vm, setting, "nvme")


@oddity
def sata_controller(vm: VM, setting: Setting) -> None:
    """All disks on SATA: CloudStack reports the controller as none."""
    _only_disk_controller(vm, setting, "sata")


@oddity
def mixed_disk_controllers(vm: VM, setting: Setting) -> None:
    """Two data disks on controllers of different type."""
    datastore = setting.parts.world.datastores[vm.disks[0].datastore]
    del vm.disks[1:]
    setting.parts.disk(vm, datastore, 50, "pvscsi")
    setting.parts.disk(vm, datastore, 50, "buslogic")


@oddity
def multi_writer_disk(vm: VM, setting: Setting) -> None:
    """A disk several VMs write to."""
    datastore = setting.parts.world.datastores[vm.disks[0].datastore]
    setting.parts.disk(vm, datastore, 100, vm.disks[0].controller).sharing = "sharingMultiWriter"


@oddity
def shared_bus_disk(vm: VM, setting: Setting) -> None:
    """A data disk on a SCSI controller that VMs of other hosts may share: a member of a failover cluster."""
    for disk in vm.disks:
        disk.shared_bus = "physicalSharing"


@oddity
def boot_order(vm: VM, setting: Setting) -> None:
    """Its boot order names the second disk: the first holds data."""
    if len(vm.disks) < 2:
        datastore = setting.parts.world.datastores[vm.disks[0].datastore]
        setting.parts.disk(vm, datastore, 40, vm.disks[0].controller)
    vm.boot_disk_key = vm.disks[1].key


@oddity
def storage_pod_disk(vm: VM, setting: Setting) -> None:
    """The datastore of its first disk is a member of a datastore cluster."""
    datastore = setting.parts.world.datastores[vm.disks[0].datastore]
    parent = setting.site.datacenter.datastore_folder
    datastore.parent = setting.parts.folder(
        f"{setting.cluster.compute.name}-pod", parent, datastore.datacenter, "group-p"
    )


@oddity
def vsan_disk(vm: VM, setting: Setting) -> None:
    """All disks on the vSAN of its cluster."""
    world, cluster = setting.parts.world, setting.cluster
    name = f"{cluster.compute.name}-vsan"
    store = next((item for item in world.datastores.values() if item.name == name), None)
    if store is None:
        place = setting.site.datacenter
        store = Datastore(setting.parts.moref("datastore-"), name, place.moref, place.datastore_folder, "vsan")
        store.hosts = [host.moref for host in cluster.hosts]
        store.url = f"ds:///vmfs/volumes/vsan:{setting.parts.uuid()}/"
        world.datastores[store.moref] = store
    for disk in vm.disks:
        disk.datastore = store.moref
        disk.file_name = f"[{store.name}] {disk.file_name.partition('] ')[2]}"


@oddity
def independent_disk(vm: VM, setting: Setting) -> None:
    """A data disk that snapshots leave out."""
    datastore = setting.parts.world.datastores[vm.disks[0].datastore]
    setting.parts.disk(vm, datastore, 100, vm.disks[0].controller).mode = "independent_persistent"


@oddity
def no_disk(vm: VM, setting: Setting) -> None:
    """Boots from the network or an ISO."""
    vm.disks.clear()


@oddity
def disk_without_pool(vm: VM, setting: Setting) -> None:
    """On a datastore that CloudStack does not know."""
    if setting.site.unpooled is None:
        raise ValueError("the datacenter has no datastore that CloudStack does not know")
    for disk in vm.disks:
        disk.datastore = setting.site.unpooled.moref
        disk.file_name = f"[{setting.site.unpooled.name}] {disk.file_name.partition('] ')[2]}"


@oddity
def disk_on_trap(vm: VM, setting: Setting) -> None:
    """On a datastore whose name is part of another's: ds1, where ds10 is the other."""
    if not setting.site.traps:
        raise ValueError("disk_on_trap needs datastore_traps in the shape")
    for disk in vm.disks:
        disk.datastore = setting.site.traps[0].moref
        disk.file_name = f"[{setting.site.traps[0].name}] {disk.file_name.partition('] ')[2]}"
