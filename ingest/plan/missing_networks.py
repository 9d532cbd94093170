"""Source networks without a CloudStack counterpart, as networks to create: one for each wire, zone and owner.

What carries the NICs of the rows to import decides: a VLAN or private VLAN becomes an L2 network by default.
Untagged, trunk and NSX port groups are listed too, but no createNetwork can be derived from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.model.catalogue import Catalogue, NetworkOffering, PhysicalNetwork
from ingest.model.inventory import Vlan
from ingest.plan import server
from ingest.plan.lookup import Lookup, Owner
from ingest.plan.resolve import ResolvedNic, ResolvedRow

_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Wire:
    """What a NIC is plugged into: `uri` as CloudStack would write it, '' with the `portgroup` alone to tell it."""

    zone_id: str
    uri: str
    portgroup: str
    vlan: Vlan | None


@dataclass(slots=True)
class MissingNetwork:
    """A wire that some owner's NICs need and no network of theirs carries. `asked` are names the rows already use."""

    wire: Wire
    owner: Owner
    owner_problem: str
    portgroups: set[str] = field(default_factory=set)
    vms: dict[str, None] = field(default_factory=dict)
    nics: int = 0
    asked: set[str] = field(default_factory=set)

    @property
    def vm_names(self) -> str:
        """The first VMs by name."""
        names = list(self.vms)
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return ", ".join(names[:_MOST_NAMES]) + more


def missing_networks(rows: Iterable[ResolvedRow]) -> list[MissingNetwork]:
    """The missing networks of the rows to import, sorted by zone, wire and owner."""
    found: dict[tuple[str, str, str, str, str, str], MissingNetwork] = {}
    for row in rows:
        for nic in row.nics:
            if nic.listed is None or nic.network is not None:
                continue
            wire = _wire(row.zone_id, nic)
            name = "" if wire.uri else wire.portgroup
            key = (wire.zone_id, wire.uri, name, row.owner.account, row.owner.domain_id, row.owner.project_id)
            one = found.setdefault(key, MissingNetwork(wire, row.owner, row.owner_problem))
            one.portgroups.add(nic.nic.network_name)
            one.vms[row.row["vm"]] = None
            one.nics += 1
            if nic.wanted:
                one.asked.add(nic.wanted)
    return [found[key] for key in sorted(found)]


def _wire(zone_id: str, nic: ResolvedNic) -> Wire:
    assert nic.listed is not None  # noqa: S101  the caller has looked
    return Wire(zone_id, server.nic_uri(nic.listed), nic.nic.network_name, nic.nic.vlan)


COLUMNS = (
    *("create", "status", "problem", "fix", "zone", "type", "name", "vlan", "isolated_pvlan", "isolated_pvlan_type"),
    *("account", "domain", "project", "network_offering", "physical_network", "bypass_vlan_overlap_check"),
    *("gateway", "netmask", "start_ip", "end_ip", "portgroups", "vms", "nics", "vm_names", "zone_id", "network_id"),
)
"""Columns of networks_to_create.csv, in order."""


def proposals(missing: Iterable[MissingNetwork], catalogue: Catalogue) -> list[dict[str, str]]:
    """The rows that would create them; several owners on one wire need the check of overlaps to be bypassed."""
    rows = []
    planned: set[tuple[str, str]] = set()
    for one in missing:
        cells = _proposal(one, catalogue)
        wire = (one.wire.zone_id, one.wire.uri)
        if one.wire.uri and wire in planned:
            cells["bypass_vlan_overlap_check"] = "yes"
        if cells["create"] == "yes":
            planned.add(wire)
        rows.append(cells)
    return rows


def _proposal(one: MissingNetwork, catalogue: Catalogue) -> dict[str, str]:
    """The row that would create it; `create` is `no` where nothing can be derived or an owner is missing."""
    lookup = Lookup(catalogue)
    zone = next((zone.name for zone in catalogue.zones if zone.id == one.wire.zone_id), "")
    cells = dict.fromkeys(COLUMNS, "") | {
        "create": "no",
        "zone": zone,
        "zone_id": one.wire.zone_id,
        "type": "L2",
        "account": one.owner.account,
        "domain": one.owner.domain_path if one.owner.account or one.owner.project_id else "",
        "project": _project_name(one.owner, lookup),
        "portgroups": ", ".join(sorted(one.portgroups)),
        "vms": str(len(one.vms)),
        "nics": str(one.nics),
        "vm_names": one.vm_names,
    }
    cells["name"] = _name(one)
    match = re.fullmatch(r"vlan://(\d+)|pvlan://(\d+)-([icp])(\d+)", one.wire.uri)
    if match is None:
        vlan = one.wire.vlan.text if one.wire.vlan else ""
        what = vlan or "no VLAN"
        return cells | {
            "problem": f"{what} on '{one.wire.portgroup}': no network can be derived from it",
            "fix": "create one by hand, or name an existing network in the plan; nothing is compared for such NICs",
        }
    cells["vlan"] = match[1] or match[2]
    if match[3]:
        kinds = {"i": "isolated", "c": "community", "p": "promiscuous"}
        cells |= {"isolated_pvlan": match[4], "isolated_pvlan_type": kinds[match[3]]}
    cells["network_offering"] = _named(_offerings(catalogue, one.wire.zone_id))
    cells["physical_network"] = _named(_physical_networks(catalogue, one.wire.zone_id))
    taken = any(n.broadcasturi == one.wire.uri and n.zoneid == one.wire.zone_id for n in catalogue.networks)
    cells["bypass_vlan_overlap_check"] = "yes" if taken else "no"
    cells["create"] = "no" if one.owner_problem or one.owner.caller else "yes"
    return cells


def _name(one: MissingNetwork) -> str:
    if len(one.asked) == 1:
        return next(iter(one.asked))
    tail = one.wire.uri.replace("pvlan://", "pvlan-").replace("vlan://", "vlan-")
    owner = one.owner.account or one.owner.project_id[:8]
    return "-".join(part for part in ("l2", owner, tail or one.wire.portgroup) if part)


def _project_name(owner: Owner, lookup: Lookup) -> str:
    project = lookup.projects.get(owner.project_id)
    return project.name if project else owner.project_id


def _offerings(catalogue: Catalogue, zone_id: str) -> list[NetworkOffering]:
    """L2 offerings that take a VLAN, the plain one first."""
    fitting = [
        offering
        for offering in catalogue.network_offerings
        if offering.guestiptype == "L2"
        and offering.specifyvlan
        and not offering.domainid
        and (not offering.zoneid or zone_id in offering.zoneid.split(","))
    ]
    return sorted(fitting, key=lambda offering: ("ConfigDrive" in offering.name, offering.name, offering.id))


def _physical_networks(catalogue: Catalogue, zone_id: str) -> list[PhysicalNetwork]:
    """The zone's physical networks when there is a choice to make; CloudStack finds a single one itself."""
    found = [one for one in catalogue.physical_networks if one.zoneid == zone_id and one.state in ("", "Enabled")]
    return found if len(found) > 1 else []


def _named(found: list[NetworkOffering] | list[PhysicalNetwork]) -> str:
    return found[0].name if found else ""
