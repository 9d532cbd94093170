"""Imports that overlap: what the server's checks stop, what they do not, and how limits hold all the same."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.twin.cloud import ResourceLimit
from ingest.twin.cloudstack.refusals import RuntimeFailure
from ingest.twin.cloudstack.service import Service
from ingest.twin.cloudstack.steps import Step
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.test_jobs import wait_for
from tests.twin.cloudstack.tiny import add_vm, base_request, ident


@pytest.fixture
def together(service: Service) -> Iterator[None]:
    """Two imports commit only when both have passed their checks."""
    both = threading.Barrier(2)

    def meet(*_: str) -> None:
        both.wait(5)

    end = service.steps.on("checked", meet)
    yield
    end()
    both.abort()


def race(api: Api, *changes: dict[str, str]) -> list[dict[str, Any]]:
    jobs = [api.body("importUnmanagedInstance", **base_request() | change)["jobid"] for change in changes]
    return [api.job(job) for job in jobs]


def machines(api: Api) -> list[dict[str, Any]]:
    return api.rows("listVirtualMachines", "virtualmachine", listall="true")


@pytest.mark.usefixtures("together")
def test_the_mac_stops_the_second_in_one_network(world: World, admin: Api) -> None:
    winner, loser = sorted(race(admin, {}, {"hostname": "other"}), key=lambda job: int(job["jobstatus"]))
    assert (winner["jobstatus"], loser["jobresultcode"]) == (1, 530)
    assert loser["jobresult"]["errortext"].endswith(
        "NIC with MAC address 00:50:56:00:01:01 exists on network l2-100 and forced flag is disabled"
    )
    assert len(machines(admin)) == 1
    assert len(world.cloud.journal.imports) == 2, "both committed a row; one was cleaned up"


def test_the_hostname_stops_the_second_once_the_first_has_its_nics(service: Service, admin: Api) -> None:
    first_is_done, second_has_names = threading.Event(), threading.Event()
    order: list[str] = []

    def started(step: str, job_id: str, name: str) -> None:
        order.append(job_id)
        if len(order) == 1:
            assert second_has_names.wait(5)
        else:
            second_has_names.set()
            assert first_is_done.wait(5)

    service.steps.on("started", started)
    service.steps.on("nics", lambda *_: first_is_done.set())
    jobs = race(admin, {}, {})
    statuses = {job["jobid"]: job for job in jobs}
    assert statuses[order[0]]["jobstatus"] == 1
    assert statuses[order[1]]["jobresult"] == {
        "errorcode": 431,
        "errortext": (
            f"VM with Name [web01] already exists in the network [l2-100] domain [{ident('ROOT')}]. Cannot import "
            "another VM with the same name. Please try again with a different name."
        ),
    }
    assert len(machines(admin)) == 1


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize(
    ("first", "second"),
    [({}, {"nicnetworklist[0].network": ident("l2-100-again")}), ({"forced": "true"}, {"forced": "true"})],
    ids=["other network", "forced"],
)
def test_nothing_stops_the_second(admin: Api, first: dict[str, str], second: dict[str, str]) -> None:
    assert [job["jobstatus"] for job in race(admin, first, second)] == [1, 1]
    found = machines(admin)
    assert [machine["instancename"] for machine in found] == ["web01", "web01"]
    nics = {(machine["nic"][0]["networkid"], machine["nic"][0]["macaddress"]) for machine in found}
    assert len(nics) == 2
    volumes = admin.rows("listVolumes", "volume", listall="true", type="ROOT")
    assert [volume["path"] for volume in volumes] == ["vm1_1", "vm1_1"], "two VMs over the same disks"


@pytest.mark.usefixtures("together")
def test_nothing_stops_the_second_without_nics(world: World, admin: Api) -> None:
    world.vms["vm-1"].nics = []
    assert [job["jobstatus"] for job in race(admin, {}, {})] == [1, 1]
    assert len(machines(admin)) == 2


def test_a_later_import_finds_nothing(admin: Api) -> None:
    assert race(admin, {})[0]["jobstatus"] == 1
    assert race(admin, {})[0]["jobresult"] == {
        "errorcode": 530,
        "errortext": f"Failed to find unmanaged vm with name: web01 in cluster: {ident('cluster')}",
    }


def test_of_two_vms_with_one_name_the_first_host_wins_and_the_other_is_hidden(world: World, admin: Api) -> None:
    add_vm(world, 3, "web01", host="host-2")
    rows = admin.rows("listUnmanagedInstances", "unmanagedinstance", clusterid=ident("cluster"), name="web01")
    assert {row["hostid"] for row in rows} == {ident("host-1"), ident("host-2")}
    assert race(admin, {})[0]["jobresult"]["virtualmachine"]["hostid"] == ident("host-1")
    assert world.cloud.journal.imports[0][0] == "vm-1"
    assert admin.body("listUnmanagedInstances", clusterid=ident("cluster"), name="web01") == {}
    assert race(admin, {})[0]["jobresult"]["errortext"].startswith("Failed to find unmanaged vm")


def bobs(name: str) -> dict[str, str]:
    """Another VM like web01, for bob."""
    network = {"nicnetworklist[0].network": ident("bob-100"), "account": "bob", "domainid": ident("dev")}
    alone = {key: value for key, value in base_request().items() if "disk" not in key}
    return alone | network | {"name": name}


@pytest.mark.parametrize(
    ("resource", "most", "step", "text"),
    [
        (
            "user_vm",
            1,
            "checked",
            "Account Resource Limit = 1, Current Account Resource Amount = 0, "
            "Current Account Resource Reservation = 1, Requested Resource Amount = 1.",
        ),
        # The row is there, the count comes at the end: the reservation still holds the place.
        (
            "cpu",
            3,
            "moved",
            "Account Resource Limit = 3, Current Account Resource Amount = 0, "
            "Current Account Resource Reservation = 2, Requested Resource Amount = 2.",
        ),
        (
            "primary_storage",
            39,
            "volumes",
            "Account Resource Limit = 41875931136, Current Account Resource Amount = 0, Current Account Resource "
            "Reservation = 21474836480, Requested Resource Amount = 21474836480.",
        ),
    ],
)
def test_a_reservation_holds_until_the_import_ends(
    world: World, service: Service, admin: Api, resource: str, most: int, step: Step, text: str
) -> None:
    for number, name in ((10, "one"), (11, "two"), (12, "three")):
        add_vm(world, number, name)
    world.cloud.limits = [ResourceLimit("account", ident("bob"), resource, most)]
    there, go = threading.Event(), threading.Event()

    def hold(_: str, job_id: str, name: str) -> None:
        if name == "one":
            there.set()
            assert go.wait(5)
            raise RuntimeFailure("no luck")

    service.steps.on(step, hold)
    held = admin.body("importUnmanagedInstance", **bobs("one"))["jobid"]
    assert there.wait(5)
    refused = admin.run("importUnmanagedInstance", **bobs("two"))
    assert refused["jobresult"]["errortext"].endswith(text)
    assert refused["jobresultcode"] == 530
    go.set()
    assert admin.job(held)["jobstatus"] == 2
    # The failed import gave its place back.
    assert admin.run("importUnmanagedInstance", **bobs("three"))["jobstatus"] == 1
    assert len(service.reservations) == 0


def test_parallel_imports_cannot_overshoot(world: World, service: Service, admin: Api) -> None:
    names = [f"vm{number}" for number in range(10, 22)]
    for number, name in enumerate(names, start=10):
        add_vm(world, number, name)
    world.cloud.limits = [ResourceLimit("domain", ident("dev"), "user_vm", 5)]
    # None ends before all are checked: one that ends is counted a moment before its reservation is released.
    all_of_them, go = threading.Barrier(len(names)), threading.Event()

    def meet(*_: str) -> None:
        all_of_them.wait(30)

    def hold(*_: str) -> None:
        assert go.wait(30)

    service.steps.on("found", meet)
    service.steps.on("checked", hold)
    jobs = [admin.body("importUnmanagedInstance", **bobs(name))["jobid"] for name in names]
    wait_for(lambda: sum(world.cloud.jobs[job].status == 2 for job in jobs) >= 7)
    go.set()
    results = [admin.job(job) for job in jobs]
    assert sorted(job["jobstatus"] for job in results) == [1] * 5 + [2] * 7
    assert len(service.reservations) == 0
