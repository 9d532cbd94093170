"""The client's side of the import benchmark; each function runs in a process of its own."""

from __future__ import annotations

import os
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


def through_engine(
    environment: Environment, folder: Path, in_flight: int, batch_size: int, poll_every_s: float
) -> ImportRun:
    """The planned calls of `folder` through threads and the engine; one client and one journal for all."""
    os.environ.update(environment)
    from ingest.cloudstack.client import CloudStackClient
    from ingest.engine.importing import Pace, import_rows
    from ingest.engine.journal import RunJournal
    from ingest.settings import load_settings
    from ingest.stages.import_batch import batches
    from ingest.stages.run_folder import JOURNAL, existing_run_folder
    from ingest.stages.validate import read_calls

    members = batches(read_calls(existing_run_folder(folder)), batch_size)
    pace = Pace(every_s=poll_every_s)
    with (
        CloudStackClient(load_settings().cloudstack) as client,
        RunJournal(folder / JOURNAL) as journal,
        ThreadPoolExecutor(in_flight) as pool,
        measured() as cost,
    ):
        started = time.time()
        results = list(pool.map(lambda rows: import_rows(client, rows, journal, pace=pace), members))
    statuses = Counter(str(outcome.status) for result in results for outcome in result.outcomes)
    return ImportRun(started, cost, statuses, _steps(folder / JOURNAL))


def through_flow(
    environment: Environment, folder: Path, in_flight: int, batch_size: int, poll_every_s: float
) -> ImportRun:
    """The planned calls of `folder` through the flow's import stage, on the Prefect server of PREFECT_API_URL."""
    os.environ.update(environment)
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows.import_vms import import_stage
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
        outcomes, _stopped, _systemic = stage(str(folder), batch_size, poll_every_s)
    flush_to_server()
    return ImportRun(started, cost, Counter(str(outcome.status) for outcome in outcomes), _steps(folder / JOURNAL))


def flow_defaults() -> dict[str, float]:
    """What the import flow uses when nobody says otherwise: `batch_size`, `poll_every_s`."""
    import inspect

    from flows.import_vms import import_vms

    parameters = inspect.signature(import_vms.fn).parameters
    return {name: float(parameters[name].default) for name in ("batch_size", "poll_every_s")}


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
