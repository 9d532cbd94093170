"""The steps of an import, and what is left when it fails, is lost or outlives its server at each of them."""

import threading
import time
from collections.abc import Callable

import pytest

from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.jobs import JobLost
from ingest.twin.cloudstack.refusals import ApiException, RuntimeFailure
from ingest.twin.cloudstack.service import Service
from ingest.twin.cloudstack.steps import STEPS, Step, Steps
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api, DirectApi
from tests.twin.cloudstack.tiny import base_request, disk, ident

# What a job that ends right after a step has written: instances, volumes, NICs, and whether it is counted.
LEFT: dict[Step, tuple[int, int, int, bool]] = {
    "accepted": (0, 0, 0, False),
    "started": (0, 0, 0, False),
    "found": (0, 0, 0, False),
    "checked": (0, 0, 0, False),
    "committed": (1, 0, 0, False),
    "volumes": (1, 2, 0, False),
    "nics": (1, 2, 1, False),
    "moved": (1, 2, 1, False),
    "completed": (1, 2, 1, True),
}


def submit(admin: Api) -> str:
    return str(admin.body("importUnmanagedInstance", **base_request())["jobid"])


def settled(world: World) -> None:
    """Return when no thread works at an import any more."""
    end = time.monotonic() + 30
    while world.cloud.journal.imports_running:
        assert time.monotonic() < end, "an import goes on and on"
        time.sleep(0.002)


def written(world: World) -> tuple[int, int, int, bool]:
    instances = [instance for instance in world.cloud.instances.values() if not instance.removed]
    nics = sum(len(instance.nics) for instance in instances)
    return len(instances), len(world.cloud.volumes), nics, any(instance.counted for instance in instances)


def test_every_step_is_announced_once_in_order(service: Service, admin: Api) -> None:
    seen: list[tuple[str, str, str]] = []
    ends = [service.steps.on(step, lambda *what: seen.append(what)) for step in STEPS]
    job_id = submit(admin)
    assert admin.job(job_id)["jobstatus"] == 1
    assert seen == [(step, job_id, "web01") for step in STEPS]
    for end in ends:
        end()
    admin.job(submit(admin))
    assert len(seen) == len(STEPS)


def test_an_unknown_step_is_no_step() -> None:
    with pytest.raises(ValueError, match="eaten is no step of an import: accepted, started"):
        Steps().on("eaten", print)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("how", ["restart", "lost"])
def test_a_job_that_is_lost_leaves_what_was_written(
    world: World, service: Service, admin: Api, step: Step, how: str
) -> None:
    def lose(*_: str) -> None:
        if how == "restart":
            service.jobs.lose_all()
        else:
            raise JobLost

    service.steps.on(step, lose)
    job = admin.job(submit(admin))
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert not {"jobresult", "jobresulttype"} & set(job)
    settled(world)
    assert written(world) == LEFT[step]
    assert len(service.reservations) == 0
    # A half-imported instance hides the VM.
    listed = admin.names("listUnmanagedInstances", "unmanagedinstance", clusterid=ident("cluster"), name="web01")
    assert listed == ([] if LEFT[step][0] else ["web01"])


@pytest.mark.parametrize("step", STEPS)
def test_a_server_thought_lost_finishes_what_the_job_says_has_failed(
    world: World, service: Service, admin: Api, step: Step
) -> None:
    service.steps.on(step, lambda *_: service.jobs.lose_all(work_goes_on=True))
    job_id = submit(admin)
    job = admin.job(job_id)
    settled(world)
    assert written(world) == LEFT["completed"]
    assert admin.body("queryAsyncJobResult", jobid=job_id) == job
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert "jobresult" not in job


@pytest.mark.parametrize("step", STEPS)
def test_a_job_that_fails_is_cleaned_up_until_it_is_complete(
    world: World, service: Service, admin: Api, step: Step
) -> None:
    def fail(*_: str) -> None:
        raise ApiException(534, "the agent is gone")

    service.steps.on(step, fail)
    job = admin.job(submit(admin))
    assert job["jobresult"] == {"errorcode": 534, "errortext": "the agent is gone"}
    assert written(world) == (LEFT["completed"] if step == "completed" else LEFT["accepted"])
    macs = [nic.macaddress for instance in world.cloud.instances.values() for nic in instance.nics]
    assert len(macs) == LEFT[step][2], "NIC rows outlive the clean-up"


def test_after_a_clean_up_only_force_helps(service: Service, admin: Api) -> None:
    def fail(*_: str) -> None:
        raise RuntimeFailure("no usage today")

    end = service.steps.on("moved", fail)
    assert admin.job(submit(admin))["jobresultcode"] == 530
    end()
    retried = admin.run("importUnmanagedInstance", **base_request())["jobresult"]
    assert retried["errortext"] == (
        "Failed to import NICs while importing vm: web01. NIC with MAC address 00:50:56:00:01:01 exists on network "
        "l2-100 and forced flag is disabled"
    )
    forced = admin.run("importUnmanagedInstance", **base_request(), forced="true")
    assert forced["jobresult"]["virtualmachine"]["nic"][0]["macaddress"] != "00:50:56:00:01:01"


@pytest.fixture
def held(service: Service) -> Callable[[Step], tuple[threading.Event, threading.Event]]:
    """Hold jobs at a step: (somebody is there, let go)."""

    def hold(step: Step) -> tuple[threading.Event, threading.Event]:
        there, go = threading.Event(), threading.Event()

        def wait(*_: str) -> None:
            there.set()
            assert go.wait(5)

        service.steps.on(step, wait)
        return there, go

    return hold


def test_a_job_that_never_ends_expires_and_works_on(
    world: World, admin: Api, held: Callable[[Step], tuple[threading.Event, threading.Event]]
) -> None:
    there, go = held("found")
    job_id = submit(admin)
    assert there.wait(5)
    job = world.cloud.jobs[job_id]
    job.created -= 1440 * 60 - 60
    assert admin.body("queryAsyncJobResult", jobid=job_id)["jobstatus"] == 0
    job.created -= 120
    assert admin.call("queryAsyncJobResult", jobid=job_id).status_code == 431
    assert admin.body("listAsyncJobs", listall="true") == {}
    go.set()
    settled(world)
    assert written(world) == LEFT["completed"]
    assert admin.call("queryAsyncJobResult", jobid=job_id).status_code == 431


def test_a_queued_job_waits_for_a_thread(world: World) -> None:
    assert World().cloud.job_threads == 125
    world.cloud.job_threads = 1
    service = Service(world)
    admin = DirectApi(Gateway(service), "admin-key", "admin-secret")
    there, go = threading.Event(), threading.Event()

    def wait(*_: str) -> None:
        there.set()
        assert go.wait(5)

    service.steps.on("found", wait)
    first, second = submit(admin), submit(admin)
    assert there.wait(5)
    assert [row["jobid"] for row in admin.rows("listAsyncJobs", "asyncjobs")] == [first, second]
    assert sorted(event.state for event in world.cloud.events) == ["Scheduled", "Scheduled", "Started"]
    go.set()
    assert admin.job(first)["jobstatus"] == 1
    assert admin.job(second)["jobresult"]["errortext"].startswith("Failed to find unmanaged vm")
    service.stop()


def test_the_cleaner_comes_every_ten_seconds(world: World, service: Service, admin: Api) -> None:
    world.cloud.job_cleaner_seconds = World().cloud.job_cleaner_seconds
    job_id = submit(admin)
    assert admin.job(job_id)["jobstatus"] == 1
    world.clock.jump(1441 * 60)
    with world.lock:
        assert service.jobs.find(job_id) is not None
    world.clock.run_at(10_000)
    world.clock.wait(threading.Event(), 11)
    with world.lock:
        assert service.jobs.find(job_id) is None


def test_durations_belong_to_the_vm_and_the_seed(world: World) -> None:
    world.cloud.import_seconds, world.cloud.import_jitter_seconds = 10, 5

    def durations(names: list[str]) -> dict[str, float]:
        service = Service(world)
        service.stop()
        return {name: service.import_seconds(name) for name in names}

    names = [f"vm{number}" for number in range(20)]
    first = durations(names)
    assert durations(names[::-1]) == first
    assert len(set(first.values())) == 20
    assert all(10 <= seconds <= 15 for seconds in first.values())
    world.seed += 1
    assert durations(names) != first


def test_disks_and_nics_take_their_time(world: World, admin: Api) -> None:
    world.clock.run_at(10_000)
    world.cloud.import_seconds_per_disk, world.cloud.import_seconds_per_nic = 100, 10
    submitted = submit(admin)
    assert admin.job(submitted)["jobstatus"] == 1
    job = world.cloud.jobs[submitted]
    assert job.completed is not None
    assert job.completed - job.created >= 210
    assert written(world) == LEFT["completed"]


def test_a_restart_between_two_disks_leaves_one(world: World, service: Service, admin: Api) -> None:
    world.cloud.import_seconds_per_disk = 0.05
    world.vms["vm-1"].disks = [disk(number, 1) for number in range(1, 9)]
    offerings = {}
    for number in range(7):
        offerings[f"datadiskofferinglist[{number}].disk"] = f"1-{2001 + number}"
        offerings[f"datadiskofferinglist[{number}].diskOffering"] = ident("do-custom")
    job_id = admin.body("importUnmanagedInstance", **base_request() | offerings)["jobid"]
    end = time.monotonic() + 30
    while not world.cloud.volumes:
        assert time.monotonic() < end
        time.sleep(0.002)
    service.jobs.lose_all()
    settled(world)
    assert "jobresult" not in admin.job(job_id)
    instances, volumes, nics, counted = written(world)
    assert (instances, nics, counted) == (1, 0, False)
    assert 1 <= volumes < 8
