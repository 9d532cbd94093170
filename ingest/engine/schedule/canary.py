"""One row of each shape, to be imported first: what goes wrong for all of a kind goes wrong once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ingest.engine.schedule.traits import Shape
from ingest.model.request import PlannedImport


def canaries(
    rows: Iterable[PlannedImport], shape_of: Callable[[PlannedImport], Shape], *, seen: Iterable[Shape] = ()
) -> list[PlannedImport]:
    """The first row of each shape, in the order of the rows, without the shapes already `seen`.

    Waves stay in order only if the rows of one wave are given at a time, with the shapes of the waves before as `seen`.
    """
    known = set(seen)
    chosen = []
    for one in rows:
        shape = shape_of(one)
        if shape not in known:
            known.add(shape)
            chosen.append(one)
    return chosen
