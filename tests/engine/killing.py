"""Runs as processes that can be killed, on a twin that goes on: planned once, run on fresh copies of its world.

The processes come from a fork server that has the program loaded, so one starts in a few hundredths of a second.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, event

from ingest.engine import power
from ingest.engine.importing import BatchResult
from ingest.engine.journal import outcomes_in
from ingest.engine.ledger import Entry, open_ledger
from ingest.engine.ledger.database import _WRITES
from ingest.engine.rows import Pace
from ingest.engine.undo import UndoPace
from ingest.errors import IngestError
from ingest.model.endpoints import CloudStackEndpoint, VCenterEndpoint
from ingest.model.outcome import Outcome
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.settings import RunSettings
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.import_batch import ImportOptions, ImportRun
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.power_switch import VCenterPower
from ingest.stages.run_folder import CALLS_JSON, FINDINGS, JOURNAL, PLAN, SEEN_ROWS, SNAPSHOT, RunFolder
from ingest.stages.settle import SettledRow, settle_run
from ingest.stages.undo_import import UndoRow, undo_import
from ingest.stages.validate import read_calls, validate
from ingest.twin import truth
from ingest.twin.generator import generate
from ingest.twin.serving import Twin
from tests.plan.twin_site import cloudstack_of, vcenter_of

Stage = Literal["started", "opened"]
Deed = Literal["import", "settle", "undo"]

IN_FLIGHT = 5
ENDS_WITHIN_S = 180.0
SETTLE_S = 2.0
UNCOUNTED = ("nics", "moved")
"""Cut off after these steps a VM has all its rows."""
_UNDO_PACE = UndoPace(every_s=0.02, timeout_s=10.0, listing_s=1.0)

_FORK_SERVER = multiprocessing.get_context("forkserver")
_FORK_SERVER.set_forkserver_preload(["pytest", "tests.engine.killing"])


@dataclass(frozen=True)
class KillAt:
    """A process that kills itself at its n-th write to the ledger, just before or just after it is durable."""

    write: int
    durable: bool

    def arm(self) -> None:
        """Every write transaction counts, the one that makes the tables too."""
        numbers = itertools.count(1)

        def committing(connection: DatabaseConnection) -> None:
            if connection.get_execution_options().get(_WRITES) and next(numbers) == self.write:
                if self.durable:
                    connection.connection.commit()
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "commit", committing)


@dataclass(frozen=True)
class Failure:
    """What a process ended with that could not do what it was to do."""

    message: str


class _QuickPowerPace(power.PowerPace):
    """Looks at VMs more often: the twin's guests come to rest in no time."""

    def __init__(self) -> None:
        super().__init__(every_s=0.05)


@dataclass(frozen=True)
class Orders:
    """What a process is to do with a run's folder, and how. `vm` is the only one to be given back, '' for all."""

    cloudstack: CloudStackEndpoint
    vcenter: VCenterEndpoint
    settings: RunSettings
    folder: Path
    batch_size: int
    kill: KillAt | None
    deed: Deed = "import"
    vm: str = ""
    options: ImportOptions | None = None


def _live(orders: Orders, line: Connection) -> None:
    """The whole life of a process: each stage is told, and awaits its answer, before the next."""
    if orders.kill:
        orders.kill.arm()
    power.PowerPace = _QuickPowerPace  # type: ignore[assignment, misc]
    line.send("started")
    line.recv()
    try:
        line.send(_DEEDS[orders.deed](orders, line))
    except IngestError as error:
        line.send([Failure(error.message)])


def _settle(orders: Orders, _line: Connection) -> list[SettledRow]:
    with open_ledger(orders.settings) as ledger, ledger.keep_alive(), VCenterPower(orders.vcenter) as switch:
        return settle_run(
            orders.cloudstack,
            RunFolder(orders.folder),
            cure=True,
            patience_s=SETTLE_S,
            pace=_UNDO_PACE,
            ledger=ledger,
            power=switch,
        )


def _undo(orders: Orders, _line: Connection) -> list[UndoRow]:
    with open_ledger(orders.settings) as ledger, ledger.keep_alive():
        return undo_import(
            orders.cloudstack, RunFolder(orders.folder), vm=orders.vm, dry_run=False, pace=_UNDO_PACE, ledger=ledger
        )


def import_options(in_flight: int, batch_size: int) -> ImportOptions:
    """As all runs here have them."""
    pace = Pace(settle_s=SETTLE_S, grace_s=1.0)
    return ImportOptions(max_concurrent_imports=in_flight, batch_size=batch_size, pace=pace)


def _import(orders: Orders, line: Connection) -> list[BatchResult]:
    options = orders.options or import_options(IN_FLIGHT, orders.batch_size)
    results: list[BatchResult] = []
    stop = threading.Event()
    with (
        ImportRun(orders.cloudstack, orders.vcenter, orders.settings, RunFolder(orders.folder), stop, options) as run,
        ThreadPoolExecutor(options.max_concurrent_imports) as pool,
    ):
        line.send("opened")
        for wave in run.waves():
            for members in run.rounds(wave):
                results += pool.map(run.import_batch, members)
    return results


_DEEDS: dict[Deed, Callable[[Orders, Connection], list[Any]]] = {"import": _import, "settle": _settle, "undo": _undo}


class Child:
    """A run in a process of its own, which waits at `started` until it is told to `go`."""

    def __init__(self, orders: Orders) -> None:
        self._line, far_end = _FORK_SERVER.Pipe()
        self._process = _FORK_SERVER.Process(target=_live, args=(orders, far_end), daemon=True)
        self._process.start()
        far_end.close()
        self.await_stage("started")

    def go(self) -> None:
        """Let it begin."""
        self._line.send("go")

    def await_stage(self, stage: Stage) -> None:
        """Return when it has come so far."""
        assert self._line.poll(ENDS_WITHIN_S), f"never {stage}"
        assert self._line.recv() == stage

    def kill(self, after_s: float) -> list[Outcome] | None:
        """Kill it after a time; its outcomes when it ended by itself before."""
        self.kill_after(after_s)
        return self.end()

    def kill_after(self, after_s: float) -> None:
        """Kill it after a time, if it has not ended by itself."""
        self._process.join(after_s)
        self._process.kill()

    def end(self) -> list[Outcome] | None:
        """The outcomes of an import that ended by itself, None when it was killed."""
        results = self.told()
        if results is None:
            return None
        assert not any(isinstance(one, Failure) for one in results), results
        assert {one.systemic for one in results} <= {""}
        return [outcome for result in results for outcome in result.outcomes]

    def told(self) -> list[Any] | None:
        """What it told at its end: results of batches, or rows settled or given back; None when it was killed."""
        told: list[list[Any]] = []
        try:
            while self._line.poll(ENDS_WITHIN_S):
                message = self._line.recv()
                told += [message] if isinstance(message, list) else []
        except (EOFError, ConnectionResetError):
            pass
        self._process.join(ENDS_WITHIN_S)
        code = self._process.exitcode
        self._process.close()
        self._line.close()
        if code == -signal.SIGKILL and not told:
            return None
        assert code in (0, -signal.SIGKILL), f"ended with {code}"
        assert told, f"nothing was told in {ENDS_WITHIN_S} s"
        return told[0]


@dataclass
class Scene:
    """A running twin whose VMs are planned and not imported yet, and the folder and ledger of a run on it."""

    twin: Twin
    folder: RunFolder
    settings: RunSettings
    batch_size: int

    def child(
        self,
        kill: KillAt | None = None,
        folder: RunFolder | None = None,
        deed: Deed = "import",
        vm: str = "",
        options: ImportOptions | None = None,
    ) -> Child:
        """A process that imports the folder's calls, or those of a copy of it; or does something else with it."""
        return Child(
            Orders(
                cloudstack=cloudstack_of(self.twin),
                vcenter=vcenter_of(self.twin),
                settings=self.settings,
                folder=(folder or self.folder).path,
                batch_size=self.batch_size,
                kill=kill,
                deed=deed,
                vm=vm,
                options=options,
            )
        )

    def run(self, kill: KillAt | None = None, options: ImportOptions | None = None) -> list[Outcome] | None:
        """Import from beginning to end, or to the kill: then there are no outcomes."""
        child = self.child(kill, options=options)
        child.go()
        return child.end()

    def copy(self, name: str) -> RunFolder:
        """A second run of the same plan."""
        return _copied(self.folder, self.folder.path.with_name(name))

    def entries(self) -> list[Entry]:
        """What the ledger says of every VM."""
        with open_ledger(self.settings) as ledger:
            return ledger.entries()

    def imported(self) -> int:
        """Imports the twin has committed so far."""
        with self.twin.world.lock:
            return len(self.twin.world.cloud.journal.imports)

    def told(self, deed: Deed) -> list[Any]:
        """Do it from beginning to end: what was told."""
        child = self.child(deed=deed)
        child.go()
        told = child.told()
        assert told is not None
        return told

    def at_rest(self) -> None:
        """Wait until the management server is back from every restart, and no import is at work."""
        journal, end = self.twin.world.cloud.journal, time.monotonic() + ENDS_WITHIN_S
        self.twin.faults.clear()
        while True:
            with self.twin.world.lock:
                restarts = [one for one in journal.of("fault") if one["what"] == "cloudstack-restart"]
                if len(journal.of("cloudstack-back")) == len(restarts) and not journal.imports_running:
                    return
            assert time.monotonic() < end, "it never comes to rest"
            time.sleep(0.01)

    def halves(self) -> list[str]:
        """Ids of the instances that lack volumes or NICs; cut off later, only a count of its owner lacks the VM."""
        with self.twin.world.lock:
            lost = self.twin.world.cloud.journal.of("import-lost")
            uncounted = {str(one["instance"]) for one in lost if one.get("after") in UNCOUNTED}
            return [one for one in truth.half_imported(self.twin.world) if one not in uncounted]

    def assert_never_twice(self) -> None:
        """No import was begun on a VM CloudStack had: told by the order of what happened, not by what is left."""
        live: dict[str, set[str]] = {}
        with self.twin.world.lock:
            entries = [(one.kind, dict(one.facts)) for one in self.twin.world.cloud.journal.entries]
            assert truth.duplicates(self.twin.world) == {}, "imported twice"
        for kind, facts in entries:
            if kind == "import-committed":
                assert not live.get(str(facts["moref"])), f"imported while managed: {facts}"
                live.setdefault(str(facts["moref"]), set()).add(str(facts["instance"]))
            elif kind in ("unmanaged", "import-failed") and facts.get("instance"):
                for found in live.values():
                    found.discard(str(facts["instance"]))

    def assert_all_in(self) -> None:
        """Every VM is imported whole, was never imported while CloudStack had it, and nobody has a claim any more."""
        self.assert_never_twice()
        vms = {one.moref for one in read_calls(self.folder)}
        with self.twin.world.lock:
            halves = self.halves()
            live = truth.live_instances(self.twin.world)
            assert {moref for moref, found in live.items() if found[0].id not in halves} == vms
        assert {(one.state, one.holder) for one in self.entries()} == {("imported", "")}

    def assert_each_once(self) -> None:
        """Every VM is imported whole and once, sent once, and nobody has a claim any more."""
        vms = {one.moref for one in read_calls(self.folder)}
        world = self.twin.world
        with world.lock:
            journal = world.cloud.journal
            assert Counter(moref for moref, _ in journal.imports) == dict.fromkeys(vms, 1)
            assert journal.imports_accepted == len(vms)
            assert set(truth.imported_once(world)) == vms
            assert truth.half_imported(world) == []
            assert truth.duplicates(world) == {}
            instances = {one.moref: one.id for one in world.cloud.instances.values() if one.moref in vms}
        entries = {one.vm.moref: one for one in self.entries()}
        assert {moref: (one.state, one.holder, one.vm_id) for moref, one in entries.items()} == {
            moref: ("imported", "", instance) for moref, instance in instances.items()
        }
        with open_ledger(self.settings) as ledger:
            assert ledger.verify_chain() is None

    def assert_run_ended_well(self, outcomes: list[Outcome] | None) -> None:
        """The run imported, or found imported, every VM, and its journal says so."""
        assert outcomes is not None
        rows = {one.row for one in read_calls(self.folder)}
        assert {one.row: (one.status, one.error) for one in outcomes} == dict.fromkeys(rows, ("imported", ""))
        noted = outcomes_in(self.folder.file(JOURNAL))
        assert {one.row: one.status for one in noted} == dict.fromkeys(rows, "imported")


@dataclass(frozen=True)
class Planned:
    """A plan for a world of so many clean VMs, of which there can be any number of scenes."""

    vms: int
    import_seconds: float
    batch_size: int
    folder: RunFolder
    switched_on: bool

    @contextmanager
    def scene(self, path: Path, ledger: str = "") -> Iterator[Scene]:
        """A fresh world, a copy of the plan, and a ledger with nothing in it."""
        with _twin(self.vms, self.import_seconds, self.switched_on) as twin:
            settings = RunSettings(state=path / "state", ledger=SecretStr(ledger) if ledger else None)
            yield Scene(twin, _copied(self.folder, path / "run"), settings, self.batch_size)


def plan(folder: Path, *, vms: int, import_seconds: float, batch_size: int, switched_on: bool = False) -> Planned:
    """Plan a world; every one of its VMs may be imported. With `switched_on` all run, and are switched off for it."""
    folder.mkdir(parents=True, exist_ok=True)
    made = RunFolder(folder)
    with _twin(vms, import_seconds, switched_on) as twin:
        discover_networks(vcenter_of(twin), made)
        list_unmanaged(cloudstack_of(twin), made)
    enrich_csv(made)
    if switched_on:
        sheet = read_sheet(made.file(PLAN))
        for row in sheet.rows:
            row["power"] = "off"
        made.write(PLAN, sheet_bytes(sheet))
    assert len(validate(made).ready) == vms
    return Planned(vms, import_seconds, batch_size, made, switched_on)


@contextmanager
def _twin(vms: int, import_seconds: float, switched_on: bool) -> Iterator[Twin]:
    world = generate(vms, seed=5)
    world.cloud.import_seconds = import_seconds
    if switched_on:
        for vm in world.vms.values():
            world.switch(vm, "poweredOn")
    with Twin(world) as twin:
        yield twin


def _copied(folder: RunFolder, path: Path) -> RunFolder:
    path.mkdir(parents=True)
    for name in (SNAPSHOT, PLAN, FINDINGS, CALLS_JSON, SEEN_ROWS):
        shutil.copy(folder.file(name), path / name)
    return RunFolder(path)
