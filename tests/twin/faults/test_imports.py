"""Faults inside imports and of the management server; the journal and the state of the world say what became of it."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
import requests

from ingest.twin import truth
from ingest.twin.serving import Twin
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import base_request
from tests.twin.faults.conftest import fired, strike, until


def story(twin: Twin, *leave_out: str) -> list[str]:
    entries = twin.world.cloud.journal.entries
    return [entry.kind.removeprefix("import-") for entry in entries if entry.kind not in leave_out]


def test_the_story_of_an_import(twin: Twin, admin: Api) -> None:
    job = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    instance = admin.job(job)["jobresult"]["virtualmachine"]["id"]
    entries = twin.world.cloud.journal.entries
    assert [(entry.kind, entry.facts) for entry in entries] == [
        ("import-accepted", {"job": job, "vm": "web01"}),
        ("import-started", {"job": job, "vm": "web01"}),
        ("import-committed", {"job": job, "vm": "web01", "moref": "vm-1", "instance": instance}),
        ("import-completed", {"job": job, "vm": "web01", "instance": instance}),
    ]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert truth.imported_once(twin.world) == ["vm-1"]
    assert (truth.duplicates(twin.world), truth.half_imported(twin.world)) == ({}, [])
    assert truth.lost(twin.world, ["web01", "app02"]) == ["app02"]
    admin.run("unmanageVirtualMachine", id=instance)
    assert twin.world.cloud.journal.of("unmanaged") == [{"vm": "web01", "moref": "vm-1", "instance": instance}]
    assert story(twin)[4:] == ["job-accepted", "unmanaged", "job-completed"]
    assert truth.lost(twin.world, ["web01"]) == ["web01"]


@pytest.mark.parametrize(
    ("fault", "code", "text", "after", "rows"),
    [
        ({"step": "accepted", "code": 431, "text": "no"}, 431, "no", "accepted", []),
        ({"step": "found"}, 530, "Failed on purpose", "found", []),
        ({"step": "committed", "text": "disk is busy"}, 530,
         "Failed to import volumes while importing vm: web01. disk is busy", "committed", [True]),
        ({"step": "volumes", "text": "no"}, 530, "Failed to import NICs while importing vm: web01. no", "volumes",
         [True]),
        ({"step": "completed", "text": "no"}, 530, "no", "completed", [False]),
    ],
)  # fmt: skip
def test_an_import_fails_where_it_is_told(
    twin: Twin, admin: Api, fault: dict[str, Any], code: int, text: str, after: str, rows: list[bool]
) -> None:
    strike(twin, kind="job-fails", vm="web*", **fault)
    job = admin.run("importUnmanagedInstance", **base_request())
    assert (job["jobstatus"], job["jobresultcode"]) == (2, code)
    assert job["jobresult"] == {"errorcode": code, "errortext": text}
    assert [instance.removed for instance in twin.world.cloud.instances.values()] == rows
    assert twin.world.cloud.volumes == {} or after == "completed"
    (failed,) = twin.world.cloud.journal.of("import-failed")
    assert (failed["after"], failed["code"], failed["text"]) == (after, code, text)
    assert truth.half_imported(twin.world) == []
    assert truth.imported_once(twin.world) == (["vm-1"] if after == "completed" else [])


def test_no_capacity(twin: Twin, admin: Api) -> None:
    strike(twin, kind="capacity", text="no host has room")
    job = admin.run("importUnmanagedInstance", **base_request())
    assert job["jobresult"] == {
        "errorcode": 533, "errortext": "Failed to import VM [web01] due to [no host has room].",
    }  # fmt: skip
    assert twin.world.cloud.instances == {}
    assert fired(twin) == ["capacity"]


def test_a_delay_at_a_step_holds_the_job_there(twin: Twin, admin: Api) -> None:
    twin.world.clock.run_at(100)
    strike(twin, kind="delay", step="volumes", seconds=20)
    job = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    until(lambda: twin.world.cloud.volumes)
    assert len(truth.half_imported(twin.world)) == 1
    assert admin.job(job)["jobstatus"] == 1
    assert truth.half_imported(twin.world) == []


@pytest.mark.parametrize(("goes_on", "imported"), [(True, ["vm-1"]), (False, [])])
def test_a_lost_job_is_unknown_whether_its_work_goes_on_or_not(
    twin: Twin, admin: Api, goes_on: bool, imported: list[str]
) -> None:
    strike(twin, kind="job-lost", step="committed", goes_on=goes_on)
    job = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    until(lambda: {"completed", "lost"} & set(story(twin)))
    answer = admin.call("queryAsyncJobResult", jobid=job)
    assert answer.status_code == 431
    assert "entity does not exist" in answer.json()["queryasyncjobresultresponse"]["errortext"]
    assert truth.imported_once(twin.world) == imported
    assert len(truth.half_imported(twin.world)) == (not goes_on)


def test_a_job_lost_while_it_is_asked_for(twin: Twin, admin: Api) -> None:
    job = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    strike(twin, kind="job-lost", command="queryAsyncJobResult", vm="web01")
    assert admin.call("queryAsyncJobResult", jobid=job).status_code == 431


def test_ended_jobs_expire(twin: Twin, admin: Api) -> None:
    ended = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    admin.job(ended)
    strike(twin, kind="job-expiry")
    assert admin.call("queryAsyncJobResult", jobid=ended).status_code == 431
    assert fired(twin) == ["job-expiry"]


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("finishes_later", [False, True])
def test_the_management_server_restarts_in_the_middle_of_an_import(
    twin: Twin, admin: Api, finishes_later: bool
) -> None:
    world, port = twin.world, twin.cloudstack.port
    world.cloud.import_seconds = 0.3  # the call is answered before its job comes to the step
    strike(twin, kind="cloudstack-restart", step="committed", seconds=0.5, finishes_later=finishes_later)
    job_id = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    until(lambda: refused(port))
    until(lambda: world.cloud.journal.of("cloudstack-back"))
    assert twin.cloudstack.port == port
    job = admin.job(job_id)
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert "jobresult" not in job
    until(lambda: world.cloud.journal.imports_running == 0)
    assert len(truth.half_imported(world)) == (not finishes_later)
    assert truth.imported_once(world) == (["vm-1"] if finishes_later else [])
    assert truth.lost(world, ["web01"]) == ([] if finishes_later else ["web01"])
    last = "completed" if finishes_later else "lost"
    assert story(twin, "cloudstack-back") == ["accepted", "started", "committed", "fault", last]


def test_a_restart_cuts_the_call_it_comes_with_and_those_that_wait(twin: Twin, admin: Api) -> None:
    twin.world.cloud.list_seconds_per_vm = 0.5
    ends: list[str] = []

    def listing() -> None:
        try:
            admin.call("listUnmanagedInstances", clusterid=base_request()["clusterid"])
        except requests.ConnectionError:
            ends.append("cut")

    thread = threading.Thread(target=listing)
    thread.start()
    until(lambda: twin.world.cloud.journal.requests.get("listUnmanagedInstances"))
    strike(twin, kind="cloudstack-restart", command="listZones")
    with pytest.raises(requests.ConnectionError):
        admin.call("listZones")
    thread.join()
    assert ends == ["cut"]
    assert "listZones" not in twin.world.cloud.journal.requests
    assert twin.cloudstack.restart()
    assert admin.call("listZones").status_code == 200


def test_two_instances_over_one_vm_are_found(twin: Twin, admin: Api) -> None:
    # Both imports have read the managed names before either writes: nothing stops the second without a NIC.
    twin.world.vms["vm-1"].nics.clear()
    both = threading.Barrier(2)
    twin.cloudstack.service.steps.on("started", lambda *_: void(both.wait(10)))
    sent = {name: value for name, value in base_request().items() if "nic" not in name}
    jobs = [admin.body("importUnmanagedInstance", **sent)["jobid"] for _ in range(2)]
    assert [admin.job(job)["jobstatus"] for job in jobs] == [1, 1]
    ids = [instance for _, instance in twin.world.cloud.journal.imports]
    assert truth.duplicates(twin.world) == {"vm-1": ids}
    assert truth.imported_once(twin.world) == []


def void(_: object) -> None:
    """Callbacks return nothing."""
