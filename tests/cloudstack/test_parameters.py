from __future__ import annotations

from ingest.cloudstack.parameters import import_parameters, wire
from ingest.model.request import ImportRequest


def test_map_keys_have_the_exact_case_the_server_reads() -> None:
    request = ImportRequest(
        cluster_id="c-1",
        name="web01",
        service_offering_id="so-1",
        hostname="web01-host",
        display_name="Web 01",
        account="alice",
        domain_id="d-1",
        project_id="p-1",
        template_id="t-1",
        nic_networks=(("Network adapter 1", "n-1"), ("Network adapter 2", "n-2")),
        nic_addresses=(("Network adapter 2", "10.0.0.7"), ("Network adapter 3", "auto")),
        data_disk_offerings=(("37-2001", "do-1"),),
        details=(("cpuSpeed", "2000"), ("miniops", "100")),
        migrate_allowed=True,
        forced=False,
        custom_job_id="0b1f6e9c-0d6c-4a9e-8d3b-3f1e1a2b3c4d",
    )
    assert wire(import_parameters(request)) == {
        "clusterid": "c-1",
        "name": "web01",
        "serviceofferingid": "so-1",
        "hostname": "web01-host",
        "displayname": "Web 01",
        "account": "alice",
        "domainid": "d-1",
        "projectid": "p-1",
        "templateid": "t-1",
        "customjobid": "0b1f6e9c-0d6c-4a9e-8d3b-3f1e1a2b3c4d",
        "migrateallowed": "true",
        "forced": "false",
        "nicnetworklist[0].nic": "Network adapter 1",
        "nicnetworklist[0].network": "n-1",
        "nicnetworklist[1].nic": "Network adapter 2",
        "nicnetworklist[1].network": "n-2",
        "nicipaddresslist[0].nic": "Network adapter 2",
        "nicipaddresslist[0].ip4Address": "10.0.0.7",
        "nicipaddresslist[1].nic": "Network adapter 3",
        "nicipaddresslist[1].ip4Address": "auto",
        "datadiskofferinglist[0].disk": "37-2001",
        "datadiskofferinglist[0].diskOffering": "do-1",
        "details[0].cpuSpeed": "2000",
        "details[0].miniops": "100",
    }


def test_what_a_request_leaves_empty_is_not_sent() -> None:
    request = ImportRequest(cluster_id="c-1", name="web01", service_offering_id="so-1")
    assert wire(import_parameters(request)) == {
        "clusterid": "c-1",
        "name": "web01",
        "serviceofferingid": "so-1",
        "migrateallowed": "false",
        "forced": "false",
    }


def test_parameters_as_text() -> None:
    assert wire({"a": None, "b": True, "c": False, "d": -1, "e": ""}) == {"b": "true", "c": "false", "d": "-1", "e": ""}
