"""Snapshots: the tree a VM shows, and each snapshot as an object of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ingest.twin.vcenter.properties.entity import CREATED, Builders
from ingest.twin.vcenter.scene import Scene, SnapshotPlace
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import VM, Disk


def _ref(place: SnapshotPlace) -> Ref:
    return Ref("VirtualMachineSnapshot", place.moref)


def _children(places: list[SnapshotPlace], parent: int) -> list[SnapshotPlace]:
    return [place for place in places if place.snapshot.parent == parent]


def _tree(places: list[SnapshotPlace], parent: int) -> list[Value]:
    return [
        Data(
            "VirtualMachineSnapshotTree",
            snapshot=_ref(place),
            vm=Ref("VirtualMachine", place.vm.moref),
            name=place.snapshot.name,
            description=place.snapshot.description,
            id=place.snapshot.id,
            createTime=CREATED + timedelta(days=place.snapshot.id - 1),
            state="poweredOff" if place.snapshot.power_state == "unknown" else place.snapshot.power_state,
            quiesced=place.snapshot.quiesced,
            childSnapshotList=_tree(places, place.snapshot.id),
            replaySupported=False,
        )
        for place in _children(places, parent)
    ]


def snapshot_info(scene: Scene, vm: VM) -> Value:
    """`VirtualMachine.snapshot`, None without one."""
    places = scene.snapshots_of(vm)
    if not places:
        return None
    return Data("VirtualMachineSnapshotInfo", currentSnapshot=_ref(places[-1]), rootSnapshotList=_tree(places, 0))


def root_snapshots(scene: Scene, vm: VM) -> Value:
    """`VirtualMachine.rootSnapshot`."""
    return [_ref(place) for place in _children(scene.snapshots_of(vm), 0)]


def as_it_was(scene: Scene, place: SnapshotPlace) -> VM:
    """The VM with its disks at the files of that snapshot, which later ones are deltas over."""
    order = scene.snapshots_of(place.vm)
    later = len(order) - order.index(place)
    return replace(place.vm, disks=[_older(disk, later) for disk in place.vm.disks])


def _older(disk: Disk, generations: int) -> Disk:
    chain = [disk.file_name, *([disk.parent_file] if disk.parent_file else []), *disk.ancestors]
    file, *below = chain[min(generations, len(chain) - 1) :]
    return replace(disk, file_name=file, parent_file=below[0] if below else "", ancestors=tuple(below[1:]))


SNAPSHOT: Builders = {
    "vm": lambda _scene, place: Ref("VirtualMachine", place.vm.moref),
    "childSnapshot": lambda scene, place: [
        _ref(child) for child in _children(scene.snapshots_of(place.vm), place.snapshot.id)
    ],
    "value": lambda _scene, _place: [],
    "availableField": lambda _scene, _place: [],
}
