"""Every fault the twin knows, at every place of an import where it can strike: what a run may say of it, and the truth.

Whatever happens, nothing is called imported that is not, nothing is imported twice, nothing that was imported is called
failed, and another run of the same folder brings the rest in.
"""

from __future__ import annotations

import gc
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pytest

from ingest.cloudstack import caller
from ingest.engine import settlement
from ingest.engine.ledger import open_ledger
from ingest.engine.rows import Pace
from ingest.engine.schedule import watcher
from ingest.engine.undo import UndoPace
from ingest.model.endpoints import Timeouts
from ingest.model.outcome import Outcome, Status
from ingest.settings import RunSettings
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import RunFolder
from ingest.stages.settle import settle_run
from ingest.stages.validate import read_calls, validate
from ingest.twin import truth
from ingest.twin.cloudstack.steps import STEPS
from ingest.twin.faults import kinds
from ingest.twin.faults.script import Script
from ingest.twin.generator import CLEAN, generate
from ingest.twin.serving import Twin
from ingest.twin.world import World
from tests.plan.twin_site import cloudstack_of, import_calls, vcenter_of

# The client's side, and Python's: when a connection is reset before its handshake begins, `SSLSocket._create` raises
# without closing the socket it was making (the socket has no peer any more).
pytestmark = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <ssl\.SSLSocket fd=.* laddr=[^,]*, \d+.>:pytest.PytestUnraisableExceptionWarning"
)

SIZE, SEED = 4, 3
PACE = Pace(timeout_s=5, settle_s=0.5, resubmit_s=(0.05, 0.1), away_s=0.0)
PATIENT = replace(PACE, settle_s=10.0)
"""For imports that go on though their jobs failed: they are looked at until they are whole, also on a slow machine."""
UNDO_PACE = UndoPace(every_s=0.01, timeout_s=5, listing_s=0.05)
SHORT = Timeouts(connect_s=2, read_s=0.6, list_unmanaged_s=0.6, change_s=0.6)
LONGER_S = 1.0
VICTIM = "{victim}"

PLACES = {
    "submit": "importUnmanagedInstance",
    "poll": "*AsyncJob*",
    "verify": "listV*",
    "list": "listUnmanagedInstances",
}
OF_ONE_VM = {"poll": "queryAsyncJobResult", "verify": "listVirtualMachines"}
"""The calls of a place that name a VM, for faults that come to one VM."""

Statuses = frozenset[Status]


@dataclass(frozen=True)
class Case:
    """A fault and what may come of it.

    `rows`: statuses a struck row may have. `others`: those the rest may have, for what does not concern one VM alone.
    `stays_out`: VMs that may never get in by themselves, since they are not what was planned any more.
    """

    name: str
    fault: dict[str, Any]
    rows: Statuses = frozenset({"imported"})
    others: Statuses = frozenset({"imported"})
    stays_out: int = 0
    short: bool = False
    pace: Pace = PACE

    def __str__(self) -> str:
        return self.name


IMPORTED: Statuses = frozenset({"imported"})
FAILED: Statuses = frozenset({"failed"})
HELD: Statuses = frozenset({"held"})
UNKNOWN: Statuses = frozenset({"unknown"})
INCOMPLETE: Statuses = frozenset({"incomplete"})
NOT_STARTED: Statuses = frozenset({"not-started"})
GONE = IMPORTED | FAILED | HELD
STOPPED = IMPORTED | NOT_STARTED
TAKEN_FOR_DEAD = STOPPED | UNKNOWN
CUT_OFF = IMPORTED | FAILED | UNKNOWN | INCOMPLETE | NOT_STARTED

NOT_ABOUT_IMPORTS = {
    "vcenter-restart": "the import API is CloudStack's; a run asks vCenter only to switch VMs",
    "session-expiry": "a session of vCenter, see above",
    "vcenter-page-size": "pages of vCenter, see above",
    "vcenter-task": "a task of vCenter, see tests/engine/test_power.py",
}
"""Kinds of faults without a row in the matrix, and why."""

AT_STEPS_ONLY = {"job-fails", "capacity"}
"""Kinds that happen inside an import, whatever call is on its way."""


@dataclass(frozen=True)
class Line:
    """One line of the table: a fault, and for each place what a struck row and the others may be.

    One set of statuses stands for every place. `out`: places after which the VM stays out.
    """

    fault: dict[str, Any]
    rows: Statuses | dict[str, Statuses] = IMPORTED
    others: Statuses | dict[str, Statuses] = IMPORTED
    out: frozenset[str] = frozenset()
    short: bool = False

    def cases(self) -> Iterator[tuple[str, Case]]:
        """The cases by place."""
        for place, command in PLACES.items():
            about_one = self.fault["kind"].startswith("vm-") or self.fault["kind"] == "address-taken"
            command = OF_ONE_VM.get(place, command) if about_one else command
            fault = {"command": command, "vm": VICTIM if about_one or place in ("submit", "list") else "*"} | self.fault
            words = [str(value) for key, value in self.fault.items() if key not in ("vm", "text")]
            yield (
                place,
                Case(
                    "-".join([*words, place]),
                    fault,
                    _at(self.rows, place),
                    _at(self.others, place),
                    stays_out=int(place in self.out),
                    short=self.short,
                    pace=PATIENT if "finishes_later" in self.fault else PACE,
                ),
            )


def _at(statuses: Statuses | dict[str, Statuses], place: str) -> Statuses:
    return statuses.get(place, IMPORTED) if isinstance(statuses, dict) else statuses


LATER_GONE = {"poll": GONE, "verify": GONE}
LATER_SILENT = {"poll": STOPPED, "verify": STOPPED}
LATER_STOPPED = {"poll": TAKEN_FOR_DEAD, "verify": TAKEN_FOR_DEAD}

LINES = [
    Line({"kind": "delay", "seconds": 0.1}),
    Line({"kind": "delay", "seconds": LONGER_S}, short=True),
    Line({"kind": "silence", "seconds": 0.1}),
    Line({"kind": "silence", "seconds": LONGER_S}, LATER_SILENT, STOPPED, short=True),
    Line({"kind": "reset", "when": "before"}),
    Line({"kind": "reset", "when": "after"}),
    Line({"kind": "reset", "when": "before", "times": 2}, {"submit": UNKNOWN}),
    Line({"kind": "reset", "when": "after", "times": 2}),
    Line({"kind": "status", "status": 500, "when": "before"}),
    Line({"kind": "status", "status": 503, "when": "before", "times": 2}, {"submit": UNKNOWN}),
    Line({"kind": "status", "status": 502, "when": "after"}),
    Line({"kind": "status", "status": 504, "when": "after", "times": 2}),
    Line({"kind": "rate-limit", "retry_ms": 30, "times": 2}),
    Line({"kind": "throttling", "max": 1}),
    Line({"kind": "job-lost"}),
    Line({"kind": "job-expiry"}),
    Line({"kind": "cloudstack-restart", "seconds": 0.3}, CUT_OFF, CUT_OFF),
    Line({"kind": "cloudstack-restart", "seconds": 0.3, "finishes_later": True}, TAKEN_FOR_DEAD, TAKEN_FOR_DEAD),
    Line({"kind": "cloudstack-page-size", "rows": 1}),
    Line({"kind": "slow-listing", "seconds_per_vm": 0.05}),
    Line({"kind": "host-down", "host": "*"}, {"submit": FAILED, "list": HELD} | LATER_GONE, GONE),
    Line({"kind": "datastore-full", "datastore": "*"}),
    Line({"kind": "clock-jump", "seconds": 7200.0}, {"submit": NOT_STARTED, "list": NOT_STARTED} | LATER_STOPPED,
         TAKEN_FOR_DEAD),
    Line({"kind": "clock-jump", "seconds": -7200.0}),
    Line({"kind": "vm-vanishes"}, {"submit": FAILED, "list": HELD}, out=frozenset({"submit", "list"})),
    Line({"kind": "vm-renamed", "to": "{name}-2"}, {"submit": FAILED, "list": HELD}, out=frozenset({"submit", "list"})),
    Line({"kind": "vm-moves"}, {}),
    Line({"kind": "vm-power", "to": "poweredOff"}, {"list": HELD}, out=frozenset({"list"})),
    Line({"kind": "address-taken", "network": "{network}", "vm": VICTIM}, {"submit": FAILED, "list": FAILED},
         out=frozenset({"submit", "list"})),
]  # fmt: skip


def _at_step(kind: str, step: str, rows: Statuses, **more: Any) -> Case:
    fault = {"kind": kind, "step": step, "vm": VICTIM} | {key: more.pop(key) for key in _FAULT_KEYS if key in more}
    words = [kind, *(f"{key}={value}" for key, value in fault.items() if key in _FAULT_KEYS), step]
    return Case("-".join(words), fault, rows, **more)


_FAULT_KEYS = ("seconds", "goes_on", "finishes_later", "code")
HALF = ("committed", "volumes")
UNCOUNTED = ("nics", "moved")
"""Cut off after these steps a VM has all its rows; only the resource count of its owner lacks it."""

STEP_CASES = [
    *(_at_step("job-fails", step, FAILED) for step in STEPS if step not in ("nics", "moved", "completed")),
    # The clean-up leaves the NIC rows: their MACs count as taken until somebody removes them from the database.
    *(_at_step("job-fails", step, FAILED, stays_out=1) for step in ("nics", "moved")),
    _at_step("job-fails", "checked", FAILED, code=431),
    _at_step("job-fails", "completed", IMPORTED),
    _at_step("capacity", "checked", FAILED),
    *(_at_step("delay", step, IMPORTED, seconds=0.1) for step in ("accepted", "committed")),
    _at_step("delay", "volumes", UNKNOWN, seconds=LONGER_S, pace=Pace(timeout_s=0.3, settle_s=0.1, away_s=0.0)),
    *(_at_step("job-lost", step, IMPORTED, goes_on=True) for step in ("accepted", "checked", "volumes", "completed")),
    _at_step("job-lost", "checked", UNKNOWN, goes_on=False),
    *(_at_step("job-lost", step, INCOMPLETE, goes_on=False) for step in HALF),
    *(_at_step("job-lost", step, IMPORTED, goes_on=False) for step in UNCOUNTED),
    *(
        _at_step("cloudstack-restart", step, CUT_OFF, others=CUT_OFF, seconds=0.3)
        for step in ("accepted", "checked", *HALF, "nics", "completed")
    ),
    *(
        _at_step(
            "cloudstack-restart",
            step,
            TAKEN_FOR_DEAD,
            others=TAKEN_FOR_DEAD,
            seconds=0.3,
            finishes_later=True,
            pace=PATIENT,
        )
        for step in ("accepted", "committed", "completed")
    ),
]  # fmt: skip

BY_PLACE = [(place, case) for line in LINES for place, case in line.cases()]
CASES = [*(case for _, case in BY_PLACE), *STEP_CASES]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """The plan of a world without faults; equal worlds have equal plans."""
    folder = RunFolder(tmp_path_factory.mktemp("planned"))
    with Twin(world()) as twin:
        discover_networks(vcenter_of(twin), folder)
        list_unmanaged(cloudstack_of(twin), folder)
        enrich_csv(folder)
        assert len(validate(folder).ready) == SIZE
    yield folder
    gc.collect()


def world() -> World:
    made = generate(SIZE, seed=SEED, shape=CLEAN)
    made.cloud.import_seconds = 0.02
    return made


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(watcher, "_FIRST_BACK_OFF_S", 0.05)
    monkeypatch.setattr(settlement, "_FIRST_PAUSE_S", 0.03)


@dataclass
class Stage:
    """A twin with a fault, and the runs of one folder against it."""

    twin: Twin
    folder: RunFolder
    case: Case

    def __post_init__(self) -> None:
        call = read_calls(self.folder)[1]
        self.victim, self.network = call.request.name, call.request.nic_networks[0][1]

    def strike(self) -> None:
        """Set the fault of the case."""
        words = {"{victim}": self.victim, "{network}": self.network}
        fault = {key: words.get(value, value) if isinstance(value, str) else value
                 for key, value in self.case.fault.items()}  # fmt: skip
        self.twin.faults.set(Script.model_validate({"faults": [fault]}))

    def mend(self) -> None:
        """Take the fault back, and wait until both servers are at rest."""
        self.wait_for(lambda: self.twin.faults.described()[0]["fired"])
        self.at_rest()
        self.twin.faults.clear()
        if self.case.fault["kind"] == "clock-jump":
            self.twin.world.clock.jump(-self.case.fault["seconds"])

    def at_rest(self) -> None:
        """Wait until no import is at work and the management server is up again."""
        journal = self.twin.world.cloud.journal
        restarts = [one for one in journal.of("fault") if one["what"] == "cloudstack-restart"]
        self.wait_for(lambda: len(journal.of("cloudstack-back")) == len(restarts))
        self.wait_for(lambda: not journal.imports_running)

    def wait_for(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, "it never happened"
            time.sleep(0.005)

    def run(self, *, pace: Pace = PACE, short: bool = False) -> dict[str, Outcome]:
        """One run of the folder: an outcome for every row, and none that the truth contradicts."""
        results = import_calls(self.twin, self.folder, pace=pace, timeouts=SHORT if short else None)
        outcomes = [outcome for result in results for outcome in result.outcomes]
        assert sorted(one.row for one in outcomes) == [call.row for call in read_calls(self.folder)]
        for one in outcomes:
            if one.status == "imported":
                assert self.is_whole(one.vm_id), f"not imported, but said so: {one}"
        return {one.vm: one for one in outcomes}

    def is_whole(self, vm_id: str) -> bool:
        with self.twin.world.lock:
            instance = self.twin.world.cloud.instances.get(vm_id)
            return instance is not None and not instance.removed and vm_id not in self.halves()

    def halves(self) -> set[str]:
        """Ids of the instances that lack volumes or NICs."""
        with self.twin.world.lock:
            lost = self.twin.world.cloud.journal.of("import-lost")
            uncounted = {str(facts["instance"]) for facts in lost if facts.get("after") in UNCOUNTED}
            return set(truth.half_imported(self.twin.world)) - uncounted

    def whole(self) -> set[str]:
        """Names of the VMs CloudStack truly has whole and once."""
        with self.twin.world.lock:
            halves = self.halves()
            found = [live[0] for live in truth.live_instances(self.twin.world).values() if len(live) == 1]
            return {one.instancename for one in found if one.id not in halves}

    def nothing_twice(self) -> None:
        """No VM is in CloudStack twice, and none was ever imported to the end twice."""
        with self.twin.world.lock:
            assert truth.duplicates(self.twin.world) == {}
            ends = Counter(facts["vm"] for facts in self.twin.world.cloud.journal.of("import-completed"))
        assert not [vm for vm, times in ends.items() if times > 1]

    def agrees(self, outcomes: dict[str, Outcome]) -> None:
        """What was said of each row is not less than what is true of it."""
        whole = self.whole()
        with self.twin.world.lock:
            half = {self.twin.world.cloud.instances[one].instancename for one in self.halves()}
        for vm, outcome in outcomes.items():
            if vm in whole:
                assert outcome.status in ("imported", "unknown", "incomplete"), f"it was imported: {outcome}"
            elif vm in half:
                assert outcome.status in ("incomplete", "unknown"), f"it was half imported: {outcome}"
            else:
                assert outcome.status != "imported", f"it was not imported: {outcome}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whatever_happens_the_run_tells_the_truth(case: Case, planned: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(planned.path, folder.path)
    with Twin(world()) as twin:
        stage = Stage(twin, folder, case)
        stage.strike()
        first = stage.run(pace=case.pace, short=case.short)
        stage.mend()
        stage.nothing_twice()
        stage.agrees(first)
        said = {vm: (one.status, one.error) for vm, one in first.items()}
        assert first[stage.victim].status in case.rows, said
        assert {one.status for vm, one in first.items() if vm != stage.victim} <= case.others, said
        _bring_in_the_rest(stage)


def _bring_in_the_rest(stage: Stage) -> None:
    """A second run without the fault, and a third after a cure where something was half imported."""
    second = stage.run()
    stage.at_rest()
    stage.nothing_twice()
    stage.agrees(second)
    halves = stage.halves()
    assert sorted(one.vm_id for one in second.values() if one.status == "incomplete") == sorted(halves)
    if halves:
        conclude_from_journal(stage.folder)
        with open_ledger(RunSettings(state=stage.folder.path.parent / "state")) as ledger:
            endpoint = cloudstack_of(stage.twin)
            rows = settle_run(endpoint, stage.folder, cure=True, patience_s=0.3, pace=UNDO_PACE, ledger=ledger)
        assert sum(row.state == "given-back" for row in rows) == len(halves)
        second = stage.run()
        stage.nothing_twice()
        stage.agrees(second)
    statuses = {vm: (one.status, one.error) for vm, one in second.items()}
    everyone = set(second)
    wanted = everyone - {stage.victim} if stage.case.stays_out else everyone
    assert stage.whole() == wanted, statuses
    assert {vm for vm, one in second.items() if one.status == "imported"} == wanted, statuses


def test_every_kind_of_fault_is_in_the_matrix() -> None:
    union, _ = get_args(kinds.Fault)
    known = {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(union)}
    placed = {(case.fault["kind"], place) for place, case in BY_PLACE}
    stepped = {case.fault["kind"] for case in STEP_CASES}
    assert stepped >= AT_STEPS_ONLY
    assert {kind for kind, _ in placed} | stepped | set(NOT_ABOUT_IMPORTS) == known
    assert not (set(NOT_ABOUT_IMPORTS) & ({kind for kind, _ in placed} | stepped))
    assert placed == {(kind, place) for kind in known - set(NOT_ABOUT_IMPORTS) - AT_STEPS_ONLY for place in PLACES}
    assert len({case.name for case in CASES}) == len(CASES)
