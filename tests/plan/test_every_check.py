"""One site in which every check fires: the page groups the rows by cause, and each cause's command gives its rows.

Every check has a VM of its own, spoilt in vCenter, in CloudStack, in the sheet, or after the plan was written.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections import defaultdict
from typing import Any

import pytest

from ingest.cli.check import show_findings
from ingest.cli.main import run_command
from ingest.model.inventory import Vlan
from ingest.model.snapshot import Snapshot, to_json
from ingest.plan.causes import CAUSES
from ingest.plan.checks import CHECKS
from ingest.plan.enrich import enrich
from ingest.plan.resolve import import_request, resolve, rows_to_import
from ingest.plan.rules import Match, Rule, Rules, Set
from ingest.plan.sheet import Sheet, sheet_bytes
from ingest.report.causes import causes_of
from ingest.report.tables import record
from ingest.stages.run_folder import PLAN, SNAPSHOT, RunFolder
from ingest.stages.validate import Validated, validate
from ingest.twin.cloud import Account, Domain, Event, ResourceLimit, StoragePool, new_id
from ingest.twin.generator import CLEAN, generate
from ingest.twin.world import VM, Datastore, Folder, HostPortGroup, Network, Nic, VApp, World
from tests.plan.twin_site import running

GIB = 1 << 30
SHAPE = dataclasses.replace(CLEAN, datacenters=1, clusters_per_datacenter=2)
RESOURCES = ("user_vm", "cpu", "memory", "volume", "primary_storage")


class Ground:
    """The world with a VM for every check, `of` by its id; VMs that are simple and in the first cluster."""

    def __init__(self, world: World) -> None:
        self.world, self.cloud = world, world.cloud
        simple = [vm for vm in world.vms.values() if len(vm.nics) == 1 and vm.power_state == "poweredOn"]
        computes = [compute.moref for compute in world.computes.values() if compute.is_cluster]
        mine = [vm for vm in simple if world.compute_of(vm).moref == computes[0]]
        self.other_cluster = computes[1]
        self.spare, *mine = mine
        names = [check.id for check in CHECKS if check.id != "VM-009"]
        assert len(mine) >= len(names), (len(mine), len(names))
        self.of = dict(zip(names, mine, strict=False))
        self.of["VM-009"] = next(vm for vm in simple if world.compute_of(vm).moref == computes[1])
        for vm in self.of.values():
            del vm.disks[1:]
        self.zone_id = next(iter(self.cloud.zones))

    def disk(self, vm: VM, **changes: Any) -> None:
        """One more disk like the first."""
        number = len(vm.disks)
        first = vm.disks[0]
        facts = {
            "key": first.key + number,
            "label": f"Hard disk {number + 1}",
            "disk_id": f"{first.disk_id.partition('-')[0]}-{first.key + number}",
            "file_name": first.file_name.replace(".vmdk", f"_{number}.vmdk"),
            "unit": number,
        }
        vm.disks.append(dataclasses.replace(first, **(facts | changes)))

    def datastore(self, vm: VM, name: str, *pools: str, capacity_bytes: int = 1 << 40, parent: str = "") -> Datastore:
        """Put the VM's disk on a datastore of its own, with pools of these names in CloudStack."""
        old = self.world.datastores[vm.disks[0].datastore]
        store = dataclasses.replace(old, moref=self.world.new_moref("datastore-"), name=name, type="VMFS")
        store.parent = parent or old.parent
        self.world.datastores[store.moref] = store
        vm.disks[0].datastore = store.moref
        vm.disks[0].file_name = f"[{name}] {vm.disks[0].file_name.partition('] ')[2]}"
        datacenter = self.world.datacenters[store.datacenter].name
        for pool in pools:
            made = StoragePool(new_id(), pool, f"/{datacenter}/{pool}", self.zone_id, capacity_bytes=capacity_bytes)
            self.cloud.storage_pools[made.id] = made
        return store

    def offering(self, table: str, like: str, **changes: Any) -> None:
        offerings = getattr(self.cloud, table)
        one = next(one for one in offerings.values() if one.name == like)
        made = dataclasses.replace(one, id=new_id(), **changes)
        offerings[made.id] = made


def spoil_world(ground: Ground) -> None:
    """What vCenter and CloudStack hold when the plan is written."""
    world, cloud, of = ground.world, ground.cloud, ground.of
    of["HOST-001"].name = f"{of['HOST-001'].name} (old)"
    ground.disk(of["VM-005"], backing="rdm")
    of["VM-006"].question = "Was it moved or copied?"
    of["VM-007"].extra_devices += ["VirtualUSBXHCIController", "VirtualUSB"]
    of["VM-008"].snapshot = True
    member, compute = of["VM-011"], world.compute_of(of["VM-011"])
    folder = world.datacenters[compute.datacenter].vm_folder
    vapp = VApp(world.new_moref("resgroup-v"), "shop", compute.resource_pool, folder, compute.moref)
    world.vapps[vapp.moref] = vapp
    member.folder, member.vapp, member.resource_pool = "", vapp.moref, vapp.moref
    of["VM-012"].iso = of["VM-012"].disks[0].file_name.partition(" ")[0] + " iso/setup.iso"
    of["VM-013"].tools_status = "toolsNotInstalled"
    of["OS-001"].guest_id, of["OS-001"].guest_full_name = "netware6Guest", "Novell NetWare 6.x"
    for controller in ("pvscsi", "buslogic"):
        ground.disk(of["CTRL-001"], controller=controller)
    of["CTRL-002"].disks[0].controller = "sata"
    for rule in ("DISK-001", "DISK-002", "DISK-003"):
        ground.disk(of[rule])
    of["DISK-005"].disks[0].mode = "independent_persistent"
    of["DISK-006"].disks[0].parent_file = "[golden] golden/golden.vmdk"
    ground.datastore(of["POOL-001"], "unknown-store")
    ground.datastore(of["POOL-002"], "trap1", "trap1", "trap10")
    store = world.datastores[of["POOL-003"].disks[0].datastore]
    pod = Folder(world.new_moref("group-p"), "gold", store.parent, store.datacenter)
    world.folders[pod.moref] = pod
    ground.datastore(of["POOL-003"], "member-a", "gold", parent=pod.moref)
    next(pool for pool in cloud.storage_pools.values() if pool.name == "gold").type = "DatastoreCluster"
    ground.datastore(of["CAP-001"], "tiny-store", "tiny-store", capacity_bytes=GIB)
    of["NIC-005"].nics.append(_second(of["NIC-005"], card="VirtualE1000"))
    first = of["NIC-007"].nics[0]
    of["NIC-007"].nics.append(_second(of["NIC-007"], mac=first.mac))
    network = of["NIC-006"].nics[0].network
    other = next(vm for rule, vm in of.items() if rule[:4] == "DISK" and vm.nics[0].network != network)
    of["NIC-006"].nics[0].mac = other.nics[0].mac
    of["NIC-008"].nics[0].ips = ()
    of["NIC-009"].nics[0].start_connected = False
    _drifting_port_group(ground, of["NIC-010"])
    for number, rule in enumerate(_LIMITS):
        vm = of[rule]
        vm.nics.clear()
        owner = Account(new_id(), f"short-of-{RESOURCES[number]}", next(iter(cloud.domains)))
        cloud.accounts[owner.id] = owner
        cloud.limits.append(ResourceLimit("account", owner.id, RESOURCES[number], 0))
    elsewhere = Domain(new_id(), "elsewhere", "ROOT/elsewhere", next(iter(cloud.domains)), 1)
    cloud.domains[elsewhere.id] = elsewhere
    ground.offering("service_offerings", "custom-constrained", name="elsewhere", domainids=[elsewhere.id])
    ground.offering("service_offerings", "custom-constrained", name="gpu", hosttags="gpu")
    ground.offering("service_offerings", "custom-constrained", name="partly", cpunumber=2)
    ground.offering("disk_offerings", "disk-custom", name="disk-elsewhere", domainids=[elsewhere.id])
    ground.offering("disk_offerings", "disk-custom", name="disk-tiny", disksize=1, iscustomized=False)
    cloud.configuration["vm.instancename.flag"] = "true"


_LIMITS = [check.id for check in CHECKS if check.id.startswith("LIMIT")]


def _second(vm: VM, **changes: Any) -> Nic:
    first = vm.nics[0]
    facts = {"key": first.key + 1, "label": "Network adapter 2", "mac": first.mac[:-2] + "f1", "port_key": "9001"}
    return dataclasses.replace(first, **(facts | changes))


def _drifting_port_group(ground: Ground, vm: VM) -> None:
    """A standard port group that has another VLAN on another host of the cluster."""
    world = ground.world
    uri = world.networks[vm.nics[0].network].vlan or Vlan("id", 10)
    assert uri.id
    datacenter = world.compute_of(vm).datacenter
    made = Network(
        world.new_moref("network-"), "drifting", "standard", datacenter, world.datacenters[datacenter].network_folder
    )
    world.networks[made.moref] = made
    hosts = [host for host in world.hosts.values() if host.compute == world.hosts[vm.host].compute]
    assert len(hosts) > 1
    for number, host in enumerate(sorted(hosts, key=lambda host: host.moref != vm.host)):
        host.portgroups.append(HostPortGroup("drifting", uri.id + number))
    nic = vm.nics[0]
    vm.nics[0] = Nic(nic.key, nic.label, nic.mac, made.moref, "standard", device_name="drifting")


def edits(ground: Ground) -> dict[str, dict[str, str]]:
    """What somebody wrote into the sheet, by check."""
    cloud = ground.cloud
    other = next(one for one in cloud.networks.values() if one.type == "L2" and "finance" in one.name)
    plain = {"hostname": ground.of["HOST-002"].name}
    return {
        "VM-010": {"guesses": "hostname", "confirm": ""},
        "VM-013": {"power": "shutdown"},
        "HOST-001": {"hostname": ""},
        "HOST-002": {"hostname": "1_bad"},
        "HOST-003": plain | {"hostname": ground.of["VM-012"].name},
        "OWNER-001": {"account": "nobody"},
        "OWNER-002": {"account": "", "domain": "", "project": ""},
        "OFFER-001": {"service_offering": "tiny"},
        "OFFER-002": {"service_offering": "elsewhere"},
        "OFFER-003": {"service_offering": "partly"},
        "OFFER-004": {"cpu_speed_mhz": "fast"},
        "OFFER-005": {"service_offering": "gpu"},
        "DETAIL-001": {"details": "miniops=many"},
        "DETAIL-002": {"details": "memory=1"},
        "TMPL-001": {"template": "Windows 3.11"},
        "ROOT-001": {"root_disk": "9-9999"},
        "DISK-001": {"disk2_offering": "none such"},
        "DISK-002": {"disk2_offering": "disk-elsewhere"},
        "DISK-003": {"disk2_offering": "disk-tiny"},
        "DISK-004": {"disk1_offering": "disk-custom"},
        "NIC-001": {"nic1_network": "none such"},
        "NIC-002": {"account": "shop", "domain": "", "nic1_network": other.id},
        "SERVER-001": {"display_name": "x" * 256},
        **{
            rule: {"account": f"short-of-{name}", "domain": "ROOT"}
            for rule, name in zip(_LIMITS, RESOURCES, strict=True)
        },
    }


def spoil_later(ground: Ground) -> None:
    """What happened after the plan was written."""
    world, cloud, of = ground.world, ground.cloud, ground.of
    del world.vms[of["VM-001"].moref]
    of["VM-004"].memory_mib += 1024
    ground.spare.name = of["VM-003"].name
    for vm in (of["VM-004"], ground.spare):
        world.touch(vm)
    cluster = next(one for one in cloud.clusters.values() if one.compute == ground.other_cluster)
    cluster.allocationstate = "Disabled"
    text = f"Importing unmanaged Instance: {of['FLIGHT-002'].name}"
    owner = next(iter(cloud.accounts))
    before = world.clock.now() - 7200
    cloud.events.append(Event(new_id(), "VM.IMPORT", "INFO", "Scheduled", text, owner, before))


def edit(sheet: Sheet, ground: Ground) -> None:
    rows = {row["moref"]: row for row in sheet.rows}
    chosen = {vm.moref for vm in ground.of.values()}
    for row in sheet.rows:
        row["import"] = "yes" if row["moref"] in chosen else "no"
        if row["guesses"]:
            row["confirm"] = "yes"
    for rule, cells in edits(ground).items():
        row = rows[ground.of[rule].moref]
        for column, text in cells.items():
            sheet.add_columns([column])
            row[column] = text
    # Networks with addresses, MACs that stand twice and a NIC vCenter could not resolve.
    shared = shared_network(ground)
    for rule, address in (("NIC-004", ""), ("NIC-008", "auto"), ("NIC-003", shared.cidr.rpartition(".")[0] + ".9")):
        rows[ground.of[rule].moref]["nic1_network"] = shared.id
        rows[ground.of[rule].moref]["nic1_ip"] = address


def shared_network(ground: Ground) -> Any:
    return next(one for one in ground.cloud.networks.values() if one.type == "Shared")


def with_an_unresolved_nic(snapshot: Snapshot, ground: Ground) -> Snapshot:
    """A NIC vCenter could not resolve."""
    vms = []
    for vm in snapshot.inventory.vms:
        if vm.moref == ground.of["NIC-011"].moref:
            vm = dataclasses.replace(vm, nics=(dataclasses.replace(vm.nics[0], problem="pvlan-unmapped"),))
        vms.append(vm)
    return snapshot.model_copy(update={"inventory": dataclasses.replace(snapshot.inventory, vms=tuple(vms))})


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Validated]:
    world = generate(200, seed=5, shape=SHAPE)
    ground = Ground(world)
    spoil_world(ground)
    rules = Rules(rules=[Rule(match=Match(name="*"), set=Set(wave=1))])
    folder = RunFolder(tmp_path_factory.mktemp("every check"))
    with running(world) as site:
        snapshot = with_an_unresolved_nic(site.snapshot(), ground)
        sheet = enrich(snapshot, rules)
        edit(sheet, ground)
        calls = {row.row["moref"]: row for row in resolve(rows_to_import(sheet), snapshot)}
        # Somebody else imports one, and another is being imported when the plan is checked.
        assert site.send(import_request(calls[ground.of["VM-002"].moref])) == ""
        with world.lock:
            world.cloud.import_seconds = 600.0
        site.client.import_unmanaged_instance(import_request(calls[ground.of["FLIGHT-001"].moref]))
        with world.lock:
            spoil_later(ground)
        snapshot = with_an_unresolved_nic(site.snapshot(), ground)
    folder.write(SNAPSHOT, to_json(snapshot))
    folder.write(PLAN, sheet_bytes(sheet))
    return folder, validate(folder)


def test_every_check_fires(checked: tuple[RunFolder, Validated]) -> None:
    _, found = checked
    assert {check.id for check in CHECKS} - {finding.rule for finding in found.findings} == set()


def test_the_command_of_a_cause_selects_exactly_its_rows(
    checked: tuple[RunFolder, Validated], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, found = checked
    findings = [{name: str(value) for name, value in record(one).items()} for one in found.findings]
    causes = causes_of(findings, why=CAUSES, plan=str(folder.file(PLAN)))
    assert sum(cause.rows for cause in causes) > len(causes) >= len(CHECKS)
    page = found.findings_html.read_text(encoding="utf-8")
    assert f"{len({one['row'] for one in findings})} rows, {len(causes)} causes" in page
    for cause in causes:
        mine = {int(one["row"]) for one in findings if (one["rule"], one["level"]) == (cause.rule, cause.level)}
        assert (cause.rows, bool(cause.fix), bool(cause.why)) == (len(mine), True, True)
        assert {one["fix"] for one in findings if (one["rule"], one["level"]) == (cause.rule, cause.level)} == {
            cause.fix
        }
        words = shlex.split(cause.command)
        assert words[:3] == ["ingest", "check", str(folder.file(PLAN))]
        chosen: dict[str, set[str]] = defaultdict(set)
        for option, value in zip(words[3::2], words[4::2], strict=True):
            chosen[option].add(value)
        capsys.readouterr()
        show_findings(found, "json", frozenset(chosen["--rule"]), frozenset(chosen["--level"]))  # type: ignore[arg-type]
        assert {one["row"] for one in json.loads(capsys.readouterr().out)} == mine, cause.command
        assert f"--rule {cause.rule}" in page


def test_the_command_line_shows_one_cause(
    checked: tuple[RunFolder, Validated], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, found = checked
    capfd.readouterr()
    assert (
        run_command(("check", str(folder.file(PLAN)), "--rule", "VM-012", "--level", "warning", "--format", "json"))
        == 3
    )
    rows = {one["row"] for one in json.loads(capfd.readouterr().out)}
    assert rows == {finding.row for finding in found.findings if finding.rule == "VM-012"} != set()
