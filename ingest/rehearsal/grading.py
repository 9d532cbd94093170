"""The grade of a drill: from the twin's own journal, not from what the drilled program believes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from ingest.counting import counted
from ingest.twin import truth
from ingest.twin.world import World


class Grade(BaseModel):
    """`finished`: every row that was to be imported is. `lost`: rows whose end the program has wrong, or does not
    know; `doubled`: VMs imported more than once. Both must be empty. `people`: what a person had to do, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finished: bool
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    people: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Finished, nothing lost, nothing doubled; how many hands it took is told apart."""
        return self.finished and not self.lost and not self.doubled

    @property
    def words(self) -> str:
        """The grade in a line."""
        hands = f"{counted(len(self.people), 'step')} by hand" if self.people else "without a hand"
        if self.passed:
            return f"passed, {hands}"
        parts = [] if self.finished else [f"{counted(len(self.left), 'row')} not imported"]
        parts += [f"{counted(len(self.lost), 'row')} lost"] if self.lost else []
        parts += [f"{counted(len(self.doubled), 'VM')} imported twice"] if self.doubled else []
        return f"failed: {', '.join(parts)}; {hands}"


class Wanted(Protocol):
    """A VM that was to be imported."""

    @property
    def row(self) -> int: ...

    @property
    def vm(self) -> str: ...

    @property
    def moref(self) -> str: ...


def grade(world: World, wanted: Sequence[Wanted], known: Mapping[int, tuple[str, str]], people: Sequence[str]) -> Grade:
    """The grade of an import of these VMs. `known` is what the program says of them: status and error by row."""
    with world.lock:
        whole = set(truth.imported_once(world))
        doubled = set(truth.duplicates(world))
        completed = Counter(
            instance.moref
            for facts in world.cloud.journal.of("import-completed")
            if (instance := world.cloud.instances.get(str(facts.get("instance", "")))) is not None
        )
    doubled |= {moref for moref, number in completed.items() if number > 1}
    names = {one.moref: one.vm for one in wanted}
    lost, left = [], []
    for one in wanted:
        if one.row not in known:
            lost.append(f"{one.vm}: nothing is known of it")
            continue
        status, error = known[one.row]
        if (status == "imported") != (one.moref in whole):
            there = "whole" if one.moref in whole else "not whole"
            lost.append(f"{one.vm}: said to be {status}, and is {there} in CloudStack")
        elif status != "imported":
            left.append(f"{one.vm}: {status}: {error}")
    return Grade(
        finished=not left and not lost,
        lost=tuple(lost),
        doubled=tuple(names.get(moref, moref) for moref in sorted(doubled)),
        people=tuple(people),
        left=tuple(left),
    )
