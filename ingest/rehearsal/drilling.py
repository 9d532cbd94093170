"""A drill under way: workers come and go while things go wrong, and a person does what a person would do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.counting import counted
from ingest.engine.ledger import open_ledger
from ingest.rehearsal.crew import Crew, Ended
from ingest.rehearsal.rehearse import Stage
from ingest.rehearsal.scenario import Scenario
from ingest.rehearsal.worker import Order
from ingest.stages.run_folder import RunFolder
from ingest.stages.settle import settle_run
from ingest.twin.hurry import Hurry

NOTICED_S = 90.0
"""Twin seconds until a killed worker is noticed and started again: three missing signs of life, as the automation
"ingest: dead worker" counts."""
LOOKED_S = 60.0
"""Twin seconds until a person who is told that a run stopped, such as for a server that is away, has looked at it and
starts it again."""
SETTLE_S = 3.0
"""Real seconds the drilled program looks for an answer it lost."""
_ATTEMPTS = 6
_OPEN = ("incomplete", "unknown")


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a person had to do, in order, and why the last worker stopped, '' when it did all it could."""

    people: tuple[str, ...]
    stopped: str


class Drilling:
    """What is drilled, on a running copy.

    `left` says, once a worker has ended by itself, in which status the rows are that another attempt may bring; an
    empty list ends the drill. `again` is the command a person would give for another attempt.
    """

    def __init__(
        self,
        stage: Stage,
        folder: RunFolder,
        order: Order,
        scenario: Scenario,
        left: Callable[[Ended], Sequence[str]],
        again: str,
    ) -> None:
        self._stage = stage
        self._world = stage.twin.world
        self._folder = folder
        self._order = order
        self._script = scenario.script
        self._kills = list(scenario.kills)
        self._left = left
        self._again = again
        self._taken = 0

    def run(self, waves: Sequence[Sequence[str]], base_speed: float) -> Drilled:
        """Work until nothing is left or nothing more helps.

        `waves` are the VMs by name, `base_speed` twin seconds per real one while no import is in flight.
        """
        people: list[str] = []
        ended = Ended()
        in_flight = self._order.max_concurrent_imports
        with (
            Crew(self._order) as self._crew,
            Hurry(self._world, waves, self._stage.speed, in_flight=in_flight, base=base_speed) as hurry,
        ):
            self._crew.get_ready()
            with self._world.lock:
                self._world.import_watchers.append(self._count)
            self._stage.twin.faults.set(self._script)
            for _ in range(_ATTEMPTS):
                ended = self._crew.go()
                if ended.killed:
                    self._passes(hurry, NOTICED_S)
                    people.append(f"started the run again: its worker was killed ({self._again})")
                else:
                    left = self._left(ended)
                    if not left or ended.hopeless:
                        break
                    if ended.stopped:
                        self._passes(hurry, LOOKED_S)
                    self._cure(left, people)
                    why = f", stopped because {ended.stopped}" if ended.stopped else ""
                    people.append(f"ran it again ({self._again}): {counted(len(left), 'row')} left{why}")
                self._crew.get_ready()
            else:
                people.pop()  # it was not run once more
        return Drilled(tuple(people), ended.stopped)

    def _passes(self, hurry: Hurry, seconds: float) -> None:
        with hurry.client_away():
            self._world.clock.wait(threading.Event(), seconds)

    def _count(self, what: str, _vm: str) -> None:
        """Kill the worker in the moment an import is taken; called with the world's lock held."""
        if what != "accepted":
            return
        self._taken += 1
        if self._kills and self._taken >= self._kills[0]:
            self._kills.pop(0)
            self._crew.kill()

    def _cure(self, left: Sequence[str], people: list[str]) -> None:
        """Half-imported VMs are given back, as the report advises."""
        by_status = Counter(left)
        open_rows = sum(by_status[status] for status in _OPEN)
        if open_rows:
            settings = self._stage.settings
            with open_ledger(settings.run) as ledger:
                settle_run(settings.cloudstack, self._folder, cure=True, patience_s=SETTLE_S, ledger=ledger)
            people.append(f"settled {counted(open_rows, 'row')} whose end was not known (ingest settle --yes)")


def struck_in(stage: Stage) -> tuple[str, ...]:
    """What really struck, in order, in the twin's words."""
    world = stage.twin.world
    with world.lock:
        return tuple(f"{facts['what']} ({facts['fault']})" for facts in world.cloud.journal.of("fault"))


def hosts_of(stage: Stage) -> list[str]:
    """The hosts that can be lost."""
    world = stage.twin.world
    with world.lock:
        return sorted({host.name for host in world.hosts.values()})
