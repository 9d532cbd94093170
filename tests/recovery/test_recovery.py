"""A recovery on the twin: registered, planned, imported, started, checked; what people, gates and time-outs do."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ingest.engine.events import (
    ClockRead,
    Event,
    StageStarted,
    TargetAtRisk,
    VmChecked,
    VmStarted,
    WaveBegan,
    listening,
)
from ingest.engine.importing import BatchResult
from ingest.engine.ledger import open_ledger
from ingest.engine.power import PowerPace
from ingest.errors import RemoteError, UsageError
from ingest.model.request import PlannedImport
from ingest.recovery.doing import Doing, OnThreads
from ingest.recovery.fail_back import FailBackOptions, FailBackRow, fail_back
from ingest.recovery.people import NOBODY, Given, People, Request, Signature
from ingest.recovery.report import read_report
from ingest.recovery.sequence import Missing, Recovered, Recovery, RecoveryOptions, recover
from ingest.report.tables import csv_rows
from ingest.stages.import_batch import ImportRun
from ingest.stages.run_folder import RECOVERY_PAGE, REGISTERED_CSV, RESULTS, RunFolder
from ingest.twin.faults.script import Script
from ingest.twin.serving import Twin
from ingest.twin.world import World
from ingest.twin.worlds.recovery import Guests, recovery_site
from tests.recovery.site import QUICK, SITES, new_folder, settings_of, store_plan, timing_of

VMS = 6
SPEED = 5.0
HEAD = f"name: small\nplan: plan.csv\nrto: 1h\npeople: [{{role: lead}}]\n{SITES}"
FIRST = 'name: first, select: {columns: {tier: "1"}}'
SECOND = 'name: second, select: {columns: {tier: "2"}}'
PATIENT = "retries: 900, pause: 1s"  # of the twin's time: it passes quickly
BOOK = f"""{HEAD}
steps:
  - {{name: declared, say: the loss is declared, who: lead}}
  - {{say: users are told, who: lead, when: after}}
waves:
  - {{{FIRST}, rto: 59min, prerequisites: [declared], start: {{delay: 1s, order: [{{name: file*}}]}},
     checks: [{{kind: tools, {PATIENT}}}, {{kind: tcp, port: 22, {PATIENT}}}, {{kind: ip, {PATIENT}}}]}}
  - {{{SECOND}, prerequisites: [first], checks: [{{kind: http, url: "http://{{ip}}/", text: is up, {PATIENT}}}]}}
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_plan(tmp_path_factory.mktemp("stored"), VMS)


@dataclass
class Scene:
    """A recovery site that runs, and a folder whose papers are there."""

    world: World
    twin: Twin
    folder: RunFolder
    state: Path
    events: list[Event] = field(default_factory=list)

    def recover(
        self, people: People = NOBODY, options: RecoveryOptions = QUICK, doing: Doing | None = None
    ) -> Recovered:
        settings, timing = settings_of(self.twin, self.state), timing_of(self.world)
        with (
            listening(self.events.append),
            Recovery(settings, self.folder, people=people, timing=timing, options=options, doing=doing) as recovery,
        ):
            return recover(recovery)

    def started(self) -> Counter[str]:
        """How often each VM was started, by the twin's own journal."""
        return Counter(str(facts["vm"]) for facts in self.world.cloud.journal.of("started"))

    def running(self) -> set[str]:
        with self.world.lock:
            return {vm.name for vm in self.world.vms.values() if vm.power_state == "poweredOn"}


@contextmanager
def scene(tmp_path: Path, plan: Path, runbook: str, guests: Guests | None = None) -> Iterator[Scene]:
    world = recovery_site(VMS, seed=4, own=1, guests=guests)
    world.clock.run_at(SPEED)
    with Twin(world) as twin:
        yield Scene(world, twin, new_folder(tmp_path / "run-1", runbook, plan), tmp_path / "state")


def verdicts(done: Recovered) -> list[str]:
    return [wave.verdict for wave in done.report.waves]


def test_a_site_comes_back_and_is_given_back(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, BOOK) as site:
        names = {stored.vm.name for stored in site.world.unregistered.values()}
        own = site.running()
        # Nothing is written before the first signature.
        waiting = site.recover()
        assert (waiting.outcome, waiting.pending and waiting.pending.key) == ("stopped", "declared")
        assert "--sign 'declared=NAME'" in waiting.cure
        assert not site.world.cloud.journal.of("registered")

        done = site.recover(Given({"declared": "Ann", "after/1": "Bob"}))
        assert (done.outcome, done.why, verdicts(done)) == ("recovered", "", ["well", "well"])
        journal = site.world.cloud.journal
        assert site.started() == dict.fromkeys(names, 1)
        assert len(journal.imports) == len({moref for moref, _ in journal.imports}) == VMS
        assert Counter(str(facts["path"]) for facts in journal.of("registered")).most_common(1)[0][1] == 1
        first = [str(facts["vm"]) for facts in journal.of("started")][:3]
        assert first[0].startswith("file"), "the order of the runbook"
        assert {str(facts["port"]) for facts in journal.of("guest-reached")} == {"22", "80"}
        clocks = [event for event in site.events if isinstance(event, ClockRead)]
        assert clocks[-1].clock.overall.state == "done"
        assert not any(isinstance(event, TargetAtRisk) for event in site.events)

        report = read_report(site.folder)
        assert report == done.report
        assert (report.rto_met, report.counts["healthy"], report.counts["failed"]) == (True, VMS, 0)
        assert [(one["key"], one["name"]) for one in report.people] == [("declared", "Ann"), ("after/1", "Bob")]
        page = site.folder.file(RECOVERY_PAGE).read_text(encoding="utf-8")
        assert "was met" in page
        assert "replication" in page
        assert "http://" not in page.replace("http://10.", ""), "no file but itself"
        statuses = Counter(row["status"] for row in csv_rows(site.folder.file(RESULTS).read_bytes()))
        assert statuses["imported"] == VMS

        # Going through it again does nothing.
        calls = dict(journal.vcenter_calls), journal.imports_accepted
        assert site.recover().outcome == "recovered"
        assert journal.imports_accepted == calls[1]
        assert journal.vcenter_calls["RegisterVM_Task"] == calls[0]["RegisterVM_Task"]
        assert site.started() == dict.fromkeys(names, 1)

        preview = give_back(site, dry_run=True)
        assert Counter(row.status for row in preview) == {"to-stop": VMS, "to-undo": VMS, "to-unregister": VMS}
        assert site.running() == own | names
        rows = give_back(site)
        assert Counter(row.status for row in rows) == {"stopped": VMS, "undone": VMS, "unregistered": VMS}
        assert [row.wave for row in rows if row.step == "stop"] == ["second"] * 3 + ["first"] * 3
        assert site.running() == own
        assert len(site.world.unregistered) == VMS
        with site.world.lock:
            assert not [one for one in site.world.cloud.instances.values() if not one.removed]
        assert give_back(site) == []
        with pytest.raises(UsageError, match="was given back"):
            site.recover()


def give_back(site: Scene, *, dry_run: bool = False) -> list[FailBackRow]:
    settings = settings_of(site.twin, site.state)
    options = FailBackOptions(unregister=True, power_pace=PowerPace(every_s=0.05))
    with open_ledger(settings.run) as ledger:
        return fail_back(settings, site.folder, ledger, options, dry_run=dry_run)


ROW_BY_ROW = replace(QUICK, imports=replace(QUICK.imports, batch_size=1))
STAGGERED = f"""{HEAD}
waves:
  - {{name: all, select: {{}}, gate: continue, start: {{vms: all, delay: 2s, order: [{{name: shop*}}, {{name: mon*}}]}},
     checks: [{{kind: tcp, port: 22, {PATIENT}}}]}}
"""
IN_ORDER = ["shop-erp-01", "mon01", "cache01", "ci-dev-01", "file-test-01", "git01"]


@dataclass
class Late(OnThreads):
    """Imports one VM only when all others of its round are imported, and `first` has happened."""

    vm: str
    first: Callable[[], None]

    def batches(self, run: ImportRun, members: Sequence[Sequence[PlannedImport]]) -> list[BatchResult]:
        late = [rows for rows in members if rows[0].vm == self.vm]
        done = super().batches(run, [rows for rows in members if rows not in late])
        self.first()
        return done + super().batches(run, late)


def test_vms_are_started_and_checked_while_others_are_imported(tmp_path: Path, plan: Path) -> None:
    checked = threading.Event()

    def see(event: Event) -> None:
        if isinstance(event, VmChecked) and event.vm == IN_ORDER[0]:
            checked.set()

    def wait() -> None:
        assert checked.wait(60), "the first VM serves before the last is imported"

    with scene(tmp_path, plan, STAGGERED) as site, listening(see):
        fails = {"kind": "job-fails", "step": "nics", "vm": "ci-dev-01"}
        site.twin.faults.set(Script.model_validate({"faults": [fails]}))
        done = site.recover(options=ROW_BY_ROW, doing=Late(IN_ORDER[-1], wait))
        assert [vm.vm for vm in done.report.waves[0].vms] == IN_ORDER
        assert [vm.vm for vm in done.report.vms if not vm.well] == ["ci-dev-01"]
        with site.world.lock:
            journal = [(one.kind, one.facts.get("vm")) for one in site.world.cloud.journal.entries]
        last = journal.index(("import-accepted", IN_ORDER[-1]))
        assert journal.index(("started", IN_ORDER[0])) < journal.index(("guest-reached", IN_ORDER[0])) < last
        # The one that failed is passed over.
        started = [vm for kind, vm in journal if kind == "started"]
        assert started == [vm for vm in IN_ORDER if vm != "ci-dev-01"]


def test_a_vm_waits_for_those_before_it_in_the_order(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, STAGGERED) as site:

        def look() -> None:
            assert len(site.world.cloud.journal.imports) == VMS - 1
            assert not site.started()

        done = site.recover(options=ROW_BY_ROW, doing=Late(IN_ORDER[0], look))
        assert done.outcome == "recovered"
        assert [str(one["vm"]) for one in site.world.cloud.journal.of("started")] == IN_ORDER


@dataclass
class Asked:
    """Answers in turn, and remembers the questions."""

    answers: list[Signature | None]
    requests: list[Request] = field(default_factory=list)

    def ask(self, request: Request) -> Signature | None:
        self.requests.append(request)
        return self.answers.pop(0)


HANGING = f"""{HEAD}
waves:
  - {{{FIRST}, gate: GATE, asks: lead, checks: [{{kind: tools, timeout: 1s, retries: 2, pause: 5s}}]}}
  - {{{SECOND}, start: {{vms: none}}}}
"""


def test_a_gate_asks_and_stops_and_is_asked_anew(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, HANGING.replace("GATE", "ask"), Guests(hang=1)) as site:
        people = Asked([Signature("Ann", "stop"), Signature("Ann", "continue")])
        done = site.recover(people)
        assert (done.outcome, verdicts(done)) == ("stopped", ["failed", "not over"])
        (request,) = people.requests
        assert (request.key, request.who, request.choices) == ("first/gate", "lead", ("continue", "stop"))
        bad = [vm for vm in done.report.vms if vm.healthy == "no"]
        assert len(bad) == 1
        assert bad[0].vm in request.say
        assert "tools" in bad[0].why
        assert len(site.world.cloud.journal.imports) == 3, "the second wave has not begun"

        done = site.recover(people)
        assert (done.outcome, verdicts(done)) == ("with-failures", ["failed", "well"])
        assert done.report.waves[0].decision == "continue"
        assert len(site.world.cloud.journal.imports) == VMS
        assert set(site.started().values()) == {1}
        assert site.started().total() == 3, "nothing of the second wave is started"


def test_a_gate_that_stops_and_one_that_goes_on(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, HANGING.replace("GATE", "stop"), Guests(hang=1)) as site:
        done = site.recover()
        assert (done.outcome, verdicts(done)) == ("stopped", ["failed", "not over"])
        with site.world.lock:
            hanging = next(vm for vm in site.world.vms.values() if vm.guest_hangs)
            hanging.guest_hangs = False
            site.world.switch(hanging, "poweredOff")
            site.world.switch(hanging, "poweredOn")
        done = site.recover()
        assert (done.outcome, verdicts(done)) == ("recovered", ["well", "well"])
        assert set(site.started().values()) == {1}, "what people did by hand is not done again"


TIMED = f"""{HEAD}
waves:
  - {{{FIRST}, rto: 1s, timeout: 30s, gate: continue, checks: [{{kind: tools, timeout: 1s, retries: 500, pause: 5s}}]}}
  - {{{SECOND}, prerequisites: [first]}}
"""


def test_a_wave_whose_time_is_over_is_given_up(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, TIMED, Guests(hang=3)) as site:
        done = site.recover()
        # The gate goes on; the prerequisite of the next wave does not.
        assert (done.outcome, verdicts(done)) == ("stopped", ["given-up", "not over"])
        assert "wave second needs first" in done.why
        assert all(vm.why for vm in done.report.waves[0].vms)
        warnings = [event.text for event in site.events if isinstance(event, TargetAtRisk)]
        assert any(text.startswith("wave first:") for text in warnings)
        assert done.report.waves[0].met is False


def test_what_is_missing_comes_first_and_what_was_not_found_is_told(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, HANGING.replace("GATE", "continue")) as site:
        with site.world.lock:
            stores = {stored.datastore for stored in site.world.unregistered.values()}
            for moref in stores:
                site.world.datastores[moref].accessible = False
            unused = [store for moref, store in site.world.datastores.items() if moref not in stores]
            for store in unused:
                store.accessible = False
        with pytest.raises(Missing, match="datastores") as error:
            site.recover()
        assert error.value.exit_code == 3
        assert not site.folder.file(REGISTERED_CSV).exists()
        with site.world.lock:
            for store in site.world.datastores.values():
                store.accessible = True
            locked = min((stored.vm for stored in site.world.unregistered.values()), key=lambda vm: vm.name)
            locked.locked_by = "esx17.other-site.example.org"
        done = site.recover()
        assert (done.outcome, verdicts(done)) == ("with-failures", ["failed", "well"])
        (bad,) = [vm for vm in done.report.vms if not vm.well]
        assert (bad.vm, bad.imported, bad.row) == (locked.name, "missing", 0)
        assert json.loads(site.folder.file("recovery.json").read_bytes())["registered"]["failed"] == 1


def test_a_server_that_goes_away_stops_it_and_it_goes_on(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, HANGING.replace("GATE", "stop")) as site:
        users = [user for user in site.world.cloud.users.values() if user.enabled]

        def disable(event: Event) -> None:
            if isinstance(event, WaveBegan) and event.number == 2:
                for user in users:
                    user.enabled = False

        with listening(disable), pytest.raises(RemoteError, match="refused with 401") as error:
            site.recover()
        assert "--resume" in error.value.cure
        report = read_report(site.folder)
        assert [wave.verdict for wave in report.waves] == ["well", "stopped"]
        assert (report.rto_met, len(site.world.cloud.journal.imports)) == (None, 3)
        for user in users:
            user.enabled = True
        done = site.recover()
        assert (done.outcome, verdicts(done)) == ("recovered", ["well", "well"])
        assert len(site.world.cloud.journal.imports) == VMS
        assert set(site.started().values()) == {1}


def test_ctrl_c_leaves_what_the_next_one_goes_on_with(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, HANGING.replace("GATE", "stop")) as site:
        settings = settings_of(site.twin, site.state)
        recovery = Recovery(settings, site.folder, timing=timing_of(site.world), options=QUICK)

        def interrupt(event: Event) -> None:
            if isinstance(event, VmStarted):
                recovery.stop.set()

        with listening(interrupt), recovery:
            stopped = recover(recovery)
        assert (stopped.outcome, verdicts(stopped)) == ("stopped", ["stopped", "not over"])
        done = site.recover()
        assert (done.outcome, verdicts(done)) == ("recovered", ["well", "well"])
        assert set(site.started().values()) == {1}


class Interrupted(OnThreads):
    """Ctrl-C while batches work in task runs: the run of the imports is told, nobody else."""

    def batches(self, run: ImportRun, members: Sequence[Sequence[PlannedImport]]) -> list[BatchResult]:
        run.stop.set()
        return super().batches(run, members)


def test_an_interruption_of_the_imports_stops_the_recovery(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, HANGING.replace("GATE", "continue")) as site:
        stopped = site.recover(doing=Interrupted())
        assert (stopped.outcome, verdicts(stopped)) == ("stopped", ["stopped", "not over"]), "no gate judges that"
        assert not site.world.cloud.journal.imports
        assert site.recover().outcome == "recovered"


def test_a_vcenter_that_goes_away_keeps_vms_from_being_started_not_imported(tmp_path: Path, plan: Path) -> None:
    with scene(tmp_path, plan, HANGING.replace("GATE", "stop")) as site:

        def lock_out(event: Event) -> None:
            if event == StageStarted("start_vms"):
                away = {"kind": "status", "server": "vcenter", "command": "Login", "status": 503, "times": 0}
                site.twin.faults.set(Script.model_validate({"faults": [away]}))

        with listening(lock_out), pytest.raises(RemoteError, match="503") as error:
            site.recover()
        assert "--resume" in error.value.cure
        report = read_report(site.folder)
        assert ([wave.verdict for wave in report.waves], report.counts["imported"]) == (["stopped", "not over"], 3)
        assert len(site.world.cloud.journal.imports) == 3
        assert not site.started()
        site.twin.faults.clear()
        done = site.recover()
        assert (done.outcome, verdicts(done)) == ("recovered", ["well", "well"])
        assert site.started().total() == 3
