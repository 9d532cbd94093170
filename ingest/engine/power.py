"""VMs switched off before a cold import and on again after a failed one: politely first, never twice, never blindly.

A VM that is already where it is wanted is left alone, so everything here may be repeated. Every change is noted before
it is made: whoever reads the notes can give a VM the state back that it had.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from pyVmomi import vim, vmodl

from ingest.errors import Transient
from ingest.model.inventory import PowerState
from ingest.vsphere.faults import refusal
from ingest.vsphere.power import (
    POWER_OFF,
    POWER_ON,
    SHUT_DOWN,
    PowerReading,
    PowerRow,
    TaskRow,
    power_off,
    power_on,
    read_power,
    shut_down_guest,
)
from ingest.vsphere.session import VCenter

log = logging.getLogger("ingest.engine")

PowerPolicy = Literal["leave", "shut-down", "power-off"]
"""What may be done to a VM that runs: nothing; ask its guest; switch it off hard when that does not do."""

_MEANS: dict[PowerPolicy, tuple[str, ...]] = {
    "leave": (),
    "shut-down": (SHUT_DOWN,),
    "power-off": (SHUT_DOWN, POWER_OFF),
}
_WORDS: dict[PowerState, str] = {"poweredOn": "on", "poweredOff": "off", "suspended": "suspended"}
_PASSING = ("InvalidPowerState", "TaskInProgress")  # the next look at the VM says what is true
_GROWTH = 1.3
_LONGEST_BACK_OFF_S = 30.0


@dataclass(frozen=True, slots=True)
class PowerPace:
    """Seconds between two looks at the VMs (`every_s`, later up to `slowest_s`), and how long a guest (`guest_s`) or a
    task (`task_s`) may take. `at_once` VMs at most are being switched."""

    every_s: float = 2.0
    slowest_s: float = 5.0
    guest_s: float = 300.0
    task_s: float = 120.0
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class PowerOrder:
    """A VM and what may be done to it. `moref` is its managed object id."""

    vm: str
    moref: str
    policy: PowerPolicy = "shut-down"


@dataclass(frozen=True, slots=True)
class PowerChange:
    """A change about to be asked for: the state before, the method of the API, who asks, when (UTC)."""

    vm: str
    moref: str
    before: PowerState
    means: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class PowerOutcome:
    """What became of an order. `before` is the state found first, `now` the last one seen.

    `changes` are what was asked for, in order; empty: nothing was done. `problem` says why the VM is not in the wanted
    state, '' when it is (or was to be left alone).
    """

    vm: str
    moref: str
    before: PowerState
    now: PowerState
    changes: tuple[PowerChange, ...] = ()
    problem: str = ""


Note = Callable[[PowerChange], None]


def switch_off(
    vcenter: VCenter,
    orders: Sequence[PowerOrder],
    *,
    pace: PowerPace | None = None,
    stop: threading.Event | None = None,
    note: Note = lambda _: None,
) -> tuple[PowerOutcome, ...]:
    """Switch these VMs off as far as each one's policy allows; an outcome for each, in order.

    `note` is called before each change and should write it down durably. When `stop` is set nothing more is begun and
    what was not over is a problem. A lost connection is waited out for as long as the VM may take, and the state read
    again before anything is repeated. Raises what concerns every VM (login, certificate), not what one VM refuses.
    """
    return _Switching(vcenter, "poweredOff", pace or PowerPace(), stop, note).run(
        [(order, _MEANS[order.policy]) for order in orders]
    )


def switch_on(
    vcenter: VCenter,
    orders: Sequence[PowerOrder],
    *,
    pace: PowerPace | None = None,
    stop: threading.Event | None = None,
    note: Note = lambda _: None,
) -> tuple[PowerOutcome, ...]:
    """Switch these VMs on, whatever their policy; otherwise as `switch_off`."""
    return _Switching(vcenter, "poweredOn", pace or PowerPace(), stop, note).run(
        [(order, (POWER_ON,)) for order in orders]
    )


def to_restore(changes: Iterable[PowerChange]) -> list[PowerOrder]:
    """The VMs of these notes that ran before the first change, to be switched on again when their import failed."""
    first: dict[str, PowerChange] = {}
    for change in changes:
        first.setdefault(change.moref, change)
    return [PowerOrder(change.vm, change.moref) for change in first.values() if change.before == "poweredOn"]


def not_off(vcenter: VCenter, morefs: Sequence[str]) -> dict[str, PowerState]:
    """Those of these VMs that are not off right now, with their state; `unknown` for those that are gone.

    For the moment before the import call: guests and HA may have started a VM again.
    """
    rows = read_power(vcenter, morefs).vms
    states: dict[str, PowerState] = {moref: rows[moref].power_state if moref in rows else "unknown" for moref in morefs}
    return {moref: state for moref, state in states.items() if state != "poweredOff"}


@dataclass(slots=True)
class _Work:
    """One order under way. `act`: the current means is still to be asked for; `why_not`: means that were no use."""

    order: PowerOrder
    means: deque[str]
    before: PowerState = "unknown"
    now: PowerState = "unknown"
    begun: str = ""
    deadline: float = 0.0
    task: str = ""
    act: bool = True
    changes: list[PowerChange] = field(default_factory=list)
    why_not: list[str] = field(default_factory=list)
    over: bool = False
    problem: str = ""

    def end(self, problem: str = "") -> None:
        self.over, self.problem = True, problem

    def outcome(self) -> PowerOutcome:
        return PowerOutcome(self.order.vm, self.order.moref, self.before, self.now, tuple(self.changes), self.problem)


class _Switching:
    """All orders towards one state: one loop, one read for all VMs under way in each round."""

    def __init__(
        self, vcenter: VCenter, target: PowerState, pace: PowerPace, stop: threading.Event | None, note: Note
    ) -> None:
        self._vcenter = vcenter
        self._target = target
        self._pace = pace
        self._stop = stop or threading.Event()
        self._note = note

    def run(self, orders: Sequence[tuple[PowerOrder, Sequence[str]]]) -> tuple[PowerOutcome, ...]:
        works = [_Work(order, deque(means)) for order, means in orders]
        found = read_power(self._vcenter, list(dict.fromkeys(work.order.moref for work in works)))
        for work in works:
            self._first_look(work, found.vms.get(work.order.moref))
        queue = deque(work for work in works if not work.over)
        under_way: list[_Work] = []
        pause_s = self._pace.every_s
        while (queue or under_way) and not self._stop.is_set():
            while queue and len(under_way) < self._pace.at_once:
                under_way.append(queue.popleft())
                under_way[-1].deadline = time.monotonic() + self._pace.task_s
                pause_s = self._pace.every_s
            found_now = self._look(under_way)
            if found_now is None:
                pause_s = min(2 * pause_s, _LONGEST_BACK_OFF_S)
            else:
                for work in under_way:
                    self._step(work, found_now.vms.get(work.order.moref), found_now.tasks.get(work.task))
                pause_s = min(pause_s, self._pace.slowest_s)
            under_way = [work for work in under_way if not work.over]
            if under_way:
                self._stop.wait(pause_s)
                pause_s = max(pause_s, min(pause_s * _GROWTH, self._pace.slowest_s))
        for work in (*under_way, *queue):
            work.end(f"stopped before it was {_WORDS[self._target]}")
        return tuple(work.outcome() for work in works)

    def _look(self, under_way: list[_Work]) -> PowerReading | None:
        """The VMs and tasks under way; None while vCenter is away. Ends those whose time is over meanwhile."""
        try:
            return read_power(
                self._vcenter,
                list(dict.fromkeys(work.order.moref for work in under_way)),
                [work.task for work in under_way if work.task],
            )
        except Transient as error:
            log.warning("power states: %s; reading again", error.message)
            for work in under_way:
                if time.monotonic() >= work.deadline:
                    work.end(f"its state could not be read: {error.message}")
            return None

    def _first_look(self, work: _Work, row: PowerRow | None) -> None:
        work.before = row.power_state if row else "unknown"
        if work.means:
            self._settle(work, row)
        else:
            work.now = work.before
            work.end()

    def _settle(self, work: _Work, row: PowerRow | None) -> None:
        """End the work where nothing is left to do, or nothing may be done."""
        if row is None:
            work.end("vCenter does not have it any more")
            return
        work.now = row.power_state
        if row.power_state == self._target:
            work.end()
        elif row.connection_state != "connected":
            work.end(f"it is {row.connection_state or 'in an unknown state'}, not connected")
        elif row.question:
            work.end(f"it waits for the answer to a question: {row.question}")
        elif row.power_state not in ("poweredOn", "poweredOff"):
            work.end(
                f"it is {_WORDS.get(row.power_state, row.power_state)}; whether to go on is for a person to decide"
            )

    def _step(self, work: _Work, row: PowerRow | None, task: TaskRow | None) -> None:
        self._settle(work, row)
        if work.over or row is None:
            return
        if task is not None and task.state == "error":
            work.task = ""
            if task.error.startswith(_PASSING):
                work.act = True
            else:
                self._next(work, f"{work.begun}: {task.error}")
        if not work.over and work.begun and time.monotonic() >= work.deadline:
            self._next(work, f"{work.begun}: not {_WORDS[self._target]} in time")
        while work.act and not work.over and not self._act(work, row):
            pass  # the next means

    def _next(self, work: _Work, why: str) -> None:
        """The means at hand was no use; take the next one, if there is one."""
        work.why_not.append(why)
        work.means.popleft()
        work.begun, work.task, work.act = "", "", True
        if not work.means:
            polite = self._target == "poweredOff" and work.order.policy == "shut-down"
            work.end("; ".join(work.why_not) + ("; hard power off is not allowed" if polite else ""))

    def _act(self, work: _Work, row: PowerRow) -> bool:
        """Ask for the current means; False when it is no use and the next one is at hand.

        Where the answer was lost, or somebody else is at work, the state is read again before anything is repeated.
        """
        means = work.means[0]
        # Tools first: without them guest operations are listed as disabled as well.
        if means == SHUT_DOWN and not row.tools_running:
            self._next(work, "VMware Tools do not run in the guest")
            return False
        if means in row.disabled:
            self._next(work, f"{means} is disabled in vCenter")
            return False
        if work.begun != means:
            self._begin(work, means)
        try:
            work.task = self._ask(means, work.order.moref)
        except (vim.fault.NotAuthenticated, vim.fault.InvalidPowerState, vim.fault.TaskInProgress) as fault:
            log.info("%s of %s: %s; reading its state first", means, work.order.vm, type(fault).__name__)
        except Transient as error:
            log.warning("%s of %s: %s; reading its state first", means, work.order.vm, error.message)
        except vmodl.MethodFault as fault:
            self._next(work, refusal(fault, self._vcenter.endpoint, means).message)
            return False
        else:
            work.act = False
        return True

    def _begin(self, work: _Work, means: str) -> None:
        work.begun = means
        work.deadline = time.monotonic() + (self._pace.guest_s if means == SHUT_DOWN else self._pace.task_s)
        by, at = self._vcenter.endpoint.user, datetime.now(UTC).isoformat(timespec="seconds")
        change = PowerChange(work.order.vm, work.order.moref, work.before, means, by, at)
        self._note(change)
        work.changes.append(change)

    def _ask(self, means: str, moref: str) -> str:
        """The id of the task, '' for a guest operation, which has none."""
        if means == SHUT_DOWN:
            shut_down_guest(self._vcenter, moref)
            return ""
        return power_off(self._vcenter, moref) if means == POWER_OFF else power_on(self._vcenter, moref)
