"""Rendered properties of VMs, kept until the VM changes: rendering costs more than everything else together."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from ingest.twin.world import VM

# Properties that depend on the VM alone; the others are short or depend on other objects.
_CACHED = frozenset({"config", "guest", "runtime", "summary"})


@dataclass(slots=True)
class _Entry:
    vm: VM
    revision: int
    state: str
    texts: dict[str, str] = field(default_factory=dict)

    def fits(self, vm: VM, state: str) -> bool:
        """True while nothing has changed."""
        return self.vm is vm and self.revision == vm.revision and self.state == state


class FragmentCache:
    """Text per (VM, revision, state, path). Thread-safe; starts again when it has grown over `limit_bytes`.

    `state` is what the text depends on apart from the VM.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    @staticmethod
    def holds(path: str) -> bool:
        """True for paths worth keeping."""
        return path.partition(".")[0] in _CACHED

    def get(self, vm: VM, state: str, path: str) -> str | None:
        """The text rendered for this state of the VM, None when there is none."""
        entry = self._entries.get(vm.moref)
        if entry is None or not entry.fits(vm, state):
            return None
        return entry.texts.get(path)

    def put(self, vm: VM, state: str, path: str, text: str) -> None:
        """Keep a text for this state of the VM."""
        with self._lock:
            if self._bytes + len(text) > self._limit_bytes:
                self._entries.clear()
                self._bytes = 0
            entry = self._entries.get(vm.moref)
            if entry is None or not entry.fits(vm, state):
                if entry is not None:
                    self._bytes -= sum(map(len, entry.texts.values()))
                entry = self._entries[vm.moref] = _Entry(vm, vm.revision, state)
            entry.texts[path] = text
            self._bytes += len(text)
