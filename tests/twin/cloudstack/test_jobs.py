"""Jobs, custom job ids, events, loss of the management server, unmanage."""

import threading
import time

import pytest

from ingest.twin.cloudstack import CloudStackServer
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import base_request, ident

JOB = "0d7a0f9c-8e3b-4c51-9d8a-2f3a6b1c4d5e"
UNKNOWN = (
    "Unable to execute API command queryasyncjobresult due to invalid value. Invalid parameter jobid value={} due to "
    "incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the field in "
    "api cmd class."
)


def states(api: Api, **parameters: str) -> list[tuple[str, str]]:
    rows = api.rows("listEvents", "event", type="VM.IMPORT", keyword="web01", **parameters)
    return [(row["state"], row["level"]) for row in reversed(rows)]


def wait_for(condition: object, timeout_s: float = 30) -> None:
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def test_a_job_from_start_to_end(world: World, admin: Api) -> None:
    world.cloud.import_seconds = 0.4
    assert admin.body("importUnmanagedInstance", **base_request(), customjobid=JOB) == {"jobid": JOB}
    pending = admin.body("queryAsyncJobResult", jobid=JOB)
    assert (pending["jobstatus"], pending["jobresultcode"], pending["jobprocstatus"]) == (0, 0, 0)
    assert not {"jobresult", "completed", "jobresulttype"} & set(pending)
    assert pending["cmd"] == "org.apache.cloudstack.api.command.admin.vm.ImportUnmanagedInstanceCmd"
    (row,) = admin.rows("listAsyncJobs", "asyncjobs", keyword="importunmanaged")
    assert row["jobid"] == JOB
    assert "web01" not in str(row)
    done = admin.job(JOB)
    assert (done["jobstatus"], done["jobresulttype"], done["account"]) == (1, "object", "admin")
    assert done["completed"].endswith("+0000")
    assert done["jobresult"]["virtualmachine"]["name"] == "web01"
    assert admin.body("listAsyncJobs", listall="true") == {}


def test_custom_job_ids(world: World, admin: Api) -> None:
    world.cloud.import_seconds = 0.3
    assert admin.body("importUnmanagedInstance", **base_request(), customjobid=JOB) == {"jobid": JOB}
    again = admin.body("importUnmanagedInstance", **base_request(), customjobid=JOB)
    assert (again["errorcode"], again["errortext"]) == (
        431,
        f"UUID: {JOB} already exists so can't create/update with custom id",
    )
    admin.job(JOB)
    late = admin.body("importUnmanagedInstance", **base_request(), customjobid=JOB)
    assert (late["errorcode"], late["cserrorcode"], late["errortext"]) == (530, 9999, "Entity already exists ")
    assert len(world.cloud.journal.imports) == 1
    assert world.cloud.journal.imports_accepted == 1
    # Each refused duplicate left an event all the same.
    assert sorted(state for state, _ in states(admin)) == [
        "Completed",
        "Scheduled",
        "Scheduled",
        "Scheduled",
        "Started",
    ]


def test_unknown_jobs(admin: Api) -> None:
    answer = admin.call("queryAsyncJobResult", jobid=JOB)
    assert answer.status_code == 431
    assert answer.json()["queryasyncjobresultresponse"]["errortext"] == UNKNOWN.format(JOB)


def test_finished_jobs_expire(world: World, admin: Api) -> None:
    job = admin.run("importUnmanagedInstance", **base_request(), customjobid=JOB)
    assert job["jobstatus"] == 1
    world.cloud.jobs[JOB].completed = time.time() - 1441 * 60
    assert admin.call("queryAsyncJobResult", jobid=JOB).status_code == 431
    # The id is free again.
    assert admin.body("importUnmanagedInstance", **base_request(), customjobid=JOB) == {"jobid": JOB}


def test_events_tell_success_and_not_found_only(world: World, admin: Api) -> None:
    admin.run("importUnmanagedInstance", **base_request() | {"hostname": "-"})
    assert states(admin) == [("Scheduled", "INFO")]
    world.cloud.events.clear()
    admin.run("importUnmanagedInstance", **base_request() | {"nicnetworklist[0].network": ident("l2-200")})
    assert states(admin) == [("Scheduled", "INFO"), ("Started", "INFO")]
    world.cloud.events.clear()
    admin.run("importUnmanagedInstance", **base_request())
    assert states(admin) == [("Scheduled", "INFO"), ("Started", "INFO"), ("Completed", "INFO")]
    world.cloud.events.clear()
    admin.run("importUnmanagedInstance", **base_request())
    assert states(admin) == [("Scheduled", "INFO"), ("Started", "INFO"), ("Completed", "ERROR")]


def test_events_of_projects_are_hidden(admin: Api) -> None:
    owner = {"projectid": ident("project"), "nicnetworklist[0].network": ident("project-100")}
    admin.run("importUnmanagedInstance", **base_request() | owner)
    assert states(admin, listall="true") == []
    assert len(states(admin, listall="true", projectid="-1")) == 3


def test_a3_cluster_removed_between_call_and_job(world: World) -> None:
    world.cloud.job_threads, world.cloud.import_seconds = 1, 0.3
    with CloudStackServer(world) as server:
        admin = Api(server.url, "admin-key", "admin-secret")
        admin.body("importUnmanagedInstance", **base_request() | {"clusterid": ident("cluster2")})
        queued = admin.body("importUnmanagedInstance", **base_request())["jobid"]
        with world.lock:
            del world.cloud.clusters[ident("cluster")]
        job = admin.job(queued)
    assert job["jobresult"] == {"errorcode": 431, "errortext": "Cluster with ID [1] cannot be found."}


@pytest.mark.parametrize(("share", "rows"), [(0.3, 0), (0.9, 1)])
def test_a_restart_loses_jobs_and_leaves_what_was_written(
    world: World, server: CloudStackServer, share: float, rows: int
) -> None:
    admin = Api(server.url, "admin-key", "admin-secret")
    world.cloud.import_seconds = 1.0
    job_id = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    if rows:
        wait_for(lambda: len(world.cloud.volumes) == 2)
    else:
        time.sleep(share)
    server.lose_jobs()
    job = admin.job(job_id)
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert not {"jobresult", "jobresulttype"} & set(job)
    wait_for(lambda: world.cloud.journal.imports_running == 0)
    instances = list(world.cloud.instances.values())
    assert [(instance.removed, len(instance.nics)) for instance in instances] == [(False, 0)] * rows
    assert len(world.cloud.volumes) == 2 * rows
    # A half-imported instance hides the VM.
    hidden = "web01" not in admin.names("listUnmanagedInstances", "unmanagedinstance", clusterid=ident("cluster"))
    assert hidden == bool(rows)


def test_stop_is_prompt_with_jobs_and_lists_in_flight(world: World) -> None:
    world.cloud.import_seconds = world.cloud.list_seconds_per_vm = 60
    server = CloudStackServer(world)
    server.start()
    admin = Api(server.url, "admin-key", "admin-secret")
    job_id = admin.body("importUnmanagedInstance", **base_request())["jobid"]
    lister = threading.Thread(target=lambda: admin.call("listUnmanagedInstances", clusterid=ident("cluster")))
    lister.start()
    wait_for(lambda: "listUnmanagedInstances" in world.cloud.journal.requests)
    start = time.monotonic()
    server.stop()
    lister.join()
    assert time.monotonic() - start < 5
    assert (world.cloud.jobs[job_id].status, world.cloud.jobs[job_id].result) == (2, None)
    # A new server on the same world knows the old jobs.
    with CloudStackServer(world) as again:
        assert Api(again.url, "admin-key", "admin-secret").job(job_id)["jobresultcode"] == 530


def test_a_failed_import_leaves_its_first_nics(world: World, admin: Api) -> None:
    """The second NIC's MAC is taken, so the clean-up runs; the row of the first NIC stays and blocks a retry."""
    assert admin.run("importUnmanagedInstance", **base_request())["jobstatus"] == 1
    world.vms["vm-2"].nics[1].mac = world.vms["vm-1"].nics[0].mac
    world.vms["vm-2"].nics[1].network, world.vms["vm-2"].nics[1].backing = "network-1", "standard"
    request = app02() | {
        "nicnetworklist[1].network": ident("l2-100"),
        "nicnetworklist[0].network": ident("l2-100-again"),
    }
    failed = admin.run("importUnmanagedInstance", **request)
    cause = "NIC with MAC address {} exists on network {} and forced flag is disabled"
    text = "Failed to import NICs while importing vm: app02. "
    assert failed["jobresult"] == {
        "errorcode": 530,
        "errortext": text + cause.format("00:50:56:00:01:01", "l2-100"),
    }
    assert admin.names("listVirtualMachines", "virtualmachine", listall="true") == ["web01"]
    assert admin.names("listUnmanagedInstances", "unmanagedinstance", clusterid=ident("cluster")) == ["app02"]
    assert len(admin.rows("listVolumes", "volume", listall="true")) == 2
    world.vms["vm-2"].nics[1].mac = "00:50:56:00:02:02"
    retried = admin.run("importUnmanagedInstance", **request)
    assert retried["jobresult"]["errortext"] == text + cause.format("00:50:56:00:02:01", "l2-100-again")
    forced = admin.run("importUnmanagedInstance", **request, forced="true")
    macs = [nic["macaddress"] for nic in forced["jobresult"]["virtualmachine"]["nic"]]
    assert macs[0] != "00:50:56:00:02:01"
    assert macs[1] == "00:50:56:00:02:02"


def app02() -> dict[str, str]:
    return base_request() | {
        "name": "app02",
        "datadiskofferinglist[0].disk": "2-2001",
        "datadiskofferinglist[1].disk": "2-2002",
        "datadiskofferinglist[1].diskOffering": ident("do-custom"),
        "nicnetworklist[1].nic": "Network adapter 2",
        "nicnetworklist[1].network": ident("l2-200"),
    }


def test_unmanage_gives_the_vm_back(world: World, admin: Api) -> None:
    machine = admin.run("importUnmanagedInstance", **base_request())["jobresult"]["virtualmachine"]
    job = admin.run("unmanageVirtualMachine", id=machine["id"])
    assert job["jobresult"] == {
        "unmanagevirtualmachineresponse": {
            "success": True,
            "details": "VM unmanaged successfully",
            "hostid": ident("host-1"),
        }
    }
    assert admin.body("listVirtualMachines", listall="true") == {}
    assert admin.body("listVolumes", listall="true") == {}
    assert "vm-1" in world.vms
    assert admin.run("importUnmanagedInstance", **base_request())["jobstatus"] == 1


def test_unmanage_may_keep_the_nics(world: World, admin: Api) -> None:
    world.cloud.configuration["unmanage.vm.preserve.nics"] = "true"
    machine = admin.run("importUnmanagedInstance", **base_request())["jobresult"]["virtualmachine"]
    admin.run("unmanageVirtualMachine", id=machine["id"])
    again = admin.run("importUnmanagedInstance", **base_request())
    assert "forced flag is disabled" in again["jobresult"]["errortext"]
    assert admin.run("importUnmanagedInstance", **base_request(), forced="true")["jobstatus"] == 1


def test_unmanage_after_a_snapshot_hides_the_vm(world: World, admin: Api) -> None:
    world.vms["vm-1"].disks[0].parent_file = "[ds1] web01/web01.vmdk"
    machine = admin.run("importUnmanagedInstance", **base_request())["jobresult"]["virtualmachine"]
    admin.run("unmanageVirtualMachine", id=machine["id"])
    assert admin.names("listUnmanagedInstances", "unmanagedinstance", clusterid=ident("cluster")) == ["app02"]


def test_unmanage_preconditions(world: World, admin: Api) -> None:
    machine = admin.run("importUnmanagedInstance", **base_request())["jobresult"]["virtualmachine"]
    world.cloud.instances[machine["id"]].state = "Migrating"
    refused = admin.run("unmanageVirtualMachine", id=machine["id"])["jobresult"]
    assert refused == {
        "errorcode": 530,
        "errortext": f"VM with id = {machine['id']} must be running or stopped to be unmanaged",
    }
    world.cloud.instances[machine["id"]].state = "Stopped"
    del world.vms["vm-1"]
    refused = admin.run("unmanageVirtualMachine", id=machine["id"])["jobresult"]
    assert refused == {"errorcode": 530, "errortext": "VM web01 is not found in the hypervisor"}


def test_the_substring_trap_of_pools(world: World, admin: Api) -> None:
    """`ds1` also matches `/DC/ds10`: the first pool in the database wins, right or wrong."""
    pools = world.cloud.storage_pools
    right = pools.pop(ident("pool-ds1"))
    pools[ident("pool-ds10")] = type(right)(
        ident("pool-ds10"), "pool-ds10", "/DC/ds10", ident("zone"), ident("cluster2")
    )
    pools[right.id] = right
    assert admin.run("importUnmanagedInstance", **base_request())["jobstatus"] == 1
    assert {row["storage"] for row in admin.rows("listVolumes", "volume", listall="true")} == {"pool-ds10"}


def test_network_storage_matches_host_and_path_first(world: World, admin: Api) -> None:
    for disk in world.vms["vm-1"].disks:
        disk.datastore = "datastore-2"
    assert admin.run("importUnmanagedInstance", **base_request())["jobstatus"] == 1
    assert {row["storage"] for row in admin.rows("listVolumes", "volume", listall="true")} == {"pool-nfs"}
