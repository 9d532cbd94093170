"""A row's words turned into the objects they mean: the one place where names become UUIDs.

Checks look at the problems found here, the importer at the objects. Nothing is corrected or guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.errors import SheetError
from ingest.model.catalogue import DiskOffering, Network, ServiceOffering, Template, UnmanagedDisk, UnmanagedNic
from ingest.model.inventory import Disk, Nic
from ingest.model.request import ImportRequest
from ingest.model.snapshot import Snapshot
from ingest.plan.cells import cell_errors, is_yes, whole_number
from ingest.plan.columns import width
from ingest.plan.details import details_doubt, details_objection, read_details
from ingest.plan.lookup import Lookup, Owner
from ingest.plan.pairing import Pair, pair
from ingest.plan.server import LARGEST_INTEGER, valid_hostname
from ingest.plan.sheet import Row, Sheet

MOST_SHOWN = 20


@dataclass(slots=True)
class ResolvedNic:
    """One NIC of the VM as it is now, with what the row wants for it."""

    number: int
    nic: Nic
    listed: UnmanagedNic | None
    wanted: str
    network: Network | None
    problem: str
    access: str
    ip: str


@dataclass(slots=True)
class ResolvedDisk:
    """One disk of the VM as it is now, with what the row wants for it."""

    number: int
    disk: Disk
    listed: UnmanagedDisk | None
    is_root: bool
    wanted: str
    offering: DiskOffering | None
    problem: str
    access: str


@dataclass(slots=True)
class ResolvedRow:
    """One row to import. `pair` is None when the VM is gone; each `*_problem` is '' when its column is fine.

    `contradiction` is what no call can say: details that are no details, no root disk, one the VM has not, or one with
    an offering of its own.
    """

    row: Row
    pair: Pair | None
    zone_id: str
    owner: Owner
    owner_problem: str
    offering: ServiceOffering | None
    offering_problem: str
    offering_access: str
    template: Template | None
    template_problem: str
    cpu_speed_mhz: int | None
    number_problem: str
    details: dict[str, str] = field(default_factory=dict)
    details_problem: str = ""
    details_doubt: str = ""
    contradiction: str = ""
    nics: list[ResolvedNic] = field(default_factory=list)
    disks: list[ResolvedDisk] = field(default_factory=list)

    @property
    def hostname(self) -> str:
        """The host name the instance gets: without one the VM's name, '' when that is none."""
        name = self.row["hostname"]
        fallback = self.pair.vm.name if self.pair is not None and valid_hostname(self.pair.vm.name) else ""
        return name or fallback

    @property
    def accepted(self) -> frozenset[str]:
        """Rule ids the operator accepts for this row."""
        return frozenset(self.row["accept"].replace(";", " ").replace(",", " ").upper().split())


def rows_to_import(sheet: Sheet, *, place: str = "plan") -> list[Row]:
    """The rows whose `import` says yes. Raises SheetError naming every cell that cannot be read, and doubled rows."""
    wrong = cell_errors(sheet)
    if wrong:
        head, *others = (f"line {one.line}, {one.column}: {one.message} -> {one.cure}" for one in wrong[:MOST_SHOWN])
        more = [f"(and {len(wrong) - MOST_SHOWN} more)"] if len(wrong) > MOST_SHOWN else []
        raise SheetError("\n  ".join([head, *others, *more]), place=place, cure="correct these cells, then again")
    return [row for row in sheet.rows if is_yes(row["import"])]


def wave_of(row: Row) -> int:
    """The wave a row runs in; 1 when the sheet names none. `rows_to_import` has refused everything but numbers."""
    return whole_number(row["wave"]) or 1


def resolve(rows: list[Row], snapshot: Snapshot) -> list[ResolvedRow]:
    """Every row against the snapshot, in the order of the rows."""
    lookup = Lookup(snapshot.catalogue)
    now = {(one.vm.instance_uuid, one.vm.moref): one for one in pair(snapshot.inventory, snapshot.catalogue)}
    return [_resolve(row, now.get((row["instance_uuid"], row["moref"])), lookup) for row in rows]


def _resolve(row: Row, one: Pair | None, lookup: Lookup) -> ResolvedRow:
    zone_id = lookup.zone_of(one.cluster_id if one else row["cluster_id"])
    owner, owner_problem = lookup.owner(row["account"], row["domain"], row["project"])
    offering = lookup.service_offering(row["service_offering"]) if row["service_offering"] else None
    template = lookup.template(row["template"], zone_id) if row["template"] else None
    speed = whole_number(row["cpu_speed_mhz"])
    bad_speed = bool(row["cpu_speed_mhz"]) and (speed is None or not 0 < speed <= LARGEST_INTEGER)
    # Who may use what cannot be said of an unknown owner.
    asked = None if owner_problem else owner
    resolved = ResolvedRow(
        row=row,
        pair=one,
        zone_id=zone_id,
        owner=owner,
        owner_problem=owner_problem,
        offering=offering.object if offering else None,
        offering_problem=offering.problem if offering else "no compute offering is named",
        offering_access=_offering_access(lookup, asked, offering.object if offering else None, zone_id),
        template=template.object if template else None,
        template_problem=template.problem if template else "",
        cpu_speed_mhz=None if bad_speed else speed,
        number_problem=f"'{row['cpu_speed_mhz']}' is not a number of MHz" if bad_speed else "",
        details_problem=details_objection(row["details"], has_template=bool(row["template"])),
    )
    try:
        resolved.details = read_details(row["details"])
    except ValueError as error:
        resolved.contradiction = f"details: {error}"
    else:
        fixed = resolved.offering is not None and not resolved.offering.is_open
        resolved.details_doubt = details_doubt(resolved.details, fixed_offering=fixed)
    if one is None:
        return resolved
    listed_nics = {nic.id: nic for nic in one.listed.nic} if one.listed else {}
    listed_disks = {disk.id: disk for disk in one.listed.disk} if one.listed else {}
    by_label = {row[f"nic{n}_label"]: n for n in range(1, _devices(row, "nic") + 1)}
    by_id = {row[f"disk{n}_id"]: n for n in range(1, _devices(row, "disk") + 1)}
    for position, nic in enumerate(one.vm.nics, start=1):
        number = by_label.get(nic.label, position)
        wanted = row[f"nic{number}_network"]
        found = lookup.network(wanted, zone_id, owner) if wanted else None
        resolved.nics.append(
            ResolvedNic(
                number,
                nic,
                listed_nics.get(nic.label),
                wanted,
                found.object if found else None,
                found.problem if found else _unnamed(nic),
                _network_access(lookup, asked, found.object if found else None),
                row[f"nic{number}_ip"].strip(),
            )
        )
    # A VM's only disk is its root disk, whether the row says so or not.
    root_id = row["root_disk"] or (one.vm.disks[0].disk_id if len(one.vm.disks) == 1 else "")
    has_root = any(disk.disk_id == root_id for disk in one.vm.disks)
    for position, disk in enumerate(one.vm.disks, start=1):
        number = by_id.get(disk.disk_id, position)
        wanted = row[f"disk{number}_offering"]
        is_root = disk.disk_id == root_id
        chosen = lookup.disk_offering(wanted) if wanted else None
        missing = "no disk offering is named for this data disk" if has_root and not is_root else ""
        resolved.disks.append(
            ResolvedDisk(
                number,
                disk,
                listed_disks.get(disk.disk_id),
                is_root,
                wanted,
                chosen.object if chosen else None,
                chosen.problem if chosen else missing,
                _offering_access(lookup, asked, chosen.object if chosen else None, zone_id),
            )
        )
        if is_root and wanted:
            resolved.contradiction = f"{disk.label} is the root disk and has an offering"
    if one.vm.disks and not has_root:
        named = row["root_disk"]
        resolved.contradiction = f"root_disk: '{named}' is not a disk of this VM" if named else "no root disk is named"
    return resolved


def _unnamed(nic: Nic) -> str:
    """What stands in the way of a NIC without a network: where it is plugged in says which one is missing."""
    vlan = nic.vlan.text if nic.vlan else ""
    tag = "untagged" if not vlan else vlan if not vlan.isdigit() else f"VLAN {vlan}"
    return f"no network is named for {nic.label} on '{nic.network_name}' ({tag})"


def _offering_access(
    lookup: Lookup, owner: Owner | None, offering: ServiceOffering | DiskOffering | None, zone_id: str
) -> str:
    if offering is None or owner is None or lookup.may_use_offering(owner, offering, zone_id):
        return ""
    return f"{offering.name} is restricted to other domains or zones than the owner's"


def _network_access(lookup: Lookup, owner: Owner | None, network: Network | None) -> str:
    if network is None or owner is None or lookup.may_use_network(owner, network):
        return ""
    holder = network.project or network.account or network.domainpath
    return (
        f"network {network.name} belongs to {holder}, not to {owner.account or owner.project_id or 'the calling admin'}"
    )


def _devices(row: Row, device: str) -> int:
    return width(list(row.cells), "nic" if device == "nic" else "disk")


def import_request(resolved: ResolvedRow) -> ImportRequest:
    """The call for one row. Raises ValueError when the row has problems: check first.

    Disks and NICs that CloudStack does not see are left out: it counts what is sent against what it sees.
    """
    if resolved.pair is None or resolved.pair.listed is None:
        raise ValueError(f"row {resolved.row.line} is not ready to import")
    return attempted_request(resolved)


def attempted_request(resolved: ResolvedRow) -> ImportRequest:
    """The call a row would make, however it would end. Raises ValueError without VM or offering."""
    if resolved.pair is None or resolved.offering is None:
        raise ValueError(f"row {resolved.row.line} is not ready to import")
    row, owner, one = resolved.row, resolved.owner, resolved.pair
    speed = resolved.cpu_speed_mhz if resolved.offering.cpuspeed is None else None
    return ImportRequest(
        cluster_id=one.cluster_id,
        name=one.vm.name,
        service_offering_id=resolved.offering.id,
        hostname=row["hostname"],
        display_name=row["display_name"] or one.vm.name,
        account=owner.account,
        domain_id=owner.domain_id if owner.account else "",
        project_id=owner.project_id,
        template_id=resolved.template.id if resolved.template else "",
        nic_networks=tuple((nic.nic.label, nic.network.id) for nic in resolved.nics if nic.listed and nic.network),
        nic_addresses=tuple((nic.nic.label, nic.ip) for nic in resolved.nics if nic.listed and nic.ip),
        data_disk_offerings=tuple(
            (d.disk.disk_id, d.offering.id) for d in resolved.disks if d.listed and d.offering and not d.is_root
        ),
        details=((("cpuSpeed", str(speed)),) if speed else ()) + tuple(sorted(resolved.details.items())),
        migrate_allowed=is_yes(row["migrate_allowed"]),
        forced=is_yes(row["forced"]),
    )
