"""What operators, other people and bad luck may do to a site, in any order, and what has to be true after each step.

Truth is read from the twin's journal and world. Runs, settlements and give-backs are processes that may be killed.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.jobs import wait_for_job
from ingest.engine.journal import read_journal
from ingest.engine.ledger import open_ledger
from ingest.errors import IngestError, Refused
from ingest.model.request import PlannedImport
from ingest.model.snapshot import read_snapshot
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import JOURNAL, PLAN, SNAPSHOT, RunFolder
from ingest.stages.settle import SettledRow
from ingest.stages.undo_import import UndoRow
from ingest.stages.validate import read_calls, read_taken_out, validate
from ingest.twin import truth
from ingest.twin.faults.script import Script
from tests.engine.killing import Child, Deed, Failure, KillAt, Planned, Scene
from tests.plan.twin_site import cloudstack_of, vcenter_of

LATE_S = 0.4
"""How long a call may be on its way; a run that proves that nothing was begun looks for longer."""

VCENTER_DESTROYS = {"Destroy_Task", "UnregisterVM", "DeleteVirtualDisk_Task", "DeleteDatastoreFile_Task"}
CLOUDSTACK_DESTROYS = ("destroy", "expunge", "delete", "remove")

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "reset", "when": "before", "command": "importUnmanagedInstance"},
    {"kind": "reset", "when": "after", "command": "importUnmanagedInstance", "times": 2},
    {"kind": "reset", "when": "after", "command": "unmanageVirtualMachine"},
    {"kind": "reset", "when": "before", "command": "*AsyncJob*", "times": 2},
    {"kind": "status", "status": 504, "when": "after", "command": "importUnmanagedInstance"},
    {"kind": "status", "status": 503, "when": "before", "command": "listV*", "times": 2},
    {"kind": "rate-limit", "retry_ms": 30, "times": 3, "command": "list*"},
    {"kind": "delay", "command": "importUnmanagedInstance", "seconds": LATE_S, "times": 2},
    {"kind": "delay", "step": "accepted", "seconds": LATE_S, "times": 2},
    {"kind": "job-fails", "step": "checked"},
    {"kind": "job-fails", "step": "volumes"},
    {"kind": "job-fails", "step": "completed"},
    {"kind": "job-lost", "step": "started", "goes_on": True},
    {"kind": "job-lost", "step": "committed", "goes_on": False},
    {"kind": "job-expiry", "command": "queryAsyncJobResult"},
    *(
        {"kind": "cloudstack-restart", "step": step, "seconds": 0.1}
        for step in ("accepted", "committed", "volumes", "nics", "completed")
    ),
    {"kind": "cloudstack-restart", "step": "committed", "seconds": 0.1, "finishes_later": True},
    {"kind": "vcenter-restart", "seconds": 0.1, "command": "RetrievePropertiesEx"},
)

Kill = KillAt | float | None
"""A kill at a write to the ledger, or so many seconds after the beginning, or none."""

KILLS: st.SearchStrategy[Kill] = st.one_of(
    st.none(),
    st.builds(KillAt, st.integers(3, 30), st.booleans()),
    st.floats(0.05, 0.6).map(lambda seconds: round(seconds, 3)),
)
INDEX = st.integers(0, 99)


@dataclass(frozen=True)
class Seen:
    """What is true of the VMs at one moment: live instances and their jobs by moref, and who is half imported."""

    live: dict[str, list[str]]
    half: frozenset[str]
    at_work: frozenset[str]
    committed: int


@dataclass
class Site:
    """The scene, the runs' folders, what was done so far, and what others changed without telling the ledger."""

    scene: Scene
    folders: list[RunFolder]
    names: dict[str, str]
    by_hand: set[str] = field(default_factory=set)
    renamed: set[str] = field(default_factory=set)
    story: list[str] = field(default_factory=list)

    def morefs(self) -> list[str]:
        return list(self.names)

    @property
    def journal(self) -> Any:
        return self.scene.twin.world.cloud.journal

    # What is true

    def seen(self) -> Seen:
        world = self.scene.twin.world
        with world.lock:
            journal = world.cloud.journal
            live = {moref: [one.id for one in found] for moref, found in truth.live_instances(world).items()}
            half = frozenset(self.scene.halves())
            begun = {str(one["job"]): str(one["vm"]) for one in journal.of("import-accepted")}
            ended = {str(one["job"]) for one in journal.of("import-completed", "import-failed", "import-lost")}
            names = {vm.name: moref for moref, vm in world.vms.items()}
            at_work = frozenset(names.get(vm, "") for job, vm in begun.items() if job not in ended)
            return Seen(live, half, at_work, len(journal.imports))

    def whole(self, seen: Seen, moref: str) -> bool:
        found = seen.live.get(moref, [])
        return len(found) == 1 and found[0] not in seen.half

    def at_rest(self) -> None:
        """Both servers up, no import at work, no call on its way."""
        self._wait(self._quiet)
        if any(one["what"] == "delay" for one in self.journal.of("fault")):
            time.sleep(LATE_S)
            self._wait(self._quiet)

    def _quiet(self) -> bool:
        with self.scene.twin.world.lock:
            restarts = [one for one in self.journal.of("fault") if one["what"] == "cloudstack-restart"]
            others = [one for one in self.journal.of("fault") if one["what"] == "vcenter-restart"]
            up = len(self.journal.of("cloudstack-back")) >= len(restarts)
            up = up and len(self.journal.of("vcenter-back")) >= len(others)
            return up and not self.journal.imports_running and not self.seen().at_work

    def _wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, "it never comes to rest"
            time.sleep(0.01)

    # What has to be true

    def check(self) -> None:
        """What must hold after every step, whatever was done."""
        self.scene.assert_never_twice()
        self._nothing_destroyed()
        self._ledger_agrees()

    def _nothing_destroyed(self) -> None:
        world = self.scene.twin.world
        with world.lock:
            asked = [one for one in self.journal.requests if one.startswith(CLOUDSTACK_DESTROYS)]
            asked += VCENTER_DESTROYS & set(self.journal.vcenter_calls)
            there = set(world.vms)
        assert there == set(self.names), f"VMs of vCenter: {there}"
        assert asked == [], f"asked to destroy: {asked}"

    def _ledger_agrees(self) -> None:
        seen = self.seen()
        with open_ledger(self.scene.settings) as ledger:
            assert ledger.verify_chain() is None
            entries = ledger.entries()
        for one in entries:
            moref = one.vm.moref
            assert not (one.holder and one.alive), f"held by a process that has ended: {one}"
            if moref in self.by_hand or moref in seen.at_work:
                continue
            if one.state == "imported":
                assert seen.live.get(moref) == [one.vm_id], f"not imported: {one}"
                assert one.vm_id not in seen.half, f"imported in part only: {one}"
            elif one.state == "incomplete":
                assert moref in seen.live, f"not in CloudStack: {one}"
            elif one.state in ("failed", "undone"):
                assert moref not in seen.live, f"CloudStack has it: {one}"

    def outcomes_are_true(self, folder: RunFolder, before: Seen, lines: int) -> None:
        """Every outcome noted from line `lines` on of the folder's journal is true of the VM."""
        seen = self.seen()
        calls = {call.row: call for call in read_calls(folder)}
        noted = read_journal(folder.file(JOURNAL))[lines:] if folder.file(JOURNAL).exists() else []
        for line in noted:
            call = calls.get(int(line["row"]))
            if line["step"] == "outcome" and call is not None:
                self._outcome_is_true(call, line, before, seen)

    def _outcome_is_true(self, call: PlannedImport, line: dict[str, Any], before: Seen, seen: Seen) -> None:
        moref, status = call.moref, line["status"]
        if status == "imported":
            assert seen.live.get(moref) == [line["vm_id"]], f"not imported: {line}"
            assert self.whole(seen, moref), f"imported in part only: {line}"
            self.by_hand.discard(moref)
        elif moref in before.at_work | seen.at_work:
            return  # a job of an earlier run, whose end nobody has looked at
        elif status == "incomplete":
            assert moref in seen.live, f"CloudStack does not have it: {line}"
        elif status == "failed":
            assert moref not in seen.live, f"CloudStack has it: {line}"
        elif status in ("held", "not-started"):
            assert before.live.get(moref) == seen.live.get(moref), f"something was done: {line}"

    # What is done

    def plan_anew(self, rows: frozenset[int]) -> RunFolder:
        """A folder planned from what both servers show now; only the VMs of these numbers are to be imported."""
        folder = RunFolder(self.folders[0].path.with_name(f"run-{len(self.folders)}"))
        folder.path.mkdir()
        discover_networks(vcenter_of(self.scene.twin), folder)
        list_unmanaged(cloudstack_of(self.scene.twin), folder)
        enrich_csv(folder)
        wanted = {moref for number, moref in enumerate(self.names) if number in rows}
        self.rewrite(folder, lambda moref: {} if moref in wanted else {"import": "no"})
        self.folders.append(folder)
        return folder

    def rewrite(self, folder: RunFolder, cells: Callable[[str], Mapping[str, str]]) -> None:
        """Edit the cells of each VM (by moref) in a folder's sheet, and check it."""
        sheet = read_sheet(folder.file(PLAN))
        for row in sheet.rows:
            for column, value in cells(row["moref"]).items():
                row[column] = value
        folder.write(PLAN, sheet_bytes(sheet))
        validate(folder, confirm_guesses=True)

    def do(self, deed: Deed, folder: RunFolder, kill: Kill, *, vm: str = "") -> list[Any] | None:
        """A process that does this, or begins to; what it told, None when it was killed."""
        before, lines = self.seen(), _lines(folder)
        child = self.scene.child(kill if isinstance(kill, KillAt) else None, folder, deed, vm)
        child.go()
        told = _ended(child, kill)
        if deed == "import":
            self.outcomes_are_true(folder, before, lines)
        return told

    def vcenter_side(self, *, but_power: bool = False) -> dict[str, dict[str, Any]]:
        """Everything vCenter knows of every VM."""
        world = self.scene.twin.world
        hidden = ("revision", "guest_stage", *(("power_state",) if but_power else ()))
        with world.lock:
            return {
                moref: {name: value for name, value in dataclasses.asdict(vm).items() if name not in hidden}
                for moref, vm in world.vms.items()
            }

    def strike(self, fault: dict[str, Any]) -> None:
        self.scene.twin.faults.set(Script.model_validate({"faults": [fault]}))

    def strike_now(self, fault: dict[str, Any]) -> None:
        """A fault that happens by itself, and has happened when this returns."""
        [name] = self.scene.twin.faults.set(Script.model_validate({"faults": [fault]}))
        self._wait(lambda: any(one["name"] == name and one["fired"] for one in self.scene.twin.faults.described()))

    def mend(self) -> None:
        self.scene.twin.faults.clear()
        self.at_rest()

    @contextmanager
    def somebody(self) -> Iterator[CloudStackClient]:
        """Another client of CloudStack, when nobody else is at work: nothing keeps two imports of a VM apart there."""
        self.at_rest()
        with CloudStackClient(cloudstack_of(self.scene.twin)) as client:
            yield client


def _lines(folder: RunFolder) -> int:
    path = folder.file(JOURNAL)
    return len(read_journal(path)) if path.exists() else 0


def _ended(child: Child, kill: Kill) -> list[Any] | None:
    if isinstance(kill, float):
        child.kill_after(kill)
    return child.told()


class AnyOrder(RuleBasedStateMachine):
    """One site, and whatever may be done to it."""

    planned: Planned
    parent: Path

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._failed = True

    @initialize()
    def open_site(self) -> None:
        path = Path(tempfile.mkdtemp(dir=self.parent))
        self._stack.callback(shutil.rmtree, path)
        scene = self._stack.enter_context(self.planned.scene(path))
        calls = read_calls(scene.folder)
        self.site = Site(scene, [scene.folder], {call.moref: call.vm for call in calls})
        self._failed = False

    @contextmanager
    def _step(self, words: str) -> Iterator[None]:
        """One step of the story, and what must be true after it."""
        site = self.site
        site.story.append(words)
        self._failed = True
        try:
            yield
            site.check()
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(site.story)) from error
        self._failed = False

    def _folder(self, index: int) -> RunFolder:
        """Mostly the newest one."""
        folders = self.site.folders
        return folders[-1 - index % len(folders)] if index < 50 else folders[-1]

    def _vm(self, index: int) -> str:
        morefs = self.site.morefs()
        return morefs[index % len(morefs)]

    # The operator

    @rule(which=INDEX, kill=KILLS)
    def run_it(self, which: int, kill: Kill) -> None:
        folder = self._folder(which)
        with self._step(f"run {folder.path.name}, kill {kill}"):
            self.site.do("import", folder, kill)

    @rule(which=INDEX)
    def run_to_the_end(self, which: int) -> None:
        folder = self._folder(which)
        with self._step(f"run {folder.path.name}"):
            told = self.site.do("import", folder, None) or []
            if not any(isinstance(one, Failure) for one in told):
                rows = [one.row for result in told for one in result.outcomes]
                assert sorted(rows) == [call.row for call in read_calls(folder)], "a row has no outcome, or two"

    @precondition(lambda self: len(self.site.folders) < 4)
    @rule(rows=st.frozensets(st.integers(0, 5), min_size=1))
    def plan_anew(self, rows: frozenset[int]) -> None:
        with self._step(f"plan {sorted(rows)} anew"):
            self.site.at_rest()
            self.site.scene.twin.faults.clear()
            self.site.plan_anew(rows)

    @rule(which=INDEX, index=INDEX, what=st.sampled_from(["offering", "hostname", "network", "power", "import"]))
    def edit(self, which: int, index: int, what: str) -> None:
        folder, moref = self._folder(which), self._vm(index)
        catalogue = read_snapshot(folder.file(SNAPSHOT)).catalogue
        networks = [one.id for one in catalogue.networks]
        offerings = [one.id for one in catalogue.service_offerings]
        values = {
            "offering": {"service_offering": offerings[index % len(offerings)]},
            "hostname": {"hostname": f"edited-{index}"},
            "network": {"nic1_network": networks[index % len(networks)]},
            "power": {"power": ("leave", "shutdown", "off")[index % 3]},
            "import": {"import": ("yes", "no")[index % 2]},
        }[what]
        with self._step(f"edit {self.site.names[moref]} in {folder.path.name}: {values}"):
            self.site.rewrite(folder, lambda one: values if one == moref else {})

    @rule(which=INDEX, kill=KILLS)
    def settle(self, which: int, kill: Kill) -> None:
        folder = self._folder(which)
        if not folder.file(JOURNAL).exists():
            return
        with self._step(f"settle {folder.path.name}, kill {kill}"):
            rows = self._vcenter_kept(lambda: self.site.do("settle", folder, kill), but_power=True)
            for row in rows or ():
                if isinstance(row, SettledRow):
                    self._settled_is_true(folder, row)

    def _settled_is_true(self, folder: RunFolder, row: SettledRow) -> None:
        seen = self.site.seen()
        calls = {call.row: call for call in (*read_taken_out(folder), *read_calls(folder))}
        moref = calls[row.row].moref
        if row.state == "imported":
            assert self.site.whole(seen, moref), f"not whole: {row}"
        elif row.state in ("failed", "absent", "given-back") and moref not in seen.at_work:
            assert moref not in seen.live, f"CloudStack has it: {row}"
        elif row.state == "incomplete":
            assert moref in seen.live, f"CloudStack does not have it: {row}"

    @rule(which=INDEX, kill=KILLS, index=st.one_of(st.none(), INDEX))
    def undo(self, which: int, kill: Kill, index: int | None) -> None:
        folder = self._folder(which)
        if not folder.file(JOURNAL).exists():
            return
        vm = "" if index is None else self.site.names[self._vm(index)]
        with self._step(f"undo {folder.path.name} {vm}, kill {kill}"):
            rows = self._vcenter_kept(lambda: self.site.do("undo", folder, kill, vm=vm))
            for row in rows or ():
                if isinstance(row, UndoRow) and row.status in ("undone", "already", "unlisted"):
                    live = {one for found in self.site.seen().live.values() for one in found}
                    assert row.vm_id not in live, f"not given back: {row}"

    def _vcenter_kept(self, act: Callable[[], list[Any] | None], *, but_power: bool = False) -> list[Any] | None:
        before = self.site.vcenter_side(but_power=but_power)
        result = act()
        assert self.site.vcenter_side(but_power=but_power) == before
        return result

    # Others

    @rule(index=INDEX)
    def unmanage_by_hand(self, index: int) -> None:
        moref = self._vm(index)
        with self._step(f"{self.site.names[moref]} is given back by somebody"), self.site.somebody() as client:
            for vm_id in self.site.seen().live.get(moref, []):
                self.site.by_hand.add(moref)
                try:
                    _done_by_hand(client, client.unmanage_virtual_machine(vm_id))
                except IngestError as error:
                    self.site.story.append(f"  but: {error.message}")

    @rule(index=INDEX)
    def import_by_hand(self, index: int) -> None:
        moref = self._vm(index)
        call = next((one for one in read_calls(self.site.scene.folder) if one.moref == moref), None)
        if call is None:
            return
        with self._step(f"{self.site.names[moref]} is imported by somebody"), self.site.somebody() as client:
            if moref not in self.site.seen().live:
                self.site.by_hand.add(moref)
                try:
                    _done_by_hand(client, client.import_unmanaged_instance(call.request))
                except IngestError as error:
                    self.site.story.append(f"  but: {error.message}")

    @rule(index=INDEX, what=st.sampled_from(["vm-moves", "vm-renamed", "off", "on"]))
    def change_in_vcenter(self, index: int, what: str) -> None:
        moref = self._vm(index)
        with self.site.scene.twin.world.lock:
            name = self.site.scene.twin.world.vms[moref].name
        fault: dict[str, Any] = {"kind": what, "vm": name}
        if what == "vm-renamed":
            self.site.renamed.add(moref)
            fault["to"] = f"{self.site.names[moref]}-{index}"
        elif what in ("off", "on"):
            fault = {"kind": "vm-power", "vm": name, "to": "poweredOff" if what == "off" else "poweredOn"}
        with self._step(f"in vCenter: {fault}"):
            self.site.strike_now(fault)

    # Bad luck

    @rule(fault=st.sampled_from(FAULTS))
    def trouble(self, fault: dict[str, Any]) -> None:
        with self._step(f"trouble: {fault}"):
            self.site.strike(fault)

    @rule(after_s=st.sampled_from([0.0, 0.1, 0.3]), finishes_later=st.booleans())
    def restart(self, after_s: float, finishes_later: bool) -> None:
        fault = {"kind": "cloudstack-restart", "seconds": 0.1, "finishes_later": finishes_later}
        with self._step(f"restart after {after_s}, finishes later {finishes_later}"):
            self.site.strike(fault | {"after_seconds": after_s})

    @rule()
    def mend(self) -> None:
        with self._step("mend"):
            self.site.mend()

    # The end

    def teardown(self) -> None:
        try:
            if not self._failed:
                with self._step("the end"):
                    self._everything_gets_in()
        finally:
            self._stack.close()

    def _everything_gets_in(self) -> None:
        """Without faults each folder's run, a settlement, and a new plan bring in what nobody renamed."""
        site = self.site
        site.mend()
        for folder in list(site.folders):
            site.do("import", folder, None)
            site.check()
            if folder.file(JOURNAL).exists():
                site.do("settle", folder, None)
                site.check()
        told = site.do("import", site.plan_anew(frozenset(range(len(site.names)))), None)
        site.check()
        seen = site.seen()
        held = [entry for entry in site.scene.entries() if entry.holder]
        assert held == [], f"a claim is left: {held}"
        out = {site.names[one] for one in site.names if not site.whole(seen, one) and one not in site.renamed}
        out -= {site.names[one] for one in site.by_hand}
        assert out == set(), f"never imported: {told}"


def _done_by_hand(client: CloudStackClient, job_id: str) -> None:
    with suppress(Refused):
        wait_for_job(client, job_id, every_s=0.01, timeout_s=60)
