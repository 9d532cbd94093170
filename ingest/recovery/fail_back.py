"""A recovered site given back: VMs stopped, given back by CloudStack, unregistered; the last wave first.

Only what the ledger says this recovery did: VMs it started are stopped, VMs it imported are given back, VMs it
registered are unregistered. Nothing is destroyed. Writes `fail_back.csv`, and what `unregister_vms` writes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingest.cloudstack.client import CloudStackClient
from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, StageStep, tell
from ingest.engine.ledger import Deed, Entry, Ledger
from ingest.engine.power import PowerOrder, PowerPace, PowerPolicy, not_off, switch_off
from ingest.engine.undo import DEFAULT_UNDO_PACE, Managed, Undone, UndoPace, preview, undo
from ingest.engine.verification import by_id
from ingest.errors import Transient, UsageError
from ingest.recovery.course import read_course
from ingest.recovery.notes import Notes
from ingest.report.tables import csv_bytes, record
from ingest.settings import Settings
from ingest.stages.ledger_claims import in_hand, somebody
from ingest.stages.run_folder import FAIL_BACK, RunFolder
from ingest.stages.unregister_vms import unregister_vms
from ingest.vsphere.session import connect

if TYPE_CHECKING:
    from ingest.engine.registering import RegisterPace
    from ingest.vsphere.session import VCenter

COLUMNS = ("wave", "vm", "step", "status", "error", "cure")
DONE = frozenset({"stopped", "off", "undone", "already", "unregistered", "gone", "to-stop", "to-undo", "to-unregister"})
"""Statuses that leave nothing to do but, in a preview, the giving back."""
AGAIN = "see to it, then run this again: it looks before it acts"


@dataclass(frozen=True, slots=True)
class FailBackRow:
    """One step of one VM. `wave` is '' for what is in none.

    `step` stop: stopped, off (it was off already), failed. give-back: as `UndoRow`. unregister: as `UnregisterRow`. In
    a preview to-stop, to-undo, to-unregister. not-started when it was stopped before, or a step before did not succeed.
    """

    wave: str
    vm: str
    step: str
    status: str
    error: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class FailBackOptions:
    """`hard` switches off what does not shut down; `unregister` takes VMs out of the inventory afterwards."""

    hard: bool = False
    unregister: bool = False
    power_pace: PowerPace = field(default_factory=PowerPace)
    undo_pace: UndoPace = DEFAULT_UNDO_PACE
    register_pace: RegisterPace | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """A VM of the recovery: what the ledger knows of its import and its start; one of them may be None."""

    wave: str
    entry: Entry | None
    started: Deed | None

    @property
    def vm(self) -> str:
        return self.entry.vm.name if self.entry else self.started.key.name if self.started else ""


def fail_back(
    settings: Settings,
    folder: RunFolder,
    ledger: Ledger,
    options: FailBackOptions,
    *,
    dry_run: bool = True,
    stop: threading.Event | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[FailBackRow]:
    """Give back what the folder's recovery did; a row for each step of each VM, in the order they are taken.

    With `dry_run` only says what would happen. Running it again changes nothing. A VM that cannot be stopped stays
    where it is and holds no other up. Raises UsageError for a folder of no recovery, and the clients' errors when a
    server cannot be asked at all; what was done by then is in the folder.
    """
    course = read_course(folder)
    if course is None:
        raise UsageError("no recovery was planned here", place=str(folder.path), cure="give the folder of a recovery")
    stop = stop or threading.Event()
    with ExitStack() as stack:
        vcenter = stack.enter_context(connect(settings.vcenter))
        client = stack.enter_context(CloudStackClient(settings.cloudstack))
        work = _Work(settings, folder, ledger, options, vcenter, client, stop, dry_run)
        rows: list[FailBackRow] = []
        try:
            for wave in reversed(course.waves):
                subjects = [vm.subject for vm in reversed(wave.vms) if vm.row]
                targets = work.targets(wave.name, subjects)
                if not targets:
                    continue
                tell(StageStarted(f"fail_back {wave.name}"))
                rows += work.wave(targets)
                progress(f"wave {wave.name}: {counted(len(targets), 'VM')}")
                tell(StageDone(f"fail_back {wave.name}", f"{counted(len(targets), 'VM')}"))
            if options.unregister:
                rows += work.unregister(rows)
            if not dry_run and all(row.status in DONE for row in rows):
                Notes(ledger, work.run_id, somebody()).given_back([wave.name for wave in course.waves])
        finally:
            folder.write(FAIL_BACK, csv_bytes(COLUMNS, map(record, rows)))
    return rows


@dataclass(slots=True)
class _Work:
    settings: Settings
    folder: RunFolder
    ledger: Ledger
    options: FailBackOptions
    vcenter: VCenter
    client: CloudStackClient
    stop: threading.Event
    dry_run: bool
    _entries: dict[str, Entry] = field(default_factory=dict)
    _started: dict[str, Deed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.ledger.entries(run_id=self.run_id, state="imported"):
            self._entries[entry.vm.text] = entry
        for deed in self.ledger.deeds.find(
            endpoint=self.settings.cloudstack.url, kind="started", run_id=self.run_id,
            states=["done", "intended", "undoing"],
        ):  # fmt: skip
            self._started[deed.key.subject] = deed

    @property
    def run_id(self) -> str:
        return self.folder.path.resolve().name

    def targets(self, wave: str, subjects: Sequence[str]) -> list[_Target]:
        """What is to be given back of these VMs, in their order."""
        found = ((self._entries.get(subject), self._started.get(subject)) for subject in subjects)
        return [_Target(wave, entry, started) for entry, started in found if entry or started]

    def wave(self, targets: Sequence[_Target]) -> list[FailBackRow]:
        """Stop a wave, then give its VMs back."""
        stops = list(self._stops([one for one in targets if one.started]))
        failed = {row.vm for row in stops if row.status not in DONE}
        return [*stops, *(self._back(one, one.vm in failed) for one in targets if one.entry)]

    # Stop

    def _stops(self, targets: Sequence[_Target]) -> Iterator[FailBackRow]:
        morefs = {one.vm: self._moref(one) for one in targets}
        running = not_off(self.vcenter, [moref for moref in morefs.values() if moref])
        orders: list[PowerOrder] = []
        held: list[_Target] = []
        for one in targets:
            row = FailBackRow(one.wave, one.vm, "stop", "to-stop")
            if self.dry_run:
                yield replace(row, status="to-stop" if morefs[one.vm] in running else "off")
            elif self.stop.is_set():
                yield replace(row, status="not-started")
            elif not self._begin(one):
                yield replace(row, status="in-hand", error="another run is at work on it", cure=AGAIN)
            else:
                policy: PowerPolicy = "power-off" if self.options.hard else "shut-down"
                orders.append(PowerOrder(one.vm, morefs[one.vm], policy))
                held.append(one)
        if not orders:
            return
        outcomes = switch_off(
            self.vcenter, orders, pace=self.options.power_pace, stop=self.stop,
            note=lambda change: tell(StageStep("fail_back", f"{change.vm}: {change.means}")),
        )  # fmt: skip
        for one, outcome in zip(held, outcomes, strict=True):
            row = FailBackRow(one.wave, one.vm, "stop", "stopped" if outcome.changes else "off")
            assert one.started is not None  # noqa: S101  only such were asked for
            if outcome.problem:
                self.ledger.deeds.release(one.started.key)
                yield replace(row, status="failed", error=outcome.problem, cure=f"shut it down or --hard; {AGAIN}")
            else:
                self.ledger.deeds.end(one.started.key, "undone")
                yield row

    def _begin(self, one: _Target) -> bool:
        """The start in hand to be taken back. One whose outcome nobody learnt is taken for done: a look decides."""
        assert one.started is not None  # noqa: S101
        deeds, who = self.ledger.deeds, {"run_id": self.run_id, "actor": somebody()}
        begun = deeds.begin_undo(one.started.key, **who)
        if begun.held and begun.before == "intended":
            deeds.end(one.started.key, "done", detail={"settled": True})
            begun = deeds.begin_undo(one.started.key, **who)
        return begun.held

    def _moref(self, one: _Target) -> str:
        if one.entry:
            return one.entry.vm.moref
        subject = one.started.key.subject if one.started else ""
        known = [entry for entry in self.ledger.entries(name=one.vm) if entry.vm.text == subject]
        return known[0].vm.moref if known else ""

    # Give back

    def _back(self, one: _Target, kept: bool) -> FailBackRow:
        assert one.entry is not None  # noqa: S101
        row = FailBackRow(one.wave, one.vm, "give-back", "not-started")
        if self.stop.is_set():
            return row
        if kept:
            return replace(row, error="it could not be stopped", cure=AGAIN)
        vm = Managed(one.entry.vm_id, one.entry.vm.name, (one.entry.vm.cluster_id,))
        if self.dry_run:
            return self._previewed(row, vm)
        with in_hand(self.ledger, one.entry.vm, self.run_id) as claim:
            if claim is not None and not claim.held:
                return replace(row, status="refused", error=f"{claim.holder} is at work on it", cure=AGAIN)
            try:
                became = undo(
                    self.client, vm, stop=self.stop, pace=self.options.undo_pace, ledger=self.ledger, key=one.entry.vm
                )
            except Transient as away:
                became = Undone("not-started", away.message)
        objections = [each for each in became.objections if each.blocks]
        return replace(row, status=became.status, error=became.error, cure=objections[0].cure if objections else "")

    def _previewed(self, row: FailBackRow, vm: Managed) -> FailBackRow:
        if not by_id(self.client, vm.vm_id):
            return replace(row, status="already")
        blocking = [one for one in preview(self.client, vm.vm_id) if one.blocks]
        if blocking:
            texts = "; ".join(one.text for one in blocking)
            return replace(row, status="refused", error=texts, cure=blocking[0].cure)
        return replace(row, status="to-undo")

    # Unregister

    def unregister(self, rows: Sequence[FailBackRow]) -> list[FailBackRow]:
        """What the recovery registered, taken out of the inventory. In a preview VMs that are still managed count as
        given back, because they would be by then."""
        to_go = {row.vm for row in rows if row.status in DONE}
        found = unregister_vms(
            self.settings.vcenter,
            self.settings.cloudstack,
            self.folder,
            self.ledger,
            of_run=self.run_id,
            dry_run=self.dry_run,
            stop=self.stop,
            pace=self.options.register_pace,
        )
        return [
            FailBackRow("", one.vm, "unregister", "to-unregister")
            if self.dry_run and one.status == "kept" and one.vm in to_go
            else FailBackRow("", one.vm, "unregister", one.status, one.error, one.cure)
            for one in found
        ]
