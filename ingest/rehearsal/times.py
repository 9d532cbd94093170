"""What a rehearsal took, by the clock of its twin and from the twin's own journal."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ingest.twin.world import World

_ENDS = frozenset({"import-completed", "import-failed", "import-lost"})


@dataclass(frozen=True, slots=True)
class Span:
    """From the first call taken to the last job over, as seconds of the twin's time since the epoch."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long that was."""
        return self.ended - self.began


def import_span(world: World, names: Collection[str]) -> Span | None:
    """When the imports of these VMs began and were over; None when none of them was taken."""
    names = set(names)
    began = ended = None
    with world.lock:
        for entry in world.cloud.journal.entries:
            if entry.facts.get("vm") not in names:
                continue
            if entry.kind == "import-accepted" and began is None:
                began = entry.at
            elif entry.kind in _ENDS:
                ended = entry.at
    return Span(began, ended) if began is not None and ended is not None else None


def import_seconds(world: World) -> dict[str, float]:
    """Seconds from call to end of the last import of each VM, by its name."""
    began: dict[str, float] = {}
    taken: dict[str, float] = {}
    with world.lock:
        for entry in world.cloud.journal.entries:
            name = str(entry.facts.get("vm", ""))
            if entry.kind == "import-accepted":
                began[name] = entry.at
            elif entry.kind in _ENDS and name in began:
                taken[name] = entry.at - began[name]
    return taken
