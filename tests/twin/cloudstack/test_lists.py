"""What the list commands show, and to whom."""

import pytest

from ingest.twin.world import World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import base_request, ident

OWN = ["isolated", "l2-100", "l2-100-again", "l2-200", "l2-open", "pvlan-300", "shared-100", "zone2-100"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, OWN),
        ({"listall": "true"}, sorted([*OWN, "bob-100", "shared-dev"])),
        ({"listall": "true", "projectid": "-1"}, sorted([*OWN, "bob-100", "shared-dev", "project-100"])),
        ({"account": "bob", "domainid": ident("dev"), "type": "L2"}, ["bob-100"]),
        ({"listall": "true", "vlan": "200"}, ["l2-200"]),
        ({"listall": "true", "zoneid": ident("zone2")}, ["zone2-100"]),
        ({"keyword": "PVLAN"}, ["pvlan-300"]),
        ({"issystem": "true"}, ["system"]),
    ],
)
def test_networks_by_scope(admin: Api, parameters: dict[str, str], expected: list[str]) -> None:
    assert sorted(admin.names("listNetworks", "network", **parameters)) == expected


def test_networks_of_a_project(admin: Api) -> None:
    rows = admin.rows("listNetworks", "network", projectid=ident("project"), type="L2")
    assert [(row["name"], row["project"], "account" in row) for row in rows] == [("project-100", "project", False)]


def test_account_and_project_exclude_each_other(admin: Api) -> None:
    answer = admin.call("listNetworks", account="bob", projectid=ident("project"))
    assert answer.status_code == 431
    assert answer.json()["listnetworksresponse"]["errortext"] == ("Account and projectId can't be specified together")


def test_a_user_sees_his_own(bob: Api) -> None:
    assert sorted(bob.names("listNetworks", "network", listall="true")) == ["bob-100", "shared-100", "shared-dev"]


def test_network_fields(admin: Api) -> None:
    by_name = {row["name"]: row for row in admin.rows("listNetworks", "network")}
    plain, private, none = by_name["l2-100"], by_name["pvlan-300"], by_name["l2-open"]
    assert (plain["broadcasturi"], plain["vlan"], plain["broadcastdomaintype"]) == ("vlan://100", "100", "Vlan")
    assert (private["broadcasturi"], private["vlan"]) == ("pvlan://300-i301", "N/A")
    assert "broadcasturi" not in none
    assert "vlan" not in none
    assert (plain["account"], plain["domainpath"], plain["state"]) == ("admin", "ROOT", "Setup")
    assert by_name["shared-100"]["acltype"] == "Domain"


def test_offerings_show_what_is_open(admin: Api) -> None:
    rows = {row["name"]: row for row in admin.rows("listServiceOfferings", "serviceoffering")}
    assert "so-removed" not in rows
    assert rows["so-custom"]["iscustomized"] is True
    assert rows["so-custom"]["serviceofferingdetails"] == {
        "mincpunumber": "1",
        "maxcpunumber": "8",
        "minmemory": "512",
        "maxmemory": "16384",
    }
    assert "cpunumber" not in rows["so-custom"]
    assert (rows["so-fixed"]["iscustomized"], rows["so-fixed"]["memory"]) == (False, 4096)
    assert rows["so-dev"]["domainid"] == ident("dev")


def test_offering_states(world: World, admin: Api) -> None:
    world.cloud.disk_offerings[ident("do-20")].state = "Inactive"
    active = admin.names("listDiskOfferings", "diskoffering")
    assert "do-20" not in active
    assert "do-root" not in active, "bound to a compute offering, never listed"
    assert "do-20" in admin.names("listDiskOfferings", "diskoffering", state="all")


@pytest.mark.parametrize(
    ("command", "key", "parameters", "expected"),
    [
        ("listZones", "zone", {}, ["zone", "zone2"]),
        ("listPods", "pod", {"zoneid": ident("zone")}, ["zone-pod"]),
        ("listClusters", "cluster", {"id": ident("cluster")}, ["vcenter.example.org/DC/C1"]),
        ("listHosts", "host", {"clusterid": ident("cluster"), "type": "Routing"}, ["esx1", "esx2"]),
        ("listHosts", "host", {"hypervisor": "KVM"}, []),
        ("listVmwareDcs", "VMwareDC", {"zoneid": ident("zone")}, ["DC"]),
        ("listPhysicalNetworks", "physicalnetwork", {"zoneid": ident("zone")}, ["physical-zone"]),
        ("listStoragePools", "storagepool", {}, ["pool-ds1", "pool-nfs"]),
        ("listStoragePools", "storagepool", {"ipaddress": "nas"}, ["pool-nfs"]),
        ("listTemplates", "template", {"templatefilter": "all"}, ["template"]),
        ("listOsTypes", "ostype", {"description": "Exotic (64-bit)"}, ["Exotic (64-bit)"]),
        ("listDomains", "domain", {}, ["ROOT", "dev"]),
        ("listDomains", "domain", {"level": "1"}, ["dev"]),
        ("listAccounts", "account", {}, ["admin"]),
        ("listAccounts", "account", {"listall": "true"}, ["admin", "bob"]),
        ("listProjects", "project", {}, []),
        ("listProjects", "project", {"listall": "true"}, ["project"]),
        ("listNetworkOfferings", "networkoffering", {"guestiptype": "Shared"}, ["DefaultSharedNetworkOffering"]),
        ("listConfigurations", "configuration", {"name": "job.expire.minutes"}, ["job.expire.minutes"]),
        ("listApis", "api", {"name": "importUnmanagedInstance"}, ["importUnmanagedInstance"]),
        ("listApis", "api", {"name": "noSuchThing"}, []),
    ],
)
def test_simple_lists(admin: Api, command: str, key: str, parameters: dict[str, str], expected: list[str]) -> None:
    assert admin.names(command, key, **parameters) == expected


def test_os_mapping(admin: Api) -> None:
    (row,) = admin.rows("listGuestOsMapping", "guestosmapping", hypervisorversion="8.0.2")
    assert (row["osnameforhypervisor"], row["osdisplayname"]) == ("ubuntu64Guest", "Ubuntu Linux (64-bit)")


def test_custom_job_ids_are_hidden_from_list_apis(admin: Api) -> None:
    (row,) = admin.rows("listApis", "api", name="importUnmanagedInstance")
    assert row["isasync"] is True
    names = [parameter["name"] for parameter in row["params"]]
    assert names[:2] == ["clusterid", "name"]
    assert "customjobid" not in names


def test_limits_are_unlimited(admin: Api) -> None:
    rows = admin.rows("listResourceLimits", "resourcelimit", account="bob", domainid=ident("dev"))
    assert {(row["resourcetypename"], row["max"], row["account"]) for row in rows} >= {("user_vm", -1, "bob")}


def test_virtual_machines_and_volumes_after_an_import(admin: Api, bob: Api) -> None:
    assert admin.body("listVirtualMachines", listall="true") == {}
    owner = {"account": "bob", "domainid": ident("dev"), "nicnetworklist[0].network": ident("bob-100")}
    machine = admin.run("importUnmanagedInstance", **base_request() | owner)["jobresult"]["virtualmachine"]
    assert admin.body("listVirtualMachines") == {}
    assert admin.names("listVirtualMachines", "virtualmachine", listall="true") == ["web01"]
    (seen,) = bob.rows("listVirtualMachines", "virtualmachine")
    hidden = {"instancename", "hostid", "hostname"}
    assert set(machine) - set(seen) == hidden, "where a VM runs is for root admins"
    assert {name: value for name, value in seen.items() if name != "nic"} == {
        name: value for name, value in machine.items() if name not in hidden | {"nic"}
    }
    assert set(machine["nic"][0]) - set(seen["nic"][0]) == {"broadcasturi"}
    assert "nic" not in bob.rows("listVirtualMachines", "virtualmachine", details="min")[0]
    assert admin.names("listVirtualMachines", "virtualmachine", listall="true", keyword="EB0") == ["web01"]
    assert admin.body("listVirtualMachines", listall="true", name="web") == {}
    volumes = admin.rows("listVolumes", "volume", listall="true", virtualmachineid=machine["id"])
    assert [(v["name"], v["type"], v["deviceid"], v["size"], v["storage"]) for v in volumes] == [
        ("ROOT-1", "ROOT", 0, 20 << 30, "pool-ds1"),
        ("DATA-1-1-2001", "DATADISK", 1, 20 << 30, "pool-ds1"),
    ]
    assert volumes[0]["path"] == "vm1_1"


def test_machines_of_projects_need_projectid(admin: Api) -> None:
    owner = {"projectid": ident("project"), "nicnetworklist[0].network": ident("project-100")}
    assert admin.run("importUnmanagedInstance", **base_request() | owner)["jobstatus"] == 1
    assert admin.body("listVirtualMachines", listall="true") == {}
    both = {"listall": "true", "projectid": "-1"}
    assert admin.names("listVirtualMachines", "virtualmachine", **both) == ["web01"]
    assert admin.names("listVirtualMachines", "virtualmachine", projectid=ident("project")) == ["web01"]
