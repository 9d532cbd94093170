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
    texts: dict[str, str] = field(default_factory=dict)


class FragmentCache:
    """Text per (VM, revision, path). Thread-safe; starts again when it has grown over `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    @staticmethod
    def holds(path: str) -> bool:
        """True for paths worth keeping."""
        return path.partition(".")[0] in _CACHED

    def get(self, vm: VM, path: str) -> str | None:
        """The text rendered for this state of the VM, None when there is none."""
        entry = self._entries.get(vm.moref)
        if entry is None or entry.vm is not vm or entry.revision != vm.revision:
            return None
        return entry.texts.get(path)

    def put(self, vm: VM, path: str, text: str) -> None:
        """Keep a text for this state of the VM."""
        with self._lock:
            if self._bytes + len(text) > self._limit_bytes:
                self._entries.clear()
                self._bytes = 0
            entry = self._entries.get(vm.moref)
            if entry is None or entry.vm is not vm or entry.revision != vm.revision:
                if entry is not None:
                    self._bytes -= sum(map(len, entry.texts.values()))
                entry = self._entries[vm.moref] = _Entry(vm, vm.revision)
            entry.texts[path] = text
            self._bytes += len(text)
