"""One row: what is found before the call decides whether it is sent, and the ledger knows how it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ingest.engine.ledger import Ledger, ledger_url
from ingest.engine.ledger.records import State
from ingest.engine.rows import Ready, digest_of, key_of
from ingest.errors import Refused, Transient, UnknownOutcome
from ingest.model.catalogue import UnmanagedInstance
from ingest.model.request import ImportRequest, PlannedImport
from tests.engine.fake_cloudstack import PENDING, Trial, done, failed, left_behind, planned, trial_in, unmanaged

(ROW,) = planned("a")
RESTED = replace(ROW, power="shutdown")
LOST = UnknownOutcome("the answer was lost")


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with trial_in(tmp_path) as opened:
        yield opened


@dataclass
class Switch:
    """Switches the VMs a trial's CloudStack shows."""

    trial: Trial
    calls: list[str] = field(default_factory=list)
    noted: list[object] = field(default_factory=list)
    problem: str = ""

    def off(self, one: PlannedImport, stop: threading.Event, note: Callable[[str], None]) -> str:
        note("poweredOn")
        self.noted.append(self.trial.entry(one.vm).detail["power_before"])
        if self.problem:
            raise Refused(self.problem)
        self.calls.append("off")
        self.trial.fake.shown[one.vm] = [unmanaged(one.vm, powerstate="PowerOff")]
        return "poweredOn"

    def back(self, one: PlannedImport, state: str) -> None:
        self.calls.append(f"back to {state}")


@pytest.fixture
def switch(trial: Trial) -> Switch:
    trial.power = switch = Switch(trial)
    return switch


# What others have done or are doing


def test_what_the_ledger_knows_to_be_imported_is_not_sent(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, ROW, "imported", vm_id="the-id")
    trial.fake.manage("a", "the-id")
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id, outcome.job_id) == ("imported", "the-id", "old-job")
    assert trial.fake.log == []


def test_what_was_given_back_behind_the_ledgers_back_is_imported_again(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, ROW, "imported", vm_id="gone")
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id) == ("imported", "id-of-a")
    assert outcome.job_id == trial.fake.sent[0].custom_job_id != "old-job"
    assert "undone" in [line.state for line in trial.ledger.history("a")]


def test_a_second_run_sends_nothing(trial: Trial) -> None:
    first = trial.run("a", "b").outcomes
    again = trial.run("a", "b").outcomes
    assert [(one.status, one.vm_id) for one in again] == [(one.status, one.vm_id) for one in first]
    assert trial.fake.sent_names() == ["a", "b"]


def test_what_another_run_is_at_work_on_is_held(trial: Trial, tmp_path: Path) -> None:
    with Ledger(ledger_url(None, tmp_path), holder="other") as other:
        other.claim(key_of(ROW), run_id="their run", actor="bob", plan_digest="")
        (outcome,) = trial.run("a").outcomes
    assert outcome.status == "held"
    assert "other" in outcome.error
    assert "their run" in outcome.error
    assert trial.fake.log == []


def test_what_is_being_undone_is_held(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, ROW, "imported", vm_id="the-id")
    with Ledger(ledger_url(None, tmp_path), holder="undo") as other:
        other.claim(key_of(ROW), run_id="undo", actor="bob", plan_digest="", to_undo=True)
        (outcome,) = trial.run("a").outcomes
    assert outcome.status == "held"


def test_two_rows_of_the_same_vm_are_one_import(trial: Trial) -> None:
    first, second = trial.run_rows([ROW, replace(ROW, row=3)]).outcomes
    assert (first.status, second.status) == ("imported", "held")
    assert len(trial.fake.sent) == 1


# What CloudStack shows now


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        ([], "no longer lists it as unmanaged"),
        ([unmanaged("a"), unmanaged("a")], "lists 2 VMs of that name"),
        ([unmanaged("a", capacity=2 << 30)], "capacity was 1073741824, is 2147483648"),
        ([unmanaged("a", powerstate="PowerOff")], "powerstate was PowerOn, is PowerOff"),
    ],
)
def test_what_changed_since_the_plan_is_held(trial: Trial, shown: list[UnmanagedInstance], says: str) -> None:
    trial.fake.shown["a"] = shown
    first, second = trial.run("a", "b").outcomes
    assert first.status == "held"
    assert says in first.error
    assert second.status == "imported"
    assert trial.fake.sent_names() == ["b"]
    assert (trial.entry("a").state, trial.entry("a").holder) == ("claimed", "")


def test_what_somebody_else_imported_is_held_with_its_id(trial: Trial) -> None:
    trial.fake.manage("a", "theirs")
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id) == ("held", "theirs")
    assert "this run did not import it" in outcome.error
    assert trial.fake.sent == []


# What an earlier run left


@pytest.mark.parametrize("state", ["intended", "submitted", "unknown"])
def test_a_claim_proven_to_have_begun_nothing_is_imported_once_under_its_job_id(
    trial: Trial, tmp_path: Path, state: State
) -> None:
    left_behind(tmp_path, ROW, state)
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == trial.entry("a").state == "imported"
    assert [one.custom_job_id for one in trial.fake.sent] == ["old-job"]


def test_a_claim_whose_vm_is_there_is_imported_without_a_call(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, ROW, "submitted")
    trial.fake.manage("a", "the-id")
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id, outcome.job_id) == ("imported", "the-id", "old-job")
    assert (trial.entry("a").state, trial.entry("a").vm_id) == ("imported", "the-id")
    assert trial.fake.sent == []


def test_a_claim_whose_job_still_runs_is_followed(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, ROW, "submitted")
    trial.fake.asking["old-job"] = [PENDING, PENDING, done("the-id")]
    trial.fake.earlier["old-job"] = "a"
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id, outcome.job_id) == ("imported", "the-id", "old-job")
    assert trial.entry("a").state == "imported"
    assert trial.fake.sent == []


def test_a_claim_whose_job_failed_is_imported_under_a_new_job_id(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, ROW, "submitted")
    trial.fake.asking["old-job"] = [failed()]
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "imported"
    assert outcome.job_id == trial.fake.sent[0].custom_job_id != "old-job"
    assert len(trial.fake.sent) == 1


def test_a_claim_that_left_a_part_is_incomplete_and_stays_so(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, ROW, "submitted")
    trial.fake.manage("a", half=True)
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == trial.entry("a").state == "incomplete"
    assert (trial.entry("a").vm_id, trial.entry("a").holder) == ("id-of-a", "")
    (again,) = trial.run("a").outcomes
    assert (again.status, again.vm_id) == ("incomplete", "id-of-a")
    assert "volume of Hard disk 1" in again.error
    assert "ingest settle" in again.error
    assert trial.fake.sent == []


def test_a_claim_nobody_can_settle_stays_unknown(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, ROW, "submitted")
    trial.fake.asking["old-job"] = [Transient("cannot connect")]
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == trial.entry("a").state == "unknown"
    assert (trial.entry("a").job_id, trial.entry("a").holder) == ("old-job", "")
    assert trial.fake.sent == []


def test_a_claim_is_settled_while_the_row_before_is_imported(trial: Trial, tmp_path: Path) -> None:
    rows = planned("b", "a")
    left_behind(tmp_path, rows[1], "intended")
    assert [one.status for one in trial.run_rows(rows).outcomes] == ["imported", "imported"]


def test_what_failed_earlier_begins_anew(trial: Trial) -> None:
    trial.fake.sending["a"] = [Refused("not today"), None]
    assert [trial.run("a").outcomes[0].status for _ in range(2)] == ["failed", "imported"]
    assert len({one.custom_job_id for one in trial.fake.sent}) == 2


# Parts of a row


def prepared(trial: Trial, row: PlannedImport = ROW) -> Ready:
    ready = trial.importer([row]).prepare(row)
    assert isinstance(ready, Ready)
    return ready


def test_a_row_that_is_given_up_is_free_for_others(trial: Trial, tmp_path: Path) -> None:
    ready = prepared(trial)
    assert trial.entry("a").holder
    trial.importer([ROW]).give_up(ready)
    assert trial.entry("a").holder == ""
    with Ledger(ledger_url(None, tmp_path)) as other:
        assert other.claim(key_of(ROW), run_id="next", actor="", plan_digest="").held


def test_the_steps_of_a_row_in_the_ledger(trial: Trial) -> None:
    trial.run("a")
    lines = trial.ledger.history("a")
    assert [line.state for line in lines] == ["claimed", "intended", "submitted", "imported"]
    assert {line.run_id for line in lines} == {"run"}
    assert {line.actor for line in lines} == {"ann"}
    assert lines[1].request_digest == digest_of(ROW.request)
    assert lines[1].detail["expected"]["instance_name"] == "a"


def test_a_digest_is_of_what_a_call_says_not_of_its_job() -> None:
    request = ImportRequest("cluster", "a", "offering")
    assert digest_of(request) == digest_of(replace(request, custom_job_id="x"))
    assert digest_of(request) != digest_of(replace(request, hostname="x"))


# Power


def test_a_vm_is_brought_to_rest_before_its_import_and_left_there(trial: Trial, switch: Switch) -> None:
    trial.fake.while_sending = lambda _: switch.calls.append("send")
    (outcome,) = trial.run_rows([RESTED]).outcomes
    assert outcome.status == "imported"
    assert switch.calls == ["off", "send"]
    assert switch.noted == ["poweredOn"]
    assert trial.entry("a").detail["expected"]["state"] == "Stopped"


def test_a_vm_that_is_to_be_left_alone_is(trial: Trial, switch: Switch) -> None:
    trial.run("a")
    assert switch.calls == []


@pytest.mark.parametrize("how", ["refused", "job failed", "certainly not sent"])
def test_a_vm_whose_import_failed_gets_its_power_back(trial: Trial, switch: Switch, how: str) -> None:
    if how == "refused":
        trial.fake.sending["a"] = [Refused("no")]
    elif how == "job failed":
        trial.fake.asking["a"] = [failed()]
    else:
        trial.fake.sending["a"] = [Transient("cannot connect")]
    trial.run_rows([RESTED])
    assert switch.calls == ["off", "back to poweredOn"]


def test_a_vm_whose_answer_was_lost_and_whose_job_failed_gets_its_power_back(trial: Trial, switch: Switch) -> None:
    trial.fake.sending["a"] = [LOST]
    trial.fake.asking["a"] = [failed()]
    (outcome,) = trial.run_rows([RESTED]).outcomes
    assert outcome.status == "failed"
    assert switch.calls == ["off", "back to poweredOn"]


def test_a_prepared_row_that_is_given_up_gets_its_power_back(trial: Trial, switch: Switch) -> None:
    ready = prepared(trial, RESTED)
    assert ready.power_before == "poweredOn"
    trial.importer([RESTED]).give_up(ready)
    assert switch.calls == ["off", "back to poweredOn"]


def test_a_vm_that_may_be_imported_does_not_get_its_power_back(trial: Trial, switch: Switch) -> None:
    trial.fake.sending["a"] = [LOST]
    trial.fake.others.append("their-job")
    (outcome,) = trial.run_rows([RESTED]).outcomes
    assert outcome.status == "unknown"
    assert switch.calls == ["off"]


def test_a_vm_that_cannot_be_brought_to_rest_is_held(trial: Trial, switch: Switch) -> None:
    switch.problem = "no VMware Tools"
    (outcome,) = trial.run_rows([RESTED]).outcomes
    assert (outcome.status, outcome.error) == ("held", "could not be brought to rest: no VMware Tools")
    assert trial.entry("a").holder == ""
    assert trial.fake.sent == []


@pytest.mark.parametrize("how", ["refused", "job failed"])
def test_power_that_does_not_come_back_changes_no_outcome(trial: Trial, switch: Switch, how: str) -> None:
    def back(one: PlannedImport, state: str) -> None:
        raise Refused("the host is gone")

    switch.back = back  # type: ignore[method-assign]
    if how == "refused":
        trial.fake.sending["a"] = [Refused("no")]
    else:
        trial.fake.asking["a"] = [failed("no")]
    (outcome,) = trial.run_rows([RESTED]).outcomes
    assert outcome.status == trial.entry("a").state == "failed"
    assert outcome.error.startswith("no")


def test_a_look_that_fails_after_the_power_off_gives_it_back(trial: Trial, switch: Switch) -> None:
    listed = trial.fake.list_unmanaged_instances

    def list_unmanaged_instances(cluster_id: str, name: str | None = None) -> list[UnmanagedInstance]:
        if switch.calls:
            raise Transient("cannot connect")
        return listed(cluster_id, name)

    trial.fake.list_unmanaged_instances = list_unmanaged_instances  # type: ignore[method-assign]
    trial.run_rows([RESTED])
    assert switch.calls == ["off", "back to poweredOn"]


def test_a_vm_an_earlier_run_brought_to_rest_is_imported_by_the_next(trial: Trial, tmp_path: Path) -> None:
    left_behind(tmp_path, RESTED, "intended", power_before="poweredOn")
    trial.fake.shown["a"] = [unmanaged("a", powerstate="PowerOff")]
    (outcome,) = trial.run_rows([RESTED]).outcomes
    assert outcome.status == "imported"


def test_a_vm_that_came_to_rest_for_an_earlier_run_gets_its_power_back(
    trial: Trial, switch: Switch, tmp_path: Path
) -> None:
    """CloudStack still shows it as running when the row is prepared; vCenter has nothing left to do."""
    left_behind(tmp_path, RESTED, "intended", power_before="poweredOn")

    def off(one: PlannedImport, stop: threading.Event, note: Callable[[str], None]) -> str:
        trial.fake.shown[one.vm] = [unmanaged(one.vm, powerstate="PowerOff")]
        return "poweredOff"

    switch.off = off  # type: ignore[method-assign]
    trial.fake.sending["a"] = [Refused("no")]
    (outcome,) = trial.run_rows([RESTED]).outcomes
    assert outcome.status == "failed"
    assert switch.calls == ["back to poweredOn"]


def test_what_the_power_was_outlives_the_failed_job_of_an_earlier_run(
    trial: Trial, switch: Switch, tmp_path: Path
) -> None:
    """The run may die again before it sends anything."""
    left_behind(tmp_path, RESTED, "submitted", power_before="poweredOn")
    trial.fake.shown["a"] = [unmanaged("a", powerstate="PowerOff")]
    trial.fake.asking["old-job"] = [failed()]
    ready = prepared(trial, RESTED)
    entry = trial.entry("a")
    assert entry.detail["power_before"] == ready.power_before == "poweredOn"
    assert (entry.state, entry.job_id) == ("intended", ready.job_id)
    assert ready.job_id != "old-job"
