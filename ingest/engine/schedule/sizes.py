"""Which rows make a batch: big batches first, single rows last, so that no slot idles for long at the end."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ingest.engine.schedule.traits import Key, races_of
from ingest.model.request import PlannedImport

Batch = tuple[PlannedImport, ...]


def batches(
    rows: Sequence[PlannedImport],
    in_flight: int,
    batch_size: int,
    races: Callable[[PlannedImport], frozenset[Key]] = races_of,
    *,
    places: Callable[[PlannedImport], frozenset[Key]] = lambda _one: frozenset(),
    limits: Mapping[str, int] | None = None,
    in_turn: bool = False,
) -> list[Batch]:
    """Every row once, in batches to be started in this order with `in_flight` of them running at once.

    A batch never spans two waves. A batch takes 1/(2 * `in_flight`) of what is left of its wave, at most `batch_size`
    rows, at least one. Rows keep their order, except for those that race each other (see `races_of`): they are packed
    into full batches, which begin early and as far apart as each takes. Likewise rows of one place (host, datastore)
    of which only so many may be imported at once (`limits`, by kind): a batch has rows of the same places only, so that
    no more batches than may wait at a place, and the others go on. That is only to waste no slot on waiting; what keeps
    the limits for certain are `Gates`.

    `in_turn`: neighbours are in different batches, so that rows also end about in their order, for somebody who waits
    for the first ones. Otherwise a batch has neighbours.
    """
    if in_flight < 1 or batch_size < 1:
        raise ValueError(f"at least one row in flight and in a batch, not {in_flight} and {batch_size}")
    waves: dict[int, list[PlannedImport]] = {}
    for one in rows:
        waves.setdefault(one.wave, []).append(one)
    return [
        batch
        for _, members in sorted(waves.items(), key=lambda wave: wave[0])
        for batch in _Wave(members, in_flight, batch_size, races, places, limits or {}).batches(in_turn=in_turn)
    ]


@dataclass(slots=True)
class _Chain:
    """Rows that must follow each other; the last ones given out are over at `free_at`."""

    rows: deque[PlannedImport]
    free_at: int = 0


@dataclass(slots=True)
class _Place:
    """Rows that meet at the same places. `free_at`: when each unit there is free, one list for each place."""

    rows: deque[PlannedImport]
    free_at: list[list[int]]

    @property
    def opens_at(self) -> int:
        """When there is room at every place."""
        return max(units[0] for units in self.free_at)

    @property
    def width(self) -> int:
        """How many rows may be there at once."""
        return min(len(units) for units in self.free_at)


class _Wave:
    """The batches of one wave, by playing through who is free when, every row taking one unit of time."""

    def __init__(
        self,
        members: list[PlannedImport],
        in_flight: int,
        batch_size: int,
        races: Callable[[PlannedImport], frozenset[Key]],
        places: Callable[[PlannedImport], frozenset[Key]],
        limits: Mapping[str, int],
    ) -> None:
        self._in_flight, self._batch_size = in_flight, batch_size
        alone, self._chains = _apart(members, races)
        self._free: deque[PlannedImport] = deque() if limits else alone
        self._dealt: dict[int, int] = {}  # batches of free rows, by number, and when each begins
        self._places: dict[frozenset[Key], _Place] = {}
        units: dict[Key, list[int]] = {}
        for one in alone if limits else ():  # what a row needs is asked for only where it matters: that reads a file
            keys = frozenset(key for key in places(one) if limits.get(key.kind, in_flight) < in_flight)
            if not keys:
                self._free.append(one)
                continue
            if keys not in self._places:
                shared = [units.setdefault(key, [0] * limits[key.kind]) for key in sorted(keys)]
                self._places[keys] = _Place(deque(), shared)
            self._places[keys].rows.append(one)
        self._left = len(members)

    def batches(self, *, in_turn: bool) -> list[Batch]:
        """Every row once."""
        slots = [0] * self._in_flight
        found: list[Batch] = []
        while self._left:
            free = len(self._free)
            now, batch = self._next(heapq.heappop(slots))
            if len(self._free) < free:
                self._dealt[len(found)] = now
            found.append(batch)
            self._left -= len(batch)
            heapq.heappush(slots, now + len(batch))
        return self._in_turn(found) if in_turn else found

    def _in_turn(self, found: list[Batch]) -> list[Batch]:
        """The same batches, the free rows dealt out in the order of the moments they come to."""
        rows = iter([one for number in self._dealt for one in found[number]])
        moments = sorted(
            (now + place, number) for number, now in self._dealt.items() for place in range(len(found[number]))
        )
        dealt: dict[int, list[PlannedImport]] = {number: [] for number in self._dealt}
        for _, number in moments:
            dealt[number].append(next(rows))
        return [tuple(dealt.get(number, batch)) for number, batch in enumerate(found)]

    def _next(self, now: int) -> tuple[int, Batch]:
        """The batch a slot takes that is free from `now` on, and when it begins."""
        chains = [chain for chain in self._chains if chain.rows]
        places = [place for place in self._places.values() if place.rows]
        # What takes longest decides when the wave is over.
        needs: list[tuple[float, _Chain | _Place]] = [
            *((float(len(chain.rows)), chain) for chain in chains if chain.free_at <= now),
            *((len(place.rows) / place.width, place) for place in places if place.opens_at <= now),
        ]
        if needs:
            _, chosen = max(needs, key=lambda need: need[0])
        elif self._free:
            return now, _take(self._free, min(self._batch_size, math.ceil(self._left / (2 * self._in_flight))))
        else:
            waiting: list[tuple[int, _Chain | _Place]] = [
                *((chain.free_at, chain) for chain in chains),
                *((place.opens_at, place) for place in places),
            ]
            opens_at, chosen = min(waiting, key=lambda one: one[0])
            now = max(now, opens_at)
        if isinstance(chosen, _Chain):
            batch = _take(chosen.rows, self._batch_size)
            chosen.free_at = now + len(batch)
        else:
            share = math.ceil(len(chosen.rows) / (2 * chosen.width))
            batch = _take(chosen.rows, min(self._batch_size, share))
            for units in chosen.free_at:
                heapq.heapreplace(units, now + len(batch))
        return now, batch


def _take(rows: deque[PlannedImport], count: int) -> Batch:
    return tuple(rows.popleft() for _ in range(min(count, len(rows))))


def _apart(
    members: list[PlannedImport], races: Callable[[PlannedImport], frozenset[Key]]
) -> tuple[deque[PlannedImport], list[_Chain]]:
    """The rows that race with none, and the others in groups: a row may join two groups into one."""
    leader = list(range(len(members)))

    def leader_of(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    first_with: dict[Key, int] = {}
    for index, one in enumerate(members):
        for key in races(one):
            leader[leader_of(index)] = leader_of(first_with.setdefault(key, index))
    groups: dict[int, list[PlannedImport]] = {}
    for index, one in enumerate(members):
        groups.setdefault(leader_of(index), []).append(one)
    alone = [group[0] for group in groups.values() if len(group) == 1]
    chains = [_Chain(deque(group)) for group in groups.values() if len(group) > 1]
    return deque(alone), chains
