"""One batch: an outcome for every row, whatever the server does, and nothing ever sent twice."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.engine.events import Event, JobOver, RowDone, RowLooking, RowReady, RowRunning, RowStarted, listening
from ingest.engine.importing import BatchResult, Pace
from ingest.engine.journal import read_journal
from ingest.engine.rows import key_of
from ingest.engine.schedule.budget import FailureBudget
from ingest.errors import NotTheApi, Refused, Transient, Unauthorised, UnknownOutcome, Untrusted
from ingest.model.catalogue import Job, UnmanagedInstance
from ingest.model.outcome import Outcome
from ingest.model.request import ImportRequest
from tests.engine.fake_cloudstack import PENDING, FakeCloudStack, Trial, done, failed, planned, trial_in

LOST = UnknownOutcome("the answer was lost")
AWAY = Transient("cannot connect")


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with trial_in(tmp_path) as opened:
        yield opened


def steps(trial: Trial, vm: str = "") -> list[tuple[str, str]]:
    return [(line["step"], line["vm"]) for line in read_journal(trial.journal.path) if vm in ("", line["vm"])]


def test_success(trial: Trial) -> None:
    trial.fake = FakeCloudStack(asking={"a": [PENDING, PENDING, done("the-id")]})
    (outcome,) = trial.run("a").outcomes
    assert (outcome.row, outcome.vm, outcome.status, outcome.vm_id, outcome.error) == (2, "a", "imported", "the-id", "")
    assert outcome.job_id == trial.fake.sent[0].custom_job_id
    assert outcome.duration_s > 0
    assert (trial.entry("a").state, trial.entry("a").vm_id) == ("imported", "the-id")


def test_rows_are_imported_one_after_another_in_their_order(trial: Trial) -> None:
    result = trial.run("c", "a", "b")
    assert trial.fake.sent_names() == [one.vm for one in result.outcomes] == ["c", "a", "b"]
    for vm in "cab":
        assert [step for step, _ in steps(trial, vm)] == ["intent", "submitted", "outcome"]
    assert result.systemic == ""


def test_a_row_is_looked_at_while_the_job_before_runs_and_sent_when_that_is_over(trial: Trial) -> None:
    trial.fake.asking["a"] = [PENDING, done()]
    trial.run("a", "b")
    assert trial.fake.log == [
        *(("list", "a"), ("send", "a"), ("list", "b")),
        *(("ask", "a"), ("ask", "a"), ("send", "b"), ("ask", "b")),
    ]


def test_every_row_has_a_job_id_of_its_own_in_the_form_the_server_takes(trial: Trial) -> None:
    trial.run("a", "b")
    ids = [one.custom_job_id for one in trial.fake.sent]
    assert len(set(ids)) == 2
    assert [str(uuid.UUID(job_id)) for job_id in ids] == ids


def test_a_refusal_is_an_outcome_in_the_servers_words_and_the_next_row_goes_on(trial: Trial) -> None:
    trial.fake.sending["a"] = [Refused("Unable to find domain by id", command="import", code=431)]
    first, second = trial.run("a", "b").outcomes
    assert (first.status, first.error) == ("failed", "Unable to find domain by id")
    assert second.status == "imported"
    assert trial.fake.asked == [trial.fake.sent[1].custom_job_id]
    assert (trial.entry("a").state, trial.entry("a").error) == ("failed", "Unable to find domain by id")


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (failed("Storage pool not found"), "Storage pool not found"),
        (failed(None), "the management server gave no reason"),
        (failed().model_copy(update={"jobresult": None}), "it may have restarted"),
    ],
)
def test_a_failed_job(trial: Trial, job: Job, says: str) -> None:
    trial.fake.asking["a"] = [PENDING, job]
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == trial.entry("a").state == "failed"
    assert says in outcome.error
    assert outcome.vm_id == ""


def test_a_success_without_a_vm_in_it_is_looked_up(trial: Trial) -> None:
    trial.fake.asking["a"] = [done().model_copy(update={"jobresult": {"success": True}})]
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id) == ("imported", "id-of-a")


def test_a_success_that_left_a_part_is_incomplete(trial: Trial) -> None:
    trial.fake.while_sending = lambda request: trial.fake.manage("a", half=True)
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id) == ("incomplete", "id-of-a")
    assert "volume of Hard disk 1" in outcome.error
    assert trial.entry("a").state == "incomplete"


def test_a_success_without_a_vm_in_cloudstack_is_a_failure(trial: Trial) -> None:
    trial.fake.lost.add("a")
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == trial.entry("a").state == "failed"
    assert "does not have the VM" in outcome.error


def test_a_failed_job_whose_vm_is_there_all_the_same(trial: Trial) -> None:
    trial.fake.while_sending = lambda request: trial.fake.manage(request.name, half=request.name == "b")
    trial.fake.asking |= {"a": [failed()], "b": [failed()]}
    whole, half = trial.run("a", "b").outcomes
    assert (whole.status, whole.error) == ("imported", "")
    assert half.status == "incomplete"
    assert "no suitable network" in half.error


def test_a_lost_answer_is_settled_by_asking_for_our_job_id(trial: Trial) -> None:
    trial.fake = FakeCloudStack(sending={"a": [LOST]}, asking={"a": [None, AWAY, None, PENDING, done("found")]})
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id) == ("imported", "found")
    assert len(trial.fake.sent) == 1
    assert steps(trial) == [("intent", "a"), ("submitted", "a"), ("outcome", "a")]


def test_a_lost_answer_whose_job_failed_is_a_failure(trial: Trial) -> None:
    trial.fake = FakeCloudStack(sending={"a": [LOST]}, asking={"a": [None, failed("no")]})
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.error) == ("failed", "no")
    assert len(trial.fake.sent) == 1


def test_a_lost_answer_that_left_a_part_is_incomplete(trial: Trial) -> None:
    trial.fake.sending["a"] = [LOST]
    trial.fake.while_sending = lambda request: trial.fake.manage("a", half=True)
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == trial.entry("a").state == "incomplete"
    assert len(trial.fake.sent) == 1


@pytest.mark.parametrize("lost", [LOST, NotTheApi("a proxy's page")])
def test_what_is_proven_not_to_have_arrived_is_sent_once_more_under_the_same_job_id(
    trial: Trial, lost: Exception
) -> None:
    trial.fake.sending["a"] = [lost, None]
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "imported"
    assert len(trial.fake.sent) == 2
    assert len({one.custom_job_id for one in trial.fake.sent}) == 1


@pytest.mark.parametrize("again", [LOST, AWAY, Unauthorised("who are you?")])
def test_what_was_sent_once_more_in_vain_is_unknown(trial: Trial, again: Exception) -> None:
    trial.fake.sending["a"] = [LOST, again]
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == trial.entry("a").state == "unknown"
    assert outcome.error == f"the answer was lost; then {again}"
    assert len(trial.fake.sent) == 2


@pytest.mark.parametrize("why", ["others import", "the server is away", "nobody has the VM"])
def test_a_lost_answer_that_cannot_be_settled_is_unknown_and_never_sent_again(trial: Trial, why: str) -> None:
    trial.fake.sending["a"] = [LOST]
    if why == "others import":
        trial.fake.others.append("their-job")
    elif why == "the server is away":
        trial.fake.asking["a"] = [AWAY]
    else:
        trial.fake.while_sending = lambda request: trial.fake.shown.update({"a": []})
    first, second = trial.run("a", "b").outcomes
    assert first.status == trial.entry("a").state == "unknown"
    assert first.job_id == trial.entry("a").job_id == trial.fake.sent[0].custom_job_id
    assert first.error
    assert trial.entry("a").holder == ""
    assert trial.fake.sent_names() == ["a", "b"]
    assert second.status == "imported"


@pytest.mark.parametrize("answer", [Refused("what is a job?", code=431), Unauthorised("who are you?")])
def test_a_lost_answer_nobody_may_ask_for_is_unknown(trial: Trial, answer: Exception) -> None:
    trial.fake = FakeCloudStack(sending={"a": [LOST]}, asking={"a": [answer]})
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "unknown"
    assert outcome.job_id == trial.fake.sent[0].custom_job_id


def test_what_certainly_was_not_sent_is_sent_again_under_the_same_job_id(trial: Trial) -> None:
    trial.fake.sending["a"] = [AWAY, AWAY, None]
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "imported"
    assert len(trial.fake.sent) == 3
    assert len({one.custom_job_id for one in trial.fake.sent}) == 1
    assert steps(trial) == [("intent", "a"), ("submitted", "a"), ("outcome", "a")]


def test_an_answer_lost_after_a_try_that_did_not_arrive_is_settled_like_any_other(trial: Trial) -> None:
    trial.fake = FakeCloudStack(sending={"a": [AWAY, LOST]}, asking={"a": [None, done()]})
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "imported"
    assert len(trial.fake.sent) == 2


def test_a_call_that_did_arrive_although_it_seemed_not_to_is_followed(trial: Trial) -> None:
    trial.fake = FakeCloudStack(
        sending={"a": [AWAY, Refused("Entity already exists ", code=530)]}, asking={"a": [PENDING, done()]}
    )
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "imported"
    assert len(trial.fake.sent) == 2


@pytest.mark.parametrize(
    ("error", "tries"), [(AWAY, 3), (Unauthorised("wrong key"), 1), (Untrusted("another certificate"), 1)]
)
def test_what_concerns_every_row_stops_the_line(trial: Trial, error: Exception, tries: int) -> None:
    trial.fake.sending["b"] = [error]
    result = trial.run("a", "b", "c", "d")
    assert [one.status for one in result.outcomes] == ["imported", "not-started", "not-started", "not-started"]
    assert result.systemic == str(error)
    assert result.outcomes[1].error == str(error)
    assert result.outcomes[2] == Outcome(4, "c", "not-started")
    assert trial.fake.sent_names() == ["a"] + ["b"] * tries
    assert trial.stop.is_set()
    assert steps(trial, "c") == [("outcome", "c")]
    assert trial.entry("b").state == "failed"
    assert trial.entry("b").error.startswith("never sent")


def test_what_concerns_every_row_stops_the_line_before_anything_is_sent(trial: Trial) -> None:
    def list_unmanaged_instances(cluster_id: str, name: str | None = None) -> list[UnmanagedInstance]:
        raise Unauthorised("wrong key")

    trial.fake.list_unmanaged_instances = list_unmanaged_instances  # type: ignore[method-assign]
    result = trial.run("a", "b")
    assert [one.status for one in result.outcomes] == ["not-started", "not-started"]
    assert result.systemic == "wrong key"
    assert (trial.entry("a").state, trial.entry("a").holder) == ("claimed", "")


def test_a_refused_look_concerns_its_row_only(trial: Trial) -> None:
    listed = trial.fake.list_unmanaged_instances

    def list_unmanaged_instances(cluster_id: str, name: str | None = None) -> list[UnmanagedInstance]:
        if name == "b":
            raise Refused("cluster is disabled", code=530)
        return listed(cluster_id, name)

    trial.fake.list_unmanaged_instances = list_unmanaged_instances  # type: ignore[method-assign]
    statuses = [one.status for one in trial.run("a", "b", "c").outcomes]
    assert (statuses[0], statuses[2]) == ("imported", "imported")


def test_a_claim_that_was_lost_concerns_its_row_only(trial: Trial) -> None:
    rows = planned("a", "b", "c")
    listed = trial.fake.list_unmanaged_instances

    def list_unmanaged_instances(cluster_id: str, name: str | None = None) -> list[UnmanagedInstance]:
        if name == "b":
            trial.ledger.release(key_of(rows[1]))
        return listed(cluster_id, name)

    trial.fake.list_unmanaged_instances = list_unmanaged_instances  # type: ignore[method-assign]
    statuses = [one.status for one in trial.run_rows(rows).outcomes]
    assert (statuses[0], statuses[2]) == ("imported", "imported")
    assert trial.fake.sent_names() == ["a", "c"]


def test_a_stopped_line_starts_nothing(trial: Trial) -> None:
    trial.stop.set()
    result = trial.run("a", "b")
    assert [one.status for one in result.outcomes] == ["not-started", "not-started"]
    assert trial.fake.log == []
    assert trial.ledger.entries() == []
    assert result.systemic == ""


def test_a_running_job_is_waited_for_after_a_stop(trial: Trial) -> None:
    trial.fake = FakeCloudStack(asking={"a": [PENDING, PENDING, done()]}, while_sending=lambda _: trial.stop.set())
    first, second = trial.run("a", "b").outcomes
    assert first.status == trial.entry("a").state == "imported"
    assert second == Outcome(3, "b", "not-started")


def test_a_prepared_row_is_given_up_after_a_stop(trial: Trial) -> None:
    ask = trial.fake.query_job

    def query_job(job_id: str) -> Job | None:
        trial.stop.set()
        return ask(job_id)

    trial.fake.query_job = query_job  # type: ignore[method-assign]
    first, second = trial.run("a", "b").outcomes
    assert (first.status, second.status) == ("imported", "not-started")
    assert trial.fake.sent_names() == ["a"]
    assert (trial.entry("b").state, trial.entry("b").holder) == ("claimed", "")


def test_a_job_that_is_abandoned_is_unknown_and_left_to_the_next_run(trial: Trial) -> None:
    def leave(_: ImportRequest) -> None:
        trial.stop.set()
        trial.abandon.set()

    trial.fake = FakeCloudStack(asking={"a": [PENDING]}, while_sending=leave)
    first, second = trial.run("a", "b").outcomes
    assert first.status == "unknown"
    assert "keeps running on the server" in first.error
    assert first.job_id == trial.fake.sent[0].custom_job_id
    assert second.status == "not-started"
    assert (trial.entry("a").state, trial.entry("a").holder) == ("submitted", "")


def test_a_lost_answer_is_not_looked_for_any_longer_once_it_is_abandoned(trial: Trial) -> None:
    trial.fake = FakeCloudStack(sending={"a": [LOST]}, while_sending=lambda _: trial.abandon.set())
    trial.pace = Pace(settle_s=60)
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "unknown"
    assert len(trial.fake.asked) == 1
    assert len(trial.fake.sent) == 1


def test_nothing_is_sent_once_more_after_a_stop(trial: Trial) -> None:
    trial.fake = FakeCloudStack(sending={"a": [LOST, None]}, while_sending=lambda _: trial.stop.set())
    trial.run("a")
    assert len(trial.fake.sent) == 1


def test_a_stop_before_the_call_is_sent_again(trial: Trial) -> None:
    trial.fake = FakeCloudStack(sending={"a": [AWAY]}, while_sending=lambda _: trial.stop.set())
    trial.pace = Pace(resubmit_s=(60.0,))
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "not-started"
    assert len(trial.fake.sent) == 1


@pytest.mark.parametrize(
    ("answers", "says", "state"),
    [
        ([PENDING], "was not over after 0.2 s", "submitted"),
        ([PENDING, AWAY], "cannot connect", "unknown"),
        ([PENDING, Unauthorised("key withdrawn")], "key withdrawn", "submitted"),
        ([PENDING, Untrusted("another certificate")], "another certificate", "submitted"),
        ([PENDING, Refused("no such thing", code=430)], "no such thing", "submitted"),
    ],
)
def test_a_job_nobody_can_follow_to_its_end_is_unknown(
    trial: Trial, answers: list[Exception | Job | None], says: str, state: str
) -> None:
    trial.fake.asking["a"] = answers
    (outcome,) = trial.run("a").outcomes
    assert outcome.status == "unknown"
    assert says in outcome.error
    assert len(trial.fake.sent) == 1
    assert trial.entry("a").state == state


def test_a_job_the_server_forgot_while_we_waited_is_not_sent_again(trial: Trial) -> None:
    trial.fake.asking["a"] = [PENDING, None]
    (outcome,) = trial.run("a").outcomes
    assert outcome.status in ("unknown", "failed")
    assert len(trial.fake.sent) == 1


def test_a_row_that_was_left_is_free_for_the_next_run(trial: Trial) -> None:
    trial.fake.asking["a"] = [PENDING]
    trial.run("a")
    assert trial.entry("a").holder == ""


def test_a_server_that_is_away_for_a_while_during_a_job_is_waited_for(trial: Trial) -> None:
    trial.fake.asking["a"] = [PENDING, AWAY, NotTheApi("502 of a proxy"), done("there")]
    (outcome,) = trial.run("a").outcomes
    assert (outcome.status, outcome.vm_id) == ("imported", "there")


def test_the_intent_is_on_disk_before_the_call(trial: Trial) -> None:
    seen: list[list[tuple[str, str, str]]] = []
    entries: list[tuple[str, str]] = []

    def look(request: ImportRequest) -> None:
        lines = read_journal(trial.journal.path)
        seen.append([(line["step"], line["vm"], line.get("job_id", "")) for line in lines])
        entries.append((trial.entry(request.name).state, trial.entry(request.name).job_id))

    trial.fake.while_sending = look
    trial.run("a", "b")
    first, second = (one.custom_job_id for one in trial.fake.sent)
    assert seen == [
        [("intent", "a", first)],
        [("intent", "a", first), ("submitted", "a", first), ("intent", "b", second)],
    ]
    assert entries == [("intended", first), ("intended", second)]


def test_the_journal_holds_what_a_person_needs_later(trial: Trial) -> None:
    trial.fake.asking["b"] = [failed("nope")]
    trial.run("a", "b")
    lines = [line for line in read_journal(trial.journal.path) if line["step"] == "outcome"]
    assert [(line["row"], line["status"], line["vm_id"], line["error"]) for line in lines] == [
        (2, "imported", "id-of-a", ""),
        (3, "failed", "", "nope"),
    ]


SMALL_IS_GONE = "Service offering ID: small cannot be found"


def test_rows_of_a_cause_that_used_up_its_budget_are_held(trial: Trial) -> None:
    trial.budget = FailureBudget(per_cause=2, total=0)
    trial.fake.asking |= {"a": [failed(SMALL_IS_GONE)], "b": [failed(SMALL_IS_GONE)]}
    result = trial.run("a", "b", "c", "d")
    assert [one.status for one in result.outcomes] == ["failed", "failed", "held", "held"]
    assert "2 rows failed at the offering" in result.outcomes[2].error
    assert trial.fake.sent_names() == ["a", "b"]
    assert not trial.stop.is_set()
    # Row c was prepared when the second failure came; row d was not begun at all.
    assert (trial.entry("c").state, trial.entry("c").holder) == ("claimed", "")
    assert trial.ledger.entries(name="d") == []


def test_refusals_count_like_failed_jobs(trial: Trial) -> None:
    trial.budget = FailureBudget(per_cause=1, total=0)
    trial.fake.sending["a"] = [Refused(SMALL_IS_GONE, code=431)]
    assert [one.status for one in trial.run("a", "b").outcomes] == ["failed", "held"]


def test_the_line_stops_when_the_whole_budget_is_used_up(trial: Trial) -> None:
    trial.budget = FailureBudget(per_cause=0, total=1)
    trial.fake.asking["a"] = [failed()]
    result = trial.run("a", "b", "c")
    assert [one.status for one in result.outcomes] == ["failed", "not-started", "not-started"]
    assert result.systemic == "the failure budget is used up: 1 row failed, 1 allowed"
    assert trial.stop.is_set()
    assert trial.fake.sent_names() == ["a"]


def test_listeners_hear_of_every_row(trial: Trial) -> None:
    heard: list[Event] = []
    trial.fake.sending["b"] = [Unauthorised("wrong key")]
    with listening(heard.append):
        result = trial.run("a", "b", "c")
    told = [(type(event).__name__, vm_of(event)) for event in heard]
    begun = ["RowLooking", "RowReady", "RowStarted"]
    assert [name for name, vm in told if vm == "a"] == [*begun, "RowRunning", "JobOver", "RowDone"]
    assert [name for name, vm in told if vm == "b"] == [*begun, "RowDone"]
    jobs = {event.job_id for event in heard if isinstance(event, (RowRunning, JobOver))}
    assert jobs == {result.outcomes[0].job_id}
    assert [name for name, vm in told if vm == "c"] == ["RowDone"]
    outcomes = [event.outcome for event in heard if isinstance(event, RowDone)]
    assert sorted(outcomes, key=lambda one: one.row) == list(result.outcomes)


def vm_of(event: Event) -> str:
    if isinstance(event, (RowLooking, RowReady, RowStarted, RowRunning, JobOver)):
        return event.vm
    assert isinstance(event, RowDone)
    return event.outcome.vm


def test_a_listener_that_fails_does_not_stop_an_import(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_event: Event) -> None:
        raise BrokenPipeError("the terminal went away")

    heard: list[Event] = []
    with listening(broken), listening(heard.append):
        (outcome,) = trial.run("a").outcomes
    assert outcome.status == "imported"
    assert len(heard) == 6
    assert "a listener failed on RowStarted" in caplog.text


def test_nobody_hears_anything_after_having_left(trial: Trial) -> None:
    heard: list[Event] = []
    with listening(heard.append):
        pass
    trial.run("a")
    assert heard == []


def test_batches_side_by_side_share_ledger_journal_and_stop(trial: Trial) -> None:
    results: list[BatchResult] = []
    rows = planned(*(f"vm{number}" for number in range(40)))

    def run(first: int) -> None:
        own = replace(trial, fake=FakeCloudStack())
        results.append(own.run_rows(rows[first : first + 5]))

    threads = [threading.Thread(target=run, args=(first,)) for first in range(0, 40, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.status == "imported" for result in results for one in result.outcomes) == 40
    assert len(steps(trial)) == 3 * 40
    assert len(trial.ledger.entries(state="imported")) == 40
    assert trial.ledger.verify_chain() is None
    assert not trial.stop.is_set()
