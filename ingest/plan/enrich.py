"""From a snapshot and rules to the plan: one row per VM, seen facts joined, every choice made and explained."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ingest.model.inventory import Disk, Nic, VirtualMachine
from ingest.model.snapshot import Snapshot
from ingest.plan import choices, server
from ingest.plan.choices import Choice
from ingest.plan.columns import header, numbered
from ingest.plan.details import write_details
from ingest.plan.guesses import write_proposed
from ingest.plan.lookup import Lookup, Owner
from ingest.plan.pairing import Pair, pair
from ingest.plan.rules import Decided, Rules, decide
from ingest.plan.sheet import Row, Sheet

# What snapshots append to the name of a disk's file; without it the name is the same before and after one.
_SNAPSHOT_FILE = re.compile(r"-\d{6}\.vmdk\Z")


@dataclass(slots=True)
class _Wanted:
    """The wanted and computed cells of one VM, and the networks where CloudStack picks its address or it has one."""

    cells: dict[str, str]
    wave_by_rule: bool = False
    picked_in: set[str] = field(default_factory=set)
    known_in: set[str] = field(default_factory=set)


def enrich(snapshot: Snapshot, rules: Rules) -> Sheet:
    """The plan of a snapshot: rows sorted by (wave, cluster, name, moref), left-out VMs last, with the reason.

    The order of the snapshot never changes a choice: VMs are decided in the order of (name, moref).
    """
    pairs = sorted(pair(snapshot.inventory, snapshot.catalogue), key=lambda one: (one.vm.name, one.vm.moref))
    lookup = Lookup(snapshot.catalogue)
    taken = {instance.name.lower() for instance in snapshot.catalogue.virtual_machines}
    # A VM's own name goes to no other VM's repaired name; of several VMs of one name the first one keeps it.
    own_names = {one.vm.name.lower() for one in pairs}
    seen = pd.DataFrame([_seen(one) for one in pairs])
    chosen = [_wanted(one, decide(rules, one.vm), lookup, taken, own_names) for one in pairs]
    _known_addresses_first(chosen)
    for one_wanted in chosen:
        one_wanted.cells["proposed"] = write_proposed(one_wanted.cells)
    wanted = pd.DataFrame([one.cells for one in chosen])
    columns = header(
        max((len(one.vm.nics) for one in pairs), default=0), max((len(one.vm.disks) for one in pairs), default=0)
    )
    if not pairs:
        return Sheet(columns, [])
    frame = seen.merge(wanted, on="moref", how="left", validate="one_to_one")
    frame = frame.assign(
        _left_out=frame["import"] != "yes", _wave=pd.to_numeric(frame["wave"], errors="coerce").fillna(0)
    ).sort_values(["_left_out", "_wave", "cluster", "vm", "moref"], kind="stable")
    frame = frame.reindex(columns=columns).astype(object).fillna("").astype(str)
    sheet = Sheet(columns, [Row(dict(zip(columns, values, strict=True))) for values in frame.to_numpy().tolist()])
    sheet.number_lines()
    return sheet


def seen_cells(vm: VirtualMachine, cluster_id: str) -> dict[str, str]:
    """The seen columns of one VM, numbered ones included."""
    cells = {
        "vm": vm.name,
        "moref": vm.moref,
        "instance_uuid": vm.instance_uuid,
        "cluster_id": cluster_id,
        "datacenter": vm.datacenter,
        "cluster": vm.cluster,
        "host": vm.host,
        "path": vm.path,
        "power_state": vm.power_state,
        "cpus": str(vm.cpus),
        "memory_mib": str(vm.memory_mib),
        "cpu_reservation_mhz": str(vm.cpu_reservation_mhz),
        "guest_id": vm.guest_id,
        "guest_name": vm.guest_full_name,
        "tools": vm.tools_status,
        "snapshot": "yes" if vm.has_snapshot else "no",
        "nic_count": str(len(vm.nics)),
        "disk_count": str(len(vm.disks)),
    }
    for number, nic in enumerate(vm.nics, start=1):
        cells |= _nic_cells(number, nic)
    for number, disk in enumerate(vm.disks, start=1):
        cells |= _disk_cells(number, disk)
    return cells


def _nic_cells(number: int, nic: Nic) -> dict[str, str]:
    facts = {
        "nic#_label": nic.label,
        "nic#_mac": nic.mac,
        "nic#_adapter": nic.adapter,
        "nic#_portgroup": nic.network_name,
        "nic#_vlan": nic.vlan.text if nic.vlan else "",
        "nic#_guest_ip": " ".join(nic.ipv4),
    }
    return {numbered(name, number): value for name, value in facts.items()}


def _disk_cells(number: int, disk: Disk) -> dict[str, str]:
    facts = {
        "disk#_id": disk.disk_id,
        "disk#_label": disk.label,
        "disk#_size_gib": f"{disk.capacity_bytes / (1 << 30):.10g}",
        "disk#_controller": disk.controller,
        "disk#_datastore": disk.datastore_name,
        "disk#_file": _SNAPSHOT_FILE.sub(".vmdk", disk.file_name.partition("] ")[2]),
    }
    return {numbered(name, number): value for name, value in facts.items()}


def _seen(one: Pair) -> dict[str, str]:
    return seen_cells(one.vm, one.cluster_id)


def _wanted(one: Pair, decided: Decided, lookup: Lookup, taken: set[str], own_names: set[str]) -> _Wanted:
    """The wanted and computed cells of one VM."""
    reason = _left_out(one, decided)
    if reason or one.listed is None:
        return _Wanted({"moref": one.vm.moref, "import": "no", "reason": reason, "wave": ""})
    zone_id = lookup.zone_of(one.cluster_id)
    owner, cells, made = _owner(one, zone_id, decided, lookup)
    wanted = _Wanted(cells, wave_by_rule=decided.value("wave") is not None)

    def is_taken(name: str) -> bool:
        return name.lower() in taken or (name.lower() != one.vm.name.lower() and name.lower() in own_names)

    def put(column: str, choice: Choice) -> None:
        cells[column] = choice.value
        made[column] = choice

    put("hostname", choices.hostname(one.vm, decided, is_taken))
    taken.add(cells["hostname"].lower())
    put("display_name", choices.display_name(one.vm, decided))
    put("service_offering", choices.service_offering(one.listed, zone_id, one.cluster_id, owner, decided, lookup))
    offering = lookup.service_offering(cells["service_offering"]).object if cells["service_offering"] else None
    put("cpu_speed_mhz", choices.cpu_speed(one.listed, offering, decided, lookup))
    put("root_disk", choices.root_disk(one.vm, decided))
    listed_disks = {disk.id: disk for disk in one.listed.disk}
    for number, disk in enumerate(one.vm.disks, start=1):
        if disk.disk_id != cells["root_disk"] and disk.disk_id in listed_disks:
            listed = listed_disks[disk.disk_id]
            choice = choices.disk_offering(number, disk, listed, zone_id, one.cluster_id, owner, decided, lookup)
            put(f"disk{number}_offering", choice)
    listed_nics = {nic.id: nic for nic in one.listed.nic}
    for number, nic in enumerate(one.vm.nics, start=1):
        listed_nic = listed_nics.get(nic.label)
        choice, target = choices.network(number, nic, listed_nic, zone_id, owner, decided, lookup)
        put(f"nic{number}_network", choice)
        put(f"nic{number}_ip", choices.address(one.vm, number, nic, target, decided))
        if target and listed_nic and target.type != "L2":
            address = server.assigned_address(listed_nic, cells[f"nic{number}_ip"])
            (wanted.picked_in if address == "auto" else wanted.known_in).add(target.id)
    for setting, text in _BY_RULE_ONLY.items():
        value = decided.value(setting)
        if value is not None:
            put(setting, Choice(text(value), "certain", f"by {decided.source(setting)}"))
    cells["wave"] = str(decided.value("wave") or 1)
    cells["confidence"] = choices.weakest(list(made.values()))
    cells["reason"] = "; ".join(f"{column}={choice.text}" for column, choice in made.items() if choice.evidence)
    cells["guesses"] = " ".join(
        column for column, choice in made.items() if choice.confidence == "guess" and choice.value
    )
    cells |= {"moref": one.vm.moref, "import": "yes"}
    return wanted


def _yes_no(value: object) -> str:
    return "yes" if value else "no"


# Settings nothing but a rule decides, and how their values read in the sheet.
_BY_RULE_ONLY: dict[str, Callable[[Any], str]] = {
    "template": str,
    "details": write_details,
    "migrate_allowed": _yes_no,
    "forced": _yes_no,
    "power": str,
    "start": _yes_no,
    "accept": " ".join,
}


def _known_addresses_first(chosen: Sequence[_Wanted]) -> None:
    """Rows whose address CloudStack picks go into wave 2 where others of the plan bring theirs: it could pick those."""
    known = {network_id for one in chosen for network_id in one.known_in}
    for one in chosen:
        if one.picked_in & known and not one.wave_by_rule:
            one.cells["wave"] = "2"
            one.cells["reason"] += "; wave=2: CloudStack picks an address after the VMs that bring theirs (certain)"


def _left_out(one: Pair, decided: Decided) -> str:
    """Why a VM is not to be imported, '' when it is."""
    if one.duplicate:
        return "another VM of this cluster has the same name; CloudStack could import either: rename one"
    if one.absent:
        return one.absent
    if decided.value("skip"):
        return f"{decided.value('skip')} (by {decided.source('skip')})"
    return ""


def _owner(
    one: Pair, zone_id: str, decided: Decided, lookup: Lookup
) -> tuple[Owner, dict[str, str], dict[str, Choice]]:
    """The owner by rule, else derived from networks, with its cells and choices."""
    assert one.listed is not None  # noqa: S101  callers pass listed VMs only
    cells: dict[str, str] = {}
    made: dict[str, Choice] = {}
    ruled = {name: str(decided.value(name)) for name in ("account", "domain", "project") if decided.value(name)}
    if "account" in ruled or "project" in ruled:
        owner, _ = lookup.owner(ruled.get("account", ""), ruled.get("domain", ""), ruled.get("project", ""))
        for name, value in ruled.items():
            cells[name] = value
            made[name] = Choice(value, "certain", f"by {decided.source(name)}")
        return owner, cells, made
    owner, choice = choices.owner_from_networks(one.listed, zone_id, lookup)
    if owner.project_id:
        cells |= {"project": choice.value, "domain": owner.domain_path}
        made["project"] = choice
    else:
        cells |= {"account": owner.account, "domain": owner.domain_path}
        made["account"] = choice
    return owner, cells, made
