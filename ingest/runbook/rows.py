"""A row of the plan as the VM it describes: the way back from `ingest.plan.enrich.seen_cells`.

The plan is all there is of a site that is lost; what rules ask of a VM is asked of its row here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.model.inventory import Disk, Nic, PowerState, VirtualMachine, Vlan
from ingest.plan.cells import is_yes, whole_number
from ingest.plan.sheet import Row

GIB = 1 << 30
_IDS = {"nic": "mac", "disk": "id"}
_PVLAN = re.compile(r"pvlan (\d+|\?)/(\d+) (promiscuous|isolated|community|\?)\Z")
_STATES: dict[str, PowerState] = {state.lower(): state for state in ("poweredOn", "poweredOff", "suspended")}


def vm_of(row: Row) -> VirtualMachine:
    """The facts a row holds. What the sheet does not say (keys, custom attributes, file names) stays empty."""
    return VirtualMachine(
        moref=row["moref"],
        name=row["vm"],
        instance_uuid=row["instance_uuid"],
        path=row["path"],
        datacenter=row["datacenter"],
        datacenter_moref="",
        cluster=row["cluster"],
        cluster_moref="",
        host=row["host"],
        host_moref="",
        power_state=_STATES.get(row["power_state"].lower(), "unknown"),
        connection_state="",
        cpus=whole_number(row["cpus"]) or 0,
        memory_mib=whole_number(row["memory_mib"]) or 0,
        cpu_reservation_mhz=whole_number(row["cpu_reservation_mhz"]) or 0,
        guest_id=row["guest_id"],
        guest_full_name=row["guest_name"],
        tools_status=row["tools"],
        has_snapshot=row["snapshot"] == "yes",
        nics=tuple(_nic(row, number) for number in nic_numbers(row)),
        disks=tuple(_disk(row, number) for number in disk_numbers(row)),
    )


def nic_numbers(row: Row) -> list[int]:
    """The numbers of the NICs the VM of a row has."""
    return [n for n in _numbers(row, "nic") if row[f"nic{n}_label"] or row[f"nic{n}_mac"]]


def disk_numbers(row: Row) -> list[int]:
    """The numbers of the disks the VM of a row has."""
    return [n for n in _numbers(row, "disk") if row[f"disk{n}_label"] or row[f"disk{n}_id"]]


def _numbers(row: Row, device: str) -> Iterator[int]:
    """The numbers the sheet has columns for. Asked for every row and selection: no search through all columns."""
    number = 1
    while f"{device}{number}_label" in row.cells or f"{device}{number}_{_IDS[device]}" in row.cells:
        yield number
        number += 1


def wants_import(row: Row) -> bool:
    """Whether the row is to be imported; a cell that is neither yes nor no is none of ours to judge."""
    try:
        return is_yes(row["import"])
    except ValueError:
        return False


def was_running(row: Row) -> bool:
    """Whether the VM ran when the plan was made."""
    return row["power_state"].lower() == "poweredon"


def _nic(row: Row, number: int) -> Nic:
    return Nic(
        key=0,
        label=row[f"nic{number}_label"],
        mac=row[f"nic{number}_mac"],
        adapter=row[f"nic{number}_adapter"],
        card_class="",
        kind="standard",
        network_name=row[f"nic{number}_portgroup"],
        vlan=read_vlan(row[f"nic{number}_vlan"]),
        ipv4=tuple(row[f"nic{number}_guest_ip"].split()),
    )


def read_vlan(text: str) -> Vlan | None:
    """The VLAN behind its short form in the sheet (`Vlan.text`); None for what is none.

    An empty cell is read as untagged: the sheet does not tell that from a NIC without a VLAN.
    """
    text = text.strip()
    if not text:
        return Vlan("none")
    number = whole_number(text)
    if number is not None:
        return Vlan("id", number) if number else Vlan("none")
    if text.startswith("trunk "):
        return Vlan("trunk")
    found = _PVLAN.match(text)
    if found is None:
        return None
    primary = None if found[1] == "?" else int(found[1])
    return Vlan("pvlan", primary=primary, secondary=int(found[2]))


def _disk(row: Row, number: int) -> Disk:
    return Disk(
        key=0,
        label=row[f"disk{number}_label"],
        disk_id=row[f"disk{number}_id"],
        capacity_bytes=size_bytes(row, number),
        backing="",
        file_name=row[f"disk{number}_file"],
        datastore_name=row[f"disk{number}_datastore"],
        datastore_moref="",
        controller=row[f"disk{number}_controller"],
        controller_bus=0,
        unit=0,
    )


def size_bytes(row: Row, number: int) -> int:
    """The capacity of a disk; 0 where the cell is no number."""
    try:
        return round(float(row[f"disk{number}_size_gib"]) * GIB)
    except ValueError:
        return 0
