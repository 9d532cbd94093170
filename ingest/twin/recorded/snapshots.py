"""Snapshots of a recorded VM, out of the tree it shows. Their managed object ids are not kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast, get_args
from xml.etree.ElementTree import Element

from ingest.model.inventory import PowerState
from ingest.twin.recorded.documents import integer
from ingest.twin.vcenter.scene import Scene
from ingest.twin.world import VM, Snapshot


def read_snapshots(vm: VM, tree: Element) -> None:
    """Give the VM the snapshots of its `snapshot` property, the current one last."""
    vm.snapshot = True
    current = tree.findtext("currentSnapshot", "")
    found = [(reference == current, snapshot) for reference, snapshot in _below(tree, "rootSnapshotList", 0)]
    found.sort(key=lambda item: (item[0], item[1].id))
    snapshots = [snapshot for _, snapshot in found]
    # A world may say just that there is one.
    if snapshots != [place.snapshot for place in Scene.snapshots_of(vm)]:
        vm.snapshots = snapshots


def _below(element: Element, name: str, parent: int) -> Iterator[tuple[str, Snapshot]]:
    for item in element.iterfind(name):
        number = integer(item.findtext("id", ""))
        power = item.findtext("state", "")
        yield item.findtext("snapshot", ""), Snapshot(
            number, item.findtext("name", ""), parent, item.findtext("description", ""),
            cast("PowerState", power) if power in get_args(PowerState) else "poweredOff",
            item.findtext("quiesced") == "true",
        )  # fmt: skip
        yield from _below(item, "childSnapshotList", number)
