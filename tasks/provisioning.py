"""What a Prefect server needs before a run can be started: made once, brought up to date later, told either way.

What an operator changes in the UI stays: a limit's slots, a variable's value, an automation that was switched off.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import yaml
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, VariableCreate, WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL

from ingest.data_files import data_file
from ingest.errors import RemoteError
from tasks.automations import automations
from tasks.blocks import BLOCKS, block_title
from tasks.one_at_a_time import limit_name
from tasks.site import SITES_VARIABLE

Done = Literal["created", "updated", "unchanged"]

# Of a deployment, what prefect.yaml decides; other fields change with every deploy.
_DECIDED = (
    "description", "tags", "parameters", "parameter_openapi_schema", "enforce_parameter_schema", "entrypoint", "path",
    "work_pool_name", "work_queue_name", "job_variables", "concurrency_options", "paused",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thing:
    """One object of the server and what was done with it."""

    kind: str
    name: str
    done: Done


def project_folder() -> Path:
    """The folder the flows' entrypoints start from: the checkout, or the place of the installed packages."""
    return Path(__file__).resolve().parents[1]


def deployments_file() -> Path:
    """prefect.yaml of the checkout, or the one shipped with the installed package."""
    own = project_folder() / "prefect.yaml"
    return own if own.exists() else data_file("prefect.yaml")


def provision(file: Path | None = None) -> Iterator[Thing]:
    """Make everything `file` (prefect.yaml) needs on the server of PREFECT_API_URL, then its deployments.

    Doing it twice changes nothing. Raises RemoteError when the deployments cannot be made.
    """
    file = file or deployments_file()
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    wanted = document["deployments"]
    pools = sorted({(one["work_pool"]["name"], one["work_pool"].get("work_queue_name", "default")) for one in wanted})
    sites = sorted({one.get("parameters", {}).get("site", "") for one in wanted} - {""})
    with get_client(sync_client=True) as client:
        yield from _block_types(client)
        for pool in sorted({pool for pool, _ in pools}):
            yield _once("work pool", pool, partial(client.read_work_pool, pool), partial(_make_pool, client, pool))
        for pool, queue in pools:
            read = partial(client.read_work_queue_by_name, queue, work_pool_name=pool)
            make = partial(client.create_work_queue, queue, work_pool_name=pool)
            yield _once("work queue", f"{pool}/{queue}", read, make)
        for name in map(limit_name, ("", *sites)):
            limit = GlobalConcurrencyLimitCreate(name=name, limit=1)
            yield _once(
                "limit",
                name,
                partial(client.read_global_concurrency_limit_by_name, name),
                partial(client.create_global_concurrency_limit, limit),
            )
        yield _variable(client, sites)
        yield from _deployments(client, file)
        notice = client.read_deployment_by_name("notice/notice").id
        yield from _automations(client, notice)


def _once(kind: str, name: str, read: Callable[[], Any], make: Callable[[], Any]) -> Thing:
    try:
        read()
    except ObjectNotFound:
        with suppress(ObjectAlreadyExists):  # somebody else was faster, such as a worker that makes its own pool
            make()
            return Thing(kind, name, "created")
    return Thing(kind, name, "unchanged")


def _variable(client: SyncPrefectClient, sites: list[str]) -> Thing:
    if client.read_variable_by_name(SITES_VARIABLE) is not None:
        return Thing("variable", SITES_VARIABLE, "unchanged")
    client.create_variable(VariableCreate(name=SITES_VARIABLE, value={site: {} for site in sites}))
    return Thing("variable", SITES_VARIABLE, "created")


def _make_pool(client: SyncPrefectClient, name: str) -> None:
    from prefect.workers.process import ProcessWorker

    client.create_work_pool(
        WorkPoolCreate(
            name=name,
            type="process",
            description="Runs of cloudstack-vmware-ingest; one queue and worker per site.",
            base_job_template=ProcessWorker.get_default_base_job_template(),
        )
    )


def _block_types(client: SyncPrefectClient) -> Iterator[Thing]:
    for kind in BLOCKS:
        slug = kind.get_block_type_slug()
        try:
            there = client.read_block_type_by_slug(slug).id
            known = {schema.checksum for schema in client.read_block_schemas() if schema.block_type_id == there}
            done: Done = "unchanged" if kind._calculate_schema_checksum() in known else "updated"
        except ObjectNotFound:
            done = "created"
        if done != "unchanged":
            kind.register_type_and_schema()
        yield Thing("block type", block_title(kind), done)


def _deployments(client: SyncPrefectClient, file: Path) -> Iterator[Thing]:
    before = _decided(client)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file.resolve())]
    done = subprocess.run(  # noqa: S603  our own interpreter, fixed arguments
        command,
        cwd=project_folder(),
        env=dict(os.environ) | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise RemoteError(f"the deployments were not made:\n{tail}", place=str(file), cure="mend the line named above")
    for name, now in sorted(_decided(client).items()):
        earlier = before.get(name)
        yield Thing("deployment", name, "created" if earlier is None else "unchanged" if earlier == now else "updated")


def _decided(client: SyncPrefectClient) -> dict[str, dict[str, Any]]:
    """By flow and name, what is compared of each deployment of ours."""
    flows = {flow.id: flow.name for flow in _pages(client.read_flows)}
    found: dict[str, dict[str, Any]] = {}
    for one in _pages(client.read_deployments):
        if not {"ingest", "ingest-notice"} & set(one.tags):
            continue
        values = one.model_dump(mode="json")
        schedules = sorted((str(s["slug"]), str(s["schedule"]), s["active"]) for s in values["schedules"])
        limit = (values.get("global_concurrency_limit") or {}).get("limit")
        found[f"{flows.get(one.flow_id, '?')}/{one.name}"] = {
            **{field: values.get(field) for field in _DECIDED},
            "schedules": schedules,
            "limit": limit,
        }
    return found


def _pages(read: Callable[..., Any]) -> Iterator[Any]:
    size, offset = 200, 0
    while page := read(limit=size, offset=offset):
        yield from page
        offset += size


def _automations(client: SyncPrefectClient, notice: UUID) -> Iterator[Thing]:
    for wanted in automations(notice):
        found = client.read_automations_by_name(wanted.name)
        if not found:
            client.create_automation(wanted)
            yield Thing("automation", wanted.name, "created")
            continue
        there = found[0]
        compared = {"description", "trigger", "actions"}
        # Not as JSON: sets become lists there, in an order of the moment.
        same = there.model_dump(include=compared) == wanted.model_dump(include=compared)
        if not same:
            client.update_automation(there.id, wanted.model_copy(update={"enabled": there.enabled}))
        yield Thing("automation", wanted.name, "unchanged" if same else "updated")
