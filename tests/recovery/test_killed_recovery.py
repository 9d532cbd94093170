"""A recovery killed at any write to the ledger or any moment, and gone on with, does everything once.

`INGEST_KILLS=100` kills at so many random moments, `INGEST_KILLS_EVERY=1` at each write to the ledger;
`INGEST_KILLS_SEED` and `INGEST_KILLS_VMS` are for other moments and sites. A site of 40 VMs and more comes back in four
waves, and each recovery of it is killed about ten times.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from ingest.engine.ledger import open_ledger
from ingest.engine.ledger.database import _WRITES
from ingest.engine.power import PowerPace
from ingest.engine.registering import RegisterPace
from ingest.engine.rows import Pace
from ingest.engine.starting import StartPace
from ingest.engine.undo import UndoPace
from ingest.errors import Stopped
from ingest.recovery.fail_back import FailBackOptions, fail_back
from ingest.recovery.people import Given, SignaturePending
from ingest.recovery.report import read_report
from ingest.recovery.sequence import Recovery, RecoveryOptions, recover
from ingest.settings import Settings
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import RunFolder
from ingest.twin import truth
from ingest.twin.serving import Twin
from ingest.twin.world import World
from ingest.twin.worlds.recovery import recovery_site
from tests.engine.killing import KillAt
from tests.recovery.site import SITES, new_folder, settings_of, store_plan

KILLS = int(os.environ.get("INGEST_KILLS", "3"))
EVERY = int(os.environ.get("INGEST_KILLS_EVERY", "0"))
"""Every so many writes a kill: 1 for each of them, 0 for a few that are spread over all."""
SEED = int(os.environ.get("INGEST_KILLS_SEED", "1"))
VMS = int(os.environ.get("INGEST_KILLS_VMS", "4"))
LARGE = VMS >= 40
ENDS_WITHIN_S = 900.0 if LARGE else 120.0
MORE_WAVES = (
    """
  - {name: second, select: {columns: {tier: "2"}}, prerequisites: [first], checks: [{kind: ip, retries: 60, pause: 1s}]}
  - {name: third, select: {columns: {tier: "3"}}, prerequisites: [second]}
  - {name: last, select: {}, gate: continue, start: {order: [{name: "shop*"}]}}
"""
    if LARGE
    else """
  - {name: second, select: {}, prerequisites: [first], start: {order: [{name: "shop*"}]}}
"""
)

BOOK = f"""
name: small
plan: plan.csv
rto: 1h
people: [{{role: lead}}]
{SITES}
steps: [{{name: declared, say: the loss is declared, who: lead}}]
waves:
  - name: first
    select: {{columns: {{tier: "1"}}}}
    steps: [{{say: names answer, who: lead, when: after}}]
    checks: [{{kind: tools, retries: 60, pause: 1s}}]{MORE_WAVES}"""
SIGNED = {"declared": "Ann", "first/after/1": "Bob"}
OPTIONS = RecoveryOptions(
    imports=ImportOptions(
        max_concurrent_imports=20 if LARGE else 2, batch_size=2, pace=Pace(settle_s=2.0, grace_s=1.0)
    ),
    start_pace=StartPace(every_s=0.05, resend_s=(0.1, 0.1), questions_s=0.2),
    register_at_once=16 if LARGE else 2,
)
BACK = FailBackOptions(
    unregister=True,
    power_pace=PowerPace(every_s=0.05),
    undo_pace=UndoPace(every_s=0.05),
    register_pace=RegisterPace(task_s=10.0, pause_s=0.02, settle_s=3.0),
)
_FORK_SERVER = multiprocessing.get_context("forkserver")
_FORK_SERVER.set_forkserver_preload(["pytest", "tests.recovery.test_killed_recovery", "great_expectations"])


@dataclass(frozen=True)
class Orders:
    """What a process is to recover."""

    settings: Settings
    folder: Path
    kill: KillAt | None = None
    back: bool = False
    counted: Path | None = None


def work(orders: Orders) -> None:
    """The whole life of a process. The number of its writes, and its seconds, are in the file `counted` then."""
    if orders.kill:
        orders.kill.arm()
    writes, began = itertools.count(), time.monotonic()

    def committed(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            next(writes)

    event.listen(Engine, "commit", committed)
    _work(orders)
    if orders.counted:
        orders.counted.write_text(f"{next(writes)} {time.monotonic() - began}", encoding="ascii")


def _work(orders: Orders) -> None:
    if orders.back:
        with open_ledger(orders.settings.run) as ledger:
            fail_back(orders.settings, RunFolder(orders.folder), ledger, BACK, dry_run=False)
        return
    people = Given(SIGNED)
    with Recovery(orders.settings, RunFolder(orders.folder), people=people, options=OPTIONS) as recovery:
        done = recover(recovery, checked=False)
    if done.outcome != "recovered":
        raise SystemExit(f"{done.outcome}: {done.why}")


@dataclass
class Scene:
    """A recovery site that runs, and the recovery of it."""

    world: World
    twin: Twin
    orders: Orders
    names: set[str]
    paths: set[str]

    def run(
        self,
        kill: KillAt | None = None,
        *,
        after_s: float | None = None,
        back: bool = False,
        settings: Settings | None = None,
        counted: Path | None = None,
    ) -> bool:
        """Go on with it, or give it back, as another machine with settings of its own; False when it was killed."""
        orders = replace(self.orders, kill=kill, back=back, settings=settings or self.orders.settings, counted=counted)
        process = _FORK_SERVER.Process(target=work, args=(orders,))
        process.start()
        process.join(ENDS_WITHIN_S if after_s is None else after_s)
        if after_s is not None:
            process.kill()
            process.join(ENDS_WITHIN_S)
        code = process.exitcode
        process.close()
        assert code in (0, -signal.SIGKILL), f"ended with {code}"
        return code == 0

    def done(self) -> tuple[int, int, int]:
        """How many VMs are registered, imported, started."""
        with self.world.lock:
            journal = self.world.cloud.journal
            return len(journal.of("registered")), len(journal.imports), len(journal.of("started"))

    def assert_each_once(self) -> None:
        """By the twin's own journal each VM was registered, imported and started once, and nothing is left over."""
        with self.world.lock:
            journal = self.world.cloud.journal
            assert Counter(str(one["path"]) for one in journal.of("registered")) == dict.fromkeys(self.paths, 1)
            assert Counter(str(one["vm"]) for one in journal.of("started")) == dict.fromkeys(self.names, 1)
            imported = Counter(self.world.vms[moref].name for moref, _ in journal.imports)
            assert imported == dict.fromkeys(self.names, 1)
            assert truth.half_imported(self.world) == []
            assert truth.duplicates(self.world) == {}
        with open_ledger(self.orders.settings.run) as ledger:
            assert {(deed.state, deed.holder) for deed in ledger.deeds.find()} == {("done", "")}
            assert {entry.state for entry in ledger.entries()} == {"imported"}
            assert ledger.verify_chain() is None
        report = read_report(RunFolder(self.orders.folder))
        assert report.well
        assert [one["name"] for one in report.people] == ["Ann", "Bob"]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_plan(tmp_path_factory.mktemp("stored"), VMS, waves=4 if LARGE else 2)


@contextmanager
def scene(path: Path, plan: Path, ledger: str = "") -> Iterator[Scene]:
    world = recovery_site(VMS, seed=4, own=1)
    world.cloud.import_seconds = 0.1
    world.cloud.power_seconds = 0.1
    replicas = [stored.vm for stored in world.unregistered.values()]
    with Twin(world) as twin:
        folder = new_folder(path / "run-1", BOOK, plan)
        orders = Orders(settings_of(twin, path / "state", ledger), folder.path)
        yield Scene(world, twin, orders, {vm.name for vm in replicas}, {vm.vmx_path for vm in replicas})


@dataclass(frozen=True)
class Whole:
    """What a recovery takes that nobody kills."""

    writes: int
    seconds: float


@pytest.fixture(scope="module")
def whole(plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    path = tmp_path_factory.mktemp("whole")
    with scene(path, plan) as site:
        assert site.run(counted=path / "counted")
        site.assert_each_once()
    writes, seconds = (path / "counted").read_text(encoding="ascii").split()
    # Registered, imported and started: two, four and two for each VM, besides those of waves and people.
    assert int(writes) > 8 * VMS
    return Whole(int(writes), float(seconds))


@pytest.mark.timeout(300 + (4000 // EVERY if EVERY else 0))
@pytest.mark.parametrize("durable", [False, True], ids=["before-commit", "after-commit"])
def test_killed_at_writes_to_the_ledger(whole: Whole, plan: Path, tmp_path: Path, durable: bool) -> None:
    """Every one of them with INGEST_KILLS_EVERY=1."""
    eighths = (3, 7) if durable else (1, 5)
    writes = itertools.count(1, EVERY) if EVERY else (whole.writes * eighth // 8 for eighth in eighths)
    kills: list[str] = []
    for write in writes:
        with scene(tmp_path / str(write), plan) as site:
            ended = site.run(KillAt(write, durable))
            kills += [] if ended else ["+".join(map(str, site.done()))]
            assert ended or site.run()
            site.assert_each_once()
        if ended:
            break
    print(f"killed at {len(kills)} of about {whole.writes} writes; registered, imported, started: {' '.join(kills)}")
    assert len(kills) > (whole.writes // (2 * EVERY) if EVERY else 1)


def test_killed_again_and_again_each_time_a_little_later(plan: Path, tmp_path: Path) -> None:
    with scene(tmp_path, plan) as site:
        for write in itertools.count(2, 3):
            if site.run(KillAt(write, durable=write % 2 == 0)):
                break
        assert write > 8, "it was killed"
        site.assert_each_once()


@pytest.mark.timeout(240 + (60 if LARGE else 15) * KILLS)
def test_killed_at_random_moments(whole: Whole, plan: Path, tmp_path: Path) -> None:
    """100 of them with INGEST_KILLS=100. A recovery that is over is checked, and the next one takes those left."""
    chance = random.Random(SEED)
    kills: list[str] = []
    for recoveries in itertools.count(1):
        with scene(tmp_path / str(recoveries), plan) as site:
            ended = False
            while not ended and len(kills) < KILLS:
                ended = site.run(after_s=chance.uniform(0.05, 1.0) * whole.seconds / (5 if LARGE else 1))
                kills += [] if ended else ["+".join(map(str, site.done()))]
            assert ended or site.run()
            site.assert_each_once()
        if len(kills) == KILLS:
            break
    print(f"{KILLS} kills in {recoveries} recoveries of {whole.seconds:.0f} s; registered, imported, started by then:")
    print(*kills)


def test_killed_again_and_again_it_goes_on_on_another_machine(plan: Path, tmp_path: Path, postgresql_url: str) -> None:
    """Machines that share the ledger and the run's folder, nothing else; each goes on where another was killed."""
    with scene(tmp_path, plan, postgresql_url) as site:
        kills: list[tuple[int, int, int]] = []
        for write in itertools.count(14, 5):
            machine = settings_of(site.twin, tmp_path / f"machine-{write}", postgresql_url)
            if site.run(KillAt(write, durable=write % 4 < 2), settings=machine):
                break
            kills.append(site.done())
        print("registered, imported, started when it was killed:", *kills)
        assert len(kills) > 1
        assert any(0 < sum(done) < 3 * VMS for done in kills), "in the middle of the work"
        site.assert_each_once()


def test_killed_again_and_again_while_it_is_given_back(plan: Path, tmp_path: Path) -> None:
    with scene(tmp_path, plan) as site:
        own = set(site.world.vms)
        assert site.run()
        for write in itertools.count(2, 3):
            if site.run(KillAt(write, durable=write % 2 == 0), back=True):
                break
        assert write > 4, "it was killed"
        with site.world.lock:
            assert set(site.world.vms) == own
            assert len(site.world.cloud.journal.of("unregistered")) == VMS
            assert all(instance.removed for instance in site.world.cloud.instances.values())
        with open_ledger(site.orders.settings.run) as ledger:
            taken_back = {
                deed.state for kind in ("registered", "started", "recovered") for deed in ledger.deeds.find(kind=kind)
            }
            assert taken_back == {"undone"}
            assert {entry.state for entry in ledger.entries()} == {"undone"}
            assert ledger.verify_chain() is None


def test_two_processes_do_not_recover_at_once(plan: Path, tmp_path: Path) -> None:
    with scene(tmp_path, plan) as site:
        folder, settings = RunFolder(site.orders.folder), site.orders.settings
        with Recovery(settings, folder, options=OPTIONS), pytest.raises(Stopped, match="is at work on this recovery"):
            Recovery(settings, folder, options=OPTIONS).__enter__()
        with pytest.raises(SignaturePending), Recovery(settings, folder, options=OPTIONS) as recovery:
            recovery.sign_before()
