"""A site of INGEST_RECOVERY_VMS replicas, four waves: registered, imported, started in order and healthy, each once."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from ingest.engine.events import ClockRead, Event, WaveOver, listening
from ingest.engine.rows import Pace
from ingest.engine.starting import StartPace
from ingest.recovery.people import Given
from ingest.recovery.sequence import Recovery, RecoveryOptions, recover
from ingest.stages.import_batch import ImportOptions
from ingest.twin import truth
from ingest.twin.serving import Twin
from ingest.twin.worlds.recovery import Guests, recovery_site
from tests.recovery.site import SITES, new_folder, settings_of, store_plan

VMS = int(os.environ.get("INGEST_RECOVERY_VMS", "40"))
PATIENT = "timeout: 10s, retries: 100, pause: 1s"
BOOK = f"""
name: large
plan: plan.csv
rto: 8h
people: [{{role: storage team}}, {{role: shop owner}}]
{SITES}
steps:
  - {{name: LUNs, say: LUNs are writable, who: storage team}}
waves:
  - {{name: core, select: {{columns: {{tier: "1"}}}}, rto: 4h, prerequisites: [LUNs],
     checks: [{{kind: tools, {PATIENT}}}, {{kind: tcp, port: 22, {PATIENT}}}]}}
  - {{name: databases, select: {{columns: {{tier: "2"}}}}, rto: 6h, prerequisites: [core],
     checks: [{{kind: ip, {PATIENT}}}]}}
  - {{name: production, select: {{columns: {{tier: "3"}}}}, rto: 7h, prerequisites: [databases],
     steps: [{{say: an order arrived, who: shop owner, when: after}}],
     checks: [{{kind: http, url: "http://{{ip}}/", text: is up, {PATIENT}}}]}}
  - {{name: everything else, select: {{}}, gate: continue, checks: [{{kind: tools, {PATIENT}}}]}}
"""


@pytest.mark.timeout(600)
def test_a_large_site_comes_back_in_four_waves(tmp_path: Path) -> None:
    plan = store_plan(tmp_path / "stored", VMS, waves=4)
    world = recovery_site(VMS, seed=4, guests=Guests(late=6, late_s=3.0), own=1)
    world.cloud.import_seconds = world.cloud.power_seconds = 0.1
    replicas = [stored.vm for stored in world.unregistered.values()]
    names, paths = {vm.name for vm in replicas}, {vm.vmx_path for vm in replicas}
    options = RecoveryOptions(
        imports=ImportOptions(max_concurrent_imports=20, batch_size=10, pace=Pace(settle_s=2.0)),
        start_pace=StartPace(every_s=0.2),
        register_at_once=16,
    )
    people = Given({"LUNs": "Ann", "production/after/1": "Bob"})
    events: list[Event] = []
    with Twin(world) as twin, listening(events.append):
        folder = new_folder(tmp_path / "run-1", BOOK, plan)
        settings = settings_of(twin, tmp_path / "state")
        with Recovery(settings, folder, people=people, options=options) as recovery:
            done = recover(recovery)
        bad = [vm for vm in done.report.vms if not vm.well]
        assert bad == []
        assert (done.outcome, done.report.rto_met) == ("recovered", True)
        assert [(wave.name, wave.verdict, len(wave.vms)) for wave in done.report.waves] == [
            (name, "well", VMS // 4) for name in ("core", "databases", "production", "everything else")
        ]
        assert done.report.counts == {"VMs": VMS, "imported": VMS, "started": VMS, "healthy": VMS, "failed": 0}
        with world.lock:
            journal = world.cloud.journal
            assert Counter(str(one["path"]) for one in journal.of("registered")) == dict.fromkeys(paths, 1)
            assert Counter(str(one["vm"]) for one in journal.of("started")) == dict.fromkeys(names, 1)
            assert Counter(world.vms[moref].name for moref, _ in journal.imports) == dict.fromkeys(names, 1)
            assert truth.duplicates(world) == {}
            started = [str(one["vm"]) for one in journal.of("started")]
    # No wave begins before the one before is over.
    order = {vm.vm: wave.number for wave in done.report.waves for vm in wave.vms}
    assert [order[name] for name in started] == sorted(order[name] for name in started)
    assert [event.number for event in events if isinstance(event, WaveOver)] == [1, 2, 3, 4]
    clocks = [event for event in events if isinstance(event, ClockRead)]
    assert (clocks[-1].done, clocks[-1].total) == (VMS, VMS)
    left = [event.clock.overall.left_s or 0.0 for event in clocks]
    assert left == sorted(left, reverse=True), "it burns down"
    print(done.report.verdict, [(wave.name, wave.ended_s) for wave in done.report.waves])
