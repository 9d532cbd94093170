"""What every handler may use: the world, the jobs, and waiting that ends when the server does."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ingest.twin.cloud import Account, Cloud, User
from ingest.twin.cloudstack.jobs import JobEngine, JobPlan
from ingest.twin.cloudstack.limits import Reservations
from ingest.twin.cloudstack.parameters import Arguments
from ingest.twin.cloudstack.ratelimit import RateLimiter
from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.steps import Steps
from ingest.twin.world import World


class Service:
    """One running management server over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.jobs = JobEngine(world)
        self.limiter = RateLimiter(world.clock)
        self.steps = Steps()
        self.reservations = Reservations(world.cloud)
        self.stopping = threading.Event()
        self._lists = itertools.count()

    @property
    def cloud(self) -> Cloud:
        """The management server's database."""
        return self.world.cloud

    def wait(self, duration_seconds: float) -> None:
        """Let time pass; returns early when the server stops."""
        if duration_seconds > 0:
            self.world.clock.wait(self.stopping, duration_seconds)

    def import_seconds(self, vm_name: str) -> float:
        """How long the import of a VM takes, disks and NICs apart: the same for one name in every run of one seed."""
        chance = random.Random(f"{self.world.seed}/{vm_name}")  # noqa: S311  durations, not secrets
        if self.cloud.import_seconds_seen:
            return chance.choice(self.cloud.import_seconds_seen)
        return self.cloud.import_seconds + chance.random() * self.cloud.import_jitter_seconds

    def order_of_list(self) -> random.Random:
        """Chance for the order of the next list, which means nothing: another one each time, given by the seed."""
        return random.Random(f"{self.world.seed}/{next(self._lists)}")  # noqa: S311  an order, not secrets

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
