"""`ingest discover`: networks and VMs of the vCenter, as files and on the screen."""

from __future__ import annotations

from pathlib import Path

from ingest.cli.output import Format, show, talk
from ingest.counting import counted
from ingest.report.tables import csv_rows
from ingest.settings import load_settings
from ingest.stages.discover_networks import Scope, discover_networks
from ingest.stages.run_folder import fresh_run_folder

COLUMNS = ("datacenter", "switch", "portgroup", "kind", "vlan", "vms", "nics")


def discover(
    *,
    config: Path | None = None,
    datacenter: str | None = None,
    cluster: str | None = None,
    folder: str | None = None,
    unused: bool = False,
    format: Format = "table",
) -> int:
    """Read the vCenter: write networks.json and networks.csv, show the networks. Changes nothing.

    Parameters
    ----------
    config
        TOML file with settings.
    datacenter
        Only this datacenter, by name or path.
    cluster
        Only this cluster, by name or path.
    folder
        Only VMs of this folder, by path.
    unused
        Also list networks no VM uses.
    format
        Format of the list on stdout.
    """
    settings = load_settings(config)
    vcenter = settings.vcenter
    with fresh_run_folder(settings.run.folder, settings.run.published) as run_folder, talk.status("reading vCenter"):
        found = discover_networks(vcenter, run_folder, Scope(datacenter, cluster, folder), include_unused=unused)
    rows = csv_rows(found.networks_csv.read_bytes())
    show(rows, list(rows[0]) if rows and format == "csv" else COLUMNS, format)
    talk.print(
        f"{counted(found.vms, 'VM')}, {counted(found.nics, 'NIC')}, {counted(found.networks, 'network')}, "
        f"{counted(found.problems, 'problem')}"
    )
    talk.print(f"files: {found.networks_json} {found.networks_csv}", markup=False)
    if found.problems:
        talk.print("the problems are listed under 'problems' in networks.json")
    talk.print("next: ingest plan   (ingest drift says what changed since the last one)")
    return 0
