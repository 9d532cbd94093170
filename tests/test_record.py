"""A site recorded over the wire and served again: both answer alike, and lead to the same plan and the same calls."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.jobs import wait_for_job
from ingest.data_files import data_file
from ingest.errors import Transient, Unauthorised
from ingest.model.outcome import Finding
from ingest.model.request import PlannedImport
from ingest.model.snapshot import Snapshot
from ingest.plan.enrich import enrich
from ingest.plan.resolve import resolve, rows_to_import
from ingest.plan.rules import Rules
from ingest.plan.sheet import Sheet
from ingest.plan.validate import validate
from ingest.record import Recorded, record
from ingest.stages.validate import planned_imports
from ingest.twin.cloud import PhysicalNetwork, ResourceLimit, SystemVm
from ingest.twin.generator import CLEAN, REALISTIC, Rates, admin_keys, generate
from ingest.twin.scrub import scrub
from ingest.twin.serving import Twin
from ingest.twin.world import World
from ingest.twin.worldfile import load_world, save_world
from ingest.twin.worlds.integrity import dangling
from ingest.twin.worlds.oddities import ODDITIES
from tests.plan.twin_site import Site, cloudstack_of, running, vcenter_of

# One VM of each oddity but nested vApps, which become one, and some ordinary ones.
UNUSUAL = replace(REALISTIC, rates=Rates(**dict.fromkeys(set(ODDITIES) - {"nested_vapp"}, 1 / 110)))
# Every list a plan, an import or an undo looks at.
LISTS: dict[str, tuple[str, dict[str, Any]]] = {
    "listZones": ("zone", {}),
    "listPods": ("pod", {}),
    "listClusters": ("cluster", {}),
    "listHosts": ("host", {}),
    "listDomains": ("domain", {"listall": True}),
    "listAccounts": ("account", {"listall": True}),
    "listProjects": ("project", {"listall": True}),
    "listPhysicalNetworks": ("physicalnetwork", {}),
    "listNetworkOfferings": ("networkoffering", {}),
    "listNetworks": ("network", {"listall": True, "projectid": "-1"}),
    "listVlanIpRanges": ("vlaniprange", {}),
    "listServiceOfferings": ("serviceoffering", {"state": "all"}),
    "listDiskOfferings": ("diskoffering", {"state": "all"}),
    "listStoragePools": ("storagepool", {}),
    "listTemplates": ("template", {"templatefilter": "all"}),
    "listOsTypes": ("ostype", {}),
    "listGuestOsMapping": ("guestosmapping", {}),
    "listVirtualMachines": ("virtualmachine", {"listall": True, "projectid": "-1"}),
    "listSystemVms": ("systemvm", {}),
    "listRouters": ("router", {"listall": True, "projectid": "-1"}),
    "listVolumes": ("volume", {"listall": True, "projectid": "-1"}),
    "listConfigurations": ("configuration", {}),
}


@dataclass
class Seen:
    """One world, looked at from outside."""

    snapshot: Snapshot
    rows: dict[str, list[dict[str, Any]]]
    sheet: Sheet
    findings: list[Finding]
    calls: list[PlannedImport]

    def rules(self) -> dict[str, list[str]]:
        """The rules that fire, by VM."""
        moref = {row.line: row["moref"] for row in self.sheet.rows}
        found: dict[str, list[str]] = defaultdict(list)
        for finding in self.findings:
            found[moref[finding.row]].append(finding.rule)
        return {vm: sorted(rules) for vm, rules in found.items()}


def look(site: Site) -> Seen:
    snapshot = site.snapshot()
    snapshot = snapshot.model_copy(update={"inventory": replace(snapshot.inventory, requests=0)})
    rows = {name: site.client.list_all(name, key, **parameters) for name, (key, parameters) in LISTS.items()}
    for zone in rows["listZones"]:
        rows["listConfigurations"] += site.client.list_all("listConfigurations", "configuration", zoneid=zone["id"])
    sheet = enrich(snapshot, Rules())
    findings = validate(sheet, snapshot)
    return Seen(snapshot, rows, sheet, findings, planned_imports(resolve(rows_to_import(sheet), snapshot), findings))


@dataclass
class Copied:
    original: World
    recorded: Recorded
    file: Path
    before: Seen
    after: Seen


def made(name: str) -> World:
    if name == "demo":
        return load_world(data_file("demo-world.yaml"))
    world = generate(110, seed=3, shape=UNUSUAL)
    cloud = world.cloud
    zone = next(iter(cloud.zones.values()))
    inactive, available = list(cloud.service_offerings.values())[:2]
    inactive.state = "Inactive"
    available.offerha = True
    disabled = next(iter(cloud.network_offerings.values()))
    disabled.state = "Disabled"
    cable = PhysicalNetwork("second-cable", "second", zone.id, "3000-3099", tags="second")
    cloud.physical_networks[cable.id] = cable
    network = next(one for one in cloud.networks.values() if one.zoneid == zone.id)
    network.physicalnetworkid, network.networkofferingid = cable.id, disabled.id
    network.networkdomain, network.created = "cs.example.org", 1.7e9
    cloud.configuration["max.account.volumes"] = "50"
    cloud.zone_configuration[zone.id] = {"network.throttling.rate": "0"}
    owner = next(one for one in cloud.accounts.values() if one.accounttype == 0)
    cloud.limits += [
        ResourceLimit("account", owner.id, "volume", -1),
        ResourceLimit("account", owner.id, "cpu", 900),
        ResourceLimit("domain", owner.domainid, "memory", 1 << 20),
    ]
    template = next(iter(cloud.templates.values()))
    template.templatetag, template.details = "any", {"nicAdapter": "Vmxnet3"}
    return world


def partly_imported(site: Site) -> None:
    """Every third VM that may be imported is, and one of them is given back; CloudStack has VMs of its own."""
    cloud = site.world.cloud
    host = next(iter(cloud.hosts.values()))
    for name in ("s-1-VM", "v-2-VM", "r-7-VM"):
        cloud.system_vms[name] = SystemVm(name, name, host.podid, host.id if name != "r-7-VM" else "")
    snapshot = site.snapshot()
    sheet = enrich(snapshot, Rules())
    ready = planned_imports(resolve(rows_to_import(sheet), snapshot), validate(sheet, snapshot))
    assert [site.send(one.request) for one in ready[::3]] == [""] * len(ready[::3])
    first, second, *_ = site.world.cloud.instances.values()
    wait_for_job(site.client, site.client.unmanage_virtual_machine(first.id), every_s=0.005, timeout_s=30)
    # A VM that CloudStack stopped has no host there, only in vCenter.
    second.hostid = ""
    second.state = "Stopped"
    second.tags, second.isoid, second.haenable = {"owner": "jane"}, "b5e5a5a2-0000-4000-8000-000000000001", True


@pytest.fixture(scope="module", params=["demo", "unusual"])
def copied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    original = made(request.param)
    file = tmp_path_factory.mktemp("recorded") / "site.json"
    with running(original) as site:
        partly_imported(site)
        before = look(site)
        requests = dict(original.cloud.journal.requests)
        recorded = record(vcenter_of(site.twin), cloudstack_of(site.twin))
        asked = {name for name, times in original.cloud.journal.requests.items() if times > requests.get(name, 0)}
    assert all(name.startswith("list") for name in asked)
    save_world(recorded.world, file)
    with running(load_world(file)) as site:
        yield Copied(original, recorded, file, before, look(site))


def test_nothing_is_missing_and_nothing_dangles(copied: Copied) -> None:
    assert copied.recorded.missing == ()
    assert list(dangling(load_world(copied.file))) == []


def test_both_vcenters_and_both_cloudstacks_show_the_same(copied: Copied) -> None:
    before, after = copied.before.snapshot, copied.after.snapshot
    assert after.inventory == before.inventory
    past = {"import_events": ()}  # of the hours before: not recorded
    assert after.catalogue.model_copy(update=past) == before.catalogue.model_copy(update=past)
    assert len(after.catalogue.unmanaged) > 10


@pytest.mark.parametrize("command", LISTS)
def test_every_list_gives_the_same_rows_in_the_same_order(copied: Copied, command: str) -> None:
    before, after = copied.before.rows[command], copied.after.rows[command]
    if command == "listNetworks":  # read in two passes, those of projects last
        before, after = (sorted(rows, key=lambda row: "projectid" in row) for rows in (before, after))
    assert after == before
    assert after


def test_plan_findings_and_calls_are_the_same(copied: Copied) -> None:
    assert copied.after.sheet == copied.before.sheet
    assert copied.after.findings == copied.before.findings
    assert copied.after.calls == copied.before.calls
    assert copied.after.calls


def test_managed_vms_are_linked_to_the_vms_behind_them(copied: Copied) -> None:
    truth = {one.id: one.moref for one in copied.original.cloud.instances.values() if not one.removed}
    assert {one.id: one.moref for one in copied.recorded.world.cloud.instances.values()} == truth


def test_keys_and_password_are_new_ones(copied: Copied) -> None:
    text = copied.file.read_text()
    for user in copied.original.cloud.users.values():
        assert user.api_key not in text
        assert user.secret_key not in text
    assert copied.original.vcenter_password not in text
    keys = [key for user in copied.recorded.world.cloud.users.values() for key in (user.api_key, user.secret_key)]
    assert len(set(keys)) == len(keys) == 2 * len(copied.original.cloud.users)
    assert all(len(key) == 86 for key in keys)


def test_the_administrator_of_the_key_is_the_copys(copied: Copied) -> None:
    def admin(world: World) -> tuple[str, str]:
        api_key, _ = admin_keys(world)
        (user,) = [user for user in world.cloud.users.values() if user.api_key == api_key]
        return user.name, world.cloud.accounts[user.accountid].name

    assert admin(copied.recorded.world) == admin(copied.original) == ("admin", "admin")


@pytest.mark.parametrize("seed", [1, 2])
def test_scrubbed_the_same_checks_fire_for_every_vm(copied: Copied, seed: int) -> None:
    world = load_world(copied.file)
    scrub(world, random.Random(seed))
    assert list(dangling(world)) == []
    with running(world) as site:
        after = look(site)
    assert after.rules() == copied.before.rules() != {}
    imported = {row["moref"]: (row["import"], len(row["hostname"])) for row in copied.before.sheet.rows}
    assert {row["moref"]: (row["import"], len(row["hostname"])) for row in after.sheet.rows} == imported


def test_without_cloudstack_its_side_is_made_to_fit() -> None:
    with running(generate(12, seed=5)) as site:
        found = record(vcenter_of(site.twin), None)
        assert site.world.cloud.journal.requests == {}
    assert found.missing == ()
    assert len(found.world.vms) == 12
    assert [account.name for account in found.world.cloud.accounts.values()] == ["admin", "operations"]


@pytest.mark.parametrize(
    ("refused", "what"),
    [
        ({"listGuestOsMapping"}, {"guest OS mappings"}),
        ({"listOsTypes", "listDomains"}, {"guest operating systems", "domains"}),
        ({"listAccounts"}, {"accounts", "the account of the key"}),
        ({"listZones"}, {"zones"}),
    ],
    ids=["mappings", "two", "accounts", "zones"],
)
def test_what_the_role_may_not_list_is_named_and_the_rest_recorded(
    refused: set[str], what: set[str], tmp_path: Path
) -> None:
    world = generate(14, seed=5, shape=CLEAN)
    with running(world) as site:
        everything = {name for name, _ in LISTS.items()} | {"listCapabilities"}
        user = next(iter(world.cloud.users.values()))
        endpoint = cloudstack_of(site.twin)
        user.apis = frozenset(everything - refused)
        found = record(vcenter_of(site.twin), endpoint)
    assert {place for place, _ in found.missing} == {f"CloudStack: {one}" for one in what}
    assert all("432" in why for _, why in found.missing)
    save_world(found.world, tmp_path / "part.json")
    again = load_world(tmp_path / "part.json")
    assert len(again.vms) == 14
    with Twin(again) as twin, CloudStackClient(cloudstack_of(twin)) as client:  # somebody can log in
        assert len(client.list_service_offerings()) == len(world.cloud.service_offerings)


def test_a_wrong_key_and_a_server_that_is_away_are_errors() -> None:
    with Twin(generate(3, seed=5)) as twin:
        vcenter, cloudstack = vcenter_of(twin), cloudstack_of(twin)
        with pytest.raises(Unauthorised):
            record(vcenter, cloudstack.model_copy(update={"secret_key": SecretStr("wrong")}))
        twin.cloudstack.stop()
        with pytest.raises(Transient):
            record(vcenter, cloudstack)


def test_no_name_of_the_site_is_left_after_scrubbing(tmp_path: Path) -> None:
    world = load_world(data_file("demo-world.yaml"))
    vm = next(iter(world.vms.values()))
    vm.annotation, vm.custom_fields = "root password: hunter2", {"owner": "jane doe", "cost centre": "k-4711-x"}
    with Twin(world) as twin:
        found = record(vcenter_of(twin), cloudstack_of(twin), scrubbed=True)
    save_world(found.world, tmp_path / "site.json")
    text = (tmp_path / "site.json").read_text().lower()
    # Whole words: the new names are made by chance, and four letters in a row may be anything.
    words = set(re.findall(r"[a-z]+", text))
    of_the_site = {"hunter", "jane", "doe", "cost", "finance", "corporate", "apollo", "billing", "intranet", "fra"}
    assert not words & of_the_site
    assert "k-4711-x" not in text
    assert len(found.world.vms) == len(world.vms)
