"""Networks a plan misses: listed from a snapshot, then created from the edited list. Listing changes nothing.

`networks_to_create.csv` is a sheet like the plan: what the operator writes into it counts, unknown columns stay. What
was created is written to `networks_created.json`, network by network, for the undo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.cloudstack.catalogue import read_network_facts
from ingest.cloudstack.client import CloudStackClient
from ingest.errors import Refused, SheetError, Transient, UnknownOutcome
from ingest.model.catalogue import Catalogue, Network
from ingest.model.endpoints import CloudStackEndpoint
from ingest.model.snapshot import read_snapshot
from ingest.plan.cells import is_yes
from ingest.plan.missing_networks import COLUMNS, missing_networks, proposals
from ingest.plan.network_requests import NetworkWish, refused, same_network, understood
from ingest.plan.resolve import resolve, rows_to_import
from ingest.plan.sheet import Row, Sheet, read_sheet, sheet_bytes
from ingest.stages.run_folder import NETWORKS_CREATED, NETWORKS_TO_CREATE, PLAN, SNAPSHOT, RunFolder

REQUIRED = ("create", "name", "network_offering", "zone_id")


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """One row of the list: `status` is to-create, manual, no, exists, created, refused or unknown."""

    line: int
    name: str
    uri: str
    owner: str
    vms: str
    status: str
    problem: str = ""
    fix: str = ""
    network_id: str = ""


def list_missing_networks(folder: RunFolder, plan: Path | None = None) -> tuple[Path, list[NetworkRow]]:
    """Write the folder's `networks_to_create.csv` from its snapshot and a plan (its own without one); needs no server.

    Raises SheetError for a plan that cannot be read.
    """
    snapshot = read_snapshot(folder.need(SNAPSHOT, made_by="list_unmanaged"))
    source = plan or folder.need(PLAN, made_by="enrich_csv")
    rows = resolve(rows_to_import(read_sheet(source), place=str(source)), snapshot)
    sheet = Sheet(list(COLUMNS), [Row(cells) for cells in proposals(missing_networks(rows), snapshot.catalogue)])
    sheet.number_lines()
    listed = foreseen(sheet, snapshot.catalogue, place=str(source))
    return folder.write(NETWORKS_TO_CREATE, sheet_bytes(sheet)), listed


def foreseen(sheet: Sheet, catalogue: Catalogue, *, place: str) -> list[NetworkRow]:
    """What would become of every row; written into the columns `status`, `problem` and `fix`. Raises SheetError."""
    sheet.add_columns(["status", "problem", "fix", "network_id"])
    earlier: list[NetworkWish] = []
    found = []
    for row in sheet.rows:
        if not _wanted(row, place):
            # A problem that stands there already says why nothing can be derived.
            status = "manual" if row["problem"] else "no"
            found.append(_row(row, "", status, row["problem"], row["fix"]))
            row["status"] = status
            continue
        wish = understood(row, catalogue)
        there = existing(wish, catalogue.networks)
        problem, fix = ("", "") if there else refused(wish, catalogue, earlier)
        status = "exists" if there else "refused" if problem else "to-create"
        row.cells.update(status=status, problem=problem, fix=fix, network_id=there.id if there else "")
        found.append(_row(row, wish.uri, status, problem, fix, there.id if there else ""))
        if status == "to-create":
            earlier.append(wish)
    return found


def create_networks(
    endpoint: CloudStackEndpoint,
    list_csv: Path,
    folder: RunFolder,
    *,
    dry_run: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> list[NetworkRow]:
    """Create the rows that say yes; running it again creates nothing twice. With `dry_run` only says what it would do.

    The list is read, never changed in place: its copy with the outcomes is in the folder. Raises SheetError for a list
    that cannot be read, and the client's errors when a server cannot be asked at all.
    """
    sheet = read_sheet(list_csv, required=REQUIRED)
    with CloudStackClient(endpoint) as client:
        catalogue = read_network_facts(client)
        rows = foreseen(sheet, catalogue, place=str(list_csv))
        if not dry_run:
            made: list[dict[str, str]] = []
            for position, row in enumerate(sheet.rows):
                if rows[position].status != "to-create":
                    continue
                progress(f"CloudStack: network {row['name']}")
                rows[position] = _create(client, understood(row, catalogue), row)
                if rows[position].status == "created":
                    made.append({"id": rows[position].network_id, "name": row["name"]})
                    # After each one: a run that dies here has left a trace of everything it made.
                    folder.write(NETWORKS_CREATED, json.dumps(made, indent=1).encode() + b"\n")
    folder.write(NETWORKS_TO_CREATE, sheet_bytes(sheet))
    return rows


def _create(client: CloudStackClient, wish: NetworkWish, row: Row) -> NetworkRow:
    assert wish.request is not None  # noqa: S101  only understood rows are created
    status, problem, fix, network_id = "created", "", "", ""
    try:
        network_id = client.create_network(wish.request).id
    except Refused as error:
        status, problem, fix = "refused", error.text, "the server said no; see the cause, change the row"
    except (UnknownOutcome, Transient) as error:
        # The call may have been carried out: look before anything is said, and never send it again blindly.
        there = existing(wish, client.list_networks())
        if there:
            network_id = there.id
        else:
            status, problem, fix = "unknown", error.message, "look for it in CloudStack, then run this again"
    row.cells.update(status=status, problem=problem, fix=fix, network_id=network_id)
    return _row(row, wish.uri, status, problem, fix, network_id)


def existing(wish: NetworkWish, networks: Sequence[Network]) -> Network | None:
    """The network that is what the wish asks for, if there is one."""
    return next((network for network in networks if wish.uri and same_network(wish, network)), None)


def _wanted(row: Row, place: str) -> bool:
    try:
        is_yes(row["bypass_vlan_overlap_check"])
        return is_yes(row["create"])
    except ValueError as error:
        raise SheetError(
            f"'{error}' is neither yes nor no", place=f"{place}:{row.line}", cure="write yes or no"
        ) from None


def _row(row: Row, uri: str, status: str, problem: str, fix: str, network_id: str = "") -> NetworkRow:
    owner = row["project"] or row["account"]
    return NetworkRow(
        row.line, row["name"], uri or row["portgroups"], owner, row["vms"], status, problem, fix, network_id
    )
