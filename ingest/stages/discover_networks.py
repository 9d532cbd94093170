"""Stage 1: what vCenter shows. Writes `inventory.json`, `networks.json` and `networks.csv`; `snapshot_of.json` says
what it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ingest.model.endpoints import VCenterEndpoint
from ingest.model.inventory import Inventory
from ingest.model.snapshot import Source
from ingest.report.tables import csv_bytes, json_bytes
from ingest.stages.run_folder import INVENTORY, NETWORKS_CSV, NETWORKS_JSON, SOURCE, RunFolder
from ingest.vsphere.networks import network_report, network_rows

_INVENTORY = TypeAdapter(Inventory)
NETWORK_COLUMNS = (
    *("datacenter", "switch", "portgroup", "kind", "vlan", "vms", "nics"),
    *("hosts", "clusters", "moref", "problem"),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the vCenter to read, by name or path; None means all of it."""

    datacenter: str | None = None
    cluster: str | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Discovered:
    """Counts of one discovery, and where its files are."""

    vms: int
    nics: int
    networks: int
    problems: int
    requests: int
    networks_json: Path
    networks_csv: Path


def discover_networks(
    endpoint: VCenterEndpoint,
    folder: RunFolder,
    scope: Scope = Scope(),
    *,
    include_unused: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Discovered:
    """Read the vCenter and write what it shows. Raises the errors of `ingest.vsphere`; nothing is written then."""
    # pyVmomi takes a third of a second and 60 MB to import; only this stage needs it.
    from ingest.vsphere.inventory import read_inventory
    from ingest.vsphere.session import connect, require_vcenter

    with connect(endpoint) as vcenter:
        require_vcenter(vcenter)
        inventory = read_inventory(
            vcenter, datacenter=scope.datacenter, cluster=scope.cluster, folder=scope.folder, progress=progress
        )
    report = network_report(inventory, include_unused=include_unused)
    folder.write(INVENTORY, _INVENTORY.dump_json(inventory, exclude_defaults=True) + b"\n")
    source = Source(
        vcenter=endpoint.host,
        vcenter_uuid=inventory.instance_uuid,
        datacenter=scope.datacenter or "",
        cluster=scope.cluster or "",
        folder=scope.folder or "",
    )
    folder.write(SOURCE, source.model_dump_json(indent=1).encode() + b"\n")
    return Discovered(
        vms=len(inventory.vms),
        nics=sum(len(vm.nics) for vm in inventory.vms),
        networks=len(report["networks"]),
        problems=len(inventory.problems),
        requests=inventory.requests,
        networks_json=folder.write(NETWORKS_JSON, json_bytes(report)),
        networks_csv=folder.write(NETWORKS_CSV, csv_bytes(NETWORK_COLUMNS, network_rows(report))),
    )


def read_saved_inventory(folder: RunFolder) -> Inventory:
    """The inventory this stage wrote into the folder."""
    return _INVENTORY.validate_json(folder.need(INVENTORY, made_by="discover_networks").read_bytes())
