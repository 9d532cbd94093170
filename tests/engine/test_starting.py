"""A start: once, whatever gets lost on its way; what somebody else started or switched off is left alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.ledger import Deed, DeedKey, Ledger, VmKey, ledger_url
from ingest.engine.starting import Starting, StartPace, start, start_key
from ingest.twin.cloud import Instance
from ingest.twin.faults.script import script_of
from ingest.twin.serving import Twin
from ingest.twin.world import World
from tests.engine.site import REQUEST
from tests.plan.twin_site import cloudstack_of
from tests.twin.cloudstack.tiny import tiny_world

QUICK = StartPace(every_s=0.02, timeout_s=20.0, resend_s=(0.05, 0.05))
KEY = start_key("cloud", VmKey("5011-1", "", "vm-1", "web01"))


@dataclass
class Scene:
    """A managed VM that is off, and a ledger."""

    world: World
    twin: Twin
    client: CloudStackClient
    ledger: Ledger
    instance: Instance

    sent: list[str] = field(default_factory=list)

    def start(self, run_id: str = "run-1") -> Starting:
        """`sent` is told once each time, and what the deed was then."""
        before, who = len(self.sent), {"run_id": run_id, "actor": "me"}
        done = start(
            self.client,
            self.ledger,
            KEY,
            self.instance.id,
            stop=threading.Event(),
            pace=QUICK,
            sent=lambda: self.sent.append(self.deed().state),
            **who,
        )
        assert len(self.sent) == before + 1
        return done

    def started(self) -> int:
        with self.world.lock:
            return len(self.world.cloud.journal.of("started"))

    def switch(self, state: str) -> None:
        with self.world.lock:
            self.world.switch(self.world.vms[self.instance.moref], "poweredOn" if state == "Running" else "poweredOff")
            self.instance.state = state

    def deed(self) -> Deed:
        (deed,) = self.ledger.deeds.find(kind="started")
        return deed


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    world = tiny_world()
    with (
        Twin(world) as twin,
        CloudStackClient(cloudstack_of(twin)) as client,
        Ledger(ledger_url(None, tmp_path / "state")) as ledger,
    ):
        client.import_unmanaged_instance(REQUEST)
        end = time.monotonic() + 20
        while not world.cloud.instances or world.cloud.journal.imports_running:
            assert time.monotonic() < end
            time.sleep(0.01)
        found = Scene(world, twin, client, ledger, next(iter(world.cloud.instances.values())))
        found.switch("Stopped")
        yield found


def test_a_vm_is_started_once(scene: Scene) -> None:
    assert scene.start() == Starting("started")
    assert scene.instance.state == "Running"
    assert scene.sent == ["intended"], "before its end is known"
    assert scene.start().status == "started"
    scene.switch("Stopped")
    assert scene.start().status == "started", "whoever switched it off had a reason"
    assert scene.started() == 1
    # Another recovery starts it anew.
    assert scene.start("run-2").status == "started"
    assert scene.started() == 2
    assert (scene.deed().state, scene.deed().run_id) == ("done", "run-2")


def test_what_runs_already_is_not_noted_as_ours(scene: Scene) -> None:
    scene.switch("Running")
    assert scene.start() == Starting("already")
    assert (scene.deed().state, scene.deed().error) == ("failed", "it ran already")
    assert scene.started() == 0


LOST = [
    pytest.param({"kind": "reset", "when": "after"}, id="answer lost"),
    pytest.param({"kind": "reset", "when": "before"}, id="call lost"),
    pytest.param({"kind": "status", "status": 503, "when": "after"}, id="proxy error after"),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_starts_nothing_twice(scene: Scene, fault: dict[str, object]) -> None:
    scene.twin.faults.set(script_of(json.dumps(fault | {"command": "startVirtualMachine"})))
    assert scene.start().status == "started"
    assert scene.started() == 1
    assert scene.deed().state == "done"


def test_a_refusal_is_told_in_the_servers_words_and_tried_again(scene: Scene) -> None:
    with scene.world.lock:
        for host in scene.world.cloud.hosts.values():
            host.resourcestate = "Maintenance"
    refused = scene.start()
    assert refused.status == "failed"
    assert "Unable to create a deployment" in refused.error
    assert scene.deed().state == "failed"
    with scene.world.lock:
        for host in scene.world.cloud.hosts.values():
            host.resourcestate = "Enabled"
    assert scene.start().status == "started"


@pytest.mark.parametrize("arrived", [True, False], ids=["the call arrived", "the call did not arrive"])
def test_who_died_between_intent_and_note_is_settled(scene: Scene, tmp_path: Path, arrived: bool) -> None:
    job_id = "aaaaaaaa-2222-3333-4444-555555555555"
    key = DeedKey(KEY.endpoint, KEY.kind, KEY.subject, KEY.name)
    with Ledger(ledger_url(None, tmp_path / "state")) as dead:
        dead.deeds.begin(key, run_id="run-1", actor="me", detail={"vm_id": scene.instance.id, "job_id": job_id})
    if arrived:
        scene.client.start_virtual_machine(scene.instance.id, custom_job_id=job_id)
    done = scene.start()
    assert (done.status, done.settled) == ("started", arrived)
    assert scene.started() == 1
    assert scene.deed().detail["job_id"] == job_id, "sent again under the same id"
