"""Property filters and waiting for updates: enough for `WaitForTask` and for clients that watch a few objects.

A filter remembers the properties it has reported, as rendered text; an update is what differs now. Updates are never
split (`maxObjectUpdates` is not honoured).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingest.twin.vcenter.collector import FilterSpec, select
from ingest.twin.vcenter.faults import VimFault, invalid_collector_version
from ingest.twin.vcenter.values import Data, Raw, Ref, Value

if TYPE_CHECKING:
    from ingest.twin.vcenter.reader import Reader

Seen = dict[Ref, dict[str, str]]
_SHORTEST_LOOK_S = 0.01


@dataclass(slots=True)
class Filter:
    """A filter and what its client knows."""

    ref: Ref
    spec: FilterSpec
    seen: Seen = field(default_factory=dict)


@dataclass(slots=True)
class Collector:
    """One property collector of one session."""

    filters: dict[str, Filter] = field(default_factory=dict)
    version: int = 0
    cancelled: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def updates(self, reader: Reader, version: str) -> Data | None:
        """What changed since `version` ('' for everything), None when nothing did. Raises VimFault."""
        with self.lock:
            if version and (not version.isdigit() or int(version) > self.version):
                raise invalid_collector_version()
            if not version or int(version) < self.version:
                for item in self.filters.values():
                    item.seen = {}
            changed = [update for item in self.filters.values() if (update := _update(reader, item)) is not None]
            if not changed:
                return None
            self.version += 1
            return Data("UpdateSet", version=str(self.version), filterSet=changed, truncated=False)

    def wait(self, reader: Reader, version: str, longest_s: float | None) -> Data | None:
        """`updates`, waited for; None when there were none in `longest_s` seconds. Raises VimFault when cut short."""
        began, cancelled = time.monotonic(), self.cancelled
        while True:
            looked = time.monotonic()
            found = self.updates(reader, version)
            if found is not None:
                return found
            now = time.monotonic()
            if longest_s is not None and now - began >= longest_s:
                return None
            if self.cancelled != cancelled or (reader.session is not None and reader.session.closed):
                raise VimFault("RequestCanceled", "The task was canceled by a user.")
            # Watching thousands of objects must not keep a core busy.
            pause = max(_SHORTEST_LOOK_S, 10 * (now - looked))
            if reader.service.stopping.wait(pause):
                raise VimFault("RequestCanceled", "The server is shutting down.")


def _update(reader: Reader, item: Filter) -> Data | None:
    now = _look(reader, item.spec)
    objects: list[Value] = []
    for ref, properties in now.items():
        before = item.seen.get(ref)
        changes = _changes(before or {}, properties)
        if before is None or changes:
            kind = "enter" if before is None else "modify"
            objects.append(Data("ObjectUpdate", kind=kind, obj=ref, changeSet=changes))
    objects += [Data("ObjectUpdate", kind="leave", obj=ref) for ref in item.seen if ref not in now]
    item.seen = now
    return Data("PropertyFilterUpdate", filter=item.ref, objectSet=objects) if objects else None


def _look(reader: Reader, spec: FilterSpec) -> Seen:
    reader.refresh()
    # An object that is gone leaves the filter; its traversal must not end the wait.
    starts = tuple(start for start in spec.starts if reader.exists(start.ref))
    found: Seen = {}
    for selected in select(reader, [FilterSpec(spec.properties, starts, spec.named, ignore_missing=True)]):
        try:
            texts = {path.text: reader.text(selected.ref, path) for path in selected.paths}
        except VimFault:
            continue  # gone between two reads, or not to be read
        found[selected.ref] = texts
    return found


def _changes(before: dict[str, str], now: dict[str, str]) -> list[Any]:
    changes = []
    for name, text in now.items():
        if before.get(name, "") != text:
            value = Raw(text) if text else None
            changes.append(Data("PropertyChange", name=name, op="assign", val=value))
    return changes
