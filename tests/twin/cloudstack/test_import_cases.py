"""Every numbered check of an import, with cases that make it fire and that just do not: tests/cases/twin_import/*.yaml.

A case asserts the answer, the events, and the state afterwards.
"""

import re
from dataclasses import asdict
from typing import Any

import pytest

from ingest.twin.cloud import ResourceLimit
from ingest.twin.cloudstack import refusals
from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.service import Service
from ingest.twin.world import World
from tests.twin.cloudstack.api import DirectApi
from tests.twin.cloudstack.cases import Case, all_cases, change
from tests.twin.cloudstack.tiny import base_request

CASES = all_cases()
NUMBERED = [f"S{number}" for number in range(1, 7)] + [f"A{number}" for number in range(1, 47)]
COMMIT = [f"C{number}" for number in range(1, 6)]
SCHEDULED, STARTED = ("Scheduled", "INFO"), ("Started", "INFO")
COMPLETED, NOT_FOUND = ("Completed", "INFO"), ("Completed", "ERROR")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_import_case(world: World, service: Service, gateway: Gateway, case: Case) -> None:
    prepare(world, service, case)
    admin = DirectApi(gateway, "admin-key", "admin-secret")
    if case.first is not None:
        assert admin.run("importUnmanagedInstance", **parameters_with(case.first))["jobstatus"] == 1
    arm(world, service, case)
    before, jobs_before, events_before = state(world), len(world.cloud.jobs), len(world.cloud.events)
    api = DirectApi(gateway, f"{case.user}-key", f"{case.user}-secret")
    answer = api.call("importUnmanagedInstance", **parameters_with(case.request))
    body = next(iter(answer.json().values()))

    if case.refused is not None and case.refused["stage"] == "sync":
        code, text = case.refused["code"], case.refused["text"]
        assert (answer.status_code, body.get("errorcode"), body.get("errortext")) == (code, code, text)
        assert len(world.cloud.jobs) == jobs_before
        assert events(world, events_before) == ([SCHEDULED] if case.checks[0] == "S6" else [])
        assert state(world) == before
        return

    job = admin.job(body["jobid"])
    assert len(service.reservations) == 0
    if case.refused is not None:
        refused = {"errorcode": case.refused["code"], "errortext": case.refused["text"]}
        assert job["jobresult"] == {name: value for name, value in refused.items() if value is not None}
        assert (job["jobstatus"], job["jobresultcode"]) == (2, case.refused["code"])
        assert events(world, events_before) == events_of_failure(case)
        assert_left(world, before, case)
        return
    assert job["jobstatus"] == 1, job
    assert events(world, events_before) == [SCHEDULED, STARTED, COMPLETED]
    assert_imported(world, job["jobresult"]["virtualmachine"], case)


def prepare(world: World, service: Service, case: Case) -> None:
    for path, value in case.world.items():
        change(world, path, value)
    world.cloud.limits = [ResourceLimit(*limit) for limit in case.limits]


def arm(world: World, service: Service, case: Case) -> None:
    """Let happen during the job what the case wants."""

    def meanwhile(*_: str) -> None:
        with world.lock:
            for path, value in case.meanwhile.items():
                change(world, path, value)

    # The comparison of states leaves out what the case itself changes: those cases change nothing else.
    if case.meanwhile:
        service.steps.on("accepted", meanwhile)
    if case.fault is not None:
        fault = dict(case.fault)
        step, kind = fault.pop("step"), getattr(refusals, fault.pop("error"))

        def fail(*_: str) -> None:
            raise kind(**fault)

        service.steps.on(step, fail)


def state(world: World) -> dict[str, Any]:
    """Everything but what every call leaves: jobs, events, journal."""
    cloud = asdict(world.cloud)
    for name in ("jobs", "events", "journal"):
        del cloud[name]
    return {"cloud": cloud, "vms": {moref: asdict(vm) for moref, vm in world.vms.items()}}


def events(world: World, start: int) -> list[tuple[str, str]]:
    return [(event.state, event.level) for event in world.cloud.events[start:] if event.type == "VM.IMPORT"]


def events_of_failure(case: Case) -> list[tuple[str, str]]:
    check = case.checks[0]
    if check == "A16":
        return [SCHEDULED, STARTED, NOT_FOUND]
    if check in {f"A{number}" for number in range(1, 16)}:
        return [SCHEDULED]
    return [SCHEDULED, STARTED, COMPLETED] if case.stays else [SCHEDULED, STARTED]


def assert_left(world: World, before: dict[str, Any], case: Case) -> None:
    after = state(world)
    known = set(before["cloud"]["instances"])
    added = [instance for key, instance in world.cloud.instances.items() if key not in known]
    if case.stays:
        assert [(instance.removed, instance.counted) for instance in added] == [(False, True)]
        return
    if case.checks[0] in ("C2", "C3", "C4", "C5"):
        (instance,) = added
        assert (instance.removed, instance.counted) == (True, False)
        assert [nic.macaddress for nic in instance.nics] == case.left
        del after["cloud"]["instances"][instance.id]
    else:
        assert added == []
    for path, value in case.meanwhile.items():
        assert value is None, "the comparison knows removals only"
        kind, key = path.split("/")[-2:]
        before["cloud"][kind].pop(key)
    assert after == before


def assert_imported(world: World, machine: dict[str, Any], case: Case) -> None:
    assert case.imported is not None
    expected = dict(case.imported)
    for nic, wanted in zip(machine["nic"], expected.pop("nic", []), strict=False):
        assert {name: nic.get(name) for name in wanted} == wanted
    details = expected.pop("details", {})
    assert {name: machine["details"].get(name) for name in details} == details
    volumes = [volume for volume in world.cloud.volumes.values() if volume.instanceid == machine["id"]]
    for volume, wanted in zip(volumes, expected.pop("volumes", []), strict=False):
        assert {name: getattr(volume, name) for name in wanted} == wanted
    assert {name: machine.get(name) for name in expected} == expected
    assert world.cloud.instances[machine["id"]].counted


def parameters_with(changes: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in (base_request() | changes).items() if value is not None}


@pytest.mark.parametrize("passes", [False, True], ids=["firing", "passing"])
def test_every_check_has_a_case(passes: bool) -> None:
    covered = {
        check
        for case in CASES
        if (case.refused is None) == passes
        for check in (case.checks if passes else case.checks[:1])
    }
    assert sorted({*NUMBERED, *COMMIT} - covered) == []
    assert all(re.fullmatch(r"base|[SAC]\d+", check) for check in covered)
