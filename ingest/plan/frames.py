"""Resolved rows as three tables, one record per VM, disk and NIC, with one helper column per check.

A helper column holds a missing value where the check is satisfied and the objection in words where it is not, or
the value itself where a Great Expectations expectation can judge it directly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from ingest.model.snapshot import Snapshot
from ingest.plan import server
from ingest.plan.cells import is_yes
from ingest.plan.columns import column_of
from ingest.plan.enrich import seen_cells
from ingest.plan.guesses import open_guesses
from ingest.plan.hints import PortGroupVlans, delta_alone, hints, independent, unplugged
from ingest.plan.in_flight import InFlight
from ingest.plan.in_use import InUse
from ingest.plan.pairing import dropped_devices, product_of
from ingest.plan.predict.rows import in_order
from ingest.plan.predict.verdict import Verdict
from ingest.plan.resolve import ResolvedDisk, ResolvedNic, ResolvedRow
from ingest.plan.shortage import LIMITED, PoolUse, shortage_words

# A difference in these between sheet and snapshot means that the operator decided on other facts than today's.
DRIFT_COLUMNS = frozenset(
    {"vm", "cluster_id", "cpus", "memory_mib", "power_state", "nic_count", "disk_count"}
    | {"nic#_mac", "nic#_vlan", "nic#_portgroup", "disk#_id", "disk#_size_gib"}
)


def frames(rows: list[ResolvedRow], snapshot: Snapshot, *, confirm_guesses: bool = False) -> dict[str, pd.DataFrame]:
    """Tables `vm`, `disk` and `nic`. Every record has `row` (line), `vm` (name) and `_index` (position in `rows`)."""
    used = InUse(rows, snapshot)
    flights = InFlight(snapshot.catalogue)
    vlans = PortGroupVlans(snapshot.inventory)
    vms: list[dict[str, Any]] = []
    disks: list[dict[str, Any]] = []
    nics: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        base = {"row": row.row.line, "vm": row.row["vm"], "_index": index}
        vms.append(base | _vm(row, snapshot, used) | {"guessed": "" if confirm_guesses else _guessed(row)})
        vms[-1] |= hints(row, flights)
        disks.extend(base | _disk(row, disk, snapshot) for disk in row.disks)
        nics.extend(base | _nic(row, nic, used, vlans) for nic in row.nics)
    return {
        name: pd.DataFrame(records).replace({"": None}) if records else pd.DataFrame()
        for name, records in (("vm", vms), ("disk", disks), ("nic", nics))
    }


def verdict_frame(
    rows: Sequence[ResolvedRow], snapshot: Snapshot, verdicts: Mapping[int, Verdict], blocked: Collection[int]
) -> pd.DataFrame:
    """Table `verdict`: one record per row that nothing else blocks, in the order they run."""
    places = {row.row.line: index for index, row in enumerate(rows)}
    pools = PoolUse(snapshot)
    first: dict[tuple[str, str], int] = {}
    records = []
    for row in in_order(rows):
        line = row.row.line
        if line in blocked:
            continue
        verdict = verdicts[line]
        record: dict[str, Any] = {"row": line, "vm": row.row["vm"], "_index": places[line], "refused": ""}
        record |= {f"limit_{resource}": "" for resource in LIMITED}
        short = verdict.shortage
        if short is not None:
            breaker = first.setdefault((short.holder, short.resource), line)
            record[f"limit_{short.resource}"] = shortage_words(short, "" if breaker == line else f"line {breaker}")
        elif verdict.answer == "refuse":
            record["refused"] = f"{verdict.words} ({verdict.check})"
        record["capacity"] = "" if verdict.answer == "refuse" else pools.take(row)
        records.append(record)
    return pd.DataFrame(records).replace({"": None}) if records else pd.DataFrame()


def _vm(row: ResolvedRow, snapshot: Snapshot, used: InUse) -> dict[str, Any]:
    one = row.pair
    record: dict[str, Any] = {
        "hostname": row.hostname,
        "hostname_taken": "",
        "offering_known": row.offering_problem,
        "offering_fits": "",
        "host_tags": "",
        "offering_access": row.offering_access,
        "owner_known": row.owner_problem,
        "owner_named": "" if row.owner_problem or not row.owner.caller else "no owner is named",
        "template_known": row.template_problem,
        "cpu_speed": row.number_problem,
        "details": row.details_problem,
        "details_doubtful": row.details_doubt,
        "gone": "" if one else "the VM is no longer in vCenter (instance UUID and moref)",
        "unlisted": "",
        "cluster_off": "",
        "drift": _drift(row),
        "duplicate": "",
        "dropped": "",
        "os_mapped": "",
        "root_disk": "",
        "state": "",
        "protected": "",
        "snapshot": "",
        "data_controllers": "",
        "data_controller_kinds": 0,
        "nic_adapters": "",
        "nic_adapter_kinds": 0,
    }
    if one is None:
        return record
    vm, listed = one.vm, one.listed
    if one.duplicate:
        record["duplicate"] = "another VM of this cluster has the same name; the server would import either"
    elif listed is None:
        record["unlisted"] = one.absent
    record["dropped"] = "; ".join(dropped_devices(one))
    record["state"] = _state_objection(row)
    record["protected"] = "; ".join(_protected(row))
    record["snapshot"] = "has a snapshot: CloudStack records the delta file" if vm.has_snapshot else ""
    if listed is None:
        return record
    record["hostname_taken"] = used.hostname(row)
    cluster = next((c for c in snapshot.catalogue.clusters if c.id == one.cluster_id), None)
    if cluster is not None and cluster.allocationstate not in ("", "Enabled"):
        record["cluster_off"] = f"cluster {cluster.name} is {cluster.allocationstate} in CloudStack"
    if row.offering is not None:
        record["offering_fits"] = server.offering_objection(
            row.offering, listed, row.cpu_speed_mhz, server.size_caps(snapshot.catalogue.configuration)
        )
        hosts = [host for host in snapshot.catalogue.hosts if host.clusterid == one.cluster_id]
        record["host_tags"] = server.host_tags_objection(
            row.offering,
            next((host for host in hosts if listed.hostid == host.id), None),
            hosts,
            migrate_allowed=is_yes(row.row["migrate_allowed"]),
        )
    if row.template is None and not server.os_mapped(listed, snapshot.catalogue.guest_os_mappings):
        record["os_mapped"] = (
            f"no guest OS mapping for {listed.osdisplayname or listed.osid or 'an unknown OS'} "
            f"on {listed.hypervisorversion}"
        )
    record["root_disk"] = _root_objection(row)
    data = sorted({d.listed.controller for d in row.disks if d.listed and not d.is_root})
    record |= {"data_controllers": ", ".join(data), "data_controller_kinds": len(data)}
    adapters = sorted({nic.adaptertype for nic in listed.nic})
    record |= {"nic_adapters": ", ".join(adapters), "nic_adapter_kinds": len(adapters)}
    return record


def _disk(row: ResolvedRow, disk: ResolvedDisk, snapshot: Snapshot) -> dict[str, Any]:
    record: dict[str, Any] = {
        "column": f"disk{disk.number}_offering" if not disk.is_root else "root_disk",
        "offering_column": f"disk{disk.number}_offering",
        # A disk CloudStack does not see needs no offering: VM-005 speaks of it.
        "offering_known": disk.problem if disk.listed else "",
        "root_has_offering": "the root disk takes the compute offering's disk offering"
        * (disk.is_root and bool(disk.wanted)),
        "offering_access": disk.access if disk.listed and not disk.is_root else "",
        "offering_size": "",
        "pool": "",
        "pool_single": "",
        "pool_hidden": "",
        "controller_none": "",
        "independent": independent(disk.disk),
        "delta": delta_alone(row, disk.disk),
    }
    if disk.listed is None:
        return record
    if disk.offering is not None and not disk.is_root:
        record["offering_size"] = server.disk_offering_objection(disk.offering, disk.listed)
    if disk.listed.controller == "none":
        record["controller_none"] = f"{disk.disk.label} is on a {disk.disk.controller or 'unknown'} controller"
    tags = (row.offering.storagetags if row.offering else "") if disk.is_root else ""
    if disk.offering is not None and not disk.is_root:
        tags = disk.offering.tags
    pools = server.pools_of(
        disk.listed,
        snapshot.catalogue.storage_pools,
        zone_id=row.zone_id,
        cluster_id=row.pair.cluster_id if row.pair else "",
        tags=tags,
    )
    every_pool, datastores = snapshot.catalogue.storage_pools, snapshot.inventory.datastores
    if not pools and (member_of := server.datastore_cluster(disk.listed, every_pool, datastores, zone_id=row.zone_id)):
        record["pool_hidden"] = f"datastore {disk.listed.datastorename} is a member of datastore cluster {member_of}"
    elif not pools:
        with_tags = f" with the offering's tags '{tags}'" if tags else ""
        record["pool"] = f"no storage pool for datastore {disk.listed.datastorename}{with_tags}"
    elif len(pools) > 1:
        names = ", ".join(sorted(pool.name for pool in pools))
        record["pool_single"] = f"datastore {disk.listed.datastorename} fits {len(pools)} pools ({names})"
    return record


def _nic(row: ResolvedRow, nic: ResolvedNic, used: InUse, vlans: PortGroupVlans) -> dict[str, Any]:
    mac_refused, mac_doubtful = used.mac(row, nic) if nic.listed else ("", "")
    record: dict[str, Any] = {
        "column": f"nic{nic.number}_network",
        "ip_column": f"nic{nic.number}_ip",
        "mac_column": f"nic{nic.number}_mac",
        "network_known": nic.problem if nic.listed else "",
        "network_access": nic.access if nic.listed else "",
        "vlan": "",
        "ip": "",
        "mac_refused": mac_refused,
        "mac_doubtful": mac_doubtful,
        "pick": used.pick(row, nic) if nic.listed else "",
        "unplugged": unplugged(row, nic.nic),
        "vlan_by_host": vlans.differing(row, nic.nic),
        "unresolved": f"{nic.nic.label}: {nic.nic.problem}" if nic.listed and nic.nic.problem else "",
    }
    if nic.network is None or nic.listed is None:
        return record
    record["vlan"] = server.network_objection(nic.network, nic.listed, zone_id=row.zone_id)
    record["ip"] = server.address_objection(nic.network, nic.listed, nic.ip) or used.address(row, nic)
    return record


def _guessed(row: ResolvedRow) -> str:
    open_ones = open_guesses(row.row)
    return ", ".join(f"{column}={row.row[column]}" for column in open_ones)


def _drift(row: ResolvedRow) -> str:
    if row.pair is None:
        return ""
    now = seen_cells(row.pair.vm, row.pair.cluster_id)
    changed = [
        f"{name} was '{was}', is '{now.get(name, '')}'"
        for name, was in row.row.cells.items()
        if (column := column_of(name)) and column.name in DRIFT_COLUMNS and was != now.get(name, "")
    ]
    return "; ".join(changed)


def _state_objection(row: ResolvedRow) -> str:
    assert row.pair is not None  # noqa: S101  callers have looked
    vm = row.pair.vm
    if vm.connection_state != "connected":
        return f"is {vm.connection_state or 'not connected'} in vCenter; CloudStack's list may be older"
    if vm.power_state not in ("poweredOn", "poweredOff"):
        return f"is {vm.power_state}; CloudStack cannot tell what that means"
    if vm.question:
        return f"waits for an answer: {vm.question}"
    return "needs consolidation of its disks" if vm.consolidation_needed else ""


def _protected(row: ResolvedRow) -> list[str]:
    """What the server does not look at and must not be imported unasked (shared disks, fault tolerance, ...)."""
    assert row.pair is not None  # noqa: S101  callers have looked
    vm = row.pair.vm
    shared = [
        d.label for d in vm.disks if d.sharing not in ("", "sharingNone") or d.shared_bus not in ("", "noSharing")
    ]
    product = product_of(vm)
    found = [f"belongs to {product}"] if product else []
    if vm.ft_role:
        found.append("is part of a fault tolerance pair")
    if shared:
        found.append(f"shares {', '.join(shared)} with other VMs")
    if vm.encrypted:
        found.append("is encrypted")
    if vm.passthrough:
        found.append(f"has {', '.join(vm.passthrough)}, which ties it to its host")
    return found


def _root_objection(row: ResolvedRow) -> str:
    if not row.disks:
        return "the VM has no disk"
    named = row.row["root_disk"]
    root = next((disk for disk in row.disks if disk.is_root), None)
    if root is None:
        return f"'{named}' is not a disk of this VM" if named else "no root disk is named"
    if root.listed is None:
        return f"'{root.disk.disk_id}' is a disk CloudStack does not see; it would take another as the root disk"
    if any(disk.listed is not None and disk.listed.capacity <= 0 for disk in row.disks):
        return "a disk has no size"
    return ""
