"""What is done besides imports, noted like them: VMs registered and started, sign-offs, waves begun and done.

One row for each thing there is to do, so that no two runs or machines do it, and a line of the chained history for each
change. Whoever acts on a server first begins the deed, which is durable before the call, and ends it afterwards:

    begun = ledger.deeds.begin(key, run_id=..., actor=...)
    if begun.held:
        there = begun.before == "intended" and looked_at_the_server()   # somebody died between the call and the note
        if not there:
            act()
        ledger.deeds.end(key, "done")

The way back is the same with `begin_undo` and `undone`. What needs no call is `record`ed at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import RowMapping, and_, insert, select, update

from ingest.engine.ledger.chain import detail_text, plain, storable
from ingest.engine.ledger.database import Database
from ingest.engine.ledger.records import DEED_FINAL, Begun, Deed, DeedKey, DeedState
from ingest.engine.ledger.schema import DEED
from ingest.engine.ledger.writing import Writing
from ingest.errors import ClaimLost

_AGAIN: frozenset[DeedState] = frozenset({"failed", "undone"})
_NO_IMPORT = dict.fromkeys(("plan_digest", "job_id", "request_digest", "vm_id"), "")


class Deeds:
    """The deeds of an open ledger, for one holder; safe to share between threads. Raises LedgerError."""

    def __init__(self, database: Database, holder: str, renew: Callable[[Writing], None]) -> None:
        self._database = database
        self._holder = holder
        self._renew = renew

    def begin(self, key: DeedKey, *, run_id: str, actor: str, detail: Mapping[str, Any] | None = None) -> Begun:
        """Ask to do it; durable when this returns. See `Begun`.

        Not held while another lives who does it, and when it is done. One that failed or was taken back begins anew.
        """
        key, new = _clean(key), plain(detail)

        def take(writing: Writing) -> Begun:
            found = _row(writing, key)
            if found is not None and (self._in_hand(writing, found) or found["state"] == "done"):
                return Begun(False, found["state"], _deed(found))
            owner: dict[str, Any] = {"run_id": run_id, "actor": actor, "holder": self._holder}
            if found is None or found["state"] in _AGAIN:
                owner |= {"state": "intended", "intended_at": writing.now, "finished_at": 0.0, "error": ""}
            return self._taken(writing, key, found, owner, new)

        return self._database.write(take)

    def begin_undo(self, key: DeedKey, *, run_id: str, actor: str) -> Begun:
        """Ask to take it back; durable when this returns. See `Begun`.

        Held when it is done or may be: a deed that is still `intended` stays so, for its outcome to be found out first.
        The run that did it stays noted; who takes it back is in the history.
        """

        key = _clean(key)

        def take(writing: Writing) -> Begun:
            found = _row(writing, key)
            if found is None or self._in_hand(writing, found) or found["state"] in _AGAIN:
                return Begun(False, found["state"] if found else "", _deed(found) if found else None)
            changed: dict[str, Any] = {"holder": self._holder}
            if found["state"] == "done":
                changed |= {"state": "undoing", "intended_at": writing.now}
            return self._taken(writing, key, found, changed, {}, {"run_id": run_id, "actor": actor})

        return self._database.write(take)

    def end(self, key: DeedKey, state: DeedState, *, error: str = "", detail: Mapping[str, Any] | None = None) -> None:
        """Note what came of a deed in hand; durable when this returns. `done`, `failed` and `undone` give it up.

        Details are added to those noted before. Raises ClaimLost when this holder has it no longer: nothing was noted.
        """
        key, new = _clean(key), plain(detail)

        def enter(writing: Writing) -> None:
            found = _row(writing, key)
            if found is None or found["holder"] != self._holder:
                has = f"{found['holder'] or 'nobody'} has it" if found else "it was never begun"
                raise ClaimLost(
                    f"'{key.kind}' of {key.name or key.subject} is no longer ours, {has}",
                    place=f"ledger {self._database.place}",
                    cure=f"ingest history '{key.name or key.subject}'",
                )
            changed: dict[str, Any] = {"state": state, "error": storable(error)}
            if state in DEED_FINAL:
                changed |= {"holder": "", "finished_at": writing.now}
            self._change(writing, key, found, changed, new)

        self._database.write(enter)

    def release(self, key: DeedKey) -> None:
        """Give a deed up whose outcome is not known; its state stays. Nothing happens when it is not in hand."""
        key = _clean(key)

        def leave(writing: Writing) -> None:
            found = _row(writing, key)
            if found is not None and found["holder"] == self._holder:
                self._change(writing, key, found, {"holder": ""}, {})

        self._database.write(leave)

    def record(self, key: DeedKey, *, run_id: str, actor: str, detail: Mapping[str, Any] | None = None) -> Begun:
        """Note as done what needs no call, such as a sign-off. Held when it was not there yet; else the first stays."""
        key, new = _clean(key), plain(detail)

        def enter(writing: Writing) -> Begun:
            found = _row(writing, key)
            if found is not None and (self._in_hand(writing, found) or found["state"] == "done"):
                return Begun(False, found["state"], _deed(found))
            at = {"intended_at": writing.now, "finished_at": writing.now}
            changed = {"run_id": run_id, "actor": actor, "holder": "", "state": "done", "error": ""} | at
            return self._taken(writing, key, found, changed, new)

        return self._database.write(enter)

    def find(
        self,
        *,
        endpoint: str = "",
        kind: str = "",
        run_id: str = "",
        states: Collection[DeedState] = (),
        subject: str = "",
    ) -> list[Deed]:
        """The deeds that fit all that is given, in the order they were begun."""
        chosen = select(DEED).order_by(DEED.c.intended_at, DEED.c.endpoint, DEED.c.kind, DEED.c.subject)
        for name, value in (("endpoint", endpoint), ("kind", kind), ("run_id", run_id), ("subject", subject)):
            if value:
                chosen = chosen.where(DEED.c[name] == value)
        if states:
            chosen = chosen.where(DEED.c.state.in_(sorted(states)))
        with self._database.reading() as connection:
            return [_deed(row) for row in connection.execute(chosen).mappings()]

    def leave(self, writing: Writing) -> None:
        """Give up all that is in hand; the ledger closes."""
        held = select(DEED).where(DEED.c.holder == self._holder).order_by(DEED.c.endpoint, DEED.c.kind, DEED.c.subject)
        for found in writing.connection.execute(held).mappings().all():
            self._change(writing, _key(found), dict(found), {"holder": ""}, {})

    def _in_hand(self, writing: Writing, found: Mapping[str, Any]) -> bool:
        former = str(found["holder"])
        return bool(former) and (former == self._holder or writing.alive(former))

    def _taken(
        self,
        writing: Writing,
        key: DeedKey,
        found: Mapping[str, Any] | None,
        changed: dict[str, Any],
        new: dict[str, Any],
        said: Mapping[str, Any] | None = None,
    ) -> Begun:
        """`said` is what the line of history says instead of what the row says."""
        self._renew(writing)
        former = str(found["holder"]) if found else ""
        if found is None:
            row = {"endpoint": key.endpoint, "kind": key.kind, "subject": key.subject, "name": key.name}
            row |= changed | {"error": "", "detail": "{}", "updated_at": writing.now}
            writing.connection.execute(insert(DEED).values(row))
            found, before = row, ""
        else:
            before = found["state"]
        now = self._change(writing, key, found, changed, new, said, f"taken over from {former}" if former else "")
        return Begun(True, before, _deed(now), taken_over=bool(former))  # type: ignore[arg-type]

    def _change(
        self,
        writing: Writing,
        key: DeedKey,
        found: Mapping[str, Any],
        changed: Mapping[str, Any],
        new: Mapping[str, Any],
        said: Mapping[str, Any] | None = None,
        what: str = "",
    ) -> dict[str, Any]:
        """Write the row and its line of history; the row as it is now."""
        whole = json.loads(found["detail"]) | dict(new)
        values = dict(changed) | {"detail": detail_text(whole), "updated_at": writing.now}
        writing.connection.execute(update(DEED).where(_is(key)).values(values))
        now = dict(found) | values
        line = {"vm_key": key.subject, "name": now["name"], "state": now["state"], "error": now["error"], **_NO_IMPORT}
        line |= {"run_id": now["run_id"], "actor": now["actor"]} | dict(said or {})
        deed = {"kind": key.kind, "endpoint": key.endpoint}
        writing.add_line(what or f"deed: {key.kind}", self._holder, line, dict(new) | deed)
        return now


def _clean(key: DeedKey) -> DeedKey:
    return DeedKey(storable(key.endpoint), key.kind, storable(key.subject), storable(key.name))


def _is(key: DeedKey) -> Any:
    return and_(DEED.c.endpoint == key.endpoint, DEED.c.kind == key.kind, DEED.c.subject == key.subject)


def _row(writing: Writing, key: DeedKey) -> dict[str, Any] | None:
    found = writing.connection.execute(select(DEED).where(_is(key))).mappings().one_or_none()
    return None if found is None else dict(found)


def _key(row: Mapping[str, Any] | RowMapping) -> DeedKey:
    return DeedKey(row["endpoint"], row["kind"], row["subject"], row["name"])


def _deed(row: Mapping[str, Any] | RowMapping) -> Deed:
    own = ("state", "holder", "run_id", "actor", "error", "intended_at", "finished_at", "updated_at")
    return Deed(key=_key(row), detail=json.loads(row["detail"]), **{name: row[name] for name in own})
