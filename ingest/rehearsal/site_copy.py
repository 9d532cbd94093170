"""The site a rehearsal is held on, made of whatever was saved of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.errors import UsageError
from ingest.model.snapshot import read_snapshot
from ingest.stages.drift import source_of
from ingest.stages.run_folder import SNAPSHOT, RunFolder
from ingest.twin.from_snapshot import world_from_snapshot
from ingest.twin.journal import Journal
from ingest.twin.recorded import add_cloudstack, read_recording
from ingest.twin.world import World
from ingest.twin.worldfile import load_world

CURE = (
    f"give a run folder (it has a {SNAPSHOT}), a world file (`ingest twin record`), or a folder that "
    "`govc object.save` wrote"
)


@dataclass(frozen=True, slots=True)
class SiteCopy:
    """A world that stands in for a site. `site` tells sites apart, `endpoint` is the CloudStack it was read from (a
    name, '' when unknown), `taken_at` when, `left_out` what could not be taken over."""

    world: World
    site: str
    source: str
    endpoint: str = ""
    taken_at: str = ""
    left_out: tuple[str, ...] = ()


def copy_of(place: Path, *, seed: int = 1) -> SiteCopy:
    """The copy. `place` is a run folder or its snapshot, a world file, or a recording. Raises UsageError otherwise."""
    place = place.parent if place.name == SNAPSHOT else place
    if (place / SNAPSHOT).is_file():
        snapshot = read_snapshot(place / SNAPSHOT)
        source = source_of(RunFolder(place))
        world = world_from_snapshot(snapshot, seed=seed)
        return SiteCopy(world, _site(world), str(place), source.cloudstack, snapshot.taken_at)
    if place.is_dir():
        if not any(place.glob("*.xml")):
            raise UsageError("nothing was recorded here", place=str(place), cure=CURE)
        left_out: list[str] = []
        world = read_recording(place, left_out)
        add_cloudstack(world, seed=seed)
        return SiteCopy(world, _site(world), str(place), left_out=tuple(left_out))
    if not place.exists():
        raise UsageError("is not there", place=str(place), cure=CURE)
    world = load_world(place)
    # What happened in a saved world belongs to its past, and would be counted as what the rehearsal did.
    world.cloud.journal = Journal()
    world.cloud.journal.follow(world.clock)
    world.cloud.jobs.clear()
    return SiteCopy(world, _site(world), str(place))


def _site(world: World) -> str:
    return world.vcenter_uuid or world.vcenter_name
