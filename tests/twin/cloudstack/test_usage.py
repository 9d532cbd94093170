"""What accounts, domains and projects use, beside their limits."""

from ingest.twin.cloud import ResourceLimit
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import base_request, ident

BOB = {"account": "bob", "domainid": ident("dev"), "nicnetworklist[0].network": ident("bob-100")}


def row_of(admin: Api, command: str, key: str, **parameters: str) -> dict[str, object]:
    (row,) = admin.rows(command, key, listall="true", **parameters)
    return row


def test_an_import_counts_and_unmanaging_gives_back(world: World, admin: Api) -> None:
    world.cloud.limits += [
        ResourceLimit("account", ident("bob"), "user_vm", 5),
        ResourceLimit("account", ident("bob"), "memory", 8192),
        ResourceLimit("account", ident("bob"), "primary_storage", 100),
        ResourceLimit("domain", ident("dev"), "cpu", 4),
    ]
    machine = admin.run("importUnmanagedInstance", **base_request() | BOB)["jobresult"]["virtualmachine"]
    bob = row_of(admin, "listAccounts", "account", name="bob")
    assert {name: bob[name] for name in bob if name.startswith(("vm", "memory", "primary", "volume", "cpu"))} == {
        "vmlimit": "5",
        "vmtotal": 1,
        "vmavailable": "4",
        "cpulimit": "Unlimited",
        "cputotal": 2,
        "cpuavailable": "Unlimited",
        "memorylimit": "8192",
        "memorytotal": 4096,
        "memoryavailable": "4096",
        "volumelimit": "Unlimited",
        "volumetotal": 2,
        "volumeavailable": "Unlimited",
        "primarystoragelimit": "100",
        "primarystoragetotal": 40,
        "primarystorageavailable": "60",
    }
    assert bob["networktotal"] == 1
    dev = row_of(admin, "listDomains", "domain", name="dev")
    assert (dev["cpulimit"], dev["cputotal"], dev["cpuavailable"]) == ("4", 2, "2")
    root = row_of(admin, "listDomains", "domain", name="ROOT")
    assert (root["cpulimit"], root["cputotal"]) == ("Unlimited", 2), "a domain counts those below it"
    admin.run("unmanageVirtualMachine", id=machine["id"])
    bob = row_of(admin, "listAccounts", "account", name="bob")
    assert (bob["vmtotal"], bob["volumetotal"], bob["primarystoragetotal"]) == (0, 0, 0)


def test_stopped_vms_may_not_count(world: World, admin: Api) -> None:
    admin.run("importUnmanagedInstance", **base_request() | BOB)
    world.cloud.configuration["resource.count.running.vms.only"] = "true"
    bob = row_of(admin, "listAccounts", "account", name="bob")
    assert (bob["vmtotal"], bob["cputotal"], bob["volumetotal"]) == (0, 0, 2)


def test_projects_show_their_own(world: World, admin: Api) -> None:
    world.cloud.limits.append(ResourceLimit("account", ident("project-account"), "user_vm", 1))
    owner = {"projectid": ident("project"), "nicnetworklist[0].network": ident("project-100")}
    admin.run("importUnmanagedInstance", **base_request() | owner)
    project = row_of(admin, "listProjects", "project", name="project")
    assert (project["vmlimit"], project["vmtotal"], project["vmavailable"]) == ("1", 1, "0")
    (limit,) = admin.rows("listResourceLimits", "resourcelimit", projectid=ident("project"), resourcetype="0")
    assert (limit["max"], limit["project"]) == (1, "project")


def test_min_leaves_the_numbers_out(admin: Api) -> None:
    assert "vmtotal" not in row_of(admin, "listAccounts", "account", name="bob", details="min")
    assert "vmtotal" not in row_of(admin, "listDomains", "domain", name="dev", details="min")
