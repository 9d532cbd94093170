"""Start and stop change the VM in vCenter too, step by step; unmanage turns nothing of that back."""

import threading
from dataclasses import replace

import pytest

from ingest.model.inventory import Vlan
from ingest.twin.cloud import Instance
from ingest.twin.cloudstack import CloudStackServer
from ingest.twin.registration import settle
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.test_jobs import app02, wait_for
from tests.twin.cloudstack.tiny import base_request, ident


def imported(world: World, admin: Api, request: dict[str, str] | None = None) -> Instance:
    job = admin.run("importUnmanagedInstance", **(request or base_request()))
    assert job["jobstatus"] == 1, job
    return world.cloud.instances[job["jobresult"]["virtualmachine"]["id"]]


def test_a_start_applies_what_cloudstack_believes(world: World, admin: Api) -> None:
    instance = imported(world, admin, base_request() | {"serviceofferingid": ident("so-fixed")})
    vm = world.vms["vm-1"]
    revision = vm.revision
    instance.nics[0].macaddress = "02:01:00:00:00:07"
    machine = admin.run("startVirtualMachine", id=instance.id)["jobresult"]["virtualmachine"]
    assert (machine["state"], vm.power_state) == ("Running", "poweredOn")
    assert (vm.cpus, vm.memory_mib, vm.cpu_reservation_mhz) == (2, 4096, 0)
    assert vm.nics[0].mac == "02:01:00:00:00:07"
    assert world.networks[vm.nics[0].network].name == "cloud.guest.100.200.1-vSwitch0"
    assert vm.nics[0].device_name == "cloud.guest.100.200.1-vSwitch0"
    vlans = {
        host.name: [group.vlan_id for group in host.portgroups if group.name == vm.nics[0].device_name]
        for host in world.hosts.values()
    }
    assert vlans == {"esx1": [100], "esx2": [100], "esx3": []}
    assert vm.custom_fields == {"cloud.vm.internal.name": "web01"}
    assert vm.revision > revision


def test_the_reservation_follows_the_zone(world: World, admin: Api) -> None:
    instance = imported(world, admin)
    world.cloud.zone_configuration[ident("zone")] = {"vmware.reserve.cpu": "true"}
    admin.run("startVirtualMachine", id=instance.id)
    assert world.vms["vm-1"].cpu_reservation_mhz == instance.cpunumber * 2000


def test_cards_on_a_distributed_switch_stay_on_it(world: World, admin: Api) -> None:
    instance = imported(world, admin, app02())
    admin.run("stopVirtualMachine", id=instance.id)
    assert admin.run("startVirtualMachine", id=instance.id)["jobstatus"] == 1
    first, second = world.vms["vm-2"].nics
    group = world.networks[second.network]
    assert (first.backing, second.backing) == ("standard", "dvs")
    assert (group.name, group.vlan, group.switch) == ("cloud.guest.200.200.1-dvs", Vlan("id", 200), "dvs-1")


def test_a_private_vlan_needs_a_distributed_switch(world: World, admin: Api) -> None:
    world.vms["vm-1"].nics[0] = replace(world.vms["vm-1"].nics[0], network="dvportgroup-2", backing="dvs")
    request = base_request() | {"nicnetworklist[0].network": ident("pvlan-300")}
    instance = imported(world, admin, request)
    assert admin.run("startVirtualMachine", id=instance.id)["jobstatus"] == 1
    vm = world.vms["vm-1"]
    expected = Vlan("pvlan", primary=300, secondary=301, pvlan_type="isolated")
    assert world.networks[vm.nics[0].network].vlan == expected
    admin.run("stopVirtualMachine", id=instance.id, forced="true")
    vm.nics[0] = replace(vm.nics[0], network="network-1", backing="standard")
    refused = admin.run("startVirtualMachine", id=instance.id)
    assert refused["jobresult"] == {
        "errorcode": 534,
        "errortext": "Unable to prepare network pvlan-300: a standard switch has no private VLANs",
    }
    assert (instance.state, vm.power_state, vm.nics[0].network) == ("Stopped", "poweredOff", "network-1")


def test_a_network_without_vlan_gets_one_at_the_first_start(world: World, admin: Api) -> None:
    world.vms["vm-1"].nics[0].network = "network-2"
    made = admin.body(
        "createNetwork", name="open", zoneid=ident("zone"), networkofferingid=ident("DefaultL2NetworkOffering")
    )
    network = world.cloud.networks[made["network"]["id"]]
    instance = imported(world, admin, base_request() | {"nicnetworklist[0].network": network.id})
    physical = world.cloud.physical_networks[ident("physical-zone")]
    physical.vlan = ""
    refused = admin.run("startVirtualMachine", id=instance.id)["jobresult"]
    assert refused["errorcode"] == 533
    assert instance.state == "Stopped"
    physical.vlan = "400-409,420"
    assert admin.run("startVirtualMachine", id=instance.id)["jobstatus"] == 1
    assert (network.broadcasturi, network.state) == ("vlan://400", "Implemented")


@pytest.mark.parametrize("forced", ["true", "false"])
def test_a_stop_frees_the_host_and_keeps_it_in_mind(world: World, admin: Api, forced: str) -> None:
    instance = imported(world, admin, app02())
    assert instance.hostid == ident("host-2")
    machine = admin.run("stopVirtualMachine", id=instance.id, forced=forced)["jobresult"]["virtualmachine"]
    assert machine["state"] == "Stopped"
    assert "hostid" not in machine
    assert world.vms["vm-2"].power_state == "poweredOff"
    again = admin.run("startVirtualMachine", id=instance.id)["jobresult"]["virtualmachine"]
    assert again["hostid"] == ident("host-2")


def test_a_guest_that_is_asked_takes_its_time_and_a_power_off_none(world: World, admin: Api) -> None:
    instance = imported(world, admin, app02())
    world.cloud.power_seconds = 60
    asked = admin.body("stopVirtualMachine", id=instance.id)["jobid"]
    wait_for(lambda: instance.state == "Stopping")
    assert world.vms["vm-2"].power_state == "poweredOn"
    pending = admin.body("queryAsyncJobResult", jobid=asked)
    assert (pending["jobinstancetype"], pending["jobinstanceid"]) == ("VirtualMachine", instance.id)
    assert pending["managementservername"] == "twin"
    refused = admin.run("unmanageVirtualMachine", id=instance.id)["jobresult"]
    assert refused["errortext"] == f"VM with id = {instance.id} must be running or stopped to be unmanaged"
    assert admin.run("stopVirtualMachine", id=instance.id, forced="true")["jobstatus"] == 1
    assert world.vms["vm-2"].power_state == "poweredOff"
    rows = admin.rows("listAsyncJobs", "asyncjobs", resourcetype="VirtualMachine", resourceid=instance.id)
    assert [row["jobid"] for row in rows] == [asked]


def test_a_pending_job_forbids_to_unmanage(world: World, admin: Api) -> None:
    instance = imported(world, admin, app02())
    job = admin.run("stopVirtualMachine", id=instance.id)
    world.cloud.jobs[job["jobid"]].status = 0
    refused = admin.run("unmanageVirtualMachine", id=instance.id)["jobresult"]
    assert refused["errortext"] == (
        f"There are pending jobs or HA tasks working on the VM with id: {instance.id}, can't unmanage the VM."
    )


def test_states_in_between_and_a_restart_of_the_management_server(world: World, server: CloudStackServer) -> None:
    admin = Api(server.url, "admin-key", "admin-secret")
    instance = imported(world, admin)
    world.cloud.power_seconds = 60
    job_id = admin.body("startVirtualMachine", id=instance.id)["jobid"]
    wait_for(lambda: instance.state == "Starting")
    assert admin.rows("listVirtualMachines", "virtualmachine")[0]["state"] == "Starting"
    server.lose_jobs()
    assert admin.job(job_id)["jobresultcode"] == 530
    wait_for(lambda: instance.state == "Stopped")
    assert world.vms["vm-1"].power_state == "poweredOff"


def test_a_vm_that_vanishes_while_it_starts(world: World, admin: Api) -> None:
    instance = imported(world, admin)
    world.cloud.power_seconds = 0.2
    job_id = admin.body("startVirtualMachine", id=instance.id)["jobid"]
    wait_for(lambda: instance.state == "Starting")
    with world.lock:
        del world.vms["vm-1"]
    job = admin.job(job_id)
    assert (job["jobresultcode"], instance.state) == (530, "Stopped")


def test_preserved_nics_are_a_setting_of_the_zone(world: World, admin: Api) -> None:
    world.cloud.zone_configuration[ident("zone")] = {"unmanage.vm.preserve.nics": "true"}
    instance = imported(world, admin)
    admin.run("unmanageVirtualMachine", id=instance.id)
    assert [nic.macaddress for nic in instance.nics] == ["00:50:56:00:01:01"]
    assert {volume.removed for volume in world.cloud.volumes.values()} == {True}
    assert admin.run("deleteNetwork", id=ident("l2-100"))["jobresult"] == {"success": True}


def test_events_are_linked_to_their_first(world: World, admin: Api) -> None:
    instance = imported(world, admin)
    admin.run("startVirtualMachine", id=instance.id)
    rows = admin.rows("listEvents", "event", type="VM.START")
    assert [row["state"] for row in rows] == ["Completed", "Started", "Scheduled"]
    scheduled = rows[-1]
    assert "parentid" not in scheduled
    assert {row["parentid"] for row in rows[:2]} == {scheduled["id"]}
    assert {row["username"] for row in rows} == {"admin"}
    linked = admin.rows("listEvents", "event", startid=scheduled["id"])
    assert [row["id"] for row in linked] == [row["id"] for row in rows]
    of_vm = admin.rows("listEvents", "event", resourcetype="VirtualMachine", resourceid=instance.id)
    assert [row["type"] for row in of_vm] == ["VM.START"] * 3
    # An import links neither its events nor its job to a VM.
    assert all("parentid" not in row for row in admin.rows("listEvents", "event", type="VM.IMPORT"))


def test_unmanage_leaves_the_vm_as_the_start_made_it(world: World, admin: Api) -> None:
    instance = imported(world, admin)
    admin.run("startVirtualMachine", id=instance.id)
    vm = world.vms["vm-1"]
    before = (vm.cpus, vm.memory_mib, vm.power_state, [nic.network for nic in vm.nics])
    instance.tags["run"] = "7"
    assert admin.run("unmanageVirtualMachine", id=instance.id)["jobstatus"] == 1
    assert (vm.cpus, vm.memory_mib, vm.power_state, [nic.network for nic in vm.nics]) == before
    assert (instance.tags, instance.details, instance.nics) == ({}, {}, [])


def test_two_starts_at_once(world: World, admin: Api) -> None:
    """The second finds the VM Starting or Running, and says so."""
    instance = imported(world, admin)
    world.cloud.power_seconds = 0.05
    jobs: list[dict[str, object]] = []
    threads = [
        threading.Thread(target=lambda: jobs.append(admin.run("startVirtualMachine", id=instance.id))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job["jobstatus"] for job in jobs) == [1, 2]
    assert instance.state == "Running"


def test_a_start_waits_until_somebody_says_whether_the_vm_was_moved(world: World, admin: Api) -> None:
    instance = imported(world, admin)
    vm = world.vms["vm-1"]
    admin.run("stopVirtualMachine", id=instance.id, forced="true")
    uuid, vm.uuid_location = vm.bios_uuid, "another site"
    job = admin.body("startVirtualMachine", id=instance.id)["jobid"]
    wait_for(lambda: vm.question.startswith("msg.uuid.altered:"))
    assert (vm.power_state, instance.state) == ("poweredOff", "Starting")
    with world.lock:
        settle(world, vm, copied=False)
        vm.question = ""
    wait_for(lambda: vm.power_state == "poweredOn")
    assert admin.job(job)["jobstatus"] == 1
    assert (vm.bios_uuid, instance.state) == (uuid, "Running")
    assert [facts["by"] for facts in world.cloud.journal.of("started")] == [f"cloudstack {instance.id}"]


def test_a_start_ends_when_its_question_is_cancelled(world: World, admin: Api) -> None:
    instance = imported(world, admin)
    vm = world.vms["vm-1"]
    admin.run("stopVirtualMachine", id=instance.id, forced="true")
    vm.uuid_location = "another site"
    job = admin.body("startVirtualMachine", id=instance.id)["jobid"]
    wait_for(lambda: bool(vm.question))
    with world.lock:
        vm.question = ""
    ended = admin.job(job)
    assert ended["jobstatus"] == 2
    assert "canceled in vCenter" in ended["jobresult"]["errortext"]
    assert (vm.power_state, instance.state) == ("poweredOff", "Stopped")
