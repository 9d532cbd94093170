"""Many clients at once."""

from concurrent.futures import ThreadPoolExecutor

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


def test_a_hundred_clients_while_lists_are_slow(world: World, admin: Api) -> None:
    world.cloud.list_seconds_per_vm = 0.3
    with ThreadPoolExecutor(100) as pool:
        counts = list(
            pool.map(lambda _: admin.body("listUnmanagedInstances", clusterid=ident("cluster"))["count"], range(100))
        )
    assert counts == [2] * 100
