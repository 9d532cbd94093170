"""Parallel imports, and the races the real server does not prevent."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ingest.twin.cloudstack import CloudStackServer
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import add_vm, base_request, ident


@pytest.fixture
def admin(server: CloudStackServer) -> Api:
    return Api(server.url, "admin-key", "admin-secret")


def single_disk_request(name: str) -> dict[str, str]:
    return {name_: value for name_, value in base_request().items() if "disk" not in name_} | {"name": name}


def test_twenty_imports_at_once(world: World, admin: Api) -> None:
    world.cloud.import_seconds, world.cloud.import_jitter_seconds = 1.0, 0.2
    for number in range(10, 30):
        add_vm(world, number, f"vm{number}")
    with ThreadPoolExecutor(20) as pool:
        jobs = list(
            pool.map(
                lambda number: admin.run("importUnmanagedInstance", **single_disk_request(f"vm{number}")), range(10, 30)
            )
        )
    assert [job["jobstatus"] for job in jobs] == [1] * 20
    journal = world.cloud.journal
    assert {moref for moref, _ in journal.imports} == {f"vm-{number}" for number in range(10, 30)}
    assert len(journal.imports) == journal.imports_accepted == 20
    assert journal.peak_imports_running == 20
    assert journal.imports_running == 0
    assert journal.requests["importUnmanagedInstance"] == 20


def test_the_job_pool_is_a_ceiling(world: World) -> None:
    world.cloud.import_seconds, world.cloud.job_threads = 0.05, 3
    for number in range(10, 20):
        add_vm(world, number, f"vm{number}")
    with CloudStackServer(world) as server:
        admin = Api(server.url, "admin-key", "admin-secret")
        jobs = [
            admin.body("importUnmanagedInstance", **single_disk_request(f"vm{number}"))["jobid"]
            for number in range(10, 20)
        ]
        assert [admin.job(job)["jobstatus"] for job in jobs] == [1] * 10
    assert world.cloud.journal.peak_imports_running == 3


def race(api: Api, *changes: dict[str, str]) -> list[dict[str, Any]]:
    jobs = [api.body("importUnmanagedInstance", **base_request() | change)["jobid"] for change in changes]
    return [api.job(job) for job in jobs]


def machines(api: Api) -> list[dict[str, Any]]:
    return api.rows("listVirtualMachines", "virtualmachine", listall="true")


@pytest.fixture(autouse=True)
def _imports_take_a_while(world: World) -> None:
    world.cloud.import_seconds = 0.6


def test_race_in_one_network_is_stopped_by_the_mac(world: World, admin: Api) -> None:
    statuses = sorted(job["jobstatus"] for job in race(admin, {}, {}))
    assert statuses == [1, 2]
    assert len(machines(admin)) == 1
    assert len(world.cloud.journal.imports) == 2, "both committed a row; one was cleaned up"


@pytest.mark.parametrize(
    "second", [{"nicnetworklist[0].network": ident("l2-100-again")}, {"forced": "true"}], ids=["network", "forced"]
)
def test_race_that_nothing_stops(admin: Api, second: dict[str, str]) -> None:
    both = {"forced": "true"} if "forced" in second else {}
    assert [job["jobstatus"] for job in race(admin, both, second)] == [1, 1]
    found = machines(admin)
    assert [machine["instancename"] for machine in found] == ["web01", "web01"]
    nics = {(machine["nic"][0]["networkid"], machine["nic"][0]["macaddress"]) for machine in found}
    assert len(nics) == 2


def test_race_of_a_vm_without_nics(world: World, admin: Api) -> None:
    world.vms["vm-1"].nics = []
    assert [job["jobstatus"] for job in race(admin, {}, {})] == [1, 1]
    assert len(machines(admin)) == 2


def test_a_later_import_finds_nothing(admin: Api) -> None:
    assert race(admin, {})[0]["jobstatus"] == 1
    assert race(admin, {})[0]["jobresult"]["errortext"].startswith("Failed to find unmanaged vm with name: web01")


def test_a_hundred_clients_while_lists_are_slow(world: World, admin: Api) -> None:
    world.cloud.list_seconds_per_vm = 0.3
    with ThreadPoolExecutor(100) as pool:
        counts = list(
            pool.map(lambda _: admin.body("listUnmanagedInstances", clusterid=ident("cluster"))["count"], range(100))
        )
    assert counts == [2] * 100
