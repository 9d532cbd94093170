"""Sheets judged and then sent: generated rules plan a spoilt site, people edit the plan, the twin gets what it says.

Every row that makes a call is sent in the order of the plan, those the checks block too: so it shows whether the
verdict is the server's answer, and whether a check that mirrors the server is stricter than the server.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ingest.model.snapshot import Snapshot
from ingest.plan.checks import CHECKS
from ingest.plan.enrich import enrich
from ingest.plan.predict.rows import in_order, verdicts
from ingest.plan.resolve import attempted_request
from ingest.plan.rules import DiskChoice, Match, NetworkChoice, Rule, Rules, Set
from ingest.plan.sheet import Row, Sheet
from ingest.plan.validate import examine
from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.service import Service
from ingest.twin.generator import admin_keys, generate
from tests.plan.agreement import SHAPES, Compared, send_direct, spoil_cloud, spoil_vms
from tests.plan.twin_site import running
from tests.twin.cloudstack.api import DirectApi

MIRRORS = {check.id for check in CHECKS if check.level == "critical" and "safety" not in check.mirrors}
# LIMIT and SERVER speak of what the other rows take, and here blocked rows are sent as well. A NIC without a network
# (NIC-001) is not left to the server, which would take the first network of its VLAN.
NOT_ALONE = ("LIMIT", "SERVER", "NIC-001")


def compare_sheet(size: int, seed: int, shape: str = "every oddity", edited: float = 0.5) -> list[Compared]:
    """The rows of one plan of `size` VMs that make a call; a share `edited` of the rows has cells changed by people."""
    source = random.Random(seed)
    world = generate(size, seed=seed, shape=SHAPES[shape])
    spoil_vms(world, source)
    spoil_cloud(world, source)
    with running(world) as site:
        snapshot = site.snapshot()
    sheet = enrich(snapshot, make_rules(snapshot, source))
    changed = edit(sheet, snapshot, source, edited)
    examined = examine(sheet, snapshot)
    blocked_by: dict[int, list[str]] = {}
    for finding in examined.findings:
        alone = "stands in line" not in finding.message and not finding.rule.startswith(NOT_ALONE)
        if finding.rule in MIRRORS and finding.level == "critical" and alone:
            blocked_by.setdefault(finding.row, []).append(finding.rule)
    said = verdicts(examined.rows, snapshot)
    rows = [row for row in in_order(examined.rows) if not any("no call" in d for d in said[row.row.line].doubts)]
    service = Service(world)
    try:
        api = DirectApi(Gateway(service), *admin_keys(world))
        return [
            Compared(
                request := attempted_request(row),
                ", ".join(changed.get(row.row.line, ())),
                said[row.row.line],
                *send_direct(api, request),
                blocked_by=tuple(blocked_by.get(row.row.line, ())),
            )
            for row in rows
        ]
    finally:
        service.stop()


def make_rules(snapshot: Snapshot, source: random.Random) -> Rules:
    """Up to five rules of any kind; names of things that exist, and now and then of some that do not."""
    catalogue = snapshot.catalogue

    def name_of(kind: str) -> str:
        found = getattr(catalogue, kind)
        return source.choice(found).name if found and source.random() < 0.95 else "no such thing"

    def owner() -> dict[str, str]:
        account = source.choice(catalogue.accounts)
        return {"account": account.name, "domain": account.domainid}

    matches: tuple[Callable[[], Match], ...] = (
        Match,
        lambda: Match(name=source.choice(("*1", "*db*", "re:.*[02468]", "web*"))),
        lambda: Match(power_state="poweredOff"),
        lambda: Match(cpus=source.choice((1, 2, 4))),
        lambda: Match(vlan=source.choice((0, 10, 100, 201))),
        lambda: Match(cluster=source.choice([cluster.name for cluster in snapshot.inventory.clusters])),
    )
    settings: tuple[Callable[[], Set], ...] = (
        lambda: Set(service_offering=name_of("service_offerings")),
        lambda: Set(disk_offering=name_of("disk_offerings")),
        lambda: Set(disks=[DiskChoice(disk=source.choice((1, 2, 3)), offering=name_of("disk_offerings"))]),
        lambda: Set(**owner()),  # type: ignore[arg-type]
        lambda: Set(project=name_of("projects")),
        lambda: Set(networks=[NetworkChoice(nic=source.choice((1, 2)), network=name_of("networks"))]),
        lambda: Set(networks=[NetworkChoice(vlan=source.choice((0, 10, 100)), network=name_of("networks"))]),
        lambda: Set(ip=source.choice(("none", "auto", "guest"))),
        lambda: Set(host_name=source.choice(("{name}-x", "new-{name}", "same"))),
        lambda: Set(display_name="{folder} {name}"),
        lambda: Set(template=name_of("templates")),
        lambda: Set(details=source.choice(({"cpuSpeed": "2000"}, {"note": "hello"}))),
        lambda: Set(cpu_speed_mhz=source.choice((1, 2000))),
        lambda: Set(root_disk="Hard disk 2"),
        lambda: Set(wave=source.choice((1, 2, 3))),
        lambda: Set(forced=True),
        lambda: Set(migrate_allowed=True),
        lambda: Set(skip="not now"),
    )
    return Rules(
        rules=[Rule(match=source.choice(matches)(), set=source.choice(settings)()) for _ in range(source.randrange(6))]
    )


# What people write.

Edit = Callable[[Row, Snapshot, random.Random], dict[str, str]]


def _named(kind: str, source: random.Random, snapshot: Snapshot) -> str:
    """A thing by name or UUID, nothing, or a slip."""
    one = source.choice(getattr(snapshot.catalogue, kind))
    return str(source.choice((one.name, one.name, one.id, one.id, "", f"{one.name} ")))


def _owner(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    account = source.choice(snapshot.catalogue.accounts)
    domain = source.choice((account.domainpath, account.domainid, account.domainid, "", "ROOT"))
    return {"account": source.choice((account.name, account.name, "nobody")), "domain": domain, "project": ""}


def _project(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    return {"account": "", "domain": "", "project": _named("projects", source, snapshot)}


def _hostname(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    names = ("1bad", "bad-", "under_score", "Fine-1", "", "x" * 64, "same-name", "same-name", row["vm"], "two words")
    return {"hostname": source.choice(names)}


def _offering(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    return {"service_offering": _named("service_offerings", source, snapshot)}


def _speed(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    return {"cpu_speed_mhz": source.choice(("", "0", "2000", "2000.0", "99999999999", "fast"))}


def _template(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    return {"template": _named("templates", source, snapshot)}


def _details(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    texts = ("cpuSpeed=2000", "cpuSpeed=fast", "miniops=many", "maxiops=100", "rootdisksize=20", "a=1; b=2", "nonsense")
    return {"details": source.choice(texts)}


def _root(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    disks = [text for name, text in row.cells.items() if name.startswith("disk") and name.endswith("_id") and text]
    return {"root_disk": source.choice([*disks, "", "9-9999"])}


def _devices(row: Row, device: str, part: str) -> list[str]:
    """The numbers of the devices the row has, as column prefixes."""
    return [name.removesuffix(part) for name, text in row.cells.items() if text and name.startswith(device)
            and name.endswith(part)]  # fmt: skip


def _disk(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    disks = _devices(row, "disk", "_id")
    data = [disk for disk in disks if row[f"{disk}_id"] != row["root_disk"]]
    disks = data if source.random() < 0.8 else disks
    return {f"{source.choice(disks)}_offering": _named("disk_offerings", source, snapshot)} if disks else {}


def _network(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    nics = _devices(row, "nic", "_label")
    return {f"{source.choice(nics)}_network": _named("networks", source, snapshot)} if nics else {}


def _addresses(row: Row, snapshot: Snapshot, source: random.Random) -> dict[str, str]:
    """A network that records addresses for one NIC, and an address."""
    networks = [one for one in snapshot.catalogue.networks if one.type != "L2"]
    nics = _devices(row, "nic", "_label")
    if not networks or not nics:
        return {}
    network, nic = source.choice(networks), source.choice(nics)
    start = network.cidr.rpartition(".")[0]
    address = source.choice(("auto", f"{start}.{source.randrange(256)}", f"{start}.7", "1.2.3", "AUTO", "", "10.1.1.1"))
    return {f"{nic}_network": network.id, f"{nic}_ip": address}


EDITS: dict[str, Edit] = {
    "owner": _owner,
    "project": _project,
    "hostname": _hostname,
    "display name": lambda row, snapshot, source: {"display_name": source.choice(("", "Once more", "d" * 256))},
    "compute offering": _offering,
    "CPU speed": _speed,
    "template": _template,
    "details": _details,
    "root disk": _root,
    "disk offering": _disk,
    "network": _network,
    "addresses": _addresses,
    "forced": lambda row, snapshot, source: {"forced": source.choice(("yes", "no"))},
    "migrate": lambda row, snapshot, source: {"migrate_allowed": source.choice(("yes", "x", "no"))},
    "wave": lambda row, snapshot, source: {"wave": source.choice(("1", "2", "3"))},
    "accept": lambda row, snapshot, source: {"accept": "VM-005 VM-006 CTRL-002"},
}


def edit(sheet: Sheet, snapshot: Snapshot, source: random.Random, share: float) -> dict[int, list[str]]:
    """Change cells as people do; the names of the changes by line. Every VM CloudStack shows is to be imported."""
    if source.random() < 0.5:
        source.shuffle(sheet.rows)
        sheet.number_lines()
    changed: dict[int, list[str]] = {}
    for row in sheet.rows:
        row["import"] = "yes" if row["service_offering"] else "no"
        row["confirm"] = source.choice(("", "yes"))
        while source.random() < share:
            name = source.choice(tuple(EDITS))
            cells = EDITS[name](row, snapshot, source)
            sheet.add_columns(list(cells))
            row.cells.update(cells)
            changed.setdefault(row.line, []).append(name)
    return changed
