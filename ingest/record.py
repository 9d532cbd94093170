"""A site as a world for the twin: both servers read, nothing written to either."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ingest.cloudstack.census import read_census
from ingest.cloudstack.client import CloudStackClient
from ingest.model.endpoints import CloudStackEndpoint, VCenterEndpoint
from ingest.model.inventory import Inventory
from ingest.twin.cloudstack.configuration import DEFAULTS, ZONE_SCOPED
from ingest.twin.from_catalogue import world_from_census
from ingest.twin.from_inventory import world_from_inventory
from ingest.twin.scrub import scrub
from ingest.twin.world import World

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The world, and in words what could not be read: of each line what it is and why."""

    world: World
    missing: tuple[tuple[str, str], ...]


def record(
    vcenter: VCenterEndpoint,
    cloudstack: CloudStackEndpoint | None,
    *,
    scrubbed: bool = False,
    progress: Progress = lambda _: None,
) -> Recorded:
    """The world both servers show; without CloudStack its side is made to fit, as `twin serve --from-vcenter` does.

    `scrubbed` replaces names, see `ingest.twin.scrub`. Raises the errors of both clients when a server cannot be
    reached or refuses the login; lists and properties the account may not see are in `missing` instead.
    """
    # pyVmomi takes a third of a second and 60 MB to import.
    from ingest.vsphere.inventory import read_inventory
    from ingest.vsphere.session import connect, require_vcenter

    progress("vCenter")
    with connect(vcenter) as session:
        require_vcenter(session)
        inventory = read_inventory(session)
    missing = list(_unread(inventory))
    if cloudstack is None:
        world = world_from_inventory(inventory)
    else:
        with CloudStackClient(cloudstack) as client:
            census = read_census(client, sorted(DEFAULTS), sorted(ZONE_SCOPED), progress=progress)
        world = world_from_census(inventory, census)
        missing += [(f"CloudStack: {one.what}", one.why) for one in census.unread]
    left_out = [vm for vm in inventory.vms if vm.moref not in world.vms]
    missing += [(f"vCenter: {vm.name} ({vm.moref})", "no host that may be read has it") for vm in left_out]
    if scrubbed:
        scrub(world, random.SystemRandom())
    return Recorded(world, tuple(missing))


def _unread(inventory: Inventory) -> list[tuple[str, str]]:
    """What vCenter kept from this account; an inaccessible VM without configuration is a fact, and is recorded."""
    return [
        (f"vCenter: {problem.object}", problem.detail)
        for problem in inventory.problems
        if problem.code == "unreadable-property" and "NoPermission" in problem.detail
    ]
