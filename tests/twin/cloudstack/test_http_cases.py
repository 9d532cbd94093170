"""The HTTP side of the API, rule by rule: tests/cases/twin_http/*.yaml.

A case changes the tiny world, sends one request and says what comes back. `fires` tells whether the rule acts in it;
every rule has a case where it does and one where it just does not. `@vm` is the id of an imported web01, `@root` that
of its root volume.
"""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from ingest.twin.cloud import ResourceLimit
from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.wire import Reply
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api, DirectApi, sign
from tests.twin.cloudstack.cases import change, resolved
from tests.twin.cloudstack.tiny import base_request

FOLDER = Path(__file__).parents[2] / "cases" / "twin_http"


@dataclass(frozen=True)
class Case:
    rule: str
    title: str
    fires: bool
    command: str
    world: dict[str, Any] = field(default_factory=dict)
    limits: list[list[Any]] = field(default_factory=list)
    imported: bool = False  # web01 was imported before
    again: int = 0  # the same request was sent that often before
    user: str = "admin"
    method: str = "POST"
    client: str = "127.0.0.1"
    request: dict[str, str | None] = field(default_factory=dict)
    expires: dict[str, Any] = field(default_factory=dict)  # seconds from now, and the form
    signature: str | None = None
    tilde: str = "%7E"  # how the client writes it into the text it signs
    status: int = 200
    wrapper: str | None = None
    error: str | None = None
    cserrorcode: int | None = None
    description: bool | None = None  # whether the header X-Description is there
    content_type: str | None = None
    body: dict[str, Any] | None = None  # fields inside the wrapper
    exactly: dict[str, Any] | None = None  # all of it
    rows: int | None = None
    names: list[str] | None = None  # of the rows of a list
    job: dict[str, Any] | None = None  # how the job ends: fields of its result
    xml: str | None = None

    def __str__(self) -> str:
        return f"{self.rule}: {self.title}"


def all_cases() -> list[Case]:
    return [
        Case(**resolved(entry))
        for path in sorted(FOLDER.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_http_case(world: World, gateway: Gateway, case: Case) -> None:
    admin = DirectApi(gateway, "admin-key", "admin-secret")
    if case.imported:
        assert admin.run("importUnmanagedInstance", **base_request())["jobstatus"] == 1
    prepare(world, case)
    for _ in range(case.again):
        sent(world, gateway, case)
    reply = sent(world, gateway, case)
    assert reply.status == case.status, reply.body
    if case.content_type is not None:
        assert reply.content_type == case.content_type
    if case.description is not None:
        assert ("X-Description" in reply.headers) == case.description
    if case.xml is not None:
        root = ET.fromstring(reply.body)
        assert root.find(case.xml) is not None, reply.body
        return
    if not reply.content_type.startswith("application/json"):
        return
    check_json(world, admin, case, json.loads(reply.body))


def prepare(world: World, case: Case) -> None:
    for path, value in case.world.items():
        change(world, named(world, path), value)
    world.cloud.limits += [ResourceLimit(*limit) for limit in case.limits]


def named(world: World, text: str) -> str:
    vm, root = next(iter(world.cloud.instances), ""), next(iter(world.cloud.volumes), "")
    return text.replace("@vm", vm).replace("@root", root)


def sent(world: World, gateway: Gateway, case: Case) -> Reply:
    api = Api("", f"{case.user}-key", f"{case.user}-secret")
    parameters = api.signed(case.command) | {"apiKey": api.key}
    del parameters["signature"]
    if case.expires:
        moment = time.gmtime(time.time() + case.expires["seconds"])
        parameters["expires"] = time.strftime(case.expires["form"], moment)
    for name, value in case.request.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = named(world, value)
    parameters["signature"] = case.signature or sign(parameters, f"{case.user}-secret", tilde=case.tilde)
    wire = urlencode({name: value for name, value in parameters.items() if value is not None}).encode()
    query, body = (b"", wire) if case.method == "POST" else (wire, b"")
    return gateway.answer(case.method, query, body, case.client)


def check_json(world: World, admin: Api, case: Case, answer: dict[str, Any]) -> None:
    ((wrapper, body),) = answer.items()
    assert wrapper == (case.wrapper or f"{case.command.lower()}response")
    if case.status == 200:
        assert "errorcode" not in body
    else:
        assert body["errorcode"] == case.status
        assert isinstance(body["uuidList"], list)
    if case.error is not None:
        assert body["errortext"] == named(world, case.error)
    if case.cserrorcode is not None:
        assert body.get("cserrorcode") == case.cserrorcode
    if case.exactly is not None:
        assert body == case.exactly
    if case.body is not None:
        inner = body if set(case.body) <= set(body) else next(iter(body.values()))
        assert {name: inner.get(name) for name in case.body} == case.body
    rows = next((value for value in body.values() if isinstance(value, list)), [])
    if case.rows is not None:
        assert len(rows) == case.rows
    if case.names is not None:
        assert sorted(row["name"] for row in rows) == sorted(case.names)
    if case.job is not None:
        job = admin.job(body["jobid"])
        result = job["jobresult"]
        inner = result if set(case.job) <= set(result) else next(iter(result.values()))
        assert {name: inner.get(name) for name in case.job} == {
            name: named(world, value) if isinstance(value, str) else value for name, value in case.job.items()
        }


def test_every_rule_fires_and_just_does_not() -> None:
    seen = defaultdict(set)
    for case in CASES:
        seen[case.rule].add(case.fires)
    assert {rule for rule, cases in seen.items() if cases != {True, False}} == set()
