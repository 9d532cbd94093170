"""A run killed at any moment and started again imports every VM once; so do two runs that race each other, and runs
whose management server restarts at random moments.

`INGEST_KILLS=200 INGEST_KILLS_SEED=7` kills, and restarts, more often and at other moments.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.engine.failures import failed_together
from ingest.model.outcome import Outcome
from ingest.twin.cloudstack.steps import STEPS
from ingest.twin.faults.script import Script
from tests.engine.killing import KillAt, Planned, Scene, import_options, plan

KILLS = int(os.environ.get("INGEST_KILLS", "10"))
SEED = int(os.environ.get("INGEST_KILLS_SEED", "1"))
LATEST_KILL_S = 0.8
LATE_S = 3.0
EARLY_KILLS = 0.2
"""The share of kills that may come before the run is open."""


@dataclass(frozen=True)
class Hit:
    """A kill: how many VMs were imported by then, and how many the run was at work on."""

    imported: int
    at_work: int


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return plan(tmp_path_factory.mktemp("few"), vms=3, import_seconds=0.02, batch_size=3)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return plan(tmp_path_factory.mktemp("running"), vms=1, import_seconds=0.02, batch_size=1, switched_on=True)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return plan(tmp_path_factory.mktemp("many"), vms=60, import_seconds=0.05, batch_size=4)


@pytest.mark.parametrize("durable", [False, True], ids=["before-commit", "after-commit"])
def test_killed_at_every_write_to_the_ledger(few: Planned, tmp_path: Path, durable: bool) -> None:
    one_by_one = import_options(1, few.vms)
    for write in itertools.count(1):
        with few.scene(tmp_path / str(write)) as scene:
            outcomes = scene.run(KillAt(write, durable), one_by_one)
            ended_by_itself = outcomes is not None
            scene.assert_run_ended_well(outcomes or scene.run())
            scene.assert_each_once()
        if ended_by_itself:
            break
    # Tables, sign of life, run; four steps of each VM; the end of the run, and good-bye.
    assert write - 1 == 3 + 4 * few.vms + 2


def test_killed_at_every_write_while_some_are_written_together(few: Planned, tmp_path: Path) -> None:
    for write in itertools.count(1):
        with few.scene(tmp_path / str(write)) as scene:
            outcomes = scene.run(KillAt(write, durable=write % 2 == 0))
            ended_by_itself = outcomes is not None
            scene.assert_run_ended_well(outcomes or scene.run())
            scene.assert_each_once()
        if ended_by_itself:
            break
    assert 3 + 4 + 2 <= write - 1 <= 3 + 4 * few.vms + 2


@pytest.mark.parametrize("durable", [False, True], ids=["before-commit", "after-commit"])
def test_killed_at_every_write_while_a_vm_is_switched_off(running: Planned, tmp_path: Path, durable: bool) -> None:
    """What its power was is known to the end, however often the run had to begin again."""
    for write in itertools.count(1):
        with running.scene(tmp_path / str(write)) as scene:
            outcomes = scene.run(KillAt(write, durable))
            ended_by_itself = outcomes is not None
            scene.assert_run_ended_well(outcomes or scene.run())
            scene.assert_each_once()
            assert [entry.detail["power_before"] for entry in scene.entries()] == ["poweredOn"]
        if ended_by_itself:
            break
    assert write - 1 == 3 + 5 + 2


def test_a_call_that_arrives_after_its_run_was_killed(few: Planned, tmp_path: Path) -> None:
    """The next run is told of no such job, sends the call again under the same id, and then both calls arrive."""
    with few.scene(tmp_path) as scene:
        late = {"kind": "delay", "command": "importUnmanagedInstance", "seconds": LATE_S, "times": few.vms}
        scene.twin.faults.set(Script.model_validate({"faults": [late]}))
        child = scene.child()
        child.go()
        while len([one for one in scene.entries() if one.state == "intended"]) < few.vms:
            time.sleep(0.01)
        assert child.kill(0.2) is None
        assert scene.imported() == 0
        scene.assert_run_ended_well(scene.run())
        time.sleep(LATE_S)
        assert scene.twin.world.cloud.journal.requests["importUnmanagedInstance"] == 2 * few.vms
        scene.assert_each_once()


@pytest.mark.timeout(120 + 10 * KILLS)
def test_killed_again_and_again_at_random_moments(many: Planned, tmp_path: Path) -> None:
    """A run whose VMs are all imported is done, and the next world takes the kills that are left."""
    chance = random.Random(SEED)
    hits: list[Hit] = []
    for number in itertools.count(1):
        with many.scene(tmp_path / str(number)) as scene:
            outcomes = None
            while outcomes is None:
                outcomes = scene.run() if len(hits) == KILLS else _killed_at_random(scene, chance, hits)
            scene.assert_run_ended_well(outcomes)
            scene.assert_each_once()
        if len(hits) == KILLS:
            break
    in_progress = [hit for hit in hits if hit.at_work]
    print(f"{len(hits)} kills in {number} worlds, {len(in_progress)} of them in mid-import; imported so far, at work:")
    print(*(f"{hit.imported}+{hit.at_work}" for hit in hits))
    assert len(in_progress) > len(hits) / 2
    assert any(0 < hit.imported < many.vms for hit in in_progress)


def _killed_at_random(scene: Scene, chance: random.Random, hits: list[Hit]) -> list[Outcome] | None:
    """Start the run and kill it after a while; its outcomes if it was faster."""
    early, after_s = chance.random() < EARLY_KILLS, chance.uniform(0, LATEST_KILL_S)
    child = scene.child()
    child.go()
    if not early:
        child.await_stage("opened")
    outcomes = child.kill(after_s)
    if outcomes is None:
        hits.append(Hit(scene.imported(), sum(bool(entry.holder) for entry in scene.entries())))
    return outcomes


@pytest.mark.timeout(240 + 10 * KILLS)
def test_the_server_restarts_at_random_moments_and_the_run_is_killed(many: Planned, tmp_path: Path) -> None:
    """Half-imported VMs are recognised, given back by a settlement, and imported by the next run."""
    chance = random.Random(SEED)
    halves = 0
    worlds = max(1, KILLS // 10)
    for number in range(1, worlds + 1):
        with many.scene(tmp_path / str(number)) as scene:
            for steps in (("committed", "volumes"), STEPS, STEPS):
                restart = {"kind": "cloudstack-restart", "seconds": 0.1, "step": chance.choice(steps)}
                script = {"faults": [restart | {"nth": chance.randint(1, 12)}]}
                scene.twin.faults.set(Script.model_validate(script))
                child = scene.child(KillAt(chance.randint(20, 120), chance.random() < 0.5))
                child.go()
                child.told()
            scene.at_rest()
            first = scene.told("import")
            half = set(scene.halves())
            said = {one.vm_id for result in first for one in result.outcomes if one.status == "incomplete"}
            assert said == half
            settled = scene.told("settle")
            assert {one.row for one in settled if one.state == "given-back"} == {
                one.row for result in first for one in result.outcomes if one.status == "incomplete"
            }
            assert scene.halves() == []
            scene.assert_run_ended_well(scene.run())
            scene.assert_all_in()
            halves += len(half)
    print(f"{worlds} worlds with 3 restarts and kills each: {halves} VMs were half imported")
    assert halves


def test_leftover_nics_are_recognised(few: Planned, tmp_path: Path) -> None:
    """A failure after the NIC rows were written leaves them: the next import of the VM is told that its MAC exists."""
    with few.scene(tmp_path) as scene:
        scene.twin.faults.set(Script.model_validate({"faults": [{"kind": "job-fails", "step": "nics"}]}))
        first = scene.run() or []
        assert Counter(one.status for one in first) == {"failed": 1, "imported": few.vms - 1}
        again = [one for one in scene.run() or [] if one.status != "imported"]
        [group] = failed_together(again)
        assert group.cause == "a failed import left a NIC with this MAC in the network; no VM shows it"


def test_two_runs_race_on_one_ledger(many: Planned, tmp_path: Path, url: str) -> None:
    with many.scene(tmp_path / "race", ledger=url) as scene:
        racers = [scene.child(), scene.child(folder=scene.copy("other"))]
        for racer in racers:
            racer.go()
        ended = [racer.end() for racer in racers]
        scene.assert_each_once()
    statuses: dict[str, list[str]] = {}
    for outcomes in ended:
        assert outcomes is not None
        for one in outcomes:
            statuses.setdefault(one.vm, []).append(one.status)
    assert len(statuses) == many.vms
    both = Counter(tuple(sorted(pair)) for pair in statuses.values())
    print("outcomes of the two:", dict(both))
    assert set(both) <= {("held", "imported"), ("imported", "imported")}
