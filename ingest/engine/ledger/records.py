"""What goes into the ledger and what comes out of it: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["claimed", "intended", "submitted", "imported", "failed", "incomplete", "unknown", "undone"]

FINAL: frozenset[State] = frozenset({"imported", "failed", "incomplete", "undone"})
"""States that need no holder: noting one gives the claim up."""

UNSETTLED: frozenset[State] = frozenset({"intended", "submitted", "unknown"})
"""A call may have been sent. Whoever takes such a VM over finds out what became of it before anything is sent."""

KEPT: frozenset[State] = UNSETTLED | {"incomplete", "imported"}
"""States a claim leaves as they are, with all they say; from the others the VM begins anew as `claimed`."""


DeedState = Literal["intended", "done", "failed", "undoing", "undone"]
"""Of a deed: asked for, there, refused, being taken back, taken back."""

DeedKind = Literal["registered", "started", "signed-off", "gate-decided", "wave-done", "recovered"]

DEED_FINAL: frozenset[DeedState] = frozenset({"done", "failed", "undone"})
"""States that need no holder: ending a deed in one gives it up."""


@dataclass(frozen=True, slots=True)
class VmKey:
    """Which VM: vCenter's instance UUID, or cluster and moref for the few VMs that have none. The name is for people;
    VMs are renamed, and two may share one."""

    instance_uuid: str
    cluster_id: str
    moref: str
    name: str

    @property
    def text(self) -> str:
        """The identity every run and machine agrees on."""
        return self.instance_uuid.lower() or f"{self.cluster_id}/{self.moref}"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, as the ledger remembers it. `endpoint` is the URL of CloudStack's API, `started_at` UTC in ISO 8601."""

    run_id: str
    actor: str
    host: str
    endpoint: str
    plan_digest: str
    folder: str
    started_at: str
    ended_at: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to `Ledger.claim`.

    `held`: this holder, and no other, may go on. `state` is where the VM stands: `claimed` begins anew; `intended`,
    `submitted` and `unknown` must be settled before anything is sent; `incomplete` needs its cure first. `job_id`,
    `request_digest`, `vm_id`, `intended_at` (seconds of the epoch, by the ledger's clock; 0 when nothing was intended)
    and `detail` are what an earlier holder noted. `run_id` is the run that had the VM last, '' for a VM never seen.
    When not held, `holder` says who has it: '' when nobody needs it any more (`imported`). `taken_over`: the former
    holder had died or its claim had expired.
    """

    held: bool
    state: State
    job_id: str = ""
    request_digest: str = ""
    vm_id: str = ""
    run_id: str = ""
    holder: str = ""
    intended_at: float = 0.0
    detail: Mapping[str, Any] = field(default_factory=dict)
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a VM stands now. `holder` is '' when nobody has it, `alive` whether the holder still shows signs of life.
    Times are seconds of the epoch, 0 when the step was not taken."""

    vm: VmKey
    state: State
    holder: str
    alive: bool
    run_id: str
    actor: str
    plan_digest: str
    job_id: str
    request_digest: str
    vm_id: str
    error: str
    detail: Mapping[str, Any]
    intended_at: float
    submitted_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class DeedKey:
    """Which deed: at most one of a `kind` on a `subject` of an `endpoint`, across all runs and machines.

    `endpoint` is where it is done: a vCenter, CloudStack's API, '' for what people do. `subject` is what every run and
    machine calls the thing by: the place of a .vmx, an instance UUID, `RUN/WAVE`. `name` is for people.
    """

    endpoint: str
    kind: DeedKind
    subject: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """Where a deed stands. `holder` is '' when nobody has it in hand. Times are seconds of the epoch by the ledger's
    clock, 0 for never; `intended_at` is when the latest attempt began. `detail` has all that was ever noted of it."""

    key: DeedKey
    state: DeedState
    holder: str
    run_id: str
    actor: str
    error: str
    detail: Mapping[str, Any]
    intended_at: float
    finished_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Begun:
    """The answer to who wants to do or undo something.

    `held`: this holder, and no other, may act now, and must end the deed. `before` is the state found, '' for a deed
    never seen: with `intended` or `undoing` somebody who died may have sent the call, so look at the server first. Not
    held: somebody else is at it (`deed.holder`), or nothing is left to do. `deed` is how it stands now, None for none.
    """

    held: bool
    before: DeedState | Literal[""]
    deed: Deed | None
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of the history; it is never changed. `at` is UTC in ISO 8601, `what` the deed in a word or two.

    Of a deed that is no import, `vm_key` is its subject, and its detail says `kind` and `endpoint`. A line about a
    whole run (its approval) names no VM: `vm_key`, `vm` and `state` are '' then.

    `hash` is the SHA-256 over `previous`, the hash of the line before, and everything else in this line: who alters or
    removes a line breaks every hash after it.
    """

    number: int
    line_id: str
    at: str
    vm_key: str
    vm: str
    what: str
    state: State | DeedState | Literal[""]
    run_id: str
    actor: str
    holder: str
    plan_digest: str
    job_id: str
    request_digest: str
    vm_id: str
    error: str
    detail: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Link:
    """A line of history without what it says: enough to see that nothing is missing between two others."""

    number: int
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """Where the history is not what was written: the line's number, and what is wrong with it."""

    number: int
    why: str
