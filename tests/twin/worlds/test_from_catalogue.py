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
    configuration={"vm.instancename.flag": "true", "max.account.cpus": "40"},
    zone_configuration={
        "z-1": {"vmware.reserve.cpu": "true", "network.throttling.rate": "200"},
        "z-gone": {"vmware.reserve.cpu": "true"},
    },
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
        seen.Account(id="a-3", name="lab", domainid="d-2", vmlimit="Unlimited", cpulimit="Unlimited"),
        seen.Account(id="a-4", name="dev", domainid="d-2", cpulimit="40"),
        ADMIN,
    ),
    callers=(ADMIN,),
    projects=(seen.Project(id="j-1", name="apollo", domainid="d-2", volumelimit="5"),),
    physical_networks=(
        seen.PhysicalNetwork(
            id="f-1", name="guest", zoneid="z-1", vlan="100-199", state="Enabled", isolationmethods="VLAN", tags="guest"
        ),
        seen.PhysicalNetwork(id="f-2", name="elsewhere", zoneid="z-9"),
    ),
    network_offerings=(
        seen.NetworkOffering(
            id="w-1", name="l2", guestiptype="L2", specifyvlan=True, traffictype="Guest", state="Disabled",
            domainid="d-2", service=(seen.NetworkService(name="UserData"),),
        ),
        seen.NetworkOffering(id="w-2", name="management", traffictype="Management"),
        seen.NetworkOffering(id="w-3", name="public", guestiptype="Shared", traffictype="Public"),
    ),
    networks=(
        seen.Network(
            id="n-1", name="web", type="L2", zoneid="z-1", broadcasturi="vlan://100", account="shop", domainid="d-2",
            networkofferingid="w-1", physicalnetworkid="f-1", networkdomain="web.example.org",
            created="2026-08-21T14:06:28+0000",
        ),
        seen.Network(
            id="n-2", name="all", type="Shared", zoneid="z-1", acltype="Domain", account="system", domainid="d-1",
            networkofferingid="w-9", physicalnetworkid="f-9",
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
        seen.ServiceOffering(id="s-2", name="uses a listed one", diskofferingid="o-1", offerha=True),
    ),
    disk_offerings=(seen.DiskOffering(id="o-1", name="any", iscustomized=True),),
    storage_pools=(seen.StoragePool(id="q-1", name="ds", path="/DC0/ds", zoneid="z-1", disksizetotal=7, state="Up"),),
    templates=(
        seen.Template(
            id="t-1", name="base", zoneid="z-1", ostypeid="os-7", ostypename="Other", templatetag="gpu",
            details={"nicAdapter": "Vmxnet3", "Message.ReservedCapacityFreed.Flag": "x"},
        ),
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
            userid="u-1",
            haenable=True,
            isoid="iso-1",
            tags=(seen.Tag(key="owner", value="jane"),),
            details={"cpuSpeed": "2000", "password": "hunter2", "SSH.PublicKey": "ssh-rsa"},
            nic=(
                seen.InstanceNic(id="k-1", networkid="n-1", macaddress="00:50:56:00:00:01", deviceid=1),
                seen.InstanceNic(id="k-2", networkid="n-gone"),
            ),
        ),
        seen.VirtualMachine(id="i-2", name="elsewhere", zoneid="z-1", state="Running", hostid="h-3", projectid="j-1",
                            userid="u-9"),
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
    assert (world.cloud.version, world.cloud.configuration) == ("4.20.1.0", CENSUS.configuration)
    assert world.cloud.zone_configuration == {"z-1": {"vmware.reserve.cpu": "true"}}  # the other is the global one
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
    people = [account.name for account in cloud.accounts.values() if account.accounttype != 5]
    assert people == ["shop", "lab", "dev", "boss"]
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


def test_limits_are_what_differs_from_the_settings(world: World) -> None:
    project = world.cloud.projects["j-1"].accountid
    assert [(one.owner, one.ownerid, one.resource, one.max) for one in world.cloud.limits] == [
        ("domain", "d-2", "user_vm", 20),
        ("account", "a-2", "memory", 40960),
        ("account", "a-3", "cpu", -1),
        ("account", project, "volume", 5),
    ]


def test_networks_keep_their_offering_and_wire(world: World) -> None:
    cloud = world.cloud
    web, shared = cloud.networks["n-1"], cloud.networks["n-2"]
    assert (web.networkofferingid, web.physicalnetworkid, web.networkdomain, web.created) == (
        "w-1", "f-1", "web.example.org", 1787321188.0,
    )  # fmt: skip
    assert (shared.networkofferingid, shared.physicalnetworkid, shared.created) == ("", "", 0.0)
    (cable,) = cloud.physical_networks.values()
    assert (cable.id, cable.vlan, cable.isolationmethods, cable.tags) == ("f-1", "100-199", "VLAN", "guest")
    (offering,) = cloud.network_offerings.values()
    assert (offering.id, offering.specifyvlan, offering.state, offering.services, offering.domainids) == (
        "w-1", True, "Disabled", ["UserData"], ["d-2"],
    )  # fmt: skip


def test_networks_offerings_pools_and_guests(world: World) -> None:
    cloud = world.cloud
    shared = cloud.networks["n-2"]
    assert (shared.startip, shared.endip, shared.subdomainaccess) == ("10.0.0.10", "10.0.0.20", False)
    offering, bound = cloud.service_offerings["s-1"], cloud.disk_offerings["o-9"]
    assert (offering.mincpunumber, offering.maxcpunumber, offering.domainids) == (1, 8, ["d-2"])
    assert (bound.hidden, bound.tags, bound.iscustomized) == (True, "ssd", True)
    assert not cloud.disk_offerings["o-1"].hidden
    assert [one.offerha for one in cloud.service_offerings.values()] == [False, True]
    assert (cloud.templates["t-1"].templatetag, cloud.templates["t-1"].details) == ("gpu", {"nicAdapter": "Vmxnet3"})
    assert cloud.storage_pools["q-1"].capacity_bytes == 7
    assert (cloud.templates["t-1"].zoneid, cloud.os_types["os-7"].description) == ("z-1", "Other")
    assert cloud.os_types["os-8"].description == "Debian"  # the types themselves were not readable


def test_instances_and_volumes(world: World) -> None:
    cloud = world.cloud
    stopped, foreign = cloud.instances["i-1"], cloud.instances["i-2"]
    assert (stopped.moref, stopped.hostid, stopped.clusterid, stopped.podid) == ("vm-58", "", "c-1", "p-1")
    assert stopped.details == {"cpuSpeed": "2000"}
    assert (stopped.userid, stopped.haenable, stopped.isoid, stopped.tags) == ("u-1", True, "iso-1", {"owner": "jane"})
    assert (foreign.userid, foreign.haenable, foreign.isoid, foreign.tags) == ("", False, "", {})
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
    assert "DefaultL2NetworkOffering" in {one.name for one in world.cloud.network_offerings.values()}


def test_keys_differ_each_time_and_ids_do_not() -> None:
    one, other = world_from_census(INVENTORY, CENSUS), world_from_census(INVENTORY, CENSUS)
    assert admin_keys(one) != admin_keys(other)
    assert one.vcenter_password != other.vcenter_password
    assert one.cloud.projects == other.cloud.projects
    assert one.folders == other.folders
