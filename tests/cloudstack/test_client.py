"""The typed methods: what they ask for, and what callers get."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ingest.errors import NotTheApi, Refused, UnknownOutcome
from ingest.model.catalogue import Job, UnmanagedInstance
from ingest.model.request import ImportRequest
from tests.cloudstack.api_server import UNKNOWN_JOB, Asked, Reply, payload, refusal, rows
from tests.cloudstack.conftest import Connect, Serve

WEB01: dict[str, Any] = {
    "name": "web01",
    "clusterid": "c-1",
    "hostid": "h-1",
    "hostname": "esx1.lab",
    "powerstate": "PowerOff",
    "cpunumber": 2,
    "memory": 4096,
    "newfield": {"of": "a later release"},
    "disk": [{"id": "37-2000", "capacity": 42949672960, "controller": "pvscsi", "controllerunit": 0, "position": 0}],
    "nic": [{"id": "Network adapter 1", "macaddress": "00:50:56:aa:bb:01", "vlanid": 100}],
}


def sent(asked: Asked) -> dict[str, str]:
    """What the caller chose: the parameters without those every call has."""
    common = {"command", "response", "apikey", "signature", "signatureversion", "expires", "page", "pagesize"}
    return {name: value for name, value in asked.parameters.items() if name not in common}


LISTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "list_zones": ("listZones", "zone", {}),
    "list_pods": ("listPods", "pod", {}),
    "list_clusters": ("listClusters", "cluster", {"hypervisor": "VMware"}),
    "list_hosts": ("listHosts", "host", {"type": "Routing"}),
    "list_physical_networks": ("listPhysicalNetworks", "physicalnetwork", {}),
    "list_network_offerings": ("listNetworkOfferings", "networkoffering", {"state": "Enabled"}),
    "list_ip_ranges": ("listVlanIpRanges", "vlaniprange", {}),
    "list_service_offerings": ("listServiceOfferings", "serviceoffering", {"listall": "true"}),
    "list_disk_offerings": ("listDiskOfferings", "diskoffering", {"listall": "true"}),
    "list_storage_pools": ("listStoragePools", "storagepool", {}),
    "list_domains": ("listDomains", "domain", {"listall": "true"}),
    "list_accounts": ("listAccounts", "account", {"listall": "true"}),
    "list_own_accounts": ("listAccounts", "account", {}),
    "list_projects": ("listProjects", "project", {"listall": "true"}),
    "list_templates": ("listTemplates", "template", {"templatefilter": "all", "listall": "true"}),
    "list_os_types": ("listOsTypes", "ostype", {}),
    "list_system_vms": ("listSystemVms", "systemvm", {}),
    "list_routers": ("listRouters", "router", {"listall": "true", "projectid": "-1"}),
    "list_volumes": ("listVolumes", "volume", {"listall": "true", "projectid": "-1"}),
    "list_guest_os_mappings": ("listGuestOsMapping", "guestosmapping", {"hypervisor": "VMware"}),
    "list_virtual_machines": (
        "listVirtualMachines",
        "virtualmachine",
        {"listall": "true", "projectid": "-1", "details": "nics,servoff,tmpl,iso"},
    ),
}


@pytest.mark.parametrize("method", LISTS, ids=list(LISTS))
def test_lists_give_every_object_once_and_ask_for_all(serve: Serve, connect: Connect, method: str) -> None:
    command, key, parameters = LISTS[method]
    objects = [{"id": f"id-{index}", "name": f"n{index}"} for index in range(501)]
    # A row that moved to the next page while somebody created an object.
    server = serve(lambda asked: rows(asked, key, [*objects[:500], *objects[499:]]))
    found = getattr(connect(server), method)()
    assert [each.id for each in found] == [each["id"] for each in objects]
    assert server.commands == [command, command]
    assert sent(server.asked[0]) == parameters


def test_lists_of_nothing(serve: Serve, connect: Connect) -> None:
    client = connect(serve(lambda asked: payload(asked.command, {})))
    for method in LISTS:
        assert getattr(client, method)() == []
    assert client.list_networks() == []
    assert client.list_unmanaged_instances("c-1") == []
    assert client.list_apis("importUnmanagedInstance") == []
    assert client.list_async_jobs() == []
    assert client.list_configurations(["a"]) == {}
    assert client.capabilities().cloudstackversion == ""


def test_filters_are_sent(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {}))
    client = connect(server)
    client.list_hosts("c-1")
    client.list_virtual_machines(vm_id="v-1", zone_id="z-1", name="web01", network_id="n-1")
    client.list_clusters("KVM")
    client.list_clusters(None)
    client.list_service_offerings("all")
    client.list_disk_offerings("all")
    client.list_volumes("v-1")
    client.list_volume_snapshots("d-1")
    client.list_vm_snapshots("v-1")
    client.list_configurations(["wait"], zone_id="z-1")
    hosts, machines, clusters, all_clusters, *offerings, volumes, of_volume, of_vm, settings = (
        sent(asked) for asked in server.asked
    )
    assert hosts == {"type": "Routing", "clusterid": "c-1"}
    assert (machines["id"], machines["zoneid"], machines["name"]) == ("v-1", "z-1", "web01")
    assert (machines["networkid"], machines["details"]) == ("n-1", "nics,servoff,tmpl,iso")
    everything = {"listall": "true", "projectid": "-1"}
    assert volumes == of_vm == {**everything, "virtualmachineid": "v-1"}
    assert of_volume == {**everything, "volumeid": "d-1"}
    assert settings == {"name": "wait", "zoneid": "z-1"}
    assert clusters == {"hypervisor": "KVM"}
    assert all_clusters == {}
    assert offerings == [{"listall": "true", "state": "all"}] * 2


def test_networks_of_projects_are_found_too(serve: Serve, connect: Connect) -> None:
    plain = [{"id": "n-1", "name": "office", "broadcasturi": "vlan://100", "vlan": 100}]
    of_projects = [{"id": "n-2", "name": "lab", "projectid": "p-1"}]

    def answering(asked: Asked) -> Reply:
        if asked.parameters.get("listall") != "true":
            return payload(asked.command, {})
        return rows(asked, "network", of_projects if asked.parameters.get("projectid") == "-1" else plain)

    networks = connect(serve(answering)).list_networks()
    assert [(network.id, network.projectid, network.vlan) for network in networks] == [
        ("n-1", "", "100"),
        ("n-2", "p-1", ""),
    ]


def test_networks_that_both_passes_show_are_given_once(serve: Serve, connect: Connect) -> None:
    objects = [{"id": "n-1", "name": "office"}, {"id": "n-2", "name": "lab", "projectid": "p-1"}]
    networks = connect(serve(lambda asked: rows(asked, "network", objects))).list_networks()
    assert [network.id for network in networks] == ["n-1", "n-2"]


def test_templates_are_given_once_for_each_zone(serve: Serve, connect: Connect) -> None:
    objects = [{"id": "t-1", "name": "base", "zoneid": zone} for zone in ("z-1", "z-2", "z-1")]
    templates = connect(serve(lambda asked: rows(asked, "template", objects))).list_templates()
    assert [(template.id, template.zoneid) for template in templates] == [("t-1", "z-1"), ("t-1", "z-2")]


def test_unmanaged_instances_come_in_one_call_with_all_twins(serve: Serve, connect: Connect) -> None:
    listed = [WEB01, {**WEB01, "hostid": "h-2"}] + [{"name": f"vm{index}"} for index in range(700)]
    server = serve(lambda asked: payload(asked.command, {"count": len(listed), "unmanagedinstance": listed}))
    found = connect(server).list_unmanaged_instances("c-1", name="web01")
    assert len(found) == 702
    assert (found[0].name, found[0].hostid, found[1].hostid) == ("web01", "h-1", "h-2")
    assert found[0].disk[0].capacity == 42949672960
    assert found[0].nic[0].vlanid == 100
    assert isinstance(found[0], UnmanagedInstance)
    [asked] = server.asked
    assert sent(asked) == {"clusterid": "c-1", "name": "web01"}
    assert "page" not in asked.parameters


def test_configurations_are_matched_by_their_whole_name(serve: Serve, connect: Connect) -> None:
    known = [
        {"name": "default.page.size", "value": "500"},
        {"name": "my.default.page.size.too", "value": "1"},
        {"name": "unset.one"},
    ]

    def answering(asked: Asked) -> Reply:
        return rows(asked, "configuration", [each for each in known if asked.parameters["name"] in str(each["name"])])

    client = connect(serve(answering))
    names = ["default.page.size", "unset.one", "missing.one"]
    assert client.list_configurations(names) == {"default.page.size": "500", "unset.one": ""}


def test_configurations_of_a_zone_and_network_offerings_of_every_state(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {}))
    client = connect(server)
    client.list_configurations(["wait"], zone_id="z-1")
    client.list_network_offerings(None)
    assert [sent(asked) for asked in server.asked] == [{"name": "wait", "zoneid": "z-1"}, {}]


def test_capabilities_and_apis(serve: Serve, connect: Connect) -> None:
    def answering(asked: Asked) -> Reply:
        if asked.command == "listCapabilities":
            return payload(asked.command, {"capability": {"cloudstackversion": "4.22.0.0", "apilimitmax": 25}})
        parameters = [{"name": "clusterid", "type": "uuid", "required": True}]
        api = {"name": asked.parameters["name"], "isasync": True, "params": parameters}
        return payload(asked.command, {"count": 1, "api": [api]})

    client = connect(serve(answering))
    assert (client.capabilities().cloudstackversion, client.capabilities().apilimitmax) == ("4.22.0.0", 25)
    [api] = client.list_apis("importUnmanagedInstance")
    assert (api.name, api.isasync, api.params[0].name, api.params[0].required) == (
        "importUnmanagedInstance",
        True,
        "clusterid",
        True,
    )


def test_running_imports(serve: Serve, connect: Connect) -> None:
    job = {"jobid": "j-1", "cmd": "org.apache.X.ImportUnmanagedInstanceCmd", "jobstatus": 0}
    server = serve(lambda asked: rows(asked, "asyncjobs", [job]))
    assert connect(server).list_async_jobs() == [Job.model_validate(job)]
    assert connect(server).running_job_ids() == {"j-1"}
    asked = [sent(one) for one in server.asked]
    assert asked == 2 * [{"listall": "true", "keyword": "ImportUnmanagedInstanceCmd"}]


def test_a_running_job_without_an_id(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: rows(asked, "asyncjobs", [{"jobstatus": 0}]))
    with pytest.raises(NotTheApi, match="without `jobid`"):
        connect(server).running_job_ids()


def test_an_import_gives_the_job_id(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {"jobid": asked.parameters["customjobid"]}))
    request = ImportRequest("c-1", "web 01", "so-1", nic_networks=(("Network adapter 1", "n-1"),), custom_job_id="j-9")
    assert connect(server).import_unmanaged_instance(request) == "j-9"
    [asked] = server.asked
    assert (asked.method, asked.command) == ("POST", "importUnmanagedInstance")
    assert sent(asked) == {
        "clusterid": "c-1",
        "name": "web 01",
        "serviceofferingid": "so-1",
        "nicnetworklist[0].nic": "Network adapter 1",
        "nicnetworklist[0].network": "n-1",
        "migrateallowed": "false",
        "forced": "false",
        "customjobid": "j-9",
    }


def test_giving_a_vm_back_gives_the_job_id(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {"jobid": "j-2"}))
    assert connect(server).unmanage_virtual_machine("v-1") == "j-2"
    assert (server.commands, sent(server.asked[0])) == (["unmanageVirtualMachine"], {"id": "v-1"})


def test_other_changes_to_vms_give_the_job_id(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: payload(asked.command, {"jobid": "j-3"}))
    client = connect(server)
    assert client.unmanage_virtual_machine("v-1", custom_job_id="j-3") == "j-3"
    assert client.start_virtual_machine("v-1") == "j-3"
    assert client.stop_virtual_machine("v-1", forced=True) == "j-3"
    assert client.create_tags(["v-1", "v-2"], {"run": "r-1", "plan": "p"}) == "j-3"
    assert [(asked.command, sent(asked)) for asked in server.asked] == [
        ("unmanageVirtualMachine", {"id": "v-1", "customjobid": "j-3"}),
        ("startVirtualMachine", {"id": "v-1"}),
        ("stopVirtualMachine", {"id": "v-1", "forced": "true"}),
        (
            "createTags",
            {
                "resourcetype": "UserVm",
                "resourceids": "v-1,v-2",
                "tags[0].key": "run",
                "tags[0].value": "r-1",
                "tags[1].key": "plan",
                "tags[1].value": "p",
            },
        ),
    ]


@pytest.mark.parametrize("content", [{}, {"jobid": ""}, {"jobid": 7}, {"success": True}])
def test_a_change_answered_without_job_id_may_have_happened(
    serve: Serve, connect: Connect, content: dict[str, Any]
) -> None:
    client = connect(serve(lambda asked: payload(asked.command, content)))
    with pytest.raises(UnknownOutcome, match="without a job id"):
        client.unmanage_virtual_machine("v-1")


def test_a_jobs_states(serve: Serve, connect: Connect) -> None:
    result = {"errorcode": 530, "errortext": "no"}
    contents: Iterator[dict[str, Any]] = iter(
        [
            {"jobid": "j-1", "jobstatus": 0, "jobresultcode": 0},
            {"jobid": "j-1", "jobstatus": 1, "jobresult": {"virtualmachine": {"id": "v"}}},
            {"jobid": "j-1", "jobstatus": 2, "jobresultcode": 530, "jobresult": result},
            {"jobstatus": 2, "jobresultcode": 530},
        ]
    )
    client = connect(serve(lambda asked: payload(asked.command, next(contents))))
    assert [client.query_job("j-1") for _ in range(4)] == [
        Job(jobid="j-1"),
        Job(jobid="j-1", jobstatus=1, jobresult={"virtualmachine": {"id": "v"}}),
        Job(jobid="j-1", jobstatus=2, jobresultcode=530, jobresult=result),
        Job(jobid="j-1", jobstatus=2, jobresultcode=530),
    ]


def test_an_unknown_job_is_none_and_other_refusals_stay_errors(serve: Serve, connect: Connect) -> None:
    unknown = connect(serve(lambda asked: refusal(asked.command, 431, UNKNOWN_JOB, cserrorcode=9999)))
    assert unknown.query_job("j-1") is None
    for code, text in ((431, "something else about j-1"), (530, UNKNOWN_JOB)):
        client = connect(serve(lambda asked, code=code, text=text: refusal(asked.command, code, text)))
        with pytest.raises(Refused):
            client.query_job("j-1")


def test_an_object_that_cannot_be_one_names_the_field(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: rows(asked, "zone", [{"id": "z-1"}]))
    with pytest.raises(NotTheApi, match="listZones: a Zone with an unusable `name`"):
        connect(server).list_zones()
