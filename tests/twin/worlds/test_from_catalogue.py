"""A CloudStack copied from its census: what it keeps, what it links, and what it can do without."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.model import catalogue as seen
from ingest.twin.from_catalogue import world_from_census
from ingest.twin.generator import admin_keys
from ingest.twin.world import World
from ingest.twin.worlds.integrity import dangling
from tests.twin.worlds.test_from_inventory import INVENTORY

ADMIN = seen.Account(
    id="a-1", name="boss", domainid="d-1", accounttype=1, user=(seen.User(id="u-1", username="me", state="enabled"),)
)
CENSUS = seen.Census(
    cloudstack_version="4.20.1.0",
    configuration={"vm.instancename.flag": "true"},
    zones=(seen.Zone(id="z-1", name="North", networktype="Advanced", allocationstate="Enabled"),),
    pods=(seen.Pod(id="p-1", name="pod", zoneid="z-1"),),
    clusters=(
        seen.Cluster(id="c-1", name="10.0.0.9/DC0/C0", zoneid="z-1", podid="p-1", hypervisortype="VMware"),
        seen.Cluster(id="c-2", name="kvm", zoneid="z-1", podid="p-1", hypervisortype="KVM"),
    ),
    hosts=(
        seen.Host(id="h-1", name="esx1", clusterid="c-1", hypervisor="VMware", state="Up", hosttags="gpu"),
        seen.Host(id="h-2", name="gone", clusterid="c-1", hypervisor="VMware", state="Down"),
        seen.Host(id="h-3", name="kvm1", clusterid="c-2", hypervisor="KVM", state="Up"),
    ),
    domains=(
        seen.Domain(id="d-1", name="ROOT", path="ROOT"),
        seen.Domain(id="d-2", name="Corp", path="ROOT/Corp", level=1, parentdomainid="d-1", vmlimit="20"),
    ),
    accounts=(
        seen.Account(id="a-2", name="shop", domainid="d-2", vmlimit="Unlimited", memorylimit="40960", cpulimit="?"),
        ADMIN,
    ),
    callers=(ADMIN,),
    projects=(seen.Project(id="j-1", name="apollo", domainid="d-2", volumelimit="5"),),
    networks=(
        seen.Network(
            id="n-1", name="web", type="L2", zoneid="z-1", broadcasturi="vlan://100", account="shop", domainid="d-2"
        ),
        seen.Network(
            id="n-2", name="all", type="Shared", zoneid="z-1", acltype="Domain", account="system", domainid="d-1"
        ),
        seen.Network(id="n-3", name="moon", type="L2", zoneid="z-1", projectid="j-1", domainid="d-2"),
        seen.Network(id="n-4", name="odd", type="Tungsten", zoneid="z-1"),
    ),
    ip_ranges=(
        seen.IpRange(id="r-1", networkid="n-2", startip="10.0.0.10", endip="10.0.0.20"),
        seen.IpRange(id="r-2", networkid="n-2", startip="10.0.0.40", endip="10.0.0.50"),
    ),
    service_offerings=(
        seen.ServiceOffering(
            id="s-1",
            name="custom",
            storagetags="ssd",
            diskofferingid="o-9",
            domainid="d-2,d-unknown",
            serviceofferingdetails={"mincpunumber": "1", "maxcpunumber": "8"},
        ),
        seen.ServiceOffering(id="s-2", name="uses a listed one", diskofferingid="o-1"),
    ),
    disk_offerings=(seen.DiskOffering(id="o-1", name="any", iscustomized=True),),
    storage_pools=(seen.StoragePool(id="q-1", name="ds", path="/DC0/ds", zoneid="z-1", disksizetotal=7, state="Up"),),
    templates=(
        seen.Template(id="t-1", name="base", zoneid="z-1", ostypeid="os-7", ostypename="Other"),
        seen.Template(id="t-1", name="base", zoneid="z-2", ostypeid="os-7"),
    ),
    guest_os_mappings=(
        seen.GuestOsMapping(id="m-1", ostypeid="os-8", osdisplayname="Debian", osnameforhypervisor="debian12_64Guest"),
    ),
    virtual_machines=(
        seen.VirtualMachine(
            id="i-1",
            name="app",
            instancename="app",
            zoneid="z-1",
            state="Stopped",
            account="shop",
            domainid="d-2",
            created="2026-08-21T14:06:28+0000",
            details={"cpuSpeed": "2000", "password": "hunter2", "SSH.PublicKey": "ssh-rsa"},
            nic=(
                seen.InstanceNic(id="k-1", networkid="n-1", macaddress="00:50:56:00:00:01", deviceid=1),
                seen.InstanceNic(id="k-2", networkid="n-gone"),
            ),
        ),
        seen.VirtualMachine(id="i-2", name="elsewhere", zoneid="z-1", state="Running", hostid="h-3", projectid="j-1"),
    ),
    system_vms=(
        seen.SystemVm(id="y-1", name="v-1-VM", podid="p-1", hostid="h-1"),
        seen.SystemVm(id="y-2", name="r-4-VM", podid="p-9", hostid="h-9"),
    ),
    volumes=(
        seen.Volume(
            id="v-1", name="ROOT-1", type="ROOT", virtualmachineid="i-1", storageid="q-1", size=9,
            chaininfo='{"diskDeviceBusName":"scsi0:0","diskChain":["[ds] app/app-000001.vmdk","[ds] app/app.vmdk"]}',
        ),
        seen.Volume(id="v-2", name="D", type="DATADISK", virtualmachineid="i-1", storageid="q-9", chaininfo="oops"),
        seen.Volume(id="v-3", name="detached", type="DATADISK"),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return world_from_census(INVENTORY, CENSUS)


def test_the_copy_is_whole(world: World) -> None:
    assert list(dangling(world)) == []
    assert (world.cloud.version, world.cloud.configuration) == ("4.20.1.0", {"vm.instancename.flag": "true"})
    assert set(world.vms) == {vm.moref for vm in INVENTORY.vms}


def test_clusters_and_hosts_are_linked_by_their_names(world: World) -> None:
    clusters, hosts = world.cloud.clusters, world.cloud.hosts
    assert {one.id: (one.compute, one.hypervisortype) for one in clusters.values()} == {
        "c-1": ("domain-c10", "VMware"),
        "c-2": ("", "KVM"),
    }
    assert {one.id: (one.moref, one.podid, one.hosttags) for one in hosts.values()} == {
        "h-1": ("host-21", "p-1", "gpu"),
        "h-2": ("", "p-1", ""),
    }


def test_a_cluster_name_that_fits_two_is_not_guessed() -> None:
    first = INVENTORY.clusters[0]
    other = replace(first, moref="domain-c99", path="/Europe/DC0/host/Other/C0")
    twice = replace(INVENTORY, clusters=(*INVENTORY.clusters, other))
    assert world_from_census(twice, CENSUS).cloud.clusters["c-1"].compute == ""


def test_owners_accounts_in_order_and_the_caller_first_among_logins(world: World) -> None:
    cloud = world.cloud
    assert [account.name for account in cloud.accounts.values() if account.accounttype != 5] == ["shop", "boss"]
    assert [user.name for user in cloud.users.values()] == ["me"]
    assert admin_keys(world)[0] == cloud.users["u-1"].api_key
    assert cloud.domains["d-2"].parentid == "d-1"
    project = cloud.projects["j-1"]
    assert cloud.accounts[project.accountid].name == "PrjAcct-apollo-1"
    assert {one.id: one.accountid for one in cloud.networks.values()} == {
        "n-1": "a-2",
        "n-2": "a-1",  # the system's own account is never listed
        "n-3": project.accountid,
    }


def test_limits_are_numbers(world: World) -> None:
    project = world.cloud.projects["j-1"].accountid
    assert [(one.owner, one.ownerid, one.resource, one.max) for one in world.cloud.limits] == [
        ("domain", "d-2", "user_vm", 20),
        ("account", "a-2", "user_vm", -1),
        ("account", "a-2", "memory", 40960),
        ("account", project, "volume", 5),
    ]


def test_networks_offerings_pools_and_guests(world: World) -> None:
    cloud = world.cloud
    shared = cloud.networks["n-2"]
    assert (shared.startip, shared.endip, shared.subdomainaccess) == ("10.0.0.10", "10.0.0.20", False)
    offering, bound = cloud.service_offerings["s-1"], cloud.disk_offerings["o-9"]
    assert (offering.mincpunumber, offering.maxcpunumber, offering.domainids) == (1, 8, ["d-2"])
    assert (bound.hidden, bound.tags, bound.iscustomized) == (True, "ssd", True)
    assert not cloud.disk_offerings["o-1"].hidden
    assert cloud.storage_pools["q-1"].capacity_bytes == 7
    assert (cloud.templates["t-1"].zoneid, cloud.os_types["os-7"].description) == ("z-1", "Other")
    assert cloud.os_types["os-8"].description == "Debian"  # the types themselves were not readable


def test_instances_and_volumes(world: World) -> None:
    cloud = world.cloud
    stopped, foreign = cloud.instances["i-1"], cloud.instances["i-2"]
    assert (stopped.moref, stopped.hostid, stopped.clusterid, stopped.podid) == ("vm-58", "", "c-1", "p-1")
    assert stopped.details == {"cpuSpeed": "2000"}
    assert stopped.created == 1787321188.0
    assert [(nic.networkid, nic.deviceid) for nic in stopped.nics] == [("n-1", 1)]
    assert (foreign.moref, foreign.hostid, foreign.projectid, foreign.instancename) == ("", "", "j-1", "elsewhere")
    assert cloud.volumes["v-1"].chaininfo == ["[ds] app/app-000001.vmdk", "[ds] app/app.vmdk"]
    assert (cloud.volumes["v-2"].chaininfo, cloud.volumes["v-2"].poolid) == ([], "")
    assert "v-3" not in cloud.volumes


def test_vms_of_cloudstacks_own_keep_their_place_where_it_is_known(world: World) -> None:
    assert [(one.instancename, one.podid, one.hostid) for one in world.cloud.system_vms.values()] == [
        ("v-1-VM", "p-1", "h-1"),
        ("r-4-VM", "", ""),
    ]


def test_of_nothing_readable_there_is_still_an_administrator() -> None:
    world = world_from_census(INVENTORY, seen.Census())
    assert list(dangling(world)) == []
    assert len(admin_keys(world)[0]) == 86
    assert [domain.path for domain in world.cloud.domains.values()] == ["ROOT"]


def test_keys_differ_each_time_and_ids_do_not() -> None:
    one, other = world_from_census(INVENTORY, CENSUS), world_from_census(INVENTORY, CENSUS)
    assert admin_keys(one) != admin_keys(other)
    assert one.vcenter_password != other.vcenter_password
    assert one.cloud.projects == other.cloud.projects
    assert one.folders == other.folders
