"""The ledger: a VM has one holder, what is noted stays, whatever becomes of the process that noted it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError

from ingest.engine.ledger import Claim, Ledger, RunRecord, State, VmKey, ledger_url, open_ledger
from ingest.engine.ledger.processes import certainly_gone, process_mark
from ingest.engine.ledger.schema import MIGRATIONS, prepare, version_of
from ingest.errors import ClaimLost, LedgerError, UsageError
from ingest.settings import RunSettings
from tests.engine.postgresql import PASSWORD

REPOSITORY = Path(__file__).parents[2]
ALL_STATES: tuple[State, ...] = (
    *("claimed", "intended", "submitted", "imported", "failed", "incomplete", "unknown", "undone"),
)  # fmt: skip


class Hand:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def first(url: str, clock: Hand) -> Iterator[Ledger]:
    with Ledger(url, holder="first", clock=clock) as ledger:
        yield ledger


@pytest.fixture
def second(url: str, clock: Hand, first: Ledger) -> Iterator[Ledger]:
    with Ledger(url, holder="second", clock=clock) as ledger:
        yield ledger


def vm(name: str = "web") -> VmKey:
    return VmKey(f"uuid-of-{name}", "cluster", f"vm-of-{name}", name)


def take(ledger: Ledger, name: str = "web", run_id: str = "run", *, to_undo: bool = False) -> Claim:
    return ledger.claim(vm(name), run_id=run_id, actor="ann", plan_digest="digest", to_undo=to_undo)


def alone(ledger: Ledger) -> None:
    """The history is whole."""
    assert ledger.verify_chain() is None


def test_a_vm_without_an_instance_uuid_is_known_by_cluster_and_moref() -> None:
    assert VmKey("4C4C-UUID", "c1", "vm-7", "web").text == "4c4c-uuid"
    assert VmKey("", "c1", "vm-7", "web").text == "c1/vm-7"


def test_one_holder_at_a_time(first: Ledger, second: Ledger) -> None:
    assert take(first) == Claim(held=True, state="claimed")
    refused = take(second, run_id="other")
    assert (refused.held, refused.holder, refused.run_id) == (False, first.holder, "run")
    assert not take(first).held, "two rows of a plan may name the same VM"
    first.release(vm())
    assert take(second, run_id="other").held
    alone(first)


def test_an_imported_vm_is_never_imported_again_until_it_was_undone(first: Ledger, second: Ledger) -> None:
    take(first)
    first.note(vm(), "intended", job_id="j1", request_digest="r1")
    first.note(vm(), "submitted")
    first.note(vm(), "imported", vm_id="i1")
    again = take(second)
    assert (again.held, again.state, again.vm_id, again.job_id, again.holder) == (False, "imported", "i1", "j1", "")
    undoing = take(second, to_undo=True)
    assert (undoing.held, undoing.state, undoing.vm_id) == (True, "imported", "i1")
    second.note(vm(), "undone")
    anew = take(first)
    assert (anew.held, anew.state, anew.vm_id, anew.job_id, anew.intended_at) == (True, "claimed", "", "", 0.0)


@pytest.mark.parametrize("state", ALL_STATES)
def test_what_a_claim_finds_in_every_state(tmp_path: Path, state: State) -> None:
    url = ledger_url(None, tmp_path)
    with Ledger(url) as ledger:
        take(ledger)
        ledger.note(vm(), "intended", job_id="j1", request_digest="r1", detail={"expected": {"disks": 2}})
        ledger.note(vm(), state, error="words of the server", detail={"seen": 1})
    with Ledger(url) as ledger:
        found = take(ledger, run_id="next")
        (entry,) = ledger.entries()
    kept = state in ("intended", "submitted", "unknown", "incomplete", "imported")
    assert found.held == (state != "imported")
    assert found.state == (state if kept else "claimed")
    assert found.run_id == "run"
    assert (found.job_id, found.request_digest) == (("j1", "r1") if kept else ("", ""))
    assert found.detail == ({"expected": {"disks": 2}, "seen": 1} if kept else {})
    assert bool(found.intended_at) == kept
    assert entry.state == found.state
    assert entry.run_id == ("run" if state == "imported" else "next")


@pytest.mark.parametrize("state", ["imported", "failed", "incomplete", "undone"])
def test_a_final_state_gives_the_claim_up(first: Ledger, second: Ledger, state: State) -> None:
    take(first)
    first.note(vm(), state)
    with pytest.raises(ClaimLost, match="nobody has it"):
        first.note(vm(), "submitted")
    assert take(second, to_undo=True).held


def test_what_was_not_claimed_cannot_be_noted(first: Ledger, second: Ledger) -> None:
    with pytest.raises(ClaimLost, match="never claimed"):
        first.note(vm(), "intended")
    take(first)
    with pytest.raises(ClaimLost, match=f"{first.holder} has it"):
        second.note(vm(), "imported", vm_id="wrong")
    (entry,) = first.entries()
    assert (entry.state, entry.vm_id, entry.holder, entry.alive) == ("claimed", "", first.holder, True)
    assert [line.what for line in first.history()] == ["claimed"]


def test_a_dead_holder_s_vm_is_taken_over_and_the_dead_one_notices(first: Ledger, second: Ledger, clock: Hand) -> None:
    take(first)
    first.note(vm(), "intended", job_id="j1")
    first.note(vm(), "submitted")
    clock.now += 59
    assert not take(second).held
    clock.now += 2
    taken = take(second, run_id="rescue")
    assert (taken.held, taken.taken_over, taken.state, taken.job_id, taken.run_id) == (
        *(True, True, "submitted", "j1"),
        "run",
    )
    with pytest.raises(ClaimLost, match=second.holder):
        first.note(vm(), "imported", vm_id="i")
    second.note(vm(), "imported", vm_id="i")
    assert second.durations() == [], "nobody watched this job end"
    assert [line.what for line in second.history("web")] == [
        *("claimed", "noted", "noted", f"taken over from {first.holder}", "noted"),
    ]
    alone(first)


def test_signs_of_life_keep_everything_a_holder_has(url: str, first: Ledger, second: Ledger, clock: Hand) -> None:
    for name in ("a", "b"):
        take(first, name)
    slot = first.take_slot("cloud", 1)
    assert slot is not None
    for _ in range(4):
        clock.now += 40
        with first.keep_alive():
            assert not take(second, "a").held
        assert second.take_slot("cloud", 1) is None
    clock.now += 40
    first.note(vm("a"), "intended")
    clock.now += 40
    assert not take(second, "b").held, "a note is a sign of life too"


def test_a_thread_gives_signs_of_life(url: str) -> None:
    with Ledger(url, heartbeat_s=0.02, expiry_s=30) as ledger, ledger.keep_alive():
        take(ledger)
        with Ledger(url, clock=lambda: ledger.now() + 29.5) as other:
            beats = [take(other).held]
            deadline = threading.Event()
            deadline.wait(0.7)
            beats.append(take(other).held)
    assert beats == [False, False]


def test_slots_bind_all_holders_of_an_endpoint(first: Ledger, second: Ledger, clock: Hand) -> None:
    mine = [first.take_slot("cloud", 3) for _ in range(2)]
    theirs = second.take_slot("cloud", 3)
    assert [slot.number for slot in (*mine, theirs) if slot] == [0, 1, 2]
    assert first.take_slot("cloud", 3) is None
    other = first.take_slot("another cloud", 1)
    assert other is not None
    assert mine[0] is not None
    with mine[0]:
        pass
    mine[0].release()
    assert second.take_slot("cloud", 2) is None, "a lower limit counts the slots that are out"
    again = second.take_slot("cloud", 3)
    assert again is not None
    assert again.number == 0
    clock.now += 61
    with second.keep_alive():
        late = [second.take_slot("cloud", 3) for _ in range(2)]
    assert [slot and slot.number for slot in late] == [1, None], (
        "the slots of the dead are free, the living keep theirs"
    )


def test_closing_gives_everything_up_and_keeps_every_state(url: str, second: Ledger) -> None:
    with Ledger(url) as ledger:
        take(ledger, "a")
        take(ledger, "b")
        ledger.note(vm("b"), "intended", job_id="j")
        assert ledger.take_slot("cloud", 1)
    assert [(entry.state, entry.holder) for entry in second.entries()] == [("claimed", ""), ("intended", "")]
    found = take(second, "b")
    assert (found.held, found.state, found.job_id, found.taken_over) == (True, "intended", "j", False)
    assert second.take_slot("cloud", 1)


def test_fifty_threads_share_a_ledger(url: str) -> None:
    names = [f"vm{number}" for number in range(20)]
    won: Counter[str] = Counter()
    with Ledger(url) as ledger, ThreadPoolExecutor(50) as threads:

        def work(number: int) -> None:
            for name in names[number % 20 :] + names[: number % 20]:
                if take(ledger, name).held:
                    won[name] += 1
                    ledger.note(vm(name), "intended", job_id=f"{number}")
                    ledger.note(vm(name), "imported", vm_id=f"{number}")

        for future in [threads.submit(work, number) for number in range(50)]:
            future.result()
        alone(ledger)
        assert len(ledger.history()) == 3 * len(names)
        for entry in ledger.entries():
            assert entry.job_id == entry.vm_id
    assert won == Counter(names)


def test_runs_and_durations(first: Ledger, clock: Hand) -> None:
    for run_id, endpoint in (("r1", "https://one"), ("r2", "https://two")):
        first.open_run(RunRecord(run_id, "ann", "host", endpoint, "digest", f"/runs/{run_id}", "2027-01-15T08:00:00Z"))
    for seconds, name, run_id in ((5.0, "a", "r1"), (7.0, "b", "r2"), (2.5, "c", "r1")):
        take(first, name, run_id)
        first.note(vm(name), "intended")
        first.note(vm(name), "submitted")
        clock.now += seconds
        first.note(vm(name), "imported")
    take(first, "d")
    first.note(vm("d"), "submitted")
    first.note(vm("d"), "failed", error="no")
    assert first.durations() == [2.5, 7.0, 5.0]
    assert first.durations(limit=2) == [2.5, 7.0]
    assert first.durations("https://one") == [2.5, 5.0]
    first.close_run("r1", "completed")
    (run,) = first.runs("r1")
    assert (run.status, run.ended_at) == ("completed", "2027-01-15T08:00:14.500000+00:00")
    first.open_run(dataclasses.replace(run, status="", ended_at=""))
    assert [run.status for run in first.runs()] == ["", ""]


def test_what_is_asked_is_what_is_given(first: Ledger) -> None:
    nasty = 'naïve\0 "vm"\n\ud800'
    first.claim(dataclasses.replace(vm(), instance_uuid="u", name=nasty), run_id="r1", actor="ann", plan_digest="d")
    take(first, "web", "r2")
    first.note(vm(), "unknown", error=nasty, detail={"words": nasty, "numbers": {10: 1.5, 2: None}})
    (entry,) = first.entries(run_id="r2")
    assert entry.error == 'naïve\\0 "vm"\n\\ud800'
    assert entry.detail == {"words": nasty, "numbers": {"10": 1.5, "2": None}}
    assert [one.vm.name for one in first.entries(state="unknown")] == ["web"]
    assert [one.vm for one in first.entries(name="web")] == [vm()]
    assert [one.vm for one in first.entries(name="UUID-of-web")] == [vm()]
    assert len(first.history("web")) == len(first.history(run_id="r2")) == len(first.history("uuid-of-WEB")) == 2
    last = first.history("web")[-1]
    assert (last.at, last.state, last.actor, last.holder) == (
        *("2027-01-15T08:00:00.000000+00:00", "unknown", "ann"),
        first.holder,
    )
    alone(first)


@pytest.mark.parametrize(
    ("tampering", "number", "why"),
    [
        ("UPDATE ledger_history SET actor = 'eve' WHERE number = 2", 2, "altered"),
        ("DELETE FROM ledger_history WHERE number = 2", 2, "missing"),
        ("DELETE FROM ledger_history WHERE number = 4", 4, "should end with line 4"),
        ("UPDATE ledger_history SET previous = 'x' WHERE number = 3", 3, "does not follow"),
        ("UPDATE ledger_head SET hash = 'x'", 5, "should end with line 4"),
    ],
)
def test_tampering_is_told(url: str, first: Ledger, tampering: str, number: int, why: str) -> None:
    for name in ("a", "b", "c", "d"):
        take(first, name)
    alone(first)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text(tampering))
    engine.dispose()
    broken = first.verify_chain()
    assert broken is not None
    assert (broken.number, why in broken.why) == (number, True)


DIES = """
import os, sys
from ingest.engine.ledger import Ledger, VmKey

ledger = Ledger(sys.argv[1])
for number in range(100_000):
    vm = VmKey(f"uuid-{number}", "cluster", "moref", f"vm{number}")
    ledger.claim(vm, run_id="run", actor="ann", plan_digest="digest")
    for state in ("intended", "submitted", "imported"):
        ledger.note(vm, state, job_id=f"job-{number}", detail={"padding": "x" * 2000})
        print(number, state, flush=True)
"""


def test_killed_in_the_middle_of_many_notes(url: str) -> None:
    """What was told to be noted is there, nothing is torn, and the dead process's VM can be had at once."""
    with subprocess.Popen(
        [sys.executable, "-c", DIES, url], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    whole = [tuple(line.split()) for line in said if line.endswith("\n")]
    with Ledger(url) as ledger:
        alone(ledger)
        noted = [(line.vm.removeprefix("vm"), line.state) for line in ledger.history() if line.what == "noted"]
        assert whole == noted[: len(whole)]
        assert len(noted) <= len(whole) + 1
        states = {entry.vm.name: entry.state for entry in ledger.entries()}
        for name, state in noted:
            assert states[f"vm{name}"] in (state, "imported", "submitted", "intended")
        for entry in ledger.entries():
            assert not entry.alive
            if entry.holder:
                taken = ledger.claim(entry.vm, run_id="next", actor="bob", plan_digest="digest")
                assert (taken.held, taken.taken_over) == (True, True)
                assert taken.state == entry.state


RACES = """
import sys
from ingest.engine.ledger import Ledger, VmKey

with Ledger(sys.argv[1]) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(200):
        vm = VmKey(f"uuid-{number}", "cluster", "moref", f"vm{number}")
        if ledger.claim(vm, run_id=sys.argv[2], actor="ann", plan_digest="digest").held:
            ledger.note(vm, "imported", vm_id=sys.argv[2])
            print(number, flush=True)
"""


def test_two_processes_race_for_200_vms(url: str) -> None:
    """They also race for making the ledger."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACES, url, name],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    won = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        out, _ = racer.communicate(timeout=120)
        assert racer.returncode == 0
        won += out.split()
    assert sorted(won, key=int) == [str(number) for number in range(200)]
    with Ledger(url) as ledger:
        alone(ledger)
        assert len(ledger.history()) == 400


def _add_colour(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE ledger_vm ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'"))


def _fails(connection: Connection) -> None:
    _add_colour(connection)
    raise RuntimeError("died here")


def test_an_older_ledger_is_brought_up_to_date_whole_or_not_at_all(url: str) -> None:
    with Ledger(url) as ledger:
        take(ledger)
        ledger.note(vm(), "imported", vm_id="i")
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda driver, _: setattr(driver, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with pytest.raises(RuntimeError, match="died here"), engine.begin() as connection:
        prepare(connection, [*MIGRATIONS, _fails])
    with engine.begin() as connection:
        assert version_of(connection) == 2
        prepare(connection, [*MIGRATIONS, _add_colour])
        prepare(connection, [*MIGRATIONS, _add_colour])
        assert version_of(connection) == 3
        assert connection.execute(text("SELECT name, state, colour FROM ledger_vm")).all() == [
            ("web", "imported", "grey")
        ]
    engine.dispose()
    with pytest.raises(LedgerError, match="has version 3, this program knows versions up to 2"):
        Ledger(url)


def test_commits_are_on_disk_when_a_note_returns(tmp_path: Path) -> None:
    with Ledger(ledger_url(None, tmp_path)) as ledger, ledger._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_processes_that_are_certainly_gone() -> None:
    mark = process_mark()
    assert not certainly_gone(mark)
    assert not certainly_gone("")
    assert not certainly_gone("nonsense")
    code = "from ingest.engine.ledger.processes import process_mark; print(process_mark())"
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert certainly_gone(ended.stdout.strip())
    host, boot, space, pid, _ = mark.split()
    assert certainly_gone(f"{host} {boot} {space} {pid} 1"), "another process has the number now"
    assert not certainly_gone(f"elsewhere {boot} {space} 999999999 1")
    assert int(pid) == os.getpid()


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("mysql://root:hunter2@db/ledger", "is not the URL"),
        ("postgresql://ann:hunter2@host:port/db", "is not the URL"),
        ("sqlite://", "in memory"),
    ],
)
def test_urls_that_are_of_no_use(place: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        Ledger(place)
    assert "hunter2" not in str(caught.value)


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger("postgresql://ann:hunter2@127.0.0.1:1/ledger?password=hunter2")
    assert "ann:***@127.0.0.1:1/ledger" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be made"):
        Ledger(ledger_url(str(tmp_path / "file" / "ledger.db"), tmp_path))
    (tmp_path / "not.db").write_bytes(b"this is a letter to a friend, not a database" * 50)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger(ledger_url(str(tmp_path / "not.db"), tmp_path))


def test_a_wrong_password_is_told_without_it(postgresql_url: str) -> None:
    with pytest.raises(LedgerError, match="password authentication failed") as caught:
        Ledger(postgresql_url.replace(PASSWORD, "wrong-password"))
    assert "wrong-password" not in str(caught.value)


def test_a_locked_ledger_waits_for_its_turn(tmp_path: Path) -> None:
    with Ledger(ledger_url(None, tmp_path)) as ledger:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, other.commit)
        timer.start()
        assert take(ledger).held
        timer.join()
        other.close()


def test_a_connection_that_breaks_costs_nothing(postgresql_url: str) -> None:
    import psycopg

    with Ledger(postgresql_url) as ledger:
        take(ledger)
        ledger.note(vm(), "intended", job_id="j")
        with psycopg.connect(postgresql_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'ingest' AND pid <> pg_backend_pid()"
            )
        ledger.note(vm(), "submitted")
        assert [line.state for line in ledger.history()] == ["claimed", "intended", "submitted"]
        alone(ledger)


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_answer_to_a_commit(first: Ledger, *, committed: bool) -> None:
    """Committed or not, what is noted is noted once."""
    losses = [1]

    def lose(connection: Connection) -> None:
        if losses:
            losses.pop()
            if committed:
                connection.connection.commit()
            raise OperationalError("COMMIT", None, Exception("the answer was lost"))

    event.listen(first._database._engine, "commit", lose)
    assert take(first).held
    losses.append(1)
    first.note(vm(), "intended", job_id="j")
    losses.append(1)
    first.note(vm(), "imported", vm_id="i")
    losses.append(1)
    slots = [first.take_slot("cloud", 2), first.take_slot("cloud", 2)]
    assert [slot and slot.number for slot in slots] == [0, 1]
    assert not losses
    assert [line.state for line in first.history()] == ["claimed", "intended", "imported"]
    alone(first)


def test_where_the_ledger_is(tmp_path: Path) -> None:
    run = RunSettings(state=tmp_path / "state")
    with pytest.raises(UsageError, match="there is no ledger yet"):
        open_ledger(run, must_exist=True)
    assert not (tmp_path / "state").exists()
    with open_ledger(run) as ledger:
        take(ledger)
    with open_ledger(run, must_exist=True) as ledger:
        assert len(ledger.entries()) == 1
    assert (tmp_path / "state" / "ledger.db").exists()
    assert ledger_url("my ledger%.db", tmp_path) == "sqlite:///my ledger%.db"
    named = RunSettings.model_validate({"ledger": str(tmp_path / "a b%20#.db")})
    with open_ledger(named):
        pass
    assert (tmp_path / "a b%20#.db").exists()
    assert json.dumps(named.model_dump(mode="json"))


def test_what_threads_note_at_the_same_time_is_one_transaction_and_a_lost_claim_is_nobody_elses(tmp_path: Path) -> None:
    names = [f"vm{number}" for number in range(12)]
    commits = []
    with Ledger(ledger_url(None, tmp_path)) as ledger:
        for name in names:
            take(ledger, name)
        ledger.release(vm("vm3"))
        event.listen(ledger._database._engine, "commit", commits.append)
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(len(names)) as pool:
            noted = {name: pool.submit(ledger.note, vm(name), "intended", job_id=f"job-{name}") for name in names}
            while len(ledger._database._together._waiting) < len(names) - 1:
                threading.Event().wait(0.005)
            assert not any(future.done() for future in noted.values())
            other.commit()
        other.close()
        with pytest.raises(ClaimLost, match="nobody has it"):
            noted.pop("vm3").result()
        assert [future.result() for future in noted.values()] == [None] * 11
        # The first alone, the group that the lost claim broke up, each of them alone, in vain for the lost one.
        assert len(commits) == 11
        assert {entry.job_id for entry in ledger.entries(state="intended")} == {f"job-{name}" for name in noted}
        commits.clear()
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(len(names)) as pool:
            for name in noted:
                pool.submit(ledger.note, vm(name), "submitted")
            while len(ledger._database._together._waiting) < len(noted) - 1:
                threading.Event().wait(0.005)
            other.commit()
        other.close()
        assert len(commits) == 2
        assert [entry.state for entry in ledger.entries(state="submitted")] == ["submitted"] * 11
        alone(ledger)
