"""Stage 2: what CloudStack shows. Writes `snapshot.json` and `unmanaged.csv`, and completes `snapshot_of.json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.cloudstack.catalogue import read_catalogue
from ingest.cloudstack.client import CloudStackClient
from ingest.model.endpoints import CloudStackEndpoint
from ingest.model.snapshot import Snapshot, Source, to_json
from ingest.plan.pairing import UNMANAGED_COLUMNS, Pair, pair, unmanaged_rows
from ingest.report.tables import csv_bytes
from ingest.stages.discover_networks import read_saved_inventory
from ingest.stages.run_folder import SNAPSHOT, SOURCE, UNMANAGED, RunFolder


@dataclass(frozen=True, slots=True)
class Listed:
    """Counts of one listing: VMs CloudStack shows, VMs it does not show though somebody may want them, and
    VMs of which it shows fewer disks or NICs than vCenter."""

    clusters: int
    shown: int
    not_shown: int
    fewer_devices: int
    unmanaged_csv: Path


def list_unmanaged(
    endpoint: CloudStackEndpoint,
    folder: RunFolder,
    clusters: Sequence[str] = (),
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Listed:
    """Read CloudStack next to the folder's inventory. `clusters` are ids or names; empty means every VMware cluster.

    Raises UsageError for an unknown or ambiguous cluster, and the errors of `ingest.cloudstack`.
    """
    inventory = read_saved_inventory(folder)
    with CloudStackClient(endpoint) as client:
        catalogue = read_catalogue(client, tuple(clusters), progress=progress)
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    snapshot = Snapshot(taken_at=taken_at, inventory=inventory, catalogue=catalogue)
    pairs = pair(inventory, catalogue)
    folder.write(SNAPSHOT, to_json(snapshot))
    # Written after it: a source that says when is the mark of a whole snapshot.
    written = folder.file(SOURCE)
    source = Source.model_validate_json(written.read_bytes()) if written.exists() else Source(vcenter=inventory.server)
    complete = {"cloudstack": endpoint.url, "clusters": tuple(clusters), "taken_at": taken_at}
    folder.write(SOURCE, source.model_copy(update=complete).model_dump_json(indent=1).encode() + b"\n")
    return Listed(
        clusters=len({instance.clusterid for instance in catalogue.unmanaged}),
        shown=sum(one.listed is not None for one in pairs),
        not_shown=sum(one.listed is None and not one.skip for one in pairs),
        fewer_devices=sum(_fewer(one) for one in pairs),
        unmanaged_csv=folder.write(UNMANAGED, csv_bytes(UNMANAGED_COLUMNS, unmanaged_rows(pairs))),
    )


def _fewer(one: Pair) -> bool:
    record = one.listed
    return record is not None and (len(record.nic) < len(one.vm.nics) or len(record.disk) < len(one.vm.disks))
