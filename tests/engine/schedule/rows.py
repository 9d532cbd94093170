"""Rows of a plan as the scheduler meets them."""

from __future__ import annotations

from ingest.model.request import ImportRequest, PlannedImport


def row(
    number: int,
    *,
    name: str = "",
    wave: int = 1,
    network: str = "",
    address: str = "",
    hostname: str = "",
) -> PlannedImport:
    """A row with at most one NIC."""
    name = name or f"vm{number}"
    request = ImportRequest(
        "cluster",
        name,
        "offering",
        hostname=hostname or name,
        nic_networks=(("Network adapter 1", network),) if network else (),
        nic_addresses=(("Network adapter 1", address),) if address else (),
    )
    return PlannedImport(number, name, f"vm-{number}", f"uuid-{number}", wave, request)
