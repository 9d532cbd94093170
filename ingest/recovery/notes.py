"""What the ledger keeps of a recovery: that it is under way, its waves, its sign-offs and decisions.

All are deeds of no endpoint, by the run's id. Moments are those of the recovery's own time, kept as details: the
ledger's clock and that of an accelerated twin differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.engine.ledger import Deed, DeedKey, Ledger
from ingest.errors import Stopped, UsageError
from ingest.recovery.people import Request, Signature


@dataclass(frozen=True, slots=True)
class Underway:
    """This attempt at a recovery: when the first one began (seconds of the epoch), and its number from 1.

    A process that was killed did not end its attempt; whoever goes on is still in it.
    """

    began: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A sign-off or decision as it is kept: who, when, on what."""

    key: str
    kind: str
    say: str
    who: str
    wave: str
    name: str
    decision: str
    words: str
    at: float


class Notes:
    """The deeds of one recovery in an open ledger."""

    def __init__(self, ledger: Ledger, run_id: str, actor: str) -> None:
        self._deeds = ledger.deeds
        self._run_id = run_id
        self._actor = actor

    def begin(self, now: float, name: str) -> Underway:
        """The recovery is this process's. Raises Stopped when another one that lives has it."""
        key = self._key("recovered", "", name)
        known = self._find(key)
        if known is not None and known.detail.get("given_back"):
            raise UsageError(
                "this recovery was given back", place=self._run_id, cure="begin a new one: ingest recover RUNBOOK"
            )
        began = float(known.detail.get("began", now)) if known else now
        attempt = int(known.detail.get("attempt", 0)) if known else 0
        if known is None or known.state != "intended":
            attempt += 1
        if known is not None and known.state == "done":
            # Everything went well; going through it again changes nothing.
            self._deeds.begin_undo(key, run_id=self._run_id, actor=self._actor)
            self._deeds.end(key, "undone")
        begun = self._begin(key, {"began": began, "attempt": attempt})
        if not begun:
            holder = known.holder if known else "another process"
            raise Stopped(
                f"{holder} is at work on this recovery",
                place=self._run_id,
                cure="wait for it, or end it; what it leaves is taken over",
            )
        return Underway(began, attempt)

    def end(self, *, well: bool, error: str = "") -> None:
        """The attempt is over."""
        self._deeds.end(self._key("recovered"), "done" if well else "failed", error=error)

    def wave(self, name: str) -> Deed | None:
        """What is known of a wave."""
        return self._find(self._key("wave-done", name))

    def begin_wave(self, name: str, now: float) -> float:
        """A wave begins, or goes on after its process was killed: the moment it began."""
        known = self.wave(name)
        going_on = known is not None and known.state == "intended"
        began = float(known.detail.get("began", now)) if known and going_on else now
        self._begin(self._key("wave-done", name, name), {"began": began})
        return began

    def end_wave(self, name: str, *, well: bool, error: str, detail: Mapping[str, Any]) -> None:
        """A wave is over."""
        self._deeds.end(self._key("wave-done", name, name), "done" if well else "failed", error=error, detail=detail)

    def given_back(self, waves: Sequence[str]) -> None:
        """All that the recovery did was taken back."""
        run_id, actor = self._run_id, self._actor
        for key in (*(self._key("wave-done", name, name) for name in waves), self._key("recovered")):
            if self._deeds.begin_undo(key, run_id=run_id, actor=actor).held:
                self._deeds.end(key, "undone", detail={"given_back": True})
            elif (known := self._find(key)) is not None and known.state == "failed":
                self._begin(key, {})
                self._deeds.end(key, "undone", detail={"given_back": True})

    def signature(self, request: Request, attempt: int) -> Signed | None:
        """What was signed or decided, None for nothing yet. Decisions count for the attempt they were made in."""
        deed = self._find(self._asked(request, attempt))
        return _signed(deed) if deed and deed.state == "done" else None

    def sign(self, request: Request, signature: Signature, attempt: int, now: float) -> Signed:
        """Keep a signature; the first one stays."""
        key = self._asked(request, attempt)
        detail = {
            "key": request.key,
            "kind": request.kind,
            "say": request.say,
            "who": request.who,
            "wave": request.wave,
            "name": signature.name,
            "decision": signature.decision,
            "words": signature.words,
            "at": now,
        }
        begun = self._deeds.record(key, run_id=self._run_id, actor=signature.name or self._actor, detail=detail)
        return _signed(begun.deed) if begun.deed else Signed(**detail)  # type: ignore[arg-type]

    def signatures(self) -> list[Signed]:
        """Everything that was signed or decided, in order."""
        found = [
            deed
            for kind in ("signed-off", "gate-decided")
            for deed in self._deeds.find(kind=kind, run_id=self._run_id, states=["done"])
        ]
        return sorted((_signed(deed) for deed in found), key=lambda one: one.at)

    def _asked(self, request: Request, attempt: int) -> DeedKey:
        if request.kind == "gate":
            return self._key("gate-decided", f"{request.key}/{attempt}", request.key)
        return self._key("signed-off", request.key, request.key)

    def _begin(self, key: DeedKey, detail: Mapping[str, Any]) -> bool:
        return self._deeds.begin(key, run_id=self._run_id, actor=self._actor, detail=detail).held

    def _find(self, key: DeedKey) -> Deed | None:
        found = self._deeds.find(kind=key.kind, subject=key.subject)
        return found[0] if found else None

    def _key(self, kind: Any, what: str = "", name: str = "") -> DeedKey:
        return DeedKey("", kind, f"{self._run_id}/{what}" if what else self._run_id, name or what or self._run_id)


def _signed(deed: Deed) -> Signed:
    detail = deed.detail
    texts = {
        name: str(detail.get(name, "")) for name in ("key", "kind", "say", "who", "wave", "name", "decision", "words")
    }
    return Signed(**texts, at=float(detail.get("at", deed.finished_at)))
