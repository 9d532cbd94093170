"""Power before an import, over the vCenter of the settings: connected when the first row asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from ingest.engine.power import PowerOrder, PowerPolicy, switch_off, switch_on
from ingest.errors import Refused
from ingest.model.endpoints import VCenterEndpoint
from ingest.model.request import PlannedImport
from ingest.vsphere.session import VCenter, connect

_POLICIES: dict[str, PowerPolicy] = {"leave": "leave", "shutdown": "shut-down", "off": "power-off"}


class VCenterPower:
    """Switches single VMs for the rows of one run; a context manager. Thread-safe: one VM at a time."""

    def __init__(self, endpoint: VCenterEndpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._vcenter: VCenter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def off(self, one: PlannedImport, stop: threading.Event, note: Callable[[str], None]) -> str:
        """Bring the VM to rest as its policy says; the state it had before. Raises Refused when it cannot."""
        order = PowerOrder(one.vm, one.moref, _POLICIES[one.power])
        with self._lock:
            (outcome,) = switch_off(self._connected(), [order], stop=stop, note=lambda change: note(change.before))
        if outcome.problem:
            raise Refused(outcome.problem)
        return outcome.before

    def back(self, one: PlannedImport, state: str) -> None:
        """Switch the VM on again if it ran before. Raises Refused when it cannot."""
        if state != "poweredOn":
            return
        with self._lock:
            (outcome,) = switch_on(self._connected(), [PowerOrder(one.vm, one.moref)])
        if outcome.problem:
            raise Refused(f"{one.vm} ran before and could not be switched on again: {outcome.problem}")

    def _connected(self) -> VCenter:
        if self._vcenter is None:
            self._vcenter = self._stack.enter_context(connect(self._endpoint))
        return self._vcenter
