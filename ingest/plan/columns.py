"""The columns of the plan: the contract with people.

Three kinds. *Seen* are facts; the program refreshes them. *Wanted* are the operator's; names or UUIDs. *Computed* say
what the program chose, why, what it found and what became of the row. NICs and disks have numbered columns
(`nic1_label`, `disk2_offering`), as many as the widest VM needs, at least one of each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["seen", "wanted", "computed"]


@dataclass(frozen=True, slots=True)
class Column:
    """`name` has a `#` where a number goes. `help` is one sentence for people; the reference page is made from it."""

    name: str
    kind: Kind
    help: str


PLAN_COLUMNS: tuple[Column, ...] = (
    Column("vm", "seen", "Name in vCenter, exactly as CloudStack compares it (`%2f` stays `%2f`)."),
    Column("import", "wanted", "`yes` imports the row, `no` leaves it out."),
    Column(
        "status",
        "computed",
        "What became of it: imported, incomplete, failed, unknown, held, blocked, skipped, not-started.",
    ),
    Column("finding", "computed", "The findings of the last check: rule ids, the most severe first."),
    Column("fix", "computed", "What to change so that the first finding goes away."),
    Column("verdict", "computed", "What the server will do with the row: accept, refuse, or unknown in advance."),
    Column("server_says", "computed", "Code and text the server would refuse the row with, or why that is unknown."),
    Column("wave", "wanted", "Rows of one wave run together; waves run in ascending order."),
    Column("hostname", "wanted", "Host name in CloudStack: letters, digits, hyphens, at most 63, a letter first."),
    Column("display_name", "wanted", "Display name in CloudStack; empty means the VM's name."),
    Column("account", "wanted", "Owner: account name (with `domain`). Empty, with no project: the calling admin."),
    Column("domain", "wanted", "Domain path (ROOT/...) or UUID of the account or project."),
    Column("project", "wanted", "Owner: project name or UUID, instead of an account."),
    Column("service_offering", "wanted", "Compute offering, name or UUID."),
    Column("cpu_speed_mhz", "wanted", "CPU speed for offerings that leave it open (details cpuSpeed)."),
    Column("template", "wanted", "Template, name or UUID; empty uses the default import template and OS mapping."),
    Column("details", "wanted", "Details of the VM as `key=value; key=value`; keys are case-sensitive."),
    Column("root_disk", "wanted", "Id of the disk that becomes the root volume."),
    Column("migrate_allowed", "wanted", "`yes` allows migration to a host that has the offering's tags."),
    Column("forced", "wanted", "`yes` gives a NIC a new MAC in CloudStack if its own is already used there."),
    Column("power", "wanted", "Before the import: `leave` (default), `shutdown` the guest, or also hard power `off`."),
    Column("start", "wanted", "`yes` starts the instance in CloudStack after the import."),
    Column("confirm", "wanted", "`yes` confirms the guesses of the row; or the names of the columns confirmed."),
    Column("accept", "wanted", "Ids of safety rules the operator accepts for this row, e.g. `CTRL-002`."),
    Column("nic#_network", "wanted", "CloudStack network of the NIC, name or UUID."),
    Column("nic#_ip", "wanted", "IPv4 address, or `auto`; empty for L2 networks."),
    Column("disk#_offering", "wanted", "Disk offering of a data disk, name or UUID; empty for the root disk."),
    Column("confidence", "computed", "The weakest choice of the row: certain, likely or guess."),
    Column("guesses", "computed", "Columns whose value is a guess: not imported until confirmed or changed."),
    Column("reason", "computed", "Why each value was chosen, or why the row is left out."),
    Column("next_start", "computed", "What changes when CloudStack stops and starts the VM after the import."),
    Column("changed", "computed", "What changed in vCenter since the older plan this one was made from."),
    Column("datacenter", "seen", "Datacenter in vCenter."),
    Column("cluster", "seen", "Cluster in vCenter."),
    Column("host", "seen", "ESXi host that runs the VM."),
    Column("path", "seen", "Folder path in vCenter, decoded for people."),
    Column("power_state", "seen", "poweredOn, poweredOff or suspended."),
    Column("cpus", "seen", "Virtual CPUs."),
    Column("memory_mib", "seen", "Configured memory in MiB."),
    Column("cpu_reservation_mhz", "seen", "CPU reservation in MHz; 0 means none."),
    Column("guest_id", "seen", "VMware guest id, the guest tools' report preferred."),
    Column("guest_name", "seen", "Full name of the guest OS."),
    Column("tools", "seen", "State of VMware Tools."),
    Column("snapshot", "seen", "`yes` when the VM has a snapshot."),
    Column("nic_count", "seen", "NICs in vCenter."),
    Column("disk_count", "seen", "Disks in vCenter."),
    Column("nic#_label", "seen", "Device label, the id CloudStack uses for the NIC."),
    Column("nic#_mac", "seen", "MAC address."),
    Column("nic#_adapter", "seen", "Adapter type as CloudStack reports it."),
    Column("nic#_portgroup", "seen", "Port group or network in vCenter."),
    Column("nic#_vlan", "seen", "VLAN id, `trunk ...`, `pvlan primary/secondary type`, or empty."),
    Column("nic#_guest_ip", "seen", "IPv4 addresses VMware Tools reports."),
    Column("disk#_id", "seen", "Disk id, the id CloudStack uses."),
    Column("disk#_label", "seen", "Device label."),
    Column("disk#_size_gib", "seen", "Capacity in GiB."),
    Column("disk#_controller", "seen", "Controller type; CloudStack calls sata and nvme `none`."),
    Column("disk#_datastore", "seen", "Datastore of the current top file."),
    Column("disk#_file", "seen", "File in that datastore, without the number of a snapshot."),
    Column("instance_uuid", "seen", "vSphere instance UUID: with `moref`, the identity of the VM."),
    Column("moref", "seen", "Managed object id in vCenter."),
    Column("cluster_id", "seen", "UUID of the CloudStack cluster; empty when CloudStack does not know the cluster."),
    Column("vm_id", "computed", "UUID of the imported instance in CloudStack."),
    Column("job_id", "computed", "UUID of the import job."),
    Column("error", "computed", "The server's own words when an import failed."),
    Column("duration_s", "computed", "Seconds from the call to the end of the job."),
    Column("proposed", "computed", "What the program proposed, as JSON: a cell that differs is yours and is kept."),
)

REQUIRED = ("vm", "instance_uuid", "moref", "cluster_id", "import", "hostname", "service_offering")
"""Columns a sheet cannot do without: identity and the minimum the server demands."""

_NUMBERED = re.compile(r"^(nic|disk)(\d+)_([a-z_]+)$")


def numbered(name: str, number: int) -> str:
    """`numbered("nic#_mac", 2)` is `nic2_mac`."""
    return name.replace("#", str(number))


def header(nics: int, disks: int) -> list[str]:
    """All column names for VMs with up to `nics` NICs and `disks` disks, in sheet order.

    Numbered columns that stand next to each other in PLAN_COLUMNS are grouped by number: nic1_network, nic1_ip,
    nic2_network, nic2_ip.
    """
    names: list[str] = []
    group: list[Column] = []

    def flush() -> None:
        if group:
            count = max(1, nics if group[0].name.startswith("nic") else disks)
            names.extend(numbered(column.name, n) for n in range(1, count + 1) for column in group)
            group.clear()

    for column in PLAN_COLUMNS:
        if "#" not in column.name:
            flush()
            names.append(column.name)
        else:
            if group and group[0].name.split("#")[0] != column.name.split("#")[0]:
                flush()
            group.append(column)
    flush()
    return names


def column_of(name: str) -> Column | None:
    """The definition behind a sheet's column name, or None for a column of the operator's own."""
    match = _NUMBERED.match(name)
    wanted = f"{match[1]}#_{match[3]}" if match else name
    return next((column for column in PLAN_COLUMNS if column.name == wanted), None)


def split_number(name: str) -> tuple[str, int]:
    """`split_number("nic2_mac")` is ("nic", 2). Raises ValueError for a column without a number."""
    match = _NUMBERED.match(name)
    if match is None:
        raise ValueError(name)
    return match[1], int(match[2])


def width(names: list[str], device: str) -> int:
    """The highest number of `nic` or `disk` columns in a header."""
    found = (_NUMBERED.match(name) for name in names)
    return max((int(match[2]) for match in found if match and match[1] == device), default=0)
