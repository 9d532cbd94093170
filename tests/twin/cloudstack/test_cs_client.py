"""The `cs` client from PyPI, unmodified, against the twin: what works, and its own bugs as documented facts."""

import ssl
from pathlib import Path

import pytest
import trustme
from cs import CloudStack, CloudStackApiException, CloudStackException

from ingest.twin.cloud import Zone
from ingest.twin.cloudstack import CloudStackServer
from ingest.twin.world import World
from tests.twin.cloudstack.test_jobs import wait_for
from tests.twin.cloudstack.tiny import base_request, ident

# As `cs` wants maps: lists of dictionaries.
IMPORT = {
    "clusterid": ident("cluster"),
    "name": "web01",
    "serviceofferingid": ident("so-custom"),
    "nicnetworklist": [{"nic": "Network adapter 1", "network": ident("l2-100")}],
    "datadiskofferinglist": [{"disk": "1-2001", "diskOffering": ident("do-custom")}],
}


def client(server: CloudStackServer, user: str = "admin", **options: object) -> CloudStack:
    return CloudStack(server.url, f"{user}-key", f"{user}-secret", poll_interval=0.01, **options)


@pytest.fixture(params=["get", "post"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_lists(server: CloudStackServer, method: str) -> None:
    cs = client(server, method=method)
    assert cs.listZones(name="zone")["count"] == 1
    assert [row["name"] for row in cs.listPods(zoneid=ident("zone"))["pod"]] == ["zone-pod"]
    assert cs.listZones(name="none") == {}
    named = cs.listZones(ids=[ident("zone"), ident("zone2")])
    assert named["count"] == 2


@pytest.mark.parametrize("count", [1, 999, 1000, 1001])
def test_fetch_list_reads_every_page(world: World, server: CloudStackServer, count: int) -> None:
    world.cloud.zones.clear()
    for number in range(count):
        world.cloud.zones[ident(f"many-{number}")] = Zone(ident(f"many-{number}"), f"many-{number}")
    rows = client(server).listZones(fetch_list=True)
    assert [row["name"] for row in rows] == [f"many-{number}" for number in range(count)]
    assert client(server).listZones(fetch_list=True, name="none") == []


def test_an_import_is_polled_to_its_end(world: World, server: CloudStackServer, method: str) -> None:
    world.cloud.import_seconds = 0.05
    cs = client(server, method=method, fetch_result=True)
    machine = cs.importUnmanagedInstance(**IMPORT)["virtualmachine"]
    assert (machine["instancename"], machine["nic"][0]["networkid"]) == ("web01", ident("l2-100"))
    started = cs.startVirtualMachine(id=machine["id"])["virtualmachine"]
    assert started["state"] == "Running"
    tags = [{"key": "run", "value": "7"}]
    assert cs.createTags(resourcetype="UserVm", resourceids=[machine["id"]], tags=tags) == {"success": True}
    assert cs.listVirtualMachines(tags=tags)["count"] == 1
    stopped = cs.stopVirtualMachine(id=machine["id"], forced=True)["virtualmachine"]
    assert stopped["state"] == "Stopped"
    answer = cs.unmanageVirtualMachine(id=machine["id"])["unmanagevirtualmachineresponse"]
    assert answer["success"] is True


def test_without_fetch_result_the_job_id_comes_back(server: CloudStackServer) -> None:
    cs = client(server)
    job = cs.importUnmanagedInstance(**IMPORT, customjobid="0d7a0f9c-8e3b-4c51-9d8a-2f3a6b1c4d5e")
    assert job == {"jobid": "0d7a0f9c-8e3b-4c51-9d8a-2f3a6b1c4d5e"}
    assert cs.queryAsyncJobResult(**job)["cmd"].endswith("ImportUnmanagedInstanceCmd")


def test_networks_are_made_and_removed(server: CloudStackServer) -> None:
    cs = client(server, fetch_result=True, method="post")
    made = cs.createNetwork(
        name="cs", zoneid=ident("zone"), networkofferingid=ident("DefaultL2NetworkOfferingVlan"), vlan=777
    )["network"]
    assert made["broadcasturi"] == "vlan://777"
    assert cs.deleteNetwork(id=made["id"]) == {"success": True}
    assert cs.listNetworks(vlan=777) == {}


def test_refusals(server: CloudStackServer) -> None:
    with pytest.raises(CloudStackApiException) as missing:
        client(server).listTemplates()
    assert (missing.value.error["errorcode"], missing.value.error["cserrorcode"]) == (431, 9999)
    assert missing.value.response.headers["X-Description"] == missing.value.error["errortext"]
    with pytest.raises(CloudStackApiException) as role:
        client(server, "reader").listPods()
    assert role.value.error["errorcode"] == 432
    with pytest.raises(CloudStackApiException) as unknown:
        client(server).noSuchThing()
    assert unknown.value.error["errorcode"] == 401
    with pytest.raises(CloudStackApiException) as expired:
        client(server).listZones(expires="2020-01-01T00:00:00+0000", signatureVersion="3")
    assert expired.value.error["errorcode"] == 401


def test_a_failed_job_is_an_exception_with_the_servers_words(server: CloudStackServer) -> None:
    wrong = IMPORT | {"nicnetworklist": [{"nic": "Network adapter 1", "network": ident("l2-200")}]}
    with pytest.raises(CloudStackApiException) as failed:
        client(server, fetch_result=True).importUnmanagedInstance(**wrong)
    assert failed.value.error["errorcode"] == 530
    assert failed.value.error["errortext"].startswith(f"VLAN of network(ID: {ident('l2-200')})")


def test_a_get_that_is_too_long_meets_the_container(server: CloudStackServer) -> None:
    many = IMPORT | {"nicnetworklist": [{"nic": f"Network adapter {n}", "network": ident("l2-100")} for n in range(90)]}
    with pytest.raises(CloudStackException, match="HTTP 414"):
        client(server).importUnmanagedInstance(**many)
    assert "jobid" in client(server, method="post").importUnmanagedInstance(**many)


def test_enforced_post(world: World, server: CloudStackServer) -> None:
    world.cloud.configuration["enforce.post.requests.and.timestamps"] = "true"
    with pytest.raises(CloudStackApiException) as refused:
        client(server).importUnmanagedInstance(**IMPORT)
    assert refused.value.error["errorcode"] == 400
    assert "jobid" in client(server, method="post").importUnmanagedInstance(**IMPORT)
    assert client(server).listZones()["count"] == 2


def test_tls_with_a_private_authority(world: World, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with CloudStackServer(world, ssl_context=context) as server:
        assert client(server, verify=str(tmp_path / "ca.pem")).listZones()["count"] == 2


def test_bug_a_tilde_breaks_its_signature(server: CloudStackServer) -> None:
    """`cs` leaves `~` as it is where Java's URLEncoder writes %7E."""
    with pytest.raises(CloudStackApiException) as refused:
        client(server).listZones(name="~")
    assert refused.value.error["errorcode"] == 401


def test_bug_a_failed_job_without_a_result_is_never_seen_to_end(world: World, server: CloudStackServer) -> None:
    """After a restart of the management server a job has no jobresult. `cs` trips over that (KeyError), takes it for a
    fault of the connection and asks again; its count of failures starts anew with every answer, so only the time limit
    ends it.
    """
    world.cloud.import_seconds = 60
    cs = client(server, job_timeout=1)
    job = cs.importUnmanagedInstance(**IMPORT)
    wait_for(lambda: world.cloud.journal.imports_running)
    server.lose_jobs()
    with pytest.raises(CloudStackException, match="Timeout waiting for async job result"):
        cs._jobresult(jobid=job["jobid"])
    assert world.cloud.journal.requests["queryAsyncJobResult"] > 11
    assert cs.queryAsyncJobResult(**job)["jobstatus"] == 2


def test_base_request_is_what_cs_sends(server: CloudStackServer) -> None:
    """The flat form of the maps is the same request."""
    assert "jobid" in client(server).importUnmanagedInstance(**base_request())
