"""One batch: an outcome for every row, whatever the server does, and nothing ever sent twice."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.engine.events import Event, RowDone, RowStarted, listening
from ingest.engine.importing import BatchResult, Pace, import_rows
from ingest.engine.journal import RunJournal, read_journal
from ingest.errors import NotTheApi, Refused, Transient, Unauthorised, UnknownOutcome, Untrusted
from ingest.model.outcome import Outcome
from ingest.model.request import ImportRequest
from tests.engine.fake_cloudstack import FAST, PENDING, FakeCloudStack, done, failed, planned

LOST = UnknownOutcome("the answer was lost")
AWAY = Transient("cannot connect")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunJournal]:
    with RunJournal(tmp_path / "journal.jsonl") as opened:
        yield opened


def run(fake: FakeCloudStack, journal: RunJournal, *names: str, stop: threading.Event | None = None) -> BatchResult:
    return import_rows(fake, planned(*names), journal, pace=FAST, stop=stop)


def steps(journal: RunJournal) -> list[tuple[str, str]]:
    return [(line["step"], line["vm"]) for line in read_journal(journal.path)]


def test_success(journal: RunJournal) -> None:
    fake = FakeCloudStack(asking={"a": [PENDING, PENDING, done("the-id")]})
    (outcome,) = run(fake, journal, "a").outcomes
    assert (outcome.row, outcome.vm, outcome.status, outcome.vm_id, outcome.error) == (2, "a", "imported", "the-id", "")
    assert outcome.job_id == fake.sent[0].custom_job_id
    assert outcome.duration_s > 0


def test_rows_are_imported_one_after_another_in_their_order(journal: RunJournal) -> None:
    fake = FakeCloudStack()
    result = run(fake, journal, "c", "a", "b")
    assert fake.sent_names() == [one.vm for one in result.outcomes] == ["c", "a", "b"]
    assert [step for step, _ in steps(journal)] == ["intent", "submitted", "outcome"] * 3
    assert result.systemic == ""


def test_every_row_has_a_job_id_of_its_own_in_the_form_the_server_takes(journal: RunJournal) -> None:
    fake = FakeCloudStack()
    run(fake, journal, "a", "b")
    ids = [one.custom_job_id for one in fake.sent]
    assert len(set(ids)) == 2
    assert [str(uuid.UUID(job_id)) for job_id in ids] == ids


def test_a_refusal_is_an_outcome_in_the_servers_words_and_the_next_row_goes_on(journal: RunJournal) -> None:
    fake = FakeCloudStack(sending={"a": [Refused("Unable to find domain by id", command="import", code=431)]})
    first, second = run(fake, journal, "a", "b").outcomes
    assert (first.status, first.error) == ("failed", "Unable to find domain by id")
    assert second.status == "imported"
    assert fake.asked == [fake.sent[1].custom_job_id]


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (failed("Storage pool not found"), "Storage pool not found"),
        (failed(None), "the management server gave no reason"),
        (failed().model_copy(update={"jobresult": None}), "it may have restarted"),
    ],
)
def test_a_failed_job(journal: RunJournal, job: object, says: str) -> None:
    fake = FakeCloudStack(asking={"a": [PENDING, job]})  # type: ignore[list-item]
    (outcome,) = run(fake, journal, "a").outcomes
    assert outcome.status == "failed"
    assert says in outcome.error
    assert outcome.vm_id == ""


def test_a_success_without_a_vm_in_it_is_a_success(journal: RunJournal) -> None:
    fake = FakeCloudStack(asking={"a": [done().model_copy(update={"jobresult": {"success": True}})]})
    (outcome,) = run(fake, journal, "a").outcomes
    assert (outcome.status, outcome.vm_id) == ("imported", "")


def test_a_lost_answer_is_settled_by_asking_for_our_job_id(journal: RunJournal) -> None:
    fake = FakeCloudStack(sending={"a": [LOST]}, asking={"a": [None, AWAY, None, PENDING, done("found")]})
    (outcome,) = run(fake, journal, "a").outcomes
    assert (outcome.status, outcome.vm_id) == ("imported", "found")
    assert len(fake.sent) == 1
    assert steps(journal) == [("intent", "a"), ("submitted", "a"), ("outcome", "a")]


def test_a_lost_answer_whose_job_failed_is_a_failure(journal: RunJournal) -> None:
    fake = FakeCloudStack(sending={"a": [LOST]}, asking={"a": [None, failed("no")]})
    (outcome,) = run(fake, journal, "a").outcomes
    assert (outcome.status, outcome.error) == ("failed", "no")
    assert len(fake.sent) == 1


@pytest.mark.parametrize("answer", [None, AWAY, Refused("what is a job?", code=431), Unauthorised("who are you?")])
def test_a_lost_answer_that_cannot_be_settled_is_unknown_and_never_sent_again(
    journal: RunJournal, answer: Exception | None
) -> None:
    fake = FakeCloudStack(sending={"a": [LOST]}, asking={"a": [answer]})
    first, second = run(fake, journal, "a", "b").outcomes
    assert first.status == "unknown"
    assert first.job_id == fake.sent[0].custom_job_id
    assert first.job_id in first.error
    assert fake.sent_names() == ["a", "b"]
    assert second.status == "imported"
    assert steps(journal)[:2] == [("intent", "a"), ("outcome", "a")]


def test_what_certainly_was_not_sent_is_sent_again_under_the_same_job_id(journal: RunJournal) -> None:
    fake = FakeCloudStack(sending={"a": [AWAY, AWAY, None]})
    (outcome,) = run(fake, journal, "a").outcomes
    assert outcome.status == "imported"
    assert len(fake.sent) == 3
    assert len({one.custom_job_id for one in fake.sent}) == 1
    assert steps(journal) == [("intent", "a"), ("submitted", "a"), ("outcome", "a")]


def test_an_answer_lost_after_a_try_that_did_not_arrive_is_not_sent_a_third_time(journal: RunJournal) -> None:
    fake = FakeCloudStack(sending={"a": [AWAY, LOST, None]}, asking={"a": [None]})
    (outcome,) = run(fake, journal, "a").outcomes
    assert outcome.status == "unknown"
    assert len(fake.sent) == 2


@pytest.mark.parametrize(
    ("error", "tries"),
    [(AWAY, 3), (Unauthorised("wrong key"), 1), (Untrusted("another certificate"), 1), (NotTheApi("a proxy"), 1)],
)
def test_what_concerns_every_row_stops_the_line(journal: RunJournal, error: Exception, tries: int) -> None:
    stop = threading.Event()
    fake = FakeCloudStack(sending={"b": [error]})
    result = run(fake, journal, "a", "b", "c", "d", stop=stop)
    assert [one.status for one in result.outcomes] == ["imported", "not-started", "not-started", "not-started"]
    assert result.systemic == str(error)
    assert result.outcomes[1].error == str(error)
    assert result.outcomes[2] == Outcome(4, "c", "not-started")
    assert fake.sent_names() == ["a"] + ["b"] * tries
    assert stop.is_set()
    assert ("intent", "c") not in steps(journal)


def test_a_stopped_line_starts_nothing(journal: RunJournal) -> None:
    stop = threading.Event()
    stop.set()
    fake = FakeCloudStack()
    result = run(fake, journal, "a", "b", stop=stop)
    assert [one.status for one in result.outcomes] == ["not-started", "not-started"]
    assert fake.sent == []
    assert read_journal(journal.path) == []
    assert result.systemic == ""


def test_a_stop_between_rows(journal: RunJournal) -> None:
    stop = threading.Event()
    fake = FakeCloudStack(while_sending=lambda request: stop.set())
    result = run(fake, journal, "a", "b", stop=stop)
    # The job of the first row was over before anybody had to wait.
    assert [one.status for one in result.outcomes] == ["imported", "not-started"]


def test_a_stop_while_a_job_runs_leaves_it_unknown_with_its_job_id(journal: RunJournal) -> None:
    stop = threading.Event()
    fake = FakeCloudStack(asking={"a": [PENDING]}, while_sending=lambda request: stop.set())
    first, second = run(fake, journal, "a", "b", stop=stop).outcomes
    assert first.status == "unknown"
    assert "keeps running on the server" in first.error
    assert first.job_id == fake.sent[0].custom_job_id
    assert second.status == "not-started"


def test_a_stop_while_a_lost_answer_is_looked_for(journal: RunJournal) -> None:
    stop = threading.Event()
    fake = FakeCloudStack(sending={"a": [LOST]}, asking={"a": [None]}, while_sending=lambda request: stop.set())
    patient = Pace(every_s=60, settle_s=60)
    (outcome,) = import_rows(fake, planned("a"), journal, pace=patient, stop=stop).outcomes
    assert outcome.status == "unknown"
    assert len(fake.asked) == 1


def test_a_stop_before_the_call_is_sent_again(journal: RunJournal) -> None:
    stop = threading.Event()
    fake = FakeCloudStack(sending={"a": [AWAY]}, while_sending=lambda request: stop.set())
    (outcome,) = import_rows(fake, planned("a"), journal, pace=Pace(resubmit_s=(60.0,)), stop=stop).outcomes
    assert outcome.status == "not-started"
    assert len(fake.sent) == 1


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([PENDING], "was not over after 0.05 s"),
        ([PENDING, None], "does not know the job"),
        ([PENDING, AWAY], "last answer: cannot connect"),
        ([PENDING, Unauthorised("key withdrawn")], "key withdrawn"),
        ([PENDING, Untrusted("another certificate")], "another certificate"),
        ([PENDING, Refused("no such thing", code=430)], "no such thing"),
    ],
)
def test_a_job_nobody_can_follow_to_its_end_is_unknown(journal: RunJournal, answers: list[object], says: str) -> None:
    fake = FakeCloudStack(asking={"a": answers})  # type: ignore[dict-item]
    (outcome,) = run(fake, journal, "a").outcomes
    assert outcome.status == "unknown"
    assert says in outcome.error
    assert len(fake.sent) == 1


def test_a_server_that_is_away_for_a_while_during_a_job_is_waited_for(journal: RunJournal) -> None:
    fake = FakeCloudStack(asking={"a": [PENDING, AWAY, NotTheApi("502 of a proxy"), done("there")]})
    (outcome,) = run(fake, journal, "a").outcomes
    assert (outcome.status, outcome.vm_id) == ("imported", "there")


def test_the_intent_is_on_disk_before_the_call_and_the_outcome_before_the_next_intent(journal: RunJournal) -> None:
    seen: list[list[tuple[str, str, str]]] = []

    def look(_request: ImportRequest) -> None:
        lines = read_journal(journal.path)
        seen.append([(line["step"], line["vm"], line.get("job_id", "")) for line in lines])

    fake = FakeCloudStack(while_sending=look)
    run(fake, journal, "a", "b")
    first, second = (one.custom_job_id for one in fake.sent)
    assert seen == [
        [("intent", "a", first)],
        [("intent", "a", first), ("submitted", "a", first), ("outcome", "a", ""), ("intent", "b", second)],
    ]


def test_the_journal_holds_what_a_person_needs_later(journal: RunJournal) -> None:
    run(FakeCloudStack(asking={"b": [failed("nope")]}), journal, "a", "b")
    lines = [line for line in read_journal(journal.path) if line["step"] == "outcome"]
    assert [(line["row"], line["status"], line["vm_id"], line["error"]) for line in lines] == [
        (2, "imported", "id-of-a", ""),
        (3, "failed", "", "nope"),
    ]


def test_listeners_hear_of_every_row(journal: RunJournal) -> None:
    heard: list[Event] = []
    fake = FakeCloudStack(sending={"b": [Unauthorised("wrong key")]})
    with listening(heard.append):
        result = run(fake, journal, "a", "b", "c")
    assert [(type(event).__name__, vm_of(event)) for event in heard] == [
        ("RowStarted", "a"),
        ("RowDone", "a"),
        ("RowStarted", "b"),
        ("RowDone", "b"),
        ("RowDone", "c"),
    ]
    assert tuple(event.outcome for event in heard if isinstance(event, RowDone)) == result.outcomes


def vm_of(event: Event) -> str:
    if isinstance(event, RowStarted):
        return event.vm
    assert isinstance(event, RowDone)
    return event.outcome.vm


def test_a_listener_that_fails_does_not_stop_an_import(journal: RunJournal, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_event: Event) -> None:
        raise BrokenPipeError("the terminal went away")

    heard: list[Event] = []
    with listening(broken), listening(heard.append):
        (outcome,) = run(FakeCloudStack(), journal, "a").outcomes
    assert outcome.status == "imported"
    assert len(heard) == 2
    assert "a listener failed on RowStarted" in caplog.text


def test_nobody_hears_anything_after_having_left(journal: RunJournal) -> None:
    heard: list[Event] = []
    with listening(heard.append):
        pass
    run(FakeCloudStack(), journal, "a")
    assert heard == []


def test_batches_side_by_side_share_journal_and_stop(journal: RunJournal) -> None:
    stop = threading.Event()
    fakes = [FakeCloudStack() for _ in range(8)]
    results: list[BatchResult] = []
    names = [f"vm{number}" for number in range(10)]
    threads = [threading.Thread(target=lambda fake=fake: results.append(run(fake, journal, *names))) for fake in fakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.status == "imported" for result in results for one in result.outcomes) == 80
    assert len(steps(journal)) == 3 * 80
    assert not stop.is_set()
