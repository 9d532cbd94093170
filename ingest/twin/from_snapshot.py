"""A world out of a saved snapshot, what a plan was made of: a copy of the site as it was at that moment.

A snapshot holds less than `ingest twin record` reads: no pods but those its clusters name, no volumes, system VMs and
offerings that are switched off, and hosts and VMs of the clusters it was asked for only.
"""

from __future__ import annotations

from ingest.model.catalogue import Catalogue, Census, Pod
from ingest.model.snapshot import Snapshot
from ingest.twin.from_catalogue import world_from_census
from ingest.twin.world import World


def world_from_snapshot(snapshot: Snapshot, *, seed: int = 1) -> World:
    """The world both sides of the snapshot describe; ids are those of the site, so its plans fit.

    Keys and passwords are made up anew each time.
    """
    return world_from_census(snapshot.inventory, _census(snapshot.catalogue), seed=seed)


def _census(catalogue: Catalogue) -> Census:
    # A cluster's pod is known by its id alone.
    pods = {
        cluster.podid: Pod(id=cluster.podid, name=f"pod of {cluster.zonename or cluster.zoneid}", zoneid=cluster.zoneid)
        for cluster in catalogue.clusters
        if cluster.podid
    }
    seen = {name: getattr(catalogue, name) for name in Catalogue.model_fields}
    return Census.model_construct(**seen | {"pods": tuple(pods.values()), "ip_ranges": catalogue.ip_ranges or ()})
