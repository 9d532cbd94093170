"""Networks a plan misses: listed, foreseen as the twin then answers, created once, found again after a lost answer."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.cloudstack.catalogue import read_catalogue, read_network_facts
from ingest.cloudstack.client import CloudStackClient
from ingest.errors import Refused
from ingest.model.snapshot import Snapshot, to_json
from ingest.plan.enrich import enrich
from ingest.plan.network_requests import NetworkWish, refused, understood
from ingest.plan.rules import Match, Rule, Rules, Set
from ingest.plan.sheet import Row, Sheet, read_sheet, sheet_bytes
from ingest.settings import load_settings
from ingest.stages.create_networks import create_networks, foreseen, list_missing_networks
from ingest.stages.run_folder import NETWORKS_CREATED, PLAN, SNAPSHOT, RunFolder
from ingest.twin.faults.script import Script
from ingest.twin.generator import CLEAN, generate
from ingest.twin.serving import Twin
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.session import connect


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Twin]:
    """A site of 30 VMs whose first two L2 networks are missing in CloudStack."""
    world = generate(30, seed=9, shape=CLEAN)
    gone = [one for one in world.cloud.networks.values() if one.type == "L2" and one.broadcasturi.startswith("vlan")][
        :2
    ]
    for network in gone:
        del world.cloud.networks[network.id]
    with Twin(world) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def planned(folder: RunFolder, *, account: str = "") -> Path:
    """A snapshot and a plan of the site in the folder; rows without an owner get this account of ROOT/Corporate."""
    settings = load_settings()
    with connect(settings.vcenter) as vcenter, CloudStackClient(settings.cloudstack) as client:
        snapshot = Snapshot(
            taken_at="2026-01-01T00:00:00+00:00", inventory=read_inventory(vcenter), catalogue=read_catalogue(client)
        )
    folder.write(SNAPSHOT, to_json(snapshot))
    sheet = enrich(snapshot, Rules())
    ownerless = [row["vm"] for row in sheet.rows if row["import"] == "yes" and not (row["account"] or row["project"])]
    if account and ownerless:
        settled = Set(account=account, domain="ROOT/Corporate")
        sheet = enrich(snapshot, Rules(rules=[Rule(match=Match(name=ownerless), set=settled)]))
    return folder.write(PLAN, sheet_bytes(sheet))


def test_missing_networks_are_listed_created_once_and_then_used(twin: Twin, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    planned(folder, account="platform")
    before = len(twin.world.cloud.networks)
    listed_csv, rows = list_missing_networks(folder)
    assert {row.status for row in rows} == {"to-create"}
    assert all(row.uri.startswith("vlan://") and row.owner for row in rows)
    endpoint = load_settings().cloudstack
    dry = create_networks(endpoint, listed_csv, RunFolder(tmp_path), dry_run=True)
    assert ([row.status for row in dry], len(twin.world.cloud.networks)) == (["to-create"] * len(rows), before)
    made = create_networks(endpoint, listed_csv, folder, dry_run=False)
    assert {row.status for row in made} == {"created"}
    assert len(twin.world.cloud.networks) == before + len(rows)
    recorded = json.loads((tmp_path / NETWORKS_CREATED).read_text(encoding="utf-8"))
    assert [one["id"] for one in recorded] == [row.network_id for row in made]
    again = create_networks(endpoint, listed_csv, folder, dry_run=False)
    assert {row.status for row in again} == {"exists"}
    assert len(twin.world.cloud.networks) == before + len(rows)
    planned(folder, account="platform")
    assert list_missing_networks(folder)[1] == []


def test_rows_without_an_owner_wait_for_one(twin: Twin, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    planned(folder)
    listed_csv, rows = list_missing_networks(folder)
    ownerless = [row for row in rows if not row.owner]
    assert ownerless
    assert {row.status for row in ownerless} == {"no"}
    assert read_sheet(listed_csv, required=("create",)).rows[0]["vlan"]


def test_a_lost_answer_is_settled_by_looking(twin: Twin, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    planned(folder, account="platform")
    listed_csv, rows = list_missing_networks(folder)
    before = len(twin.world.cloud.networks)
    fault = {"kind": "reset", "server": "cloudstack", "command": "createNetwork", "when": "after", "times": 1}
    twin.faults.set(Script.model_validate({"version": 1, "faults": [fault]}))
    made = create_networks(load_settings().cloudstack, listed_csv, folder, dry_run=False)
    assert {row.status for row in made} == {"created"}
    assert len(twin.world.cloud.networks) == before + len(rows)


def test_an_untagged_nic_is_listed_as_work_for_a_person(twin: Twin, tmp_path: Path) -> None:
    for group in (group for host in twin.world.hosts.values() for group in host.portgroups):
        group.vlan_id = 0
    folder = RunFolder(tmp_path)
    planned(folder, account="platform")
    _, rows = list_missing_networks(folder)
    manual = [row for row in rows if row.status == "manual"]
    assert manual
    assert all("no network can be derived" in row.problem for row in manual)


def wishes(catalogue: object, zone_id: str, seed: int) -> list[Row]:
    """Rows as people might write them, right and wrong."""
    draw = random.Random(seed)
    rows = []
    for line in range(2, 42):
        shared = draw.random() < 0.3
        pvlan = not shared and draw.random() < 0.25
        vlan = str(draw.choice([10, 20, 100, 101, 200, 203, 2050, 3000, 3001, 3002, 3003]))
        cells = {
            "create": "yes",
            "zone_id": zone_id,
            "name": f"made-{seed}-{draw.randint(1, 12)}",
            "network_offering": draw.choice(
                ["DefaultSharedNetworkOffering"]
                if shared
                else ["DefaultL2NetworkOfferingVlan", "DefaultL2NetworkOfferingVlan", "DefaultL2NetworkOffering"]
            ),
            "vlan": "" if draw.random() < 0.1 else vlan,
            "isolated_pvlan": draw.choice([vlan, "3100", "3101"]) if pvlan else "",
            "isolated_pvlan_type": draw.choice(["isolated", "community", "promiscuous"]) if pvlan else "",
            "account": "platform",
            "domain": "ROOT/Corporate",
            "bypass_vlan_overlap_check": draw.choice(["yes", "no", "no"]),
        }
        if shared:
            cells |= {
                "gateway": "10.99.0.1",
                "netmask": "255.255.255.0",
                "start_ip": "10.99.0.10",
                "end_ip": "10.99.0.50",
            }
            for name in ("gateway", "start_ip", "netmask"):
                if draw.random() < 0.1:
                    cells[name] = ""
        rows.append(Row(cells, line))
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_refusals_are_foreseen(twin: Twin, seed: int) -> None:
    world = twin.world
    if seed % 2:
        world.cloud.configuration["allow.duplicate.networkname"] = "false"
    with CloudStackClient(load_settings().cloudstack) as client:
        catalogue = read_network_facts(client)
        earlier: list[NetworkWish] = []
        answers = {"refused": 0, "created": 0}
        for row in wishes(catalogue, catalogue.zones[0].id, seed):
            wish = understood(row, catalogue)
            assert wish.request is not None, wish.problem
            problem, _ = refused(wish, catalogue, earlier)
            said = ""
            try:
                client.create_network(wish.request)
            except Refused as error:
                said = error.text
            answers["refused" if said else "created"] += 1
            assert bool(said) == bool(problem), f"{row.cells}: server '{said}', foreseen '{problem}'"
            if not said:
                earlier.append(wish)
    assert min(answers.values()) >= 5, answers


def test_what_cannot_be_understood_is_said_with_its_cure(twin: Twin) -> None:
    with CloudStackClient(load_settings().cloudstack) as client:
        catalogue = read_network_facts(client)
    zone = catalogue.zones[0].id
    good = {
        "create": "yes",
        "name": "n",
        "zone_id": zone,
        "network_offering": "DefaultL2NetworkOfferingVlan",
        "vlan": "7",
    }
    rows = [
        Row(good | cells, line)
        for line, cells in enumerate(
            (
                {"network_offering": "DefaultL2NetworkOferingVlan"},
                {"account": "platform"},
                {"name": ""},
                {"physical_network": "nowhere"},
                {"isolated_pvlan": "8", "isolated_pvlan_type": "public"},
            ),
            start=2,
        )
    ]
    told = foreseen(Sheet(list(good), rows), catalogue, place="list.csv")
    assert {row.status for row in told} == {"refused"}
    assert "nearest: DefaultL2NetworkOfferingVlan" in told[0].problem
    assert "needs its domain" in told[1].problem
    assert all(row.fix for row in told)
