"""Every numbered check of an import, each with a case that makes it fire: tests/cases/twin_import/*.yaml."""

import re

import pytest

from ingest.twin.cloud import Instance
from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.world import World
from tests.twin.cloudstack.api import DirectApi
from tests.twin.cloudstack.cases import Case, all_cases, change
from tests.twin.cloudstack.tiny import base_request

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_import_case(world: World, gateway: Gateway, case: Case) -> None:
    for path, value in case.world.items():
        change(world, path, value)
    admin = DirectApi(gateway, "admin-key", "admin-secret")
    if case.first is not None:
        assert admin.run("importUnmanagedInstance", **parameters_with(case.first))["jobstatus"] == 1
    before = len(present(world))
    api = DirectApi(gateway, f"{case.user}-key", f"{case.user}-secret")
    answer = api.call("importUnmanagedInstance", **parameters_with(case.request))
    body = next(iter(answer.json().values()))
    if case.refused is not None and case.refused["stage"] == "sync":
        assert (answer.status_code, body.get("errorcode"), body.get("errortext")) == (
            case.refused["code"],
            case.refused["code"],
            case.refused["text"],
        )
        assert not world.cloud.jobs
        return
    job = admin.job(body["jobid"])
    if case.refused is not None:
        assert job["jobresult"] == {"errorcode": case.refused["code"], "errortext": case.refused["text"]}
        assert (job["jobstatus"], job["jobresultcode"]) == (2, case.refused["code"])
        assert len(present(world)) == before
        return
    assert job["jobstatus"] == 1, job
    machine = job["jobresult"]["virtualmachine"]
    assert case.imported is not None
    expected = dict(case.imported)
    for nic, wanted in zip(machine["nic"], expected.pop("nic", []), strict=False):
        assert {name: nic.get(name) for name in wanted} == wanted
    details = expected.pop("details", {})
    assert {name: machine["details"].get(name) for name in details} == details
    assert {name: machine.get(name) for name in expected} == expected


def parameters_with(changes: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in (base_request() | changes).items() if value is not None}


def present(world: World) -> list[Instance]:
    return [instance for instance in world.cloud.instances.values() if not instance.removed]


def test_cases_cover_the_checks() -> None:
    """All numbered checks, but those the twin cannot fail or does not model."""
    covered = {case.check for case in CASES if case.refused is not None}
    not_modelled = {"A7", "A17", "A21", "A27", "A30"}
    tested_elsewhere = {"A3"}
    expected = {f"A{number}" for number in range(1, 47)} - not_modelled - tested_elsewhere
    assert expected <= covered
    assert {"S1", "S2", "S3", "S4", "S5", "S6", "C2", "C3", "C4"} <= covered
    assert all(re.fullmatch(r"[SAC]\d+", check) for check in covered)
