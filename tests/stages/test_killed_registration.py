"""Registration survives kill -9 at every write to the ledger: each VM is registered once, and nothing is forgotten."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.engine.ledger import Ledger, ledger_url
from ingest.engine.registering import RegisterPace
from ingest.model.endpoints import CloudStackEndpoint, VCenterEndpoint
from ingest.stages.register_vms import RegisterOptions, register_vms
from ingest.stages.run_folder import RunFolder
from ingest.stages.unregister_vms import unregister_vms
from ingest.twin.serving import Twin
from ingest.twin.worlds.recovery import recovery_site
from tests.engine.killing import KillAt
from tests.plan.twin_site import cloudstack_of, vcenter_of

VMS = 2
OPTIONS = RegisterOptions(("*",), "fra1-c1", at_once=1)
QUICK = RegisterPace(task_s=10.0, pause_s=0.02, settle_s=3.0)
WRITES_THERE = 1 + 2 * VMS  # the tables, then intent and outcome of each
_FORK_SERVER = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Orders:
    """What a process is to do. `back`: unregister what was registered."""

    vcenter: VCenterEndpoint
    cloudstack: CloudStackEndpoint
    folder: Path
    ledger: str
    back: bool = False
    kill: KillAt | None = None


def work(orders: Orders) -> None:
    if orders.kill:
        orders.kill.arm()
    folder = RunFolder(orders.folder)
    with Ledger(orders.ledger) as ledger:
        if orders.back:
            unregister_vms(orders.vcenter, orders.cloudstack, folder, ledger, of_run="run-1", dry_run=False, pace=QUICK)
        else:
            register_vms(orders.vcenter, folder, OPTIONS, ledger, dry_run=False, pace=QUICK)


def run(orders: Orders) -> int:
    process = _FORK_SERVER.Process(target=work, args=(orders,))
    process.start()
    process.join(120)
    code = process.exitcode
    process.close()
    assert code is not None, "it hangs"
    return code


KILLS = [
    pytest.param(KillAt(write, durable), id=f"{'after' if durable else 'before'} write {write}")
    for write in range(1, WRITES_THERE + 1)
    for durable in (False, True)
]


def orders_for(twin: Twin, path: Path) -> Orders:
    (path / "run-1").mkdir()
    return Orders(vcenter_of(twin), cloudstack_of(twin), path / "run-1", ledger_url(None, path / "state"))


@pytest.mark.parametrize("kill", KILLS)
def test_killed_while_registering(tmp_path: Path, kill: KillAt) -> None:
    world = recovery_site(VMS, seed=4, own=1)
    paths = {stored.vm.vmx_path for stored in world.unregistered.values()}
    with Twin(world) as twin:
        orders = orders_for(twin, tmp_path)
        assert run(Orders(**{**orders.__dict__, "kill": kill})) == -signal.SIGKILL
        assert run(orders) == 0
        journal = world.cloud.journal
        assert Counter(str(facts["path"]) for facts in journal.of("registered")) == dict.fromkeys(paths, 1)
        with Ledger(orders.ledger) as ledger:
            deeds = ledger.deeds.find()
            assert {(deed.state, deed.holder, deed.run_id) for deed in deeds} == {("done", "", "run-1")}
            assert {deed.detail["path"] for deed in deeds} == paths
            assert ledger.verify_chain() is None


@pytest.mark.parametrize("kill", KILLS)
def test_killed_while_unregistering(tmp_path: Path, kill: KillAt) -> None:
    world = recovery_site(VMS, seed=4, own=1)
    own = set(world.vms)
    with Twin(world) as twin:
        orders = orders_for(twin, tmp_path)
        with Ledger(orders.ledger) as ledger:
            register_vms(orders.vcenter, RunFolder(orders.folder), OPTIONS, ledger, dry_run=False, pace=QUICK)
        back = Orders(**{**orders.__dict__, "back": True})
        assert run(Orders(**{**back.__dict__, "kill": kill})) == -signal.SIGKILL
        assert run(back) == 0
        assert set(world.vms) == own
        assert len(world.cloud.journal.of("unregistered")) == VMS
        with Ledger(orders.ledger) as ledger:
            assert {(deed.state, deed.holder) for deed in ledger.deeds.find()} == {("undone", "")}
            assert ledger.verify_chain() is None
