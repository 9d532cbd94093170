"""A world out of a recorded inventory (`govc object.save`, or the twin's own `write_recording`).

    left_out: list[str] = []
    world = read_recording(Path("site"), left_out)
    add_cloudstack(world)

Only what the twin holds is taken over. Recordings are confidential: neither file names nor values of what was left
out are repeated anywhere.
"""

from __future__ import annotations

import random
from pathlib import Path

from ingest.errors import UsageError
from ingest.twin.from_inventory import OWNER
from ingest.twin.recorded.documents import Documents
from ingest.twin.recorded.machines import read_machines
from ingest.twin.recorded.places import read_places
from ingest.twin.world import World
from ingest.twin.worlds.cloudside import Fit, furnish
from ingest.twin.worlds.parts import Parts, moref_number

__all__ = ["add_cloudstack", "read_recording"]

CURE = "name the directory that `govc object.save` wrote, of a vCenter"


def read_recording(directory: Path, left_out: list[str] | None = None) -> World:
    """The vSphere side of the recording in `directory`; CloudStack's side is empty.

    What the twin cannot hold is told in `left_out`, one line per kind and reason. Raises UsageError when there is no
    recording, or one that is not of a vCenter.
    """
    if not directory.is_dir():
        raise UsageError("not a directory", place=str(directory), cure=CURE)
    documents = Documents(directory)
    if not documents.root:
        raise UsageError("no recorded inventory: no service content was found", place=str(directory), cure=CURE)
    if documents.api_type != "VirtualCenter":
        raise UsageError("the recording is not of a vCenter", place=str(directory), cure=CURE)
    world = World(name="recording")
    places = read_places(documents, world)
    read_machines(documents, places)
    if not world.folders or not world.datacenters:
        raise UsageError("the recording has no datacenter", place=str(directory), cure=CURE)
    if left_out is not None:
        left_out.extend(documents.left_out())
    return world


def add_cloudstack(world: World, *, seed: int = 1) -> None:
    """Fill the empty CloudStack side so that it fits, all of it owned by the account "operations" in ROOT/Corporate."""
    parts = Parts(world, random.Random(seed))  # noqa: S311  made-up data, not secrets
    parts.last_number = max((moref_number(moref) for moref in world.vms), default=1)
    furnish(world, parts, Fit(tenants=[OWNER], map_every_guest=True))
