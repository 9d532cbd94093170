"""The twin's guests as health checks see them: up, late, never, broken, off; and the journal of who reached them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.health import Check, HeartbeatCheck, HttpCheck, IpCheck, Patience, TcpCheck, run_checks
from ingest.health.connecting import Route, route_of
from ingest.twin.cloud import Instance, InstanceNic, new_id
from ingest.twin.registration import register, settle
from ingest.twin.serving import Twin
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.world import VM, World
from ingest.twin.worlds.recovery import Guests, recovery_site
from ingest.vsphere.guests import read_guests
from ingest.vsphere.session import VCenter, connect
from tests.plan.twin_site import vcenter_of

GUESTS = Guests(hang=1, late=1, broken=1, late_s=0.6)
PATIENCE = Patience(timeout_s=5.0, deadline_s=4.0, first_pause_s=0.05, longest_pause_s=0.2)


@pytest.fixture
def twin() -> Iterator[Twin]:
    world = recovery_site(5, seed=4, own=1, guests=GUESTS)
    compute = next(iter(world.computes.values()))
    host = next(host.moref for host in world.hosts.values() if host.compute == compute.moref)
    home = world.datacenters[compute.datacenter].vm_folder
    for stored in list(world.unregistered.values()):
        vm = register(world, stored, name=stored.vm.name, folder=home, host=host, pool=compute.resource_pool)
        settle(world, vm, copied=False)
    settings = VCenterSettings(guest_boot_s=0.1, guest_address_s=0.1)
    with Twin(world, vcenter_settings=settings) as running:
        yield running


@pytest.fixture
def vcenter(twin: Twin) -> Iterator[VCenter]:
    with connect(vcenter_of(twin)) as session:
        yield session


@pytest.fixture
def route(twin: Twin) -> Route:
    return route_of(twin.environment()["INGEST_HEALTH_PROXY"])


def replicas(world: World) -> list[VM]:
    return sorted((vm for vm in world.vms.values() if vm.services), key=lambda vm: vm.name)


def test_guests_come_up_late_never_or_broken(twin: Twin, vcenter: VCenter, route: Route) -> None:
    world = twin.world
    hanging, late, broken, healthy, off = replicas(world)
    with world.lock:
        addresses = {vm.moref: next(iter(vm.nics[0].ips), "") for vm in replicas(world)}
        for vm in (hanging, late, broken, healthy):
            world.switch(vm, "poweredOn")
    assert all(addresses.values())
    checks: list[Check] = []
    for vm in (hanging, late, broken, healthy, off):
        ip = addresses[vm.moref]
        checks += [
            HeartbeatCheck(vm.moref, vm.name),
            IpCheck(vm.moref, vm.name, address=ip),
            TcpCheck(ip, 22),
            HttpCheck(f"http://{ip}/", text=f"{vm.name} is up"),
        ]
    checks.append(TcpCheck(addresses[healthy.moref], 23))
    checks.append(TcpCheck("192.0.2.77", 22))
    results = run_checks(checks, patience=PATIENCE, guests=lambda morefs: read_guests(vcenter, morefs), route=route)
    passed = [[result.ok for result in results[start : start + 4]] for start in range(0, 20, 4)]
    assert passed == [[False] * 4, [True] * 4, [True, True, True, False], [True] * 4, [False] * 4]
    assert min(result.attempts for result in results[4:8]) > 1, "the late one"
    assert [result.last_words for result in results if not result.ok] == [
        "VMware Tools do not run", "VMware Tools do not run", *["504 no host answers at that address"] * 2,
        "status 500: database is gone",
        "it is poweredOff", "it is poweredOff", *["504 no host answers at that address"] * 2,
        "502 connection refused",
        "504 no host answers at that address",
    ]  # fmt: skip
    reached = {(facts["vm"], facts["port"]) for facts in world.cloud.journal.of("guest-reached")}
    assert reached == {(vm.name, port) for vm in (late, broken, healthy) for port in (22, 80)}


def test_a_guest_that_is_switched_off_is_gone(twin: Twin, vcenter: VCenter, route: Route) -> None:
    vm = replicas(twin.world)[3]
    with twin.world.lock:
        twin.world.switch(vm, "poweredOn")
        check = TcpCheck(vm.nics[0].ips[0], 22)
    assert run_checks([check], patience=PATIENCE, route=route)[0].ok
    with twin.world.lock:
        twin.world.switch(vm, "poweredOff")
    assert not run_checks([check], patience=Patience(5.0, 0.0), route=route)[0].ok
    assert read_guests(vcenter, [vm.moref, "vm-99999"]).keys() == {vm.moref}


def test_a_guest_takes_the_address_that_cloudstack_offers(twin: Twin, vcenter: VCenter) -> None:
    world, vm = twin.world, replicas(twin.world)[3]
    with world.lock:
        host = next(iter(world.cloud.hosts.values()))
        network = next(iter(world.cloud.networks.values()))
        account = world.cloud.accounts[network.accountid]
        instance = Instance(
            id=new_id(), name="here", displayname="here", instancename=vm.name, state="Stopped", zoneid=host.zoneid,
            podid=host.podid, clusterid=host.clusterid, hostid=host.id, accountid=account.id,
            domainid=account.domainid, serviceofferingid=next(iter(world.cloud.service_offerings)), templateid="",
            guestosid=next(iter(world.cloud.os_types), ""), cpunumber=1, memory=1024, moref=vm.moref, created=0.0,
        )  # fmt: skip
        instance.nics.append(InstanceNic(new_id(), network.id, vm.nics[0].mac, "10.99.0.7", True, 0))
        world.cloud.instances[instance.id] = instance
        world.switch(vm, "poweredOn")
    (result,) = run_checks(
        [IpCheck(vm.moref, vm.name, subnet="10.99.0.0/24")],
        patience=PATIENCE,
        guests=lambda morefs: read_guests(vcenter, morefs),
    )
    assert result.ok, result.last_words
