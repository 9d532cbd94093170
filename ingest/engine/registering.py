"""One .vmx registered, or one VM unregistered again, exactly once: intent in the ledger, call, look, note.

vCenter takes no id of ours with a call, but refuses to register a path twice and can be asked which VM a path is. So a
call whose answer was lost is settled by looking, and may be sent again. A VM found that way counts as ours only when a
call of ours may have been taken before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pyVmomi import vim

from ingest.engine.ledger import Begun, DeedKey, Ledger
from ingest.errors import RemoteError, Transient, UnknownOutcome
from ingest.vsphere.browsing import VmxFile
from ingest.vsphere.registering import (
    ALREADY,
    CURES,
    REGISTER,
    UNREGISTER,
    Registered,
    fault_name,
    find_registered,
    register_vm,
    unregister_vm,
)
from ingest.vsphere.session import VCenter
from ingest.vsphere.tasks import await_task

log = logging.getLogger("ingest.engine")

Status = Literal["registered", "already", "failed", "unknown", "in-hand", "unregistered", "gone", "kept"]
AGAIN = "run this again: it looks before it acts"


@dataclass(frozen=True, slots=True)
class RegisterPace:
    """Seconds: how long a task may take, how often a call whose answer was lost is settled and sent again (`tries`),
    the pause before each, and how long a registration of ours that may be under way is waited for."""

    task_s: float = 600.0
    tries: int = 4
    pause_s: float = 1.0
    settle_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Registration:
    """A .vmx to be registered: where it is and where the VM is to be. Places are managed object ids."""

    file: VmxFile
    datacenter: str
    folder: str
    pool: str
    host: str


@dataclass(frozen=True, slots=True)
class Registering:
    """What became of it. `settled`: found out by looking, after an answer was lost or a process died."""

    status: Status
    vm: Registered | None = None
    error: str = ""
    cure: str = ""
    settled: bool = False


def vcenter_id(vcenter: VCenter) -> str:
    """What the ledger calls a vCenter, by whatever name it was reached."""
    return vcenter.about.instance_uuid.lower() or f"{vcenter.endpoint.host}:{vcenter.endpoint.port}"


def deed_of(vcenter: VCenter, file: VmxFile) -> DeedKey:
    """The ledger's key for the registration of a file."""
    name = file.file.rpartition(".")[0]
    return DeedKey(vcenter_id(vcenter), "registered", file.subject, name)


def register(
    vcenter: VCenter,
    ledger: Ledger,
    order: Registration,
    *,
    run_id: str,
    actor: str,
    pace: RegisterPace | None = None,
    stop: threading.Event | None = None,
) -> Registering:
    """Register one file. A refusal is an outcome; raises LedgerError and ClaimLost only."""
    return _One(vcenter, ledger, order, run_id, actor, pace or RegisterPace(), stop or threading.Event()).register()


class _One:
    def __init__(
        self,
        vcenter: VCenter,
        ledger: Ledger,
        order: Registration,
        run_id: str,
        actor: str,
        pace: RegisterPace,
        stop: threading.Event,
    ) -> None:
        self._vcenter = vcenter
        self._deeds = ledger.deeds
        self._order = order
        self._who = {"run_id": run_id, "actor": actor}
        self._pace = pace
        self._stop = stop
        self._key = deed_of(vcenter, order.file)

    def register(self) -> Registering:
        try:
            begun = self._begin()
            if begun is None:
                found = self._look()
                return Registering("already", found) if found else Registering("in-hand", error="another run has it")
            maybe_ours = begun.before == "intended"
            if maybe_ours and (found := self._await_ours()):
                return self._done(found, settled=True)
            return self._send(maybe_ours=maybe_ours)
        except RemoteError as error:  # what is true could not be found out: the deed stays as it is
            self._deeds.release(self._key)
            return Registering("unknown", error=error.message, cure=error.cure or AGAIN)

    def _begin(self) -> Begun | None:
        """The deed in hand, None when another holder has it or it is done."""
        order = self._order
        detail: dict[str, Any] = {
            "path": order.file.path,
            "datacenter": order.datacenter,
            "folder": order.folder,
            "pool": order.pool,
            "host": order.host,
        }
        begun = self._deeds.begin(self._key, detail=detail, **self._who)
        if begun.held:
            return begun
        if begun.before == "done" and self._look() is None:
            # Somebody unregistered it since, and not by this program: it is to be registered anew.
            if self._deeds.begin_undo(self._key, **self._who).held:
                self._deeds.end(self._key, "undone", detail={"found": "not registered any more"})
            begun = self._deeds.begin(self._key, detail=detail, **self._who)
        return begun if begun.held else None

    def _send(self, *, maybe_ours: bool) -> Registering:
        """`maybe_ours`: a call of ours may have been taken before this one."""
        for tries_left in reversed(range(self._pace.tries)):
            try:
                return self._done(self._call())
            except (Transient, UnknownOutcome) as error:
                log.warning("%s: %s; looking whether it is registered", self._order.file.path, error.message)
                maybe_ours = True
                found = self._found_after(error)
                if found is not None:
                    return self._done(found, settled=True)
                if not tries_left or self._stop.wait(self._pace.pause_s):
                    raise
            except RemoteError as error:
                return self._refused(error, maybe_ours=maybe_ours)
        raise ValueError("at least one try")

    def _found_after(self, error: RemoteError) -> Registered | None:
        """What a look says after a lost answer; None as well while vCenter is away."""
        try:
            return self._await_ours()
        except Transient as away:
            log.warning("%s: %s; and then: %s", self._order.file.path, error.message, away.message)
            return None

    def _call(self) -> Registered:
        order = self._order
        path = order.file.path
        try:
            task = register_vm(self._vcenter, path, folder=order.folder, pool=order.pool, host=order.host)
        except vim.fault.NotAuthenticated as fault:
            self._vcenter.login()
            raise Transient("the session was lost before the call was taken") from fault
        result = await_task(self._vcenter, task, f"{REGISTER} {path}", timeout_s=self._pace.task_s, stop=self._stop)
        found = self._look()
        # Registered and already gone again, or renamed under its path: what the task said is still true.
        return found or Registered(str(result._moId), "", path)

    def _refused(self, error: RemoteError, *, maybe_ours: bool) -> Registering:
        found = self._look() if maybe_ours or fault_name(error) == ALREADY else None
        if found is not None and maybe_ours:
            return self._done(found, settled=True)
        if found is not None:
            self._deeds.end(self._key, "failed", error="somebody else registered it meanwhile")
            return Registering("already", found)
        self._deeds.end(self._key, "failed", error=error.message)
        return Registering("failed", error=error.message, cure=error.cure or CURES.get(fault_name(error), AGAIN))

    def _await_ours(self) -> Registered | None:
        """The VM that a call of ours may have registered; waited for while vCenter is at work on registrations."""
        deadline = time.monotonic() + self._pace.settle_s
        while (found := self._look()) is None:
            over = time.monotonic() >= deadline or not self._under_way()
            if over or self._stop.wait(min(self._pace.pause_s, 0.5)):
                return self._look()
        return found

    def _under_way(self) -> bool:
        """Whether vCenter still works on registrations: recent tasks that are not over."""
        tasks = self._vcenter.repeat(lambda: self._vcenter.content.taskManager.recentTask, "recent tasks")
        for task in tasks or ():
            try:
                info = task.info
            except Exception as error:  # noqa: BLE001  gone meanwhile, or not ours to see
                log.debug("task not read: %s", type(error).__name__)
                continue
            if str(info.state) in ("queued", "running") and "register" in str(info.descriptionId or info.name).lower():
                return True
        return False

    def _look(self) -> Registered | None:
        return find_registered(self._vcenter, self._order.datacenter, self._order.file.path)

    def _done(self, found: Registered, *, settled: bool = False) -> Registering:
        detail = {"moref": found.moref, "vm": found.name, "instance_uuid": found.instance_uuid}
        self._deeds.end(self._key, "done", detail=detail | ({"settled": True} if settled else {}))
        return Registering("registered", found, settled=settled)


def unregister(
    vcenter: VCenter,
    ledger: Ledger,
    key: DeedKey,
    detail: Mapping[str, Any],
    *,
    run_id: str,
    actor: str,
    pace: RegisterPace | None = None,
    stop: threading.Event | None = None,
) -> Registering:
    """Take a VM out of the inventory that the ledger says was registered (`detail` of that deed). Looks first.

    Kept: it does not rest, or is not the VM that was registered. Raises LedgerError and ClaimLost only.
    """
    taking = _Taking(
        vcenter, ledger, key, dict(detail), run_id, actor, pace or RegisterPace(), stop or threading.Event()
    )
    try:
        return taking.unregister()
    except RemoteError as error:
        ledger.deeds.release(key)
        return Registering("unknown", error=error.message, cure=error.cure or AGAIN)


@dataclass(slots=True)
class _Taking:
    """One VM on its way out."""

    vcenter: VCenter
    ledger: Ledger
    key: DeedKey
    detail: dict[str, Any]
    run_id: str
    actor: str
    pace: RegisterPace
    stop: threading.Event

    def unregister(self) -> Registering:
        begun = self._begin()
        if begun.held and begun.before == "intended":
            # The run that was to register it died: what is true now counts.
            found = self._look()
            if found is None:
                self.ledger.deeds.end(self.key, "failed", error="never registered")
                return Registering("gone")
            self.ledger.deeds.end(self.key, "done", detail={"moref": found.moref, "settled": True})
            self.detail["moref"] = found.moref
            begun = self._begin()
        if begun.held:
            return self._send(maybe_ours=begun.before == "undoing")
        if begun.before in ("failed", "undone", ""):
            return Registering("gone")
        return Registering("in-hand", error="another run has it")

    def _send(self, *, maybe_ours: bool) -> Registering:
        deeds = self.ledger.deeds
        for tries_left in reversed(range(self.pace.tries)):
            found = self._look()
            if found is None:
                deeds.end(self.key, "undone", detail={} if maybe_ours else {"found": "not registered any more"})
                return Registering("unregistered" if maybe_ours else "gone", settled=maybe_ours)
            why = why_kept(found, self.detail)
            if why:
                deeds.end(self.key, "done", error=why)
                return Registering("kept", found, why, KEPT_CURE)
            try:
                unregister_vm(self.vcenter, found.moref)
            except vim.fault.NotAuthenticated:
                self.vcenter.login()
            except Transient as error:
                log.warning("%s of %s: %s; looking whether it is gone", UNREGISTER, found.path, error.message)
                maybe_ours = True
                if not tries_left or self.stop.wait(self.pace.pause_s):
                    raise
            except RemoteError as error:
                deeds.end(self.key, "done", error=error.message)
                return Registering("failed", found, error.message, error.cure or AGAIN)
            else:
                deeds.end(self.key, "undone")
                return Registering("unregistered", found)
        raise UnknownOutcome(f"{UNREGISTER} of {self.detail.get('path')}: the session was lost again and again")

    def _begin(self) -> Begun:
        return self.ledger.deeds.begin_undo(self.key, run_id=self.run_id, actor=self.actor)

    def _look(self) -> Registered | None:
        return find_registered(self.vcenter, str(self.detail.get("datacenter", "")), str(self.detail.get("path", "")))


KEPT_CURE = "it is not as recovery left it: see to it by hand, then run this again"


def why_kept(found: Registered, detail: Mapping[str, Any]) -> str:
    """Why a VM that is registered must not be unregistered now; '' when it may be. `detail` is the deed's."""
    if detail.get("moref") not in (None, "", found.moref):
        return f"somebody else registered it anew ({found.moref})"
    if found.power_state != "poweredOff":
        return f"it is {found.power_state}, not powered off"
    return ""
