"""What every handler may use: the world, the jobs, and waiting that ends when the server does."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ingest.twin.cloud import Account, Cloud, User
from ingest.twin.cloudstack.jobs import JobEngine, JobPlan
from ingest.twin.cloudstack.parameters import Arguments
from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.steps import Steps
from ingest.twin.world import World


class Service:
    """One running management server over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.jobs = JobEngine(world)
        self.steps = Steps()
        self.stopping = threading.Event()
        self._random = random.Random(world.seed)  # noqa: S311  durations, not secrets
        self._random_lock = threading.Lock()

    @property
    def cloud(self) -> Cloud:
        """The management server's database."""
        return self.world.cloud

    def wait(self, duration_seconds: float) -> None:
        """Let time pass; returns early when the server stops."""
        if duration_seconds > 0:
            self.world.clock.wait(self.stopping, duration_seconds)

    def import_seconds(self) -> float:
        """How long the next import takes: the configured duration plus a share of the jitter."""
        with self._random_lock:
            return self.cloud.import_seconds + self._random.random() * self.cloud.import_jitter_seconds

    def stop(self) -> None:
        """End waits and jobs; jobs in flight stay failed without a result, as after a real restart."""
        self.stopping.set()
        self.jobs.stop()


@dataclass(frozen=True, slots=True)
class Call:
    """One verified call: who, with which checked values."""

    user: User
    account: Account
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows to be paged and rendered under the array name `key`. `paged` False: the command ignores page sizes."""

    key: str
    rows: list[Any]
    render: Callable[[Any], Json] = field(repr=False)
    paged: bool = True


Outcome: TypeAlias = Listing | Json | JobPlan
Handler: TypeAlias = Callable[[Service, Call], Outcome]
