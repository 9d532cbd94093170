"""Property filters and waiting for updates: enough for `WaitForTask` and for clients that watch a few objects.

A filter remembers the properties it has reported, as rendered text; an update is what differs now.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.twin.vcenter.collector import FilterSpec, select
from ingest.twin.vcenter.faults import VimFault, invalid_collector_version
from ingest.twin.vcenter.paths import Path
from ingest.twin.vcenter.values import Data, Fault, Raw, Ref, Value

if TYPE_CHECKING:
    from ingest.twin.vcenter.reader import Reader

_SHORTEST_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class View:
    """An object as a filter sees it: its properties as rendered text, and those that may not be read."""

    texts: dict[str, str]
    missing: dict[str, Fault]


Seen = dict[Ref, View]


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

    def updates(self, reader: Reader, version: str, most: int | None = None) -> Data | None:
        """What changed since `version` ('' for everything), None when nothing did. Raises VimFault.

        At most `most` objects: the answer then says `truncated`, and the next one has the rest.
        """
        with self.lock:
            if version and (not version.isdigit() or int(version) > self.version):
                raise invalid_collector_version()
            if not version or int(version) < self.version:
                for item in self.filters.values():
                    item.seen = {}
            changed: list[Value] = []
            left = most
            truncated = False
            for item in self.filters.values():
                objects, more = _updates_of(item, _look(reader, item.spec), left)
                truncated = truncated or more
                if objects:
                    changed.append(Data("PropertyFilterUpdate", filter=item.ref, objectSet=objects))
                    left = None if left is None else left - len(objects)
            if not changed:
                return None
            self.version += 1
            return Data("UpdateSet", version=str(self.version), filterSet=changed, truncated=truncated)

    def wait(self, reader: Reader, version: str, longest_s: float | None, most: int | None = None) -> Data | None:
        """`updates`, waited for; None when there were none in `longest_s` seconds. Raises VimFault when cut short."""
        clock, cancelled = reader.service.world.clock, self.cancelled
        began = clock.monotonic()
        while True:
            looked = time.monotonic()
            found = self.updates(reader, version, most)
            if found is not None:
                return found
            if longest_s is not None and clock.monotonic() - began >= longest_s:
                return None
            if self.cancelled != cancelled or (reader.session is not None and reader.session.closed):
                raise VimFault("RequestCanceled", "The task was canceled by a user.")
            # Watching thousands of objects must not keep a core busy.
            pause = max(_SHORTEST_LOOK_S, 10 * (time.monotonic() - looked))
            if reader.service.stopping.wait(pause):
                raise VimFault("RequestCanceled", "The server is shutting down.")


def _updates_of(item: Filter, now: Seen, most: int | None) -> tuple[list[Value], bool]:
    """At most `most` updates, remembered as seen, and whether there are more."""
    found: list[Value] = []
    for ref in [*now, *(ref for ref in item.seen if ref not in now)]:
        update = _update(ref, item.seen.get(ref), now.get(ref))
        if update is None:
            continue
        if most is not None and len(found) >= most:
            return found, True
        found.append(update)
        if ref in now:
            item.seen[ref] = now[ref]
        else:
            del item.seen[ref]
    return found, False


def _update(ref: Ref, before: View | None, now: View | None) -> Data | None:
    if now is None:
        return Data("ObjectUpdate", kind="leave", obj=ref)
    changes = _changes(before.texts if before else {}, now.texts)
    missing: list[Value] = [
        Data("MissingProperty", path=path, fault=fault)
        for path, fault in now.missing.items()
        if before is None or path not in before.missing
    ]
    if before is not None and not changes and not missing:
        return None
    return Data("ObjectUpdate", kind="enter" if before is None else "modify", obj=ref, changeSet=changes,
                missingSet=missing)  # fmt: skip


def _look(reader: Reader, spec: FilterSpec) -> Seen:
    reader.refresh()
    # An object that is gone leaves the filter; its traversal must not end the wait.
    starts = tuple(start for start in spec.starts if reader.exists(start.ref))
    found: Seen = {}
    for selected in select(reader, [FilterSpec(spec.properties, starts, spec.named, ignore_missing=True)]):
        view = View({}, {})
        try:
            for path in selected.paths:
                _see(reader, selected.ref, path, view)
        except VimFault:
            continue  # gone between two reads
        found[selected.ref] = view
    return found


def _see(reader: Reader, ref: Ref, path: Path, view: View) -> None:
    try:
        view.texts[path.text] = reader.text(ref, path)
    except VimFault as fault:
        if fault.kind == "ManagedObjectNotFound":
            raise
        view.missing[path.text] = fault.value


def _changes(before: dict[str, str], now: dict[str, str]) -> list[Value]:
    changes: list[Value] = []
    for name, text in now.items():
        if before.get(name, "") != text:
            value = Raw(text) if text else None
            changes.append(Data("PropertyChange", name=name, op="assign", val=value))
    return changes
