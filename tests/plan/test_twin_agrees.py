"""The plan and the twin hold the same opinion, though neither may look at the other.

What the plan lets through is imported; what it blocks because the server would, the server refuses.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ingest.model.outcome import Finding
from ingest.model.snapshot import Snapshot
from ingest.plan.checks import CHECKS
from ingest.plan.enrich import enrich
from ingest.plan.resolve import ResolvedRow, import_request, resolve, rows_to_import
from ingest.plan.rules import Rules
from ingest.plan.sheet import Row, Sheet
from ingest.plan.validate import validate
from ingest.stages.validate import planned_imports
from ingest.twin.cloud import Cloud, Domain, new_id
from ingest.twin.generator import CLEAN, REALISTIC, Rates, Shape, generate
from ingest.twin.world import World
from tests.plan.cases import judged_together
from tests.plan.twin_site import Site, running

SERVER_SAYS_NO = {check.id for check in CHECKS if check.level == "critical" and "safety" not in check.mirrors}
WAIVABLE = " ".join(check.id for check in CHECKS if check.waivable)
# Two VMs of every oddity the twin knows.
RATES = {field.name: 2 / 160 for field in dataclasses.fields(Rates)}
EVERY_ODDITY = dataclasses.replace(REALISTIC, rates=Rates(**RATES))


def critical(findings: list[Finding]) -> dict[int, list[Finding]]:
    by_row: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.level == "critical":
            by_row[finding.row].append(finding)
    return by_row


@pytest.mark.parametrize(
    ("size", "seed", "shape", "accept"),
    [
        (60, 1, REALISTIC, ""),
        (60, 3, REALISTIC, ""),
        (160, 2, EVERY_ODDITY, ""),
        (160, 4, EVERY_ODDITY, WAIVABLE),
    ],
    ids=["realistic-1", "realistic-3", "every-oddity", "every-oddity-accepted"],
)
def test_ready_rows_are_imported_and_blocked_rows_refused(size: int, seed: int, shape: Shape, accept: str) -> None:
    with running(generate(size, seed=seed, shape=shape)) as site:
        snapshot = site.snapshot()
        sheet = enrich(snapshot, Rules())
        for row in sheet.rows:
            row["accept"] = accept
        findings = validate(sheet, snapshot)
        ready = planned_imports(resolve(rows_to_import(sheet), snapshot), findings)
        assert len(ready) > size / 4
        assert {one.vm: said for one in ready if (said := site.send(one.request))} == {}
        assert [moref for moref, _ in site.world.cloud.journal.imports] == [one.moref for one in ready]

        blocked = {
            row.row.line: row
            for row in resolve(rows_to_import(sheet), snapshot)
            if row.offering is not None and row.pair is not None and row.pair.listed is not None
        }
        sent = 0
        for line, mine in critical(findings).items():
            # Of rows that only stand in each other's way, the first one passes.
            alone = [one for one in mine if one.rule in SERVER_SAYS_NO and "stands in line" not in one.message]
            if line in blocked and alone:
                sent += 1
                assert site.send(import_request(blocked[line])), [(one.vm, one.rule, one.message) for one in alone]
        assert sent >= 5


def spoil_world(world: World) -> None:
    """Add what the cases below need: offerings with tags and for others only."""
    cloud = world.cloud
    elsewhere = new_id()
    cloud.domains[elsewhere] = Domain(elsewhere, "elsewhere", "ROOT/elsewhere", next(iter(cloud.domains)), 1)
    custom = next(one for one in cloud.service_offerings.values() if one.name == "custom-constrained")
    compute: list[tuple[str, dict[str, Any]]] = [
        ("gpu", {"hosttags": "gpu"}),
        ("fast", {"diskofferingid": "root-fast", "storagetags": "fast"}),
        ("elsewhere", {"domainids": [elsewhere]}),
    ]
    for name, changes in compute:
        added = dataclasses.replace(custom, id=new_id(), name=name, **changes)
        cloud.service_offerings[added.id] = added
    data = next(one for one in cloud.disk_offerings.values() if one.name == "disk-custom")
    disks: list[tuple[str, dict[str, Any]]] = [
        ("root-fast", {"id": "root-fast", "tags": "fast", "hidden": True}),
        ("disk-fast", {"tags": "fast"}),
        ("disk-elsewhere", {"domainids": [elsewhere]}),
        ("disk-tiny", {"disksize": 1, "iscustomized": False}),
    ]
    for name, changes in disks:
        disk = dataclasses.replace(data, **({"id": new_id(), "name": name} | changes))
        cloud.disk_offerings[disk.id] = disk
    cloud.configuration["vm.instancename.flag"] = "true"


@pytest.fixture(scope="module")
def spoilt() -> Iterator[tuple[Site, Snapshot, Sheet]]:
    """A clean site of 60 VMs of which one is imported already; the sheet holds the other 59, all ready."""
    world = generate(60, seed=4, shape=CLEAN)
    spoil_world(world)
    with running(world) as site:
        first = site.snapshot()
        sheet = enrich(first, Rules())
        (imported, *_) = planned_imports(resolve(rows_to_import(sheet), first), [])
        assert site.send(imported.request) == ""
        snapshot = site.snapshot()
        sheet = enrich(snapshot, Rules())
        assert validate(sheet, snapshot) == []
        yield site, snapshot, sheet


Spoil = Callable[[Row, Cloud], dict[str, str] | None]
"""The cells that spoil a row, or None when this row is not the one for it."""


def on(row: Row, **cells: str) -> dict[str, str] | None:
    """Cells for a running VM with two disks."""
    fitting = row["power_state"] == "poweredOn" and row["disk_count"] == "2" and row["account"]
    return cells if fitting else None


def taken_name(row: Row, cloud: Cloud) -> dict[str, str] | None:
    (instance,) = cloud.instances.values()
    return on(row, hostname=instance.name)


def another_size(row: Row, cloud: Cloud) -> dict[str, str] | None:
    larger = [one for one in cloud.service_offerings.values() if (one.cpunumber or 0) > int(row["cpus"])]
    return on(row, service_offering=larger[0].name) if larger else None


def another_account(row: Row, cloud: Cloud) -> dict[str, str] | None:
    domains = {domain.path: domain.id for domain in cloud.domains.values()}
    mine = domains.get(row["domain"])
    names = [one.name for one in cloud.accounts.values() if one.domainid == mine and one.accounttype == 0]
    other = next((name for name in names if name != row["account"]), "")
    return on(row, account=other) if other else None


def another_vlan(row: Row, cloud: Cloud) -> dict[str, str] | None:
    own = {account.id for account in cloud.accounts.values() if account.name == row["account"]}
    zones = {zone.id for zone in cloud.zones.values() if zone.name == row["datacenter"]}
    other = next(
        (
            network.id
            for network in cloud.networks.values()
            if network.type == "L2"
            and network.accountid in own
            and network.zoneid in zones
            and network.name != row["nic1_network"]
        ),
        "",
    )
    return on(row, nic1_network=other) if other else None


def isolated(ip: str) -> Spoil:
    def spoil(row: Row, cloud: Cloud) -> dict[str, str] | None:
        name = f"{row['account']}-isolated"
        found = [one.name for one in cloud.networks.values() if one.type == "Isolated" and one.name == name]
        return on(row, nic1_network=name, nic1_ip=ip) if found else None

    return spoil


def cells(**wanted: str) -> Spoil:
    return lambda row, _: on(row, **wanted)


SPOILS: list[tuple[str, Spoil, str]] = [
    ("HOST-002", cells(hostname="1-bad"), "Invalid VM hostname"),
    ("HOST-002", cells(hostname="bad-"), "Invalid VM hostname"),
    ("HOST-003", taken_name, "There already exists a VM by the hostname"),
    ("OFFER-002", cells(service_offering="elsewhere"), "There's no way to confirm"),
    ("OFFER-003", another_size, "is not compatible due to"),
    ("OFFER-003", cells(service_offering="custom-unconstrained"), "Invalid CPU speed value"),
    ("OFFER-005", cells(service_offering="gpu"), "is not compatible with host"),
    ("OFFER-005", cells(service_offering="gpu", migrate_allowed="yes"), "no deployment destination found"),
    ("POOL-001", cells(service_offering="fast"), "Storage pool for disk"),
    ("POOL-001", cells(disk2_offering="disk-fast"), "Storage pool for disk"),
    ("DISK-001", cells(disk2_offering=""), "disks need a disk offering for import"),
    ("DISK-002", cells(disk2_offering="disk-elsewhere"), "There's no way to confirm"),
    ("DISK-003", cells(disk2_offering="disk-tiny"), "is found less than the size of disk"),
    ("NIC-002", another_account, "permission denied"),
    ("NIC-003", another_vlan, "is found different from the VLAN"),
    ("NIC-004", isolated(""), "needs a valid IP address"),
    ("NIC-004", isolated("192.168.100.1"), "is not available in network"),
    ("NIC-004", isolated("192.168.101.7"), "is not available in network"),
    ("NIC-004", cells(nic1_ip="none"), "is invalid"),
]


@pytest.fixture(scope="module")
def spoilt_rows(spoilt: tuple[Site, Snapshot, Sheet]) -> list[tuple[Row, list[Finding]]]:
    """For each of SPOILS a row of its own sheet, and what the plan says of it."""
    site, snapshot, sheet = spoilt
    rows = [spoilt_row(spoil, sheet, site.world.cloud) for _, spoil, _ in SPOILS]
    return list(zip(rows, judged_together(([row], snapshot) for row in rows), strict=True))


def spoilt_row(spoil: Spoil, sheet: Sheet, cloud: Cloud) -> Row:
    spoilings = ((row, spoil(row, cloud)) for row in sheet.rows if row["import"] == "yes")
    return next(Row(row.cells | bad, row.line) for row, bad in spoilings if bad)


@pytest.mark.parametrize("number", range(len(SPOILS)), ids=[f"{rule} {words}" for rule, _, words in SPOILS])
def test_a_spoilt_row_is_blocked_and_refused(
    spoilt: tuple[Site, Snapshot, Sheet], spoilt_rows: list[tuple[Row, list[Finding]]], number: int
) -> None:
    site, snapshot, _ = spoilt
    rule, _, words = SPOILS[number]
    row, findings = spoilt_rows[number]
    assert {one.rule for one in findings} == {rule}, findings
    (resolved,) = resolve([row], snapshot)
    assert words in site.send(import_request(resolved))


def resolved_row(site: Site, snapshot: Snapshot, sheet: Sheet, moref: str) -> tuple[ResolvedRow, list[Finding]]:
    (row,) = [row for row in sheet.rows if row["moref"] == moref]
    findings = validate(Sheet(sheet.columns, [row]), snapshot)
    (resolved,) = resolve([row], snapshot)
    return resolved, findings


def test_a_mac_that_is_used_in_the_network_is_refused_unless_forced() -> None:
    world = generate(24, seed=4, shape=CLEAN)
    with running(world) as site:
        snapshot = site.snapshot()
        ready = planned_imports(resolve(rows_to_import(enrich(snapshot, Rules())), snapshot), [])
        networks = {one.moref: dict(one.request.nic_networks) for one in ready}
        first, second = next(
            (one, other)
            for one in ready
            for other in ready
            if one is not other and set(networks[one.moref].values()) & set(networks[other.moref].values())
        )
        assert site.send(first.request) == ""
        shared = set(networks[first.moref].values()) & set(networks[second.moref].values())
        theirs = next(nic for nic in world.vms[first.moref].nics if networks[first.moref][nic.label] in shared)
        place = networks[first.moref][theirs.label]
        ours = next(nic for nic in world.vms[second.moref].nics if networks[second.moref][nic.label] == place)
        ours.mac = theirs.mac
        world.touch(world.vms[second.moref])
        now = site.snapshot()
        sheet = enrich(now, Rules())
        resolved, findings = resolved_row(site, now, sheet, second.moref)
        assert [one.rule for one in findings] == ["NIC-007"]
        assert "forced flag is disabled" in site.send(import_request(resolved))
        resolved.row["forced"] = "yes"
        resolved, findings = resolved_row(site, now, sheet, second.moref)
        assert [(one.rule, one.level) for one in findings] == [("NIC-006", "warning")]
        assert site.send(import_request(resolved)) == ""


def test_a_disabled_cluster_takes_nothing() -> None:
    world = generate(6, seed=4, shape=CLEAN)
    with running(world) as site:
        for cluster in world.cloud.clusters.values():
            cluster.allocationstate = "Disabled"
        snapshot = site.snapshot()
        sheet = enrich(snapshot, Rules())
        findings = validate(sheet, snapshot)
        assert {one.rule for one in findings} == {"VM-009"}
        assert {one.row for one in findings} == {row.line for row in sheet.rows}
        (row, *_) = resolve(rows_to_import(sheet), snapshot)
        assert "is not enabled" in site.send(import_request(row))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_plan_of_a_whole_site_does_not_depend_on_the_order_it_was_read_in(seed: int) -> None:
    with running(generate(60, seed=seed, shape=REALISTIC)) as site:
        snapshot = site.snapshot()
    turned = dataclasses.replace(snapshot.inventory, vms=tuple(reversed(snapshot.inventory.vms)))
    networks = tuple(reversed(snapshot.catalogue.networks))
    catalogue = snapshot.catalogue.model_copy(update={"networks": networks})
    other = snapshot.model_copy(update={"inventory": turned, "catalogue": catalogue})
    assert enrich(other, Rules()) == enrich(snapshot, Rules())
