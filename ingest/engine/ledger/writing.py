"""One write transaction: the moment it has, the end of the history it goes on from, who is alive."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ingest.engine.ledger.chain import detail_text, line_hash
from ingest.engine.ledger.moments import iso
from ingest.engine.ledger.processes import certainly_gone
from ingest.engine.ledger.records import RunRecord
from ingest.engine.ledger.schema import HEAD, HISTORY, HOLDER, VM

DAY_S = 86_400.0

# Made once, values come as parameters: making statements costs more than the database takes to run them.
_VM_OF_KEY = select(VM).where(VM.c.vm_key == bindparam("key"))
_ADD_VM = insert(VM)
_CHANGE_VM = update(VM).where(VM.c.vm_key == bindparam("key"))
_ADD_LINE = insert(HISTORY)
_MOVE_HEAD = update(HEAD)
_HOLDER_OF_NAME = select(HOLDER).where(HOLDER.c.holder == bindparam("who"))
_RENEW_HOLDER = update(HOLDER).where(HOLDER.c.holder == bindparam("who"))


class Writing:
    """Valid within its transaction only. Lines of history are kept until `finish`, which writes them all at once."""

    def __init__(self, connection: Connection, now: float, number: int, last: str) -> None:
        self.connection = connection
        self.now = now
        self._lines: list[dict[str, Any]] = []
        self._number = number
        self._last = last

    def vm(self, key: str) -> dict[str, Any] | None:
        """The row of a VM, None for one never seen."""
        found = self.connection.execute(_VM_OF_KEY, {"key": key}).mappings().one_or_none()
        return None if found is None else dict(found)

    def alive(self, holder: str) -> bool:
        """Whether a holder's claims still count."""
        found = self.connection.execute(_HOLDER_OF_NAME, {"who": holder}).mappings().one_or_none()
        return found is not None and found["expires_at"] > self.now and not certainly_gone(found["process"])

    def renew(self, holder: str, process: str, expires_at: float) -> None:
        """The holder is alive until `expires_at`, unless its process ends before."""
        renewed = self.connection.execute(_RENEW_HOLDER, {"who": holder, "expires_at": expires_at})
        if not renewed.rowcount:
            self.connection.execute(delete(HOLDER).where(HOLDER.c.expires_at < self.now - DAY_S))
            self.connection.execute(insert(HOLDER).values(holder=holder, process=process, expires_at=expires_at))

    def add(self, row: Mapping[str, Any]) -> None:
        """Make the row of a VM never seen."""
        self.connection.execute(_ADD_VM, dict(row))

    def change(self, key: str, **values: Any) -> None:
        """Change the current row of a VM."""
        self.connection.execute(_CHANGE_VM, values | {"key": key, "updated_at": self.now})

    def add_line(self, what: str, holder: str, row: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        """Write a line of history about a VM, whose row is now `row`."""
        line = {
            "number": self._number + 1,
            "line_id": uuid.uuid4().hex,
            "at": iso(self.now),
            "vm_key": row["vm_key"],
            "vm": row["name"],
            "what": what,
            "holder": holder,
            "detail": detail,
            "previous": self._last,
        }
        line |= {name: row[name] for name in ("state", "run_id", "actor", "plan_digest")}
        line |= {name: row[name] for name in ("job_id", "request_digest", "vm_id", "error")}
        text = detail_text(detail)
        line["hash"] = line_hash(line, text)
        self._lines.append(line | {"detail": text})
        self._number, self._last = line["number"], line["hash"]

    def add_run_line(self, what: str, holder: str, run: RunRecord, detail: Mapping[str, Any]) -> None:
        """Write a line of history about a run as a whole; what is said of VMs is '' in it."""
        of_vms = dict.fromkeys(("vm_key", "name", "state", "job_id", "request_digest", "vm_id", "error"), "")
        of_run = {"run_id": run.run_id, "actor": run.actor, "plan_digest": run.plan_digest}
        self.add_line(what, holder, of_vms | of_run, detail)

    def finish(self) -> list[str]:
        """Write the lines of history, and where it ends now; the ids of the lines."""
        if self._lines:
            self.connection.execute(_ADD_LINE, self._lines)
            self.connection.execute(_MOVE_HEAD, {"number": self._number, "hash": self._last})
        return [line["line_id"] for line in self._lines]

    def has_line(self, line_id: str) -> bool:
        """Whether a line of history is there."""
        found = self.connection.execute(select(HISTORY.c.number).where(HISTORY.c.line_id == line_id))
        return found.first() is not None
