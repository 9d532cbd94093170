"""The ledger: one claim per VM across all runs and machines that share it, and everything noted while it was held."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Any

from sqlalchemy import RowMapping, Select, delete, insert, or_, select, update

from ingest.engine.ledger.chain import detail_text, first_break, plain, storable
from ingest.engine.ledger.database import Clock, Database
from ingest.engine.ledger.deeds import Deeds
from ingest.engine.ledger.moments import iso
from ingest.engine.ledger.processes import certainly_gone, process_mark
from ingest.engine.ledger.reading import durations_query
from ingest.engine.ledger.records import (
    FINAL,
    KEPT,
    UNSETTLED,
    Break,
    Claim,
    Entry,
    HistoryLine,
    Link,
    RunRecord,
    State,
    VmKey,
)
from ingest.engine.ledger.schema import HEAD, HISTORY, HOLDER, RUN, SLOT, VM
from ingest.engine.ledger.writing import Writing
from ingest.errors import ClaimLost, LedgerError
from ingest.report.tables import record

log = logging.getLogger("ingest.engine.ledger")

PAGE = 1000
"""Lines of history read at a time: it may be longer than memory is large."""

BEGINNING: Mapping[str, Any] = {
    "state": "claimed",
    "job_id": "",
    "request_digest": "",
    "vm_id": "",
    "error": "",
    "detail": "{}",
    "intended_at": 0.0,
    "submitted_at": 0.0,
    "finished_at": 0.0,
}
"""What the row of a VM says when nothing was done for it yet."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to have one import in flight on an endpoint. Leaving the `with` block gives it back."""

    endpoint: str
    number: int
    release: Callable[[], None]

    def __enter__(self) -> Slot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Ledger:
    """An open ledger, and one holder of claims; safe to share between threads. Raises LedgerError.

    `url` as `ledger_url` makes it. `holder` is a name for people; a mark is added, so that no two ledgers opened are
    the same holder. A holder is dead when it was not heard of for `expiry_s`, or at once when its process has ended on
    this machine: what it had can then be taken over. Closing gives everything up. `deeds` is for what is no import.
    """

    def __init__(
        self,
        url: str,
        *,
        holder: str = "",
        clock: Clock | None = None,
        heartbeat_s: float = 10.0,
        expiry_s: float = 60.0,
    ) -> None:
        self.holder = f"{holder or f'{socket.gethostname()}:{os.getpid()}'}:{secrets.token_hex(3)}"
        self._process = process_mark()
        self._heartbeat_s = heartbeat_s
        self._expiry_s = expiry_s
        self._heard_at: float | None = None
        self._database = Database(url, clock)
        self.deeds = Deeds(self._database, self.holder, self._renew)

    @property
    def place(self) -> str:
        """Where the ledger is, without its password."""
        return self._database.place

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up all claims and slots of this holder, states stay; close the database."""
        try:
            if self._heard_at is not None:
                self._database.write(self._leave)
        except LedgerError as error:
            log.warning("claims are left to expire: %s", error.message)
        finally:
            self._heard_at = None
            self._database.close()

    def now(self) -> float:
        """Seconds of the epoch by the ledger's clock, comparable with the times in claims and entries."""
        return self._database.now()

    # Runs

    def open_run(self, run: RunRecord) -> None:
        """Enter a run; one that is resumed is open again."""
        values = record(run)

        def enter(writing: Writing) -> None:
            writing.connection.execute(delete(RUN).where(RUN.c.run_id == run.run_id))
            writing.connection.execute(insert(RUN).values(values))

        self._database.write(enter)

    def close_run(self, run_id: str, status: str) -> None:
        """Say how a run ended."""

        def leave(writing: Writing) -> None:
            ended = {"status": status, "ended_at": iso(writing.now)}
            writing.connection.execute(update(RUN).where(RUN.c.run_id == run_id).values(ended))

        self._database.write(leave)

    def note_run(self, run: RunRecord, what: str, detail: Mapping[str, Any]) -> None:
        """Write a line of history about a whole run, such as its approval; `run.actor` did it."""
        line = plain(detail)
        actor = replace(run, actor=storable(run.actor))
        self._database.write(lambda writing: writing.add_run_line(what, self.holder, actor, line))

    def runs(self, run_id: str = "") -> list[RunRecord]:
        """All runs, the newest first, or the one of this id."""
        chosen = select(RUN).order_by(RUN.c.started_at.desc(), RUN.c.run_id)
        if run_id:
            chosen = chosen.where(RUN.c.run_id == run_id)
        with self._database.reading() as connection:
            return [RunRecord(**row) for row in connection.execute(chosen).mappings()]

    # Claims

    def claim(self, vm: VmKey, *, run_id: str, actor: str, plan_digest: str, to_undo: bool = False) -> Claim:
        """Ask for a VM; the answer says whether it is ours and where it stands.

        Not ours while another holder lives, and when it is imported, unless `to_undo`, which takes a VM in any state
        and leaves the state as it is. A claim is not given twice to one holder either: two rows of one plan may name
        the same VM.
        """
        owner = {"run_id": run_id, "actor": actor, "plan_digest": plan_digest, "holder": self.holder}
        wanted: dict[str, Any] = record(vm) | {"name": storable(vm.name)} | owner

        def take(writing: Writing) -> Claim:
            found = writing.vm(vm.text)
            if found is None:
                self._renew(writing)
                row = {"vm_key": vm.text, "updated_at": writing.now} | wanted | dict(BEGINNING)
                writing.add(row)
                writing.add_line("claimed", self.holder, row, {})
                return Claim(held=True, state="claimed")
            former = str(found["holder"])
            if former and (former == self.holder or writing.alive(former)):
                return _claim(found, held=False, holder=former)
            if found["state"] == "imported" and not to_undo:
                return _claim(found, held=False)
            self._renew(writing)
            if not to_undo and found["state"] not in KEPT:
                changed = wanted | dict(BEGINNING)
            elif found["state"] in UNSETTLED:
                # Nobody watched the job end: its time is of no use to estimates.
                changed = wanted | {"submitted_at": 0.0}
            else:
                changed = wanted
            writing.change(vm.text, **changed)
            now = found | changed
            what = f"taken over from {former}" if former else "claimed"
            writing.add_line(what, self.holder, now, {})
            return _claim(now, held=True, run_id=found["run_id"], taken_over=bool(former))

        return self._database.write(take)

    def note(
        self,
        vm: VmKey,
        state: State,
        *,
        job_id: str = "",
        request_digest: str = "",
        vm_id: str = "",
        error: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Note where a claimed VM stands now; durable when this returns.

        '' keeps the job id, digest and VM id noted before; details are added to those noted before. `imported`,
        `failed`, `incomplete` and `undone` give the claim up. Raises ClaimLost when this holder has it no longer:
        then nothing was noted, and nothing more may be done for this VM.
        """
        new = plain(detail)

        def enter(writing: Writing) -> None:
            found = writing.vm(vm.text)
            if found is None or found["holder"] != self.holder:
                has = f"{found['holder'] or 'nobody'} has it" if found else "it was never claimed"
                raise ClaimLost(
                    f"the claim on {vm.name} is lost, {has}",
                    place=f"ledger {self.place}",
                    cure=f"ingest history {vm.name}",
                )
            self._renew(writing, sparing=True)
            changed: dict[str, Any] = {"state": state, "error": storable(error)}
            said = {"job_id": job_id, "request_digest": request_digest, "vm_id": vm_id}
            changed |= {name: value for name, value in said.items() if value}
            changed["detail"] = detail_text(json.loads(found["detail"]) | new)
            if state == "intended":
                changed |= {"intended_at": writing.now, "submitted_at": 0.0, "finished_at": 0.0}
            elif state == "submitted":
                changed["submitted_at"] = writing.now
            elif state in FINAL:
                changed |= {"finished_at": writing.now, "holder": ""}
            writing.change(vm.text, **changed)
            writing.add_line("noted", self.holder, found | changed, new)

        self._database.write(enter)

    def release(self, vm: VmKey) -> None:
        """Give a claim up; its state stays. Nothing happens when this holder does not have it."""

        def leave(writing: Writing) -> None:
            found = writing.vm(vm.text)
            if found is not None and found["holder"] == self.holder:
                self._release(writing, found)

        self._database.write(leave)

    @contextlib.contextmanager
    def keep_alive(self) -> Iterator[None]:
        """While the block runs, a thread says every `heartbeat_s` that this holder lives."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(self._heartbeat_s):
                try:
                    self._database.write(self._renew)
                except LedgerError as error:
                    log.warning("no sign of life could be given: %s", error.message)

        self._database.write(self._renew)
        thread = threading.Thread(target=beat, name="ledger-keep-alive", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    # Slots

    def take_slot(self, endpoint: str, limit: int) -> Slot | None:
        """One of `limit` slots of an endpoint, None when all are taken by holders that live."""
        token = secrets.token_hex(16)

        def take(writing: Writing) -> int | None:
            self._renew(writing)
            taken = set()
            slots = writing.connection.execute(select(SLOT).where(SLOT.c.endpoint == endpoint)).mappings().all()
            for slot in slots:
                if slot["token"] == token:
                    return int(slot["number"])
                if slot["holder"] == self.holder or writing.alive(slot["holder"]):
                    taken.add(slot["number"])
                else:
                    writing.connection.execute(delete(SLOT).where(SLOT.c.token == slot["token"]))
            if len(taken) >= limit:
                return None
            number = min(set(range(len(taken) + 1)) - taken)
            row = {"endpoint": endpoint, "number": number, "token": token, "holder": self.holder}
            writing.connection.execute(insert(SLOT).values(row))
            return number

        def release() -> None:
            self._database.write(lambda writing: writing.connection.execute(delete(SLOT).where(SLOT.c.token == token)))

        number = self._database.write(take)
        return None if number is None else Slot(endpoint, number, release)

    # What is known

    def entries(self, *, run_id: str = "", state: str = "", name: str = "") -> list[Entry]:
        """Where VMs stand, by name: all, or those of a run, in a state, with a name (or identity)."""
        chosen = select(VM, HOLDER.c.process, HOLDER.c.expires_at)
        chosen = chosen.outerjoin(HOLDER, HOLDER.c.holder == VM.c.holder).order_by(VM.c.name, VM.c.vm_key)
        if run_id:
            chosen = chosen.where(VM.c.run_id == run_id)
        if state:
            chosen = chosen.where(VM.c.state == state)
        if name:
            chosen = chosen.where(or_(VM.c.name == name, VM.c.vm_key == name.lower(), VM.c.vm_key == name))
        now = self.now()
        with self._database.reading() as connection:
            return [_entry(row, now) for row in connection.execute(chosen).mappings()]

    def history(self, vm_name_or_key: str = "", *, run_id: str = "") -> list[HistoryLine]:
        """The history, oldest line first: all of it, or of a VM, or of a run."""
        chosen = select(HISTORY)
        if vm_name_or_key:
            keys = HISTORY.c.vm_key.in_((vm_name_or_key, vm_name_or_key.lower()))
            chosen = chosen.where(or_(HISTORY.c.vm == vm_name_or_key, keys))
        if run_id:
            chosen = chosen.where(HISTORY.c.run_id == run_id)
        return list(self._lines(chosen))

    def links(self, first: int, last: int) -> list[Link]:
        """The chain from one line's number to another's, as hashes only."""
        chosen = select(HISTORY.c.number, HISTORY.c.previous, HISTORY.c.hash).order_by(HISTORY.c.number)
        with self._database.reading() as connection:
            return [Link(*row) for row in connection.execute(chosen.where(HISTORY.c.number.between(first, last)))]

    def verify_chain(self) -> Break | None:
        """Where the history is not what was written, None when it is whole."""
        with self._database.reading() as connection:
            number, last = connection.execute(select(HEAD.c.number, HEAD.c.hash)).one()
        # Whatever is added meanwhile follows the end just read.
        chosen = select(HISTORY).where(HISTORY.c.number <= number)
        return first_break(self._lines(chosen), head=(number, last))

    def durations(self, endpoint: str = "", limit: int = 500) -> list[float]:
        """Seconds from `submitted` to `imported`, the newest first, of one endpoint or of all."""
        with self._database.reading() as connection:
            return [float(seconds) for seconds in connection.execute(durations_query(endpoint, limit)).scalars()]

    # Within

    def _renew(self, writing: Writing, *, sparing: bool = False) -> None:
        """A sign of life. A sparing one is left out when the last is recent."""
        if sparing and self._heard_at is not None and 0 <= writing.now - self._heard_at < self._heartbeat_s:
            return
        writing.renew(self.holder, self._process, writing.now + self._expiry_s)
        self._heard_at = writing.now

    def _release(self, writing: Writing, found: Mapping[str, Any]) -> None:
        writing.change(found["vm_key"], holder="")
        writing.add_line("released", self.holder, found, {})

    def _leave(self, writing: Writing) -> None:
        held = select(VM).where(VM.c.holder == self.holder).order_by(VM.c.vm_key)
        for found in writing.connection.execute(held).mappings().all():
            self._release(writing, dict(found))
        self.deeds.leave(writing)
        writing.connection.execute(delete(SLOT).where(SLOT.c.holder == self.holder))
        writing.connection.execute(delete(HOLDER).where(HOLDER.c.holder == self.holder))

    def _lines(self, chosen: Select[Any]) -> Iterator[HistoryLine]:
        number, page = 0, PAGE
        while page == PAGE:
            wanted = chosen.where(HISTORY.c.number > number).order_by(HISTORY.c.number).limit(PAGE)
            with self._database.reading() as connection:
                rows = connection.execute(wanted).mappings().all()
            for row in rows:
                number = row["number"]
                yield HistoryLine(**(dict(row) | {"detail": json.loads(row["detail"])}))
            page = len(rows)


def _claim(row: Mapping[str, Any], **answer: Any) -> Claim:
    kept = {name: row[name] for name in ("state", "job_id", "request_digest", "vm_id", "run_id", "intended_at")}
    return Claim(**(kept | {"detail": json.loads(row["detail"])} | answer))


def _entry(row: RowMapping, now: float) -> Entry:
    vm = VmKey(row["instance_uuid"], row["cluster_id"], row["moref"], row["name"])
    expires_at = row["expires_at"]
    alive = expires_at is not None and expires_at > now and not certainly_gone(row["process"])
    own = {field.name for field in fields(Entry)} - {"vm", "alive", "detail"}
    return Entry(vm=vm, alive=alive, detail=json.loads(row["detail"]), **{name: row[name] for name in own})
