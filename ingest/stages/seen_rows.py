"""What the snapshot says of each approved row, one JSON line a row: an import needs no more of the snapshot.

A run of 10,000 VMs would hold some 190 MiB of snapshot for days; it holds where each line stands instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from ingest.engine.schedule.traits import Key, Landscape, Traits
from ingest.errors import UsageError
from ingest.model.catalogue import UnmanagedInstance
from ingest.model.request import PlannedImport
from ingest.model.snapshot import Snapshot

_KEPT = 512
"""Lines in memory at a time: more than rows are ever in flight."""
Named = TypeVar("Named")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class SeenRow:
    """Of one row: the VM as CloudStack listed it (None: it did not), its traits, its cluster's zone ('' unknown)."""

    row: int
    cluster_id: str
    name: str
    zone_id: str
    traits: Traits
    listed: UnmanagedInstance | None


_LINE = TypeAdapter(SeenRow)


class _Start(NamedTuple):
    """The head of a line: enough to find it again, and what batches are made by, which is asked of all rows at once."""

    row: int
    cluster_id: str
    name: str
    zone_id: str
    races: frozenset[Key]


class _Place(NamedTuple):
    """Where a head begins, its length, and the length of the line after it, in bytes."""

    at: int
    head: int
    line: int


_HEAD = TypeAdapter(_Start)


def seen_lines(snapshot: Snapshot, calls: Iterable[PlannedImport]) -> bytes:
    """The file: per row a line with its head (row, cluster, name, zone, races) and a line with the whole."""
    landscape = Landscape(snapshot)
    listed = {(one.clusterid, one.name): one for one in snapshot.catalogue.unmanaged}
    zones = {cluster.id: cluster.zoneid for cluster in snapshot.catalogue.clusters}
    found = []
    for call in calls:
        cluster_id, name = call.request.cluster_id, call.request.name
        zone_id = zones.get(cluster_id, "")
        traits = landscape.traits(call)
        seen = SeenRow(call.row, cluster_id, name, zone_id, traits, listed.get((cluster_id, name)))
        found += [_HEAD.dump_json(_Start(call.row, cluster_id, name, zone_id, traits.races)), _LINE.dump_json(seen)]
    return b"".join(line + b"\n" for line in found)


class SeenRows:
    """The file, open for reading; a context manager, safe to share between threads. Raises UsageError for a torn one.

    `listed` maps (cluster id, name) to the VM as it was listed, `traits` rows to traits, `zones` clusters to zones.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[int, _Place] = {}
        self._rows: dict[tuple[str, str], int] = {}
        self.zones: dict[str, str] = {}
        self._file = path.open("rb")
        try:
            self._index()
        except BaseException:
            self._file.close()
            raise
        self._seen = lru_cache(_KEPT)(self._read)
        self.traits: Mapping[int, Traits] = _Looked(self._places, lambda row: self._seen(row).traits)
        self.listed: Mapping[tuple[str, str], UnmanagedInstance] = _Looked(self._rows, self._listed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _index(self) -> None:
        at = 0
        for line in self._file:
            head = self._parsed(_HEAD, line)
            place = _Place(at, len(line), len(self._file.readline()))
            self._places[head.row] = place
            self._rows[head.cluster_id, head.name] = head.row
            if head.zone_id:
                self.zones[head.cluster_id] = head.zone_id
            at += place.head + place.line

    def races(self, row: int) -> frozenset[Key]:
        """What a row must not race at, without reading the whole of it."""
        place = self._places[row]
        return self._parsed(_HEAD, self._bytes(place.at, place.head)).races

    def _read(self, row: int) -> SeenRow:
        place = self._places[row]
        return self._parsed(_LINE, self._bytes(place.at + place.head, place.line))

    def _bytes(self, at: int, length: int) -> bytes:
        # Not seek and read: threads would move each other's place.
        return os.pread(self._file.fileno(), length, at)

    def _listed(self, key: tuple[str, str]) -> UnmanagedInstance:
        listed = self._seen(self._rows[key]).listed
        if listed is None:
            raise KeyError(key)
        return listed

    def _parsed(self, adapter: TypeAdapter[Value], line: bytes) -> Value:
        try:
            return adapter.validate_json(line)
        except ValidationError:
            raise UsageError(
                "is torn or of another version", place=str(self._path), cure="check the plan again: `ingest run PLAN`"
            ) from None


class _Looked(Mapping[Named, Value], Generic[Named, Value]):
    """A mapping whose values are looked up when asked for."""

    def __init__(self, keys: Mapping[Named, object], look: Callable[[Named], Value]) -> None:
        self._keys = keys
        self._look = look

    def __getitem__(self, key: Named) -> Value:
        return self._look(key)

    def __iter__(self) -> Iterator[Named]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
