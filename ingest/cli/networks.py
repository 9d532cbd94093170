"""`ingest networks`: source networks without a CloudStack counterpart, listed and, with --create, made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ingest.cli.output import Format, show, talk
from ingest.errors import UsageError
from ingest.report.tables import record
from ingest.settings import load_settings
from ingest.stages.create_networks import NetworkRow, create_networks, list_missing_networks
from ingest.stages.run_folder import (
    NETWORKS_TO_CREATE,
    SNAPSHOT,
    existing_run_folder,
    fresh_run_folder,
)

COLUMNS = ("line", "name", "uri", "owner", "vms", "status", "problem", "fix")


def networks(
    plan: Path | None = None,
    *,
    create: Path | None = None,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative=())] = False,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """List the networks a plan misses; with --create make them from the edited list. Shows only, until --yes.

    Listing needs no server: the snapshot beside the plan is looked at. Creating twice makes nothing twice.
    Exit codes: 0 nothing is missing or all was made, 3 networks are missing or refused, 4 the server refused some.

    Parameters
    ----------
    plan
        The plan (CSV) whose rows to import are looked at; its snapshot lies next to it.
    create
        The list to create from, networks_to_create.csv, edited or not: every row whose column create says yes.
    yes
        Really create. Without it only what would happen is shown.
    config
        TOML file with settings.
    format
        Format of the list on stdout.
    """
    if (plan is None) == (create is None):
        raise UsageError("name a plan to list, or --create and a list", cure="ingest networks --help")
    if create is not None:
        return _create(create, yes, config, format)
    assert plan is not None  # noqa: S101  one of the two is there
    origin = existing_run_folder(plan.parent)
    saved = origin.need(SNAPSHOT, made_by="list_unmanaged")
    with fresh_run_folder(plan.parent / "networks") as folder:
        folder.write(SNAPSHOT, saved.read_bytes())
        listed_csv, rows = list_missing_networks(folder, plan)
    _show(rows, format)
    if rows:
        talk.print(f"next: edit it if needed, then: ingest networks --create {listed_csv}", markup=False)
    return 3 if rows else 0


def _create(list_csv: Path, yes: bool, config: Path | None, format_: Format) -> int:
    settings = load_settings(config)
    endpoint = settings.cloudstack
    with fresh_run_folder(settings.run.folder, settings.run.published) as folder, talk.status("asking CloudStack"):
        rows = create_networks(endpoint, list_csv, folder, dry_run=not yes)
    _show(rows, format_)
    counts = Counter(row.status for row in rows)
    talk.print(f"list with outcomes: {folder.path / NETWORKS_TO_CREATE}", markup=False)
    if not yes and counts["to-create"]:
        talk.print(f"nothing was created; to create: ingest networks --create {list_csv} --yes", markup=False)
    if yes and (counts["refused"] or counts["unknown"]):
        return 4
    return 3 if counts["refused"] else 0


def _show(rows: list[NetworkRow], format_: Format) -> None:
    show([record(row) for row in rows], COLUMNS if format_ == "table" else (*COLUMNS, "network_id"), format_)
    counts = Counter(row.status for row in rows)
    talk.print(", ".join(f"{number} {status}" for status, number in counts.items()) or "no network is missing")
