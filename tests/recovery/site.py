"""A recovery site on the twin, the stored plan of the site it stands in for, and runbooks of a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, SecretStr

from ingest.engine.rows import Pace
from ingest.engine.starting import StartPace
from ingest.model.endpoints import HealthEndpoint
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.recovery.sequence import RecoveryOptions, begin_folder
from ingest.recovery.timing import Timing
from ingest.settings import RunSettings, Settings
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.import_batch import ImportOptions
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import PLAN, RunFolder
from ingest.twin.registration import register
from ingest.twin.serving import Twin
from ingest.twin.world import World
from ingest.twin.worlds.recovery import recovery_site
from tests.plan.twin_site import cloudstack_of, vcenter_of

QUICK = RecoveryOptions(
    imports=ImportOptions(max_concurrent_imports=5, batch_size=3, pace=Pace(settle_s=2.0, grace_s=1.0)),
    start_pace=StartPace(every_s=0.05, resend_s=(0.1, 0.1), questions_s=0.2),
)
SITES = "sites: [{name: replicas, datastores: '*', cluster: fra1-c1}]\n"


def store_plan(path: Path, vms: int, *, seed: int = 4, waves: int = 2) -> Path:
    """The plan of the site that is lost, made while its VMs ran; the column `tier` says which wave each is for."""
    world = recovery_site(vms, seed=seed, own=1)
    replicas = list(world.unregistered.values())
    with world.lock:
        compute = next(iter(world.computes.values()))
        home = world.datacenters[compute.datacenter].vm_folder
        host = next(host.moref for host in world.hosts.values() if host.compute == compute.moref)
        for stored in replicas:
            register(world, stored, name=stored.vm.name, folder=home, host=host, pool=compute.resource_pool)
            stored.vm.guest_stage = ""
            stored.vm.power_state = "poweredOn"
    made = RunFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    with Twin(world) as twin:
        discover_networks(vcenter_of(twin), made)
        list_unmanaged(cloudstack_of(twin), made)
    enrich_csv(made)
    sheet = read_sheet(made.file(PLAN))
    sheet.add_columns(["tier"])
    names = sorted(stored.vm.name for stored in replicas)
    for row in sheet.rows:
        if row["vm"] in names:
            row["tier"] = str(1 + names.index(row["vm"]) * waves // len(names))
        else:
            row["import"] = "no"  # the recovery site's own
    made.write(PLAN, sheet_bytes(sheet))
    return made.file(PLAN)


def settings_of(twin: Twin, state: Path, ledger: str = "") -> Settings:
    """The settings that point at a twin, with the ledger below `state` or at a URL; nothing of the environment."""
    endpoints: Mapping[str, BaseModel] = {
        "vcenter": vcenter_of(twin),
        "cloudstack": cloudstack_of(twin),
        "run": RunSettings(state=state, folder=state / "runs", ledger=SecretStr(ledger) if ledger else None),
        "health": HealthEndpoint(proxy=twin.guests.url),
    }
    return Settings(toml={}, endpoints=endpoints)


def timing_of(world: World) -> Timing:
    """The twin's own time."""
    return Timing(world.clock.now, world.clock.speed)


def new_folder(path: Path, runbook: str, plan: Path) -> RunFolder:
    """A run folder that has its papers."""
    path.mkdir(parents=True)
    book = path.with_name(f"{path.name}.yaml")
    book.write_text(runbook, encoding="utf-8")
    begin_folder(RunFolder(path), book, plan)
    return RunFolder(path)
