"""A running twin as the stages see it: two endpoints, snapshots, and single imports."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from pydantic import SecretStr

from ingest.cloudstack.catalogue import read_catalogue
from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.jobs import SUCCEEDED, job_failure, wait_for_job
from ingest.engine.importing import BatchResult
from ingest.engine.rows import Pace
from ingest.errors import Refused
from ingest.model.endpoints import CloudStackEndpoint, Timeouts, VCenterEndpoint
from ingest.model.request import ImportRequest
from ingest.model.snapshot import Snapshot
from ingest.settings import RunSettings
from ingest.stages.import_batch import ImportOptions, ImportRun
from ingest.stages.run_folder import RunFolder
from ingest.twin.generator import admin_keys
from ingest.twin.serving import Twin
from ingest.twin.world import World
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.session import connect


def vcenter_of(twin: Twin) -> VCenterEndpoint:
    return VCenterEndpoint(
        host=twin.vcenter.host,
        port=twin.vcenter.port,
        user=twin.world.vcenter_user,
        password=SecretStr(twin.world.vcenter_password),
        ca_file=twin.ca_file,
    )


def import_calls(
    twin: Twin, folder: RunFolder, *, settle_s: float = 0.3, pace: Pace | None = None, timeouts: Timeouts | None = None
) -> list[BatchResult]:
    """Import the folder's calls, up to four batches side by side; the ledger stands next to the folder."""
    options = ImportOptions(max_concurrent_imports=4, batch_size=3, pace=pace or Pace(settle_s=settle_s))
    settings = RunSettings(state=folder.path.parent / "state")
    results: list[BatchResult] = []
    with (
        ImportRun(cloudstack_of(twin, timeouts), vcenter_of(twin), settings, folder, threading.Event(), options) as run,
        ThreadPoolExecutor(4) as pool,
    ):
        for wave in run.waves():
            for members in run.rounds(wave):
                results += pool.map(run.import_batch, members)
    return results


def cloudstack_of(twin: Twin, timeouts: Timeouts | None = None) -> CloudStackEndpoint:
    api_key, secret_key = admin_keys(twin.world)
    return CloudStackEndpoint(
        url=twin.cloudstack.url,
        api_key=SecretStr(api_key),
        secret_key=SecretStr(secret_key),
        ca_file=twin.ca_file,
        timeouts=timeouts or Timeouts(),
    )


class Site:
    """Both servers of one twin, read and written with the product's own clients."""

    def __init__(self, twin: Twin, client: CloudStackClient) -> None:
        self.twin = twin
        self.world = twin.world
        self.client = client

    def snapshot(self) -> Snapshot:
        """What both servers say now."""
        with connect(vcenter_of(self.twin)) as vcenter:
            inventory = read_inventory(vcenter)
        return Snapshot(taken_at="now", inventory=inventory, catalogue=read_catalogue(self.client))

    def send(self, request: ImportRequest) -> str:
        """Import now; the server's own words when it refuses, '' when it does not."""
        try:
            job_id = self.client.import_unmanaged_instance(request)
        except Refused as error:
            return error.text
        job = wait_for_job(self.client, job_id, every_s=0.005, timeout_s=30)
        return "" if job.jobstatus == SUCCEEDED else job_failure(job).text


@contextmanager
def running(world: World) -> Iterator[Site]:
    """A twin whose imports take no time."""
    world.cloud.import_seconds = 0.0
    with Twin(world) as twin, CloudStackClient(cloudstack_of(twin)) as client:
        yield Site(twin, client)
