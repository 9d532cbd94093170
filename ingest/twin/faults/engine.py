"""The faults that are set: decides which strikes, makes it happen, and writes it into the journal."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ingest.twin.cloudstack.jobs import JobLost
from ingest.twin.cloudstack.refusals import ApiException, InsufficientCapacity, RuntimeFailure
from ingest.twin.faults import kinds
from ingest.twin.faults.deeds import Scene, Undo, done
from ingest.twin.faults.draw import drawn
from ingest.twin.faults.fate import UNTROUBLED, Cut, Fate, Interruption, ProxyError, Side, TooManyRequests
from ingest.twin.faults.script import Script
from ingest.twin.vcenter.timeline import Timeline
from ingest.twin.world import World

if TYPE_CHECKING:
    from ingest.twin.cloudstack.server import CloudStackServer
    from ingest.twin.vcenter.server import VCenterServer


@dataclass(slots=True)
class Armed:
    """A fault and what it has seen so far."""

    fault: kinds.Trigger
    name: str
    seed: int
    since_s: float
    calls: int = 0
    fired: int = 0
    draws: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it should."""
        return 0 < self.fault.times <= self.fired

    def strikes(self, command: str, vm: str, now_s: float) -> bool:
        """Count one more call (or step) it waits for; whether it strikes."""
        fault = self.fault
        if self.spent or now_s - self.since_s < fault.after_seconds:
            return False
        self.calls += 1
        self.draws[command, vm] += 1
        if self.calls < (fault.nth or 1):
            return False
        if fault.probability < 1:
            chance = drawn(self.seed, self.name, command, vm, self.draws[command, vm])
            if chance >= fault.probability:
                return False
        self.fired += 1
        return True

    def described(self) -> dict[str, Any]:
        """As JSON: the fault as it was written, and how far it is."""
        written = self.fault.model_dump(exclude_unset=True) | {"name": self.name}
        return written | {"calls": self.calls, "fired": self.fired, "spent": self.spent}


class Faults:
    """All faults of one twin. Thread-safe; they may be set and taken back while the servers run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._servers: tuple[CloudStackServer, VCenterServer] | None = None
        self._lock = threading.Lock()
        self._armed: list[Armed] = []
        self._numbers: Counter[str] = Counter()
        self._undo: list[Undo] = []
        self._silent_until_s: dict[Side, float] = {}
        self._stopping = threading.Event()
        self._timeline = Timeline(world.clock)

    def connect(self, cloudstack: CloudStackServer, vcenter: VCenterServer) -> None:
        """These are the servers the faults are about."""
        self._servers = cloudstack, vcenter

    def stop(self) -> None:
        """End what still waits, and let nothing more happen by itself. Call it before the servers stop."""
        self._stopping.set()
        self._timeline.stop()

    def set(self, script: Script) -> list[str]:
        """Set the faults of a script from now on, next to those that are set already; gives their names."""
        seed = self._world.seed if script.seed is None else script.seed
        names = []
        for fault in script.faults:
            with self._lock:
                self._numbers[fault.kind] += 1
                name = fault.name or f"{fault.kind}-{self._numbers[fault.kind]}"
                armed = Armed(fault, name, seed, self._world.clock.monotonic())
                self._armed.append(armed)
            names.append(name)
            if fault.alone:
                self._timeline.later(fault.after_seconds, lambda armed=armed: self._by_itself(armed))  # type: ignore[misc]
        return names

    def clear(self) -> int:
        """Take every fault back, with what still lasts of it; gives how many were set."""
        with self._lock:
            count = len(self._armed)
            self._armed.clear()
            self._silent_until_s.clear()
            undone, self._undo = self._undo, []
        for undo in reversed(undone):
            undo()
        return count

    def described(self) -> list[dict[str, Any]]:
        """The faults that are set, as JSON."""
        with self._lock:
            return [armed.described() for armed in self._armed]

    @property
    def watching(self) -> bool:
        """Whether a call has to be looked at."""
        return bool(self._silent_until_s) or any(one.fault.on_calls and not one.spent for one in self._armed)

    def of_call(self, side: Side, command: str, vm: str, stopping: threading.Event) -> Fate:
        """Wait, do what happens just before the call, and say what becomes of it."""
        before: Interruption | None = None
        after: Interruption | None = None
        self._wait_out_silence(side, stopping)
        for armed in self._struck(lambda fault: _is_hit(fault, side, command, vm), command, vm):
            fault = armed.fault
            # Written when it is decided: for what strikes after the work, the work's own entries follow.
            when = getattr(fault, "when", "before")
            self._note(armed, server=side, command=command, vm=vm, call=armed.calls, when=when)
            match fault:
                case kinds.Delay(seconds=seconds):
                    self._world.clock.wait(stopping, seconds)
                case kinds.Silence(seconds=seconds):
                    with self._lock:
                        self._silent_until_s[side] = self._world.clock.monotonic() + seconds
                    self._wait_out_silence(side, stopping)
                case kinds.Reset(when="before"):
                    before = before or Cut()
                case kinds.Reset():
                    after = after or Cut()
                case kinds.Status(when="before", status=status):
                    before = before or ProxyError(status)
                case kinds.Status(status=status):
                    after = after or ProxyError(status)
                case kinds.RateLimit(retry_ms=retry_ms):
                    before = before or TooManyRequests(retry_ms)
                case _:
                    self._do(armed, vm=vm)
                    if isinstance(fault, _RESTARTS[side]):
                        before = before or Cut()
        return Fate(before, after) if before or after else UNTROUBLED

    def at_step(self, step: str, job_id: str, vm: str) -> None:
        """Do what happens at a step of an import. May wait; may raise JobLost or ServerError."""
        end: Exception | None = None
        command = "importUnmanagedInstance"
        for armed in self._struck(lambda fault: fault.step == step and fnmatchcase(vm, fault.vm), command, vm):
            fault = armed.fault
            self._note(armed, server="cloudstack", step=step, job=job_id, vm=vm, call=armed.calls)
            match fault:
                case kinds.Delay(seconds=seconds):
                    self._world.clock.wait(self._stopping, seconds)
                case kinds.JobFails(code=None, text=text):
                    end = end or RuntimeFailure(text)
                case kinds.JobFails(code=int(code), text=text):
                    end = end or ApiException(code, text)
                case kinds.Capacity(text=text):
                    end = end or InsufficientCapacity(text)
                case _:
                    self._do(armed, vm=vm, job_id=job_id)
                    if isinstance(fault, kinds.JobLost) and not fault.goes_on:
                        end = JobLost()
        if end is not None:
            raise end

    def _by_itself(self, armed: Armed) -> None:
        with self._lock:
            if armed not in self._armed:
                return
            armed.fired += 1
        self._note(armed)
        self._do(armed)

    def _struck(self, hit: Callable[[kinds.Trigger], bool], command: str, vm: str) -> list[Armed]:
        now_s = self._world.clock.monotonic()
        with self._lock:
            return [armed for armed in self._armed if hit(armed.fault) and armed.strikes(command, vm, now_s)]

    def _do(self, armed: Armed, *, vm: str = "", job_id: str = "") -> None:
        if self._servers is None:
            raise RuntimeError("the faults are not connected to servers")
        cloudstack, vcenter = self._servers
        undo = done(armed.fault, Scene(self._world, cloudstack, vcenter, self._aside, vm, job_id))
        if undo is None:
            return
        with self._lock:
            self._undo.append(undo)
        lasts_s = getattr(armed.fault, "seconds", 0.0)
        if lasts_s:
            self._timeline.later(lasts_s, undo)

    def _aside(self, action: Callable[[], None]) -> None:
        threading.Thread(target=action, name="twin-fault", daemon=True).start()

    def _wait_out_silence(self, side: Side, stopping: threading.Event) -> None:
        while True:
            left_s = self._silent_until_s.get(side, 0.0) - self._world.clock.monotonic()
            if left_s <= 0:
                break
            # In pieces, because the silence may be taken back.
            if self._world.clock.wait(stopping, min(left_s, 0.1 * self._world.clock.speed)):
                return
        with self._lock:
            if self._silent_until_s.get(side, 0.0) <= self._world.clock.monotonic():
                self._silent_until_s.pop(side, None)

    def _note(self, armed: Armed, **facts: str | int) -> None:
        with self._world.lock:
            self._world.cloud.journal.record("fault", fault=armed.name, what=armed.fault.kind, **facts)


_RESTARTS: dict[Side, type[kinds.Trigger]] = {
    "cloudstack": kinds.CloudStackRestart,
    "vcenter": kinds.VCenterRestart,
}


def _is_hit(fault: kinds.Trigger, side: Side, command: str, vm: str) -> bool:
    """Whether the call is one the fault waits for. A deed to a VM may also wait for calls that are about none."""
    if not fault.on_calls or side not in fault.sides or fault.server not in (None, side):
        return False
    about = fnmatchcase(vm, fault.vm) or (not vm and fault.needs == "nothing")
    return about and fnmatchcase(command, fault.command)
