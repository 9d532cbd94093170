"""Limits of accounts and domains, and what counts against them."""

import pytest

from ingest.twin.cloud import Account, Domain, ResourceLimit
from ingest.twin.cloudstack.limits import Reservation, Reservations, Resource, account_limit, counted, domain_limit
from ingest.twin.cloudstack.refusals import ResourceAllocation
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import GIB, base_request, ident

BOB, DEV, ROOT = ident("bob"), ident("dev"), ident("ROOT")


@pytest.fixture
def eve(world: World) -> Account:
    """An account in a domain below bob's."""
    cloud = world.cloud
    cloud.domains["below"] = Domain("below", "below", "ROOT/dev/below", DEV, 2)
    cloud.accounts["eve"] = Account("eve", "eve", "below")
    return cloud.accounts["eve"]


def test_a_limit_of_ones_own_beats_the_setting(world: World) -> None:
    cloud = world.cloud
    assert account_limit(cloud, BOB, "cpu") == domain_limit(cloud, DEV, "cpu") == -1
    cloud.configuration |= {"max.account.cpus": "40", "max.domain.cpus": "80", "max.project.primary.storage": "200"}
    assert (account_limit(cloud, BOB, "cpu"), domain_limit(cloud, DEV, "cpu")) == (40, 80)
    assert account_limit(cloud, ident("project-account"), "primary_storage") == 200
    cloud.limits = [ResourceLimit("account", BOB, "cpu", 0), ResourceLimit("domain", DEV, "cpu", -1)]
    assert (account_limit(cloud, BOB, "cpu"), domain_limit(cloud, DEV, "cpu")) == (0, -1)


def test_root_has_no_limits(world: World) -> None:
    world.cloud.limits = [ResourceLimit("account", ident("admin"), "cpu", 1), ResourceLimit("domain", ROOT, "cpu", 1)]
    assert account_limit(world.cloud, ident("admin"), "cpu") == domain_limit(world.cloud, ROOT, "cpu") == -1


@pytest.mark.parametrize(
    ("resource", "amount"),
    [("user_vm", 1), ("cpu", 2), ("memory", 4096), ("volume", 2), ("primary_storage", 40 * GIB), ("network", 1)],
)
def test_what_counts(world: World, admin: Api, resource: Resource, amount: int) -> None:
    bobs = {"account": "bob", "domainid": DEV, "nicnetworklist[0].network": ident("bob-100")}
    machine = admin.run("importUnmanagedInstance", **base_request() | bobs)["jobresult"]["virtualmachine"]
    cloud = world.cloud
    assert counted(cloud, "account", BOB, resource) == amount
    assert counted(cloud, "domain", DEV, resource) == amount
    assert counted(cloud, "domain", ROOT, resource) >= amount
    assert counted(cloud, "account", ident("project-account"), resource) == (1 if resource == "network" else 0)
    assert admin.run("unmanageVirtualMachine", id=machine["id"])["jobstatus"] == 1
    assert counted(cloud, "account", BOB, resource) == (1 if resource == "network" else 0)


def test_a_domain_above_stops_those_below(world: World, eve: Account) -> None:
    world.cloud.limits = [ResourceLimit("domain", DEV, "user_vm", 2), ResourceLimit("domain", "below", "user_vm", 5)]
    reservations = Reservations(world.cloud)
    bobs, eves = Reservation(reservations, world.cloud.accounts[BOB]), Reservation(reservations, eve)
    bobs.add("user_vm", 1)
    eves.add("user_vm", 1)
    with pytest.raises(ResourceAllocation) as refused:
        eves.add("user_vm", 1)
    assert refused.value.text == (
        f"Maximum domain resource limits of Type 'user_vm' for Domain Id = {DEV} is exceeded: Domain Resource Limit = "
        "2, Current Domain Resource Amount = 0, Current Resource Reservation = 2, Requested Resource Amount = 1."
    )
    bobs.release()
    eves.add("user_vm", 1)
    eves.release()
    assert len(reservations) == 0
