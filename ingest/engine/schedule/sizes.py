"""Which rows make a batch: big batches first, single rows last, so that no slot idles for long at the end."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.engine.schedule.traits import Key, races_of
from ingest.model.request import PlannedImport

Batch = tuple[PlannedImport, ...]


def batches(
    rows: Sequence[PlannedImport],
    in_flight: int,
    batch_size: int,
    races: Callable[[PlannedImport], frozenset[Key]] = races_of,
) -> list[Batch]:
    """Every row once, in batches to be started in this order with `in_flight` of them running at once.

    A batch never spans two waves. A batch takes 1/(2 * `in_flight`) of what is left of its wave, at most `batch_size`
    rows, at least one. Rows keep their order, except for those that race each other (see `races_of`): they are packed
    into full batches, which begin early and as far apart as each takes. That is only to waste no slot on waiting; what
    keeps them apart for certain are `Gates`.
    """
    if in_flight < 1 or batch_size < 1:
        raise ValueError(f"at least one row in flight and in a batch, not {in_flight} and {batch_size}")
    waves: dict[int, list[PlannedImport]] = {}
    for one in rows:
        waves.setdefault(one.wave, []).append(one)
    return [
        batch
        for _, members in sorted(waves.items(), key=lambda wave: wave[0])
        for batch in _wave(members, in_flight, batch_size, races)
    ]


@dataclass(slots=True)
class _Chain:
    """Rows that must follow each other; the last ones given out are over at `free_at`."""

    rows: deque[PlannedImport]
    free_at: int = 0


def _wave(
    members: list[PlannedImport],
    in_flight: int,
    batch_size: int,
    races: Callable[[PlannedImport], frozenset[Key]],
) -> list[Batch]:
    """The batches of one wave, by playing through who is free when, every row taking one unit of time."""
    free, chains = _apart(members, races)
    slots = [0] * in_flight
    left = len(members)
    found: list[Batch] = []
    while left:
        now = heapq.heappop(slots)
        open_chains = [chain for chain in chains if chain.rows]
        ready = [chain for chain in open_chains if chain.free_at <= now]
        if ready or not free:
            # The longest chain decides when the wave is over.
            chain = (
                max(ready, key=lambda one: len(one.rows)) if ready else min(open_chains, key=lambda one: one.free_at)
            )
            now = max(now, chain.free_at)
            batch = _take(chain.rows, batch_size)
            chain.free_at = now + len(batch)
        else:
            batch = _take(free, min(batch_size, math.ceil(left / (2 * in_flight))))
        found.append(batch)
        left -= len(batch)
        heapq.heappush(slots, now + len(batch))
    return found


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
