"""A recovery on the twin: registered, planned, imported, started and checked wave by wave; what people and gates say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ingest.recovery.people import Given
from ingest.recovery.sequence import Recovery, recover
from ingest.twin.serving import Twin
from tests.recovery.site import QUICK, SITES, new_folder, recovery_site, settings_of, store_plan, timing_of

VMS = 6
BOOK = f"""
name: small
plan: plan.csv
rto: 1h
people: [{{role: lead}}]
{SITES}
steps:
  - {{name: declared, say: the loss is declared, who: lead}}
waves:
  - name: first
    select: {{columns: {{tier: "1"}}}}
    rto: 30min
    prerequisites: [declared]
    start: {{delay: 1s}}
    checks: [{{kind: tools, retries: 20, pause: 1s}}, {{kind: tcp, port: 22, retries: 20, pause: 1s}}]
  - name: second
    select: {{columns: {{tier: "2"}}}}
    checks: [{{kind: http, url: "http://{{ip}}/", text: is up, retries: 20, pause: 1s}}]
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_plan(tmp_path_factory.mktemp("stored"), VMS)


def test_a_site_comes_back(tmp_path: Path, plan: Path) -> None:
    world = recovery_site(VMS, seed=4, own=1)
    world.clock.run_at(20.0)
    names = {stored.vm.name for stored in world.unregistered.values()}
    with Twin(world) as twin:
        folder = new_folder(tmp_path / "run-1", BOOK, plan)
        settings = settings_of(twin, tmp_path / "state")
        people = Given({"declared": "Ann"})
        with Recovery(settings, folder, people=people, timing=timing_of(world), options=QUICK) as recovery:
            done = recover(recovery)
        journal = world.cloud.journal
        assert (done.outcome, done.why) == ("recovered", "")
        started = Counter(str(facts["vm"]) for facts in journal.of("started"))
        assert started == dict.fromkeys(names, 1)
