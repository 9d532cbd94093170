from __future__ import annotations

from typing import Any

import pytest

from ingest.cloudstack.catalogue import read_catalogue, select_clusters
from ingest.errors import UsageError
from ingest.model.catalogue import Cluster
from tests.cloudstack.api_server import Asked, Reply, payload, refusal, rows
from tests.cloudstack.conftest import Connect, Serve

CLUSTERS = [
    {"id": "c-2", "name": "vc/dc1/west", "zoneid": "z-1", "hypervisortype": "VMware"},
    {"id": "c-1", "name": "vc/dc1/east", "zoneid": "z-1", "hypervisortype": "VMware"},
    {"id": "c-3", "name": "vc/dc2/east", "zoneid": "z-2", "hypervisortype": "VMware"},
]
KEYS = {
    "listZones": "zone",
    "listServiceOfferings": "serviceoffering",
    "listDiskOfferings": "diskoffering",
    "listStoragePools": "storagepool",
    "listDomains": "domain",
    "listAccounts": "account",
    "listProjects": "project",
    "listVirtualMachines": "virtualmachine",
    "listVlanIpRanges": "vlaniprange",
    "listPhysicalNetworks": "physicalnetwork",
    "listNetworkOfferings": "networkoffering",
}


def event(number: int, second: int, vm: str, state: str) -> dict[str, Any]:
    """An entry about an import."""
    created = f"2026-01-01T10:00:{second:02}+0000"
    return {
        "id": f"e-{number}",
        "state": state,
        "created": created,
        "description": f"Importing unmanaged Instance: {vm}",
    }


# The newest first, as the server lists them; those of projects apart.
EVENTS = [event(4, 2, "db", "Started"), event(3, 2, "web", "Started"), event(2, 1, "website", "Scheduled")]
PROJECT_EVENTS = [event(1, 2, "web", "Scheduled")]


def cloud(asked: Asked) -> Reply:
    """A small CloudStack: two objects of each kind, in the wrong order."""
    parameters = asked.parameters
    match asked.command:
        case "listCapabilities":
            return payload(asked.command, {"capability": {"cloudstackversion": "4.22.0.0"}})
        case "listConfigurations":
            return rows(asked, "configuration", [{"name": parameters["name"], "value": "v"}])
        case "listClusters":
            return rows(asked, "cluster", CLUSTERS if parameters["hypervisor"] == "VMware" else [])
        case "listHosts":
            cluster = parameters["clusterid"]
            return rows(asked, "host", [{"id": f"h-{cluster}", "name": f"esx-{cluster}", "clusterid": cluster}])
        case "listNetworks":
            suffix = "p" if parameters.get("projectid") == "-1" else "n"
            return rows(asked, "network", [{"id": f"{suffix}-{number}", "name": "same"} for number in (2, 1)])
        case "listTemplates":
            return rows(asked, "template", [{"id": "t", "name": "t", "zoneid": zone} for zone in ("z-2", "z-1")])
        case "listGuestOsMapping":
            names = ("Ubuntu", "CentOS 7")
            return rows(asked, "guestosmapping", [{"id": name, "osdisplayname": name} for name in names])
        case "listOsTypes":
            return rows(asked, "ostype", [{"id": name, "description": name} for name in ("Ubuntu", "CentOS 7")])
        case "listUnmanagedInstances":
            cluster = parameters["clusterid"]
            found = [
                {"name": name, "clusterid": cluster, "hostid": host}
                for name, host in (("web", "h2"), ("web", "h1"), ("db", "h1"))
            ]
            return payload(asked.command, {"count": 3, "unmanagedinstance": found})
        case "listAsyncJobs":
            jobs = [("j-2", "2026-01-01T10:00:05+0000"), ("j-1", "2026-01-01T10:00:00+0000")]
            return rows(asked, "asyncjobs", [{"jobid": job, "created": created} for job, created in jobs])
        case "listEvents":
            return rows(asked, "event", PROJECT_EVENTS if "projectid" in parameters else EVENTS)
    objects: list[dict[str, Any]] = [
        {"id": "2", "name": "b"},
        {"id": "3", "name": "a"},
        {"id": "1", "name": "b"},
    ]
    return rows(asked, KEYS[asked.command], objects)


def test_everything_is_read_and_sorted(serve: Serve, connect: Connect) -> None:
    server = serve(cloud)
    catalogue = read_catalogue(connect(server))
    assert catalogue.cloudstack_version == "4.22.0.0"
    assert catalogue.configuration["job.expire.minutes"] == "v"
    assert [cluster.id for cluster in catalogue.clusters] == ["c-1", "c-2", "c-3"]
    assert [host.clusterid for host in catalogue.hosts] == ["c-1", "c-2", "c-3"]
    assert [network.id for network in catalogue.networks] == ["n-1", "n-2", "p-1", "p-2"]
    assert [template.zoneid for template in catalogue.templates] == ["z-1", "z-2"]
    assert [mapping.osdisplayname for mapping in catalogue.guest_os_mappings] == ["CentOS 7", "Ubuntu"]
    assert [os_type.description for os_type in catalogue.os_types] == ["CentOS 7", "Ubuntu"]
    assert [ip_range.id for ip_range in catalogue.ip_ranges or ()] == ["1", "2", "3"]
    for objects in (
        catalogue.zones,
        catalogue.physical_networks,
        catalogue.network_offerings,
        catalogue.service_offerings,
        catalogue.disk_offerings,
        catalogue.storage_pools,
        catalogue.domains,
        catalogue.accounts,
        catalogue.projects,
        catalogue.virtual_machines,
    ):
        assert [(each.name, each.id) for each in objects] == [("a", "3"), ("b", "1"), ("b", "2")]
    unmanaged = [(vm.name, vm.clusterid, vm.hostid) for vm in catalogue.unmanaged]
    assert unmanaged == sorted(unmanaged)
    assert len(unmanaged) == 9
    assert [job.jobid for job in catalogue.import_jobs] == ["j-1", "j-2"]
    # Of unmanaged VMs only, in the order they happened.
    assert [(each.imported, each.state) for each in catalogue.import_events] == [
        ("web", "Scheduled"),
        ("web", "Started"),
        ("db", "Started"),
    ]
    # What got managed meanwhile must show as managed.
    assert server.commands[-1] == "listVirtualMachines"


def test_a_key_that_may_not_list_everything_reads_the_rest(serve: Serve, connect: Connect) -> None:
    def without_some(asked: Asked) -> Reply:
        if asked.command not in ("listVlanIpRanges", "listAsyncJobs", "listEvents"):
            return cloud(asked)
        return refusal(asked.command, 432, "The API does not exist or is not available", wrapper="errorresponse")

    catalogue = read_catalogue(connect(serve(without_some)))
    assert catalogue.ip_ranges is None
    assert catalogue.import_jobs == ()
    assert catalogue.import_events == ()
    assert len(catalogue.networks) == 4


def test_reading_twice_gives_the_same(serve: Serve, connect: Connect) -> None:
    client = connect(serve(cloud))
    assert read_catalogue(client) == read_catalogue(client)


def test_only_the_chosen_clusters_are_read(serve: Serve, connect: Connect) -> None:
    server = serve(cloud)
    lines: list[str] = []
    catalogue = read_catalogue(connect(server), ["west"], progress=lines.append)
    assert [cluster.id for cluster in catalogue.clusters] == ["c-2"]
    assert {host.clusterid for host in catalogue.hosts} == {"c-2"}
    assert {vm.clusterid for vm in catalogue.unmanaged} == {"c-2"}
    listed = [asked for asked in server.asked if asked.command == "listUnmanagedInstances"]
    assert [asked.parameters["clusterid"] for asked in listed] == ["c-2"]
    assert any("unmanaged VMs of vc/dc1/west (cluster 1 of 1" in line for line in lines)


def test_a_wrong_cluster_name_is_told_before_anything_slow_is_asked(serve: Serve, connect: Connect) -> None:
    server = serve(cloud)
    with pytest.raises(UsageError):
        read_catalogue(connect(server), ["wets"])
    assert server.commands == ["listClusters"]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (None, ["c-1", "c-2", "c-3"]),
        ([], ["c-1", "c-2", "c-3"]),
        (["c-3"], ["c-3"]),
        (["vc/dc1/east"], ["c-1"]),
        (["west", "c-2", "vc/dc2/east"], ["c-2", "c-3"]),
    ],
)
def test_clusters_are_chosen_by_id_full_name_or_last_component(wanted: list[str] | None, ids: list[str]) -> None:
    clusters = [Cluster.model_validate(row) for row in CLUSTERS]
    assert [cluster.id for cluster in select_clusters(clusters, wanted)] == ids


def test_an_ambiguous_cluster_lists_the_candidates() -> None:
    clusters = [Cluster.model_validate(row) for row in CLUSTERS]
    with pytest.raises(UsageError) as caught:
        select_clusters(clusters, ["east"])
    assert "vc/dc1/east (c-1), vc/dc2/east (c-3)" in str(caught.value)
    assert "west" not in str(caught.value)


def test_an_unknown_cluster_lists_all() -> None:
    clusters = [Cluster.model_validate(row) for row in CLUSTERS]
    with pytest.raises(UsageError, match="no VMware cluster 'wes'") as caught:
        select_clusters(clusters, ["wes"])
    for each in CLUSTERS:
        assert f"{each['name']} ({each['id']})" in caught.value.cure
    with pytest.raises(UsageError, match="may see"):
        select_clusters([], ["west"])
