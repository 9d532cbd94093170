"""The client's side of the import benchmark; each function runs in a process of its own."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.measuring import Cost, measured

Environment = dict[str, str]


@dataclass(frozen=True, slots=True)
class Steps:
    """When the client took the steps of a row, seconds since the epoch: before the call, and when its end was known."""

    intent: float
    outcome: float


@dataclass(frozen=True, slots=True)
class ImportRun:
    """One run. `cost.wall_s` is the makespan, begun at `started` (seconds since the epoch); `steps` by job id."""

    started: float
    cost: Cost
    statuses: Counter[str]
    steps: dict[str, Steps]


def plan(environment: Environment, folder: Path) -> int:
    """Read both sides, plan and check, all in `folder`; gives the number of calls ready to be sent."""
    os.environ.update(environment)
    from ingest.settings import load_settings
    from ingest.stages.discover_networks import discover_networks
    from ingest.stages.enrich_csv import enrich_csv
    from ingest.stages.list_unmanaged import list_unmanaged
    from ingest.stages.run_folder import existing_run_folder
    from ingest.stages.validate import validate

    settings, run = load_settings(), existing_run_folder(folder)
    discover_networks(settings.vcenter, run)
    list_unmanaged(settings.cloudstack, run)
    enrich_csv(run)
    return len(validate(run).ready)


def by_hand(environment: Environment, folder: Path, rows: int) -> ImportRun:
    """The first `rows` calls as the CloudStack manual suggests: a loop over the sheet, here with the client `cs`.

    Each call is sent and its job asked about every 2 s, the client's default, until it is over.
    """
    os.environ.update(environment)
    from cs import CloudStack

    from ingest.settings import load_settings
    from ingest.stages.run_folder import existing_run_folder
    from ingest.stages.validate import read_calls

    endpoint = load_settings().cloudstack
    server = CloudStack(
        endpoint.url,
        endpoint.api_key.get_secret_value(),
        endpoint.secret_key.get_secret_value(),
        verify=str(endpoint.ca_file),
    )
    calls = read_calls(existing_run_folder(folder))[:rows]
    statuses: Counter[str] = Counter()
    with measured() as cost:
        started = time.time()
        for one in calls:
            request = one.request
            networks = [{"nic": nic, "network": network} for nic, network in request.nic_networks]
            addresses = [{"nic": nic, "ip4Address": address} for nic, address in request.nic_addresses]
            offerings = [{"disk": disk, "diskOffering": offering} for disk, offering in request.data_disk_offerings]
            cells = {
                "hostname": request.hostname,
                "account": request.account,
                "domainid": request.domain_id,
                "projectid": request.project_id,
                "nicnetworklist": networks,
                "nicipaddresslist": addresses,
                "datadiskofferinglist": offerings,
            }
            server.importUnmanagedInstance(
                fetch_result=True,
                clusterid=request.cluster_id,
                name=request.name,
                serviceofferingid=request.service_offering_id,
                **{name: value for name, value in cells.items() if value},
            )
            statuses["imported"] += 1
    return ImportRun(started, cost, statuses, {})


def through_engine(environment: Environment, folder: Path, in_flight: int, batch_size: int) -> ImportRun:
    """The planned calls of `folder` through threads and the engine: ledger, watcher and journal as in a real run."""
    os.environ.update(environment)
    from ingest.settings import RunSettings, load_settings
    from ingest.stages.import_batch import ImportOptions
    from ingest.stages.import_batch import ImportRun as Imports
    from ingest.stages.run_folder import JOURNAL, existing_run_folder

    options = ImportOptions(max_concurrent_imports=in_flight, batch_size=batch_size)
    run_settings = RunSettings(state=folder / "state")
    statuses: Counter[str] = Counter()
    with measured() as cost:
        started = time.time()
        with (
            Imports(
                load_settings().cloudstack, None, run_settings, existing_run_folder(folder), threading.Event(), options
            ) as run,
            ThreadPoolExecutor(in_flight) as pool,
        ):
            for wave in run.waves():
                for members in run.rounds(wave):
                    for result in pool.map(run.import_batch, members):
                        statuses.update(str(outcome.status) for outcome in result.outcomes)
    return ImportRun(started, cost, statuses, _steps(folder / JOURNAL))


def through_flow(environment: Environment, folder: Path, in_flight: int, batch_size: int) -> ImportRun:
    """The planned calls of `folder` through the flow's import stage, on the Prefect server of PREFECT_API_URL."""
    os.environ.update(environment | {"INGEST_RUN_STATE": str(folder / "state")})
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows.import_vms import import_stage
    from ingest.stages.import_batch import ImportOptions
    from ingest.stages.run_folder import JOURNAL
    from tasks.server_traffic import flush_to_server

    @task
    def nothing() -> None:
        pass

    @flow
    def warm_up() -> None:
        nothing.submit().result()

    # The first flow of a process imports another second of Prefect. In a whole run that is the planning's to pay.
    warm_up()
    stage = import_stage.with_options(task_runner=ThreadPoolTaskRunner(max_workers=in_flight))  # type: ignore[arg-type]
    with measured() as cost:
        started = time.time()
        options = ImportOptions(max_concurrent_imports=in_flight, batch_size=batch_size)
        outcomes, _stopped, _systemic = stage(str(folder), options)
    flush_to_server()
    return ImportRun(started, cost, Counter(str(outcome.status) for outcome in outcomes), _steps(folder / JOURNAL))


def whole_run(environment: Environment, in_flight: int, batch_size: int) -> int:
    """The flow import-vms from reading both servers to the report; gives the number of VMs imported."""
    os.environ.update(environment)
    from flows.import_vms import run_import
    from tasks.parameters import Limits

    result = run_import(dry_run=False, limits=Limits(max_concurrent_imports=in_flight, batch_size=batch_size))
    return result.counts["imported"]


def _steps(journal: Path) -> dict[str, Steps]:
    from ingest.engine.journal import read_journal

    job_of_row: dict[int, str] = {}
    intents: dict[str, float] = {}
    found: dict[str, Steps] = {}
    for line in read_journal(journal):
        at = datetime.fromisoformat(line["at"]).timestamp()
        if line["step"] == "intent":
            job_of_row[line["row"]] = line["job_id"]
            intents[line["job_id"]] = at
        elif line["step"] == "outcome" and line["row"] in job_of_row:
            job_id = job_of_row[line["row"]]
            found[job_id] = Steps(intents[job_id], at)
    return found
