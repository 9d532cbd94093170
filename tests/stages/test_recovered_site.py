"""A replicated site registered, imported, started and healthy: each VM once, by the twin's own journal."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.ledger import Ledger, ledger_url
from ingest.engine.questions import Answered, answering
from ingest.health import Check, HeartbeatCheck, HttpCheck, IpCheck, Patience, TcpCheck, run_checks
from ingest.health.connecting import route_of
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.register_vms import RegisterOptions, register_vms
from ingest.stages.run_folder import RunFolder
from ingest.stages.unregister_vms import unregister_vms
from ingest.stages.validate import validate
from ingest.twin import truth
from ingest.twin.serving import Twin
from ingest.twin.worlds.recovery import recovery_site
from ingest.vsphere.guests import read_guests
from ingest.vsphere.session import connect
from tests.plan.twin_site import cloudstack_of, import_calls, vcenter_of

REPLICAS = 5
QUICK = Patience(timeout_s=5.0, deadline_s=30.0, first_pause_s=0.05, longest_pause_s=0.2)


def test_from_datastores_to_healthy_guests(tmp_path: Path) -> None:
    world = recovery_site(REPLICAS, seed=4, own=1)
    world.cloud.import_seconds, world.cloud.power_seconds = 0.02, 0.05
    run = RunFolder(tmp_path / "run-1")
    run.path.mkdir()
    with Twin(world) as twin, Ledger(ledger_url(None, tmp_path)) as ledger:
        for cluster in ("fra1-c1", "fra1-c2"):  # where CloudStack has their pools
            options = RegisterOptions((f"{cluster}-*",), cluster)
            register_vms(vcenter_of(twin), run, options, ledger, dry_run=False)
        discover_networks(vcenter_of(twin), run)
        list_unmanaged(cloudstack_of(twin), run)
        enrich_csv(run)
        assert len(validate(run).ready) == REPLICAS + 1
        import_calls(twin, run)
        replicas = [vm for vm in world.vms.values() if vm.services]
        morefs = [vm.moref for vm in replicas]
        instances = {one.moref: one for one in world.cloud.instances.values() if one.moref in morefs}
        checks: list[Check] = []
        told: list[Answered] = []
        with connect(vcenter_of(twin)) as vcenter, CloudStackClient(cloudstack_of(twin)) as client:
            with answering(vcenter, lambda: morefs, every_s=0.05, told=told.append):
                for instance in instances.values():
                    client.start_virtual_machine(instance.id)
                waiting = threading.Event()
                for _ in range(600):
                    if all(vm.power_state == "poweredOn" for vm in replicas):
                        break
                    waiting.wait(0.05)
            for vm in replicas:
                ip = instances[vm.moref].nics[0].ipaddress or vm.nics[0].ips[0]
                checks += [HeartbeatCheck(vm.moref, vm.name), IpCheck(vm.moref, vm.name, address=ip)]
                checks += [TcpCheck(ip, 22), HttpCheck(f"http://{ip}/", text=f"{vm.name} is up")]
            results = run_checks(
                checks,
                patience=QUICK,
                guests=lambda asked: read_guests(vcenter, asked),
                route=route_of(twin.environment()["INGEST_HEALTH_PROXY"]),
            )
        assert [(one.target, one.last_words) for one in results if not one.ok] == []
        journal = world.cloud.journal
        for kind in ("registered", "started", "vcenter-answer"):
            assert Counter(str(facts["moref"]) for facts in journal.of(kind)) == dict.fromkeys(morefs, 1), kind
        assert {one.choice for one in told} == {"I moved it"}
        assert set(truth.imported_once(world)) >= set(morefs)
        assert truth.duplicates(world) == {}
        # CloudStack manages them now: nothing is taken out of the inventory under it.
        rows = unregister_vms(vcenter_of(twin), cloudstack_of(twin), run, ledger, of_run="run-1", dry_run=False)
        assert Counter(row.status for row in rows) == {"kept": REPLICAS}
        assert all("CloudStack manages it" in row.error for row in rows)
