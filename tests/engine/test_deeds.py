"""Deeds in the ledger: each is done by one holder, taken over from the dead, taken back once, and in the history."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, event, inspect, text

from ingest.engine.ledger import DeedKey, DeedKind, Ledger, VmKey
from ingest.engine.ledger.schema import version_of
from ingest.errors import ClaimLost

WEB = DeedKey("vcenter-1", "registered", "ds:///vmfs/volumes/1/web/web.vmx", "web")


@pytest.fixture
def first(url: str) -> Iterator[Ledger]:
    with Ledger(url, holder="first") as ledger:
        yield ledger


@pytest.fixture
def second(url: str, first: Ledger) -> Iterator[Ledger]:
    with Ledger(url, holder="second") as ledger:
        yield ledger


def begin(ledger: Ledger, key: DeedKey = WEB, run_id: str = "run") -> tuple[bool, str]:
    begun = ledger.deeds.begin(key, run_id=run_id, actor="ann", detail={"path": "[a] web/web.vmx"})
    return begun.held, begun.before


def undo(ledger: Ledger, run_id: str = "back") -> tuple[bool, str]:
    begun = ledger.deeds.begin_undo(WEB, run_id=run_id, actor="bob")
    return begun.held, begun.before


def test_a_deed_is_done_once_by_one(first: Ledger, second: Ledger) -> None:
    assert begin(first) == (True, "")
    assert begin(second) == (False, "intended")
    assert begin(first) == (False, "intended"), "two rows may name the same file"
    first.deeds.end(WEB, "done", detail={"moref": "vm-7"})
    assert begin(second, run_id="other") == (False, "done")
    (deed,) = second.deeds.find()
    assert (deed.key, deed.state, deed.holder, deed.run_id, deed.actor) == (WEB, "done", "", "run", "ann")
    assert deed.detail == {"path": "[a] web/web.vmx", "moref": "vm-7"}
    assert 0 < deed.intended_at <= deed.finished_at
    lines = first.history("web")
    assert [(line.what, line.state, line.run_id) for line in lines] == [
        ("deed: registered", "intended", "run"), ("deed: registered", "done", "run")
    ]  # fmt: skip
    assert lines[1].detail == {"moref": "vm-7", "kind": "registered", "endpoint": "vcenter-1"}
    assert first.verify_chain() is None


def test_a_failed_deed_begins_anew(first: Ledger, second: Ledger) -> None:
    begin(first)
    first.deeds.end(WEB, "failed", error="no such \0 file")
    assert begin(second, run_id="other") == (True, "failed")
    (deed,) = first.deeds.find(states=["intended"])
    assert (deed.run_id, deed.error, deed.finished_at) == ("other", "", 0.0)


def test_the_way_back_and_there_again(first: Ledger, second: Ledger) -> None:
    assert undo(first) == (False, "")
    begin(first)
    first.deeds.end(WEB, "done")
    assert undo(second) == (True, "done")
    assert begin(first) == (False, "undoing")
    assert undo(first) == (False, "undoing")
    second.deeds.end(WEB, "undone")
    assert undo(first) == (False, "undone")
    (deed,) = first.deeds.find()
    assert (deed.run_id, deed.state) == ("run", "undone"), "the run that did it stays noted"
    assert [(line.state, line.run_id, line.actor) for line in first.history(run_id="back")] == [
        ("undoing", "back", "bob")
    ]
    assert begin(first, run_id="again") == (True, "undone")
    assert first.verify_chain() is None


def test_an_undo_that_was_refused_leaves_it_done(first: Ledger) -> None:
    begin(first)
    first.deeds.end(WEB, "done")
    undo(first)
    first.deeds.end(WEB, "done", error="it runs")
    (deed,) = first.deeds.find(run_id="run")
    assert (deed.state, deed.error, deed.holder) == ("done", "it runs", "")


def test_only_who_has_it_ends_it(first: Ledger, second: Ledger) -> None:
    with pytest.raises(ClaimLost, match="never begun"):
        first.deeds.end(WEB, "done")
    begin(first)
    with pytest.raises(ClaimLost, match=first.holder):
        second.deeds.end(WEB, "done")
    second.deeds.release(WEB)
    assert begin(second) == (False, "intended")
    first.deeds.release(WEB)
    assert begin(second) == (True, "intended")


def _begin_and_die(url: str) -> None:
    begin(Ledger(url, holder="dead"))
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_deed_is_taken_over_from_a_dead_process(url: str, first: Ledger) -> None:
    process = multiprocessing.get_context("forkserver").Process(target=_begin_and_die, args=(url,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    begun = first.deeds.begin(WEB, run_id="next", actor="ann")
    assert (begun.held, begun.before, begun.taken_over) == (True, "intended", True)
    assert begun.deed is not None
    assert begun.deed.detail == {"path": "[a] web/web.vmx"}
    assert [line.what.partition(":")[0] for line in first.history("web")] == ["deed", "taken over from dead"]


def test_closing_gives_up_what_is_in_hand(url: str, second: Ledger) -> None:
    with Ledger(url, holder="third") as third:
        begin(third)
    assert begin(second) == (True, "intended")
    assert second.verify_chain() is None


def test_what_needs_no_call_is_recorded_and_the_first_stays(first: Ledger, second: Ledger) -> None:
    key = DeedKey("", "signed-off", "run/storage is writable")
    assert first.deeds.record(key, run_id="run", actor="ann", detail={"words": "yes"}).held
    again = second.deeds.record(key, run_id="run", actor="bob")
    assert not again.held
    assert again.deed is not None
    assert (again.deed.actor, again.deed.detail) == ("ann", {"words": "yes"})


def test_deeds_are_found_by_what_they_are(first: Ledger) -> None:
    kinds: tuple[DeedKind, ...] = ("registered", "started", "wave-done")
    for kind in kinds:
        first.deeds.record(DeedKey("v" if kind < "t" else "", kind, f"1/{kind}"), run_id=kind[:4], actor="ann")
    assert [deed.key.kind for deed in first.deeds.find()] == list(kinds)
    assert [deed.key.kind for deed in first.deeds.find(endpoint="v")] == ["registered", "started"]
    assert [deed.key.kind for deed in first.deeds.find(run_id="wave")] == ["wave-done"]
    assert [deed.key.kind for deed in first.deeds.find(kind="started", subject="1/started", states=["done"])] == [
        "started"
    ]
    assert first.deeds.find(states=["undone", "failed"]) == []


def test_one_of_many_threads_does_it(first: Ledger, second: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: begin((first, second)[number % 2])[0], range(16)))
    assert won.count(True) == 1


def test_a_ledger_of_version_1_gets_the_table_that_a_new_one_has(url: str) -> None:
    vm = VmKey("uuid", "c", "vm-1", "web")
    with Ledger(url) as ledger:
        ledger.claim(vm, run_id="old", actor="ann", plan_digest="")
        ledger.note(vm, "imported", vm_id="i-1")
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        fresh = _columns(engine)
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE ledger_deed"))  # all that version 1 did not have
            connection.execute(text("UPDATE ledger_version SET version = 1"))
        with Ledger(url) as ledger:
            assert begin(ledger) == (True, "")
            ledger.deeds.end(WEB, "done")
            assert [entry.state for entry in ledger.entries()] == ["imported"]
            assert [line.state for line in ledger.history()] == ["claimed", "imported", "intended", "done"]
            assert ledger.verify_chain() is None
        assert _columns(engine) == fresh
        with engine.begin() as connection:
            assert version_of(connection) == 2
    finally:
        engine.dispose()


def _columns(engine: object) -> object:
    found = inspect(engine)
    columns = [
        (column["name"], str(column["type"]).replace(" PRECISION", ""), column["nullable"], column["default"])
        for column in found.get_columns("ledger_deed")
    ]
    keys = found.get_pk_constraint("ledger_deed")["constrained_columns"]
    return columns, keys, sorted((index["name"], index["column_names"]) for index in found.get_indexes("ledger_deed"))


def test_a_migration_that_dies_leaves_version_1(url: str) -> None:
    with Ledger(url):
        pass
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE ledger_deed"))
            connection.execute(text("UPDATE ledger_version SET version = 1"))

        def dies(statement: str) -> None:
            if statement.startswith("CREATE INDEX ledger_deed_by_run"):
                raise RuntimeError("died here")

        from sqlalchemy import Engine

        def watch(_c: object, _cursor: object, statement: str, *_: object) -> None:
            dies(statement)

        event.listen(Engine, "before_cursor_execute", watch)
        try:
            with pytest.raises(RuntimeError, match="died here"):
                Ledger(url)
        finally:
            event.remove(Engine, "before_cursor_execute", watch)
        with engine.begin() as connection:
            assert version_of(connection) == 1
            assert not inspect(connection).has_table("ledger_deed")
        with Ledger(url) as ledger:
            assert begin(ledger) == (True, "")
    finally:
        engine.dispose()
