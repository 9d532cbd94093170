"""A twin of one small VM, the product's client, and imports that can be cut off at any step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.proof import Expected, before
from ingest.engine.settlement import Settlement, settle
from ingest.model.catalogue import UnmanagedInstance
from ingest.model.endpoints import CloudStackEndpoint
from ingest.model.request import ImportRequest
from ingest.twin.cloudstack.jobs import JobLost
from ingest.twin.cloudstack.server import CloudStackServer
from ingest.twin.cloudstack.steps import Step
from ingest.twin.world import World
from tests.twin.cloudstack.tiny import ident, tiny_world

JOB = "11111111-2222-3333-4444-555555555555"

REQUEST = ImportRequest(
    cluster_id=ident("cluster"),
    name="web01",
    service_offering_id=ident("so-custom"),
    nic_networks=(("Network adapter 1", ident("l2-100")),),
    data_disk_offerings=(("1-2001", ident("do-custom")),),
    custom_job_id=JOB,
)


@dataclass(frozen=True)
class Claimed:
    """What a ledger knows of an import."""

    job_id: str = JOB


@dataclass
class SmallSite:
    """web01 can be imported with REQUEST."""

    world: World
    server: CloudStackServer
    client: CloudStackClient
    claim: Claimed = field(default_factory=Claimed)

    def listed(self) -> UnmanagedInstance:
        [found] = self.client.list_unmanaged_instances(ident("cluster"), "web01")
        return found

    def expected(self, request: ImportRequest = REQUEST) -> Expected:
        return before(self.listed(), request)

    def lose_at(self, step: Step) -> None:
        """The management server goes away when a job has done this step."""

        def lost(*_: str) -> None:
            raise JobLost

        self.server.service.steps.on(step, lost)

    def run(self, request: ImportRequest = REQUEST) -> None:
        """Send the import and wait until nobody works at it any more."""
        self.client.import_unmanaged_instance(request)
        self.quiet()

    def quiet(self) -> None:
        end = time.monotonic() + 30
        while self.client.list_async_jobs() or self.world.cloud.journal.imports_running:
            assert time.monotonic() < end, "a job goes on and on"
            time.sleep(0.005)

    def settle(
        self, expected: Expected, request: ImportRequest = REQUEST, *, patience_s: float = 0.05, job_id: str = JOB
    ) -> Settlement:
        return settle(
            self.client,
            replace(self.claim, job_id=job_id),
            expected,
            request,
            patience_s=patience_s,
            stop=threading.Event(),
            zone_id=ident("zone"),
        )


def endpoint_of(server: CloudStackServer) -> CloudStackEndpoint:
    return CloudStackEndpoint(url=server.url, api_key=SecretStr("admin-key"), secret_key=SecretStr("admin-secret"))


@contextmanager
def small_site() -> Iterator[SmallSite]:
    world = tiny_world()
    with CloudStackServer(world) as server, CloudStackClient(endpoint_of(server), sleep=lambda _: None) as client:
        yield SmallSite(world, server, client)
