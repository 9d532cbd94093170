"""The whole read over the wire, with a scripted server: requests, sessions, ports, partial answers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ingest.errors import Refused, UsageError
from ingest.model.inventory import Vlan
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.session import VCenter
from ingest.vsphere.vms import How
from tests.vsphere.fake import Fake, answer, fault, page, ref, text, thing
from tests.vsphere.xml import DVS, card, devices, simple_vm

PLACES = "".join(
    [
        thing("Folder", "group-d1", {"name": text("Datacenters")}),
        thing("Datacenter", "datacenter-1", {"name": text("DC1"), "parent": ref("Folder", "group-d1")}),
        thing("Folder", "group-v1", {"name": text("vm"), "parent": ref("Datacenter", "datacenter-1")}),
        thing("Folder", "group-h1", {"name": text("host"), "parent": ref("Datacenter", "datacenter-1")}),
        thing("Folder", "group-n1", {"name": text("network"), "parent": ref("Datacenter", "datacenter-1")}),
        thing(
            "ClusterComputeResource",
            "domain-c1",
            {
                "name": text("Cluster"),
                "parent": ref("Folder", "group-h1"),
                "network": '<val xsi:type="ArrayOfManagedObjectReference"><ManagedObjectReference type="Network"'
                ' xsi:type="ManagedObjectReference">dvportgroup-1</ManagedObjectReference></val>',
            },
        ),
    ]
)
HOST = thing(
    "HostSystem",
    "host-1",
    {
        "name": text("esx1"),
        "parent": ref("ClusterComputeResource", "domain-c1"),
        "runtime.connectionState": '<val xsi:type="HostSystemConnectionState">connected</val>',
        "config.network.portgroup": '<val xsi:type="ArrayOfHostPortGroup"><HostPortGroup><port><type>host</type></port>'
        "<computedPolicy/><spec><name>mgmt</name><vlanId>0</vlanId><vswitchName>vSwitch0</vswitchName><policy/></spec>"
        "</HostPortGroup></val>",
    },
)
SWITCH = thing(
    "VmwareDistributedVirtualSwitch",
    "dvs-1",
    {
        "name": text("DSwitch"),
        "uuid": text("sw-1"),
        "parent": ref("Folder", "group-n1"),
        "config": '<val xsi:type="VMwareDVSConfigInfo"><uuid>sw-1</uuid><name>DSwitch</name><pvlanConfig>'
        "<primaryVlanId>5</primaryVlanId><secondaryVlanId>6</secondaryVlanId><pvlanType>isolated</pvlanType>"
        "</pvlanConfig></val>",
    },
)
VLAN = (
    '<vlan xsi:type="VmwareDistributedVirtualSwitchVlanIdSpec"><inherited>true</inherited><vlanId>100</vlanId></vlan>'
)


def portgroup(override: bool = False) -> str:
    return thing(
        "DistributedVirtualPortgroup",
        "dvportgroup-1",
        {
            "name": text("app"),
            "key": text("dvportgroup-1"),
            "parent": ref("Folder", "group-n1"),
            "config.distributedVirtualSwitch": ref("VmwareDistributedVirtualSwitch", "dvs-1"),
            "config.defaultPortConfig": f'<val xsi:type="VMwareDVSPortSetting">{VLAN}</val>',
            "config.policy": '<val xsi:type="VMwareDVSPortgroupPolicy"><vlanOverrideAllowed>'
            f"{str(override).lower()}</vlanOverrideAllowed></val>",
        },
    )


DATASTORE = thing(
    "Datastore",
    "datastore-1",
    {
        "name": text("ds 1"),
        "summary": '<val xsi:type="DatastoreSummary"><name>ds 1</name><url>u</url><capacity>9</capacity><freeSpace>4'
        "</freeSpace><accessible>true</accessible><multipleHostAccess>true</multipleHostAccess><type>NFS</type></val>",
        "info": '<val xsi:type="NasDatastoreInfo"><name>ds 1</name><url>u</url><nas><remoteHost>nas</remoteHost>'
        "<remotePath>/vol</remotePath></nas></val>",
    },
)


def vm(number: int, **extra: str) -> str:
    values = {
        "name": text(f"web-{number}"),
        "parent": ref("Folder", "group-v1"),
        "runtime.host": ref("HostSystem", "host-1"),
        "config.hardware.device": devices(card(4000, DVS)),
    }
    return thing("VirtualMachine", f"vm-{number}", {**values, **{key.replace("_", "."): v for key, v in extra.items()}})


@pytest.fixture(autouse=True)
def _script(fake: Fake) -> None:
    fake.by_type = {
        "Datacenter": [page(PLACES)],
        "HostSystem": [page(HOST)],
        "DistributedVirtualSwitch": [page(SWITCH)],
        "DistributedVirtualPortgroup": [page(portgroup())],
        "Network": [page(thing("DistributedVirtualPortgroup", "dvportgroup-1", {"name": text("app")}))],
        "Datastore": [page(DATASTORE)],
        "VirtualMachine": [page(vm(1) + vm(2))],
    }


def test_everything_arrives_joined(vcenter: VCenter) -> None:
    inventory = read_inventory(vcenter)
    assert (inventory.server, inventory.version, inventory.api_type) == ("127.0.0.1", "8.0.2", "VirtualCenter")
    assert [row.path for row in inventory.vms] == ["/DC1/vm/web-1", "/DC1/vm/web-2"]
    nic = inventory.vms[0].nics[0]
    assert (nic.kind, nic.vlan, nic.switch_name) == ("dvs", Vlan("id", id=100), "DSwitch")
    assert [row.name for row in inventory.networks] == ["app"]
    assert inventory.switches[0].pvlans == ((5, 6, "isolated"),)
    assert inventory.hosts[0].portgroups[0].vmkernel
    datastore = inventory.datastores[0]
    assert (datastore.remote_host, datastore.remote_path, datastore.capacity_bytes) == ("nas", "/vol", 9)
    assert {problem.code for problem in inventory.problems} == {"duplicate-mac"}


def test_the_number_of_requests_is_fixed(fake: Fake, vcenter: VCenter) -> None:
    before = vcenter.requests
    inventory = read_inventory(vcenter)
    assert inventory.requests == vcenter.requests - before == 21
    fake.by_type["VirtualMachine"] = [page("".join(vm(number) for number in range(500)))]
    assert read_inventory(vcenter).requests == 21
    assert len(fake.calls) == vcenter.requests


def test_both_implementations_give_one_inventory(vcenter: VCenter) -> None:
    assert read_inventory(vcenter, how="stream") == read_inventory(vcenter, how="objects")


@pytest.mark.parametrize("how", ["stream", "objects"])
def test_a_session_lost_between_pages_starts_the_vms_again(fake: Fake, vcenter: VCenter, how: How) -> None:
    fake.by_type["VirtualMachine"] = [page(vm(1), token="t1"), page(vm(1) + vm(2))]
    fake.script["ContinueRetrievePropertiesEx"] = [fault("NotAuthenticated")]
    assert [row.moref for row in read_inventory(vcenter, how=how).vms] == ["vm-1", "vm-2"]
    assert fake.calls.count("Login") == 2


def test_a_vm_that_comes_twice_counts_once_and_one_that_is_gone_is_told(fake: Fake, vcenter: VCenter) -> None:
    gone = thing("VirtualMachine", "vm-9", {}, {"name": "ManagedObjectNotFound"})
    fake.by_type["VirtualMachine"] = [page(vm(1) + vm(2) + vm(1) + gone)]
    inventory = read_inventory(vcenter)
    assert [row.moref for row in inventory.vms] == ["vm-1", "vm-2"]
    assert [row.object for row in inventory.problems if row.code == "gone-while-reading"] == ["vm-9"]


def test_progress_counts_vms(vcenter: VCenter) -> None:
    seen: list[int] = []
    read_inventory(vcenter, progress=seen.append)
    assert seen[-1] == 2


def test_the_chosen_datacenter_is_the_container(fake: Fake, vcenter: VCenter) -> None:
    read_inventory(vcenter, cluster="Cluster")
    views = [body for body in fake.bodies if "<CreateContainerView " in body]
    assert "group-d1" in views[0]
    assert all(">datacenter-1</container>" in body for body in views[1:])


def test_an_unknown_name_is_refused_before_the_large_reads(fake: Fake, vcenter: VCenter) -> None:
    with pytest.raises(UsageError, match="DC1"):
        read_inventory(vcenter, datacenter="nowhere")
    assert fake.calls.count("RetrievePropertiesEx") == 1


def test_members_of_vapps_cost_one_more_read(fake: Fake, vcenter: VCenter) -> None:
    member = vm(1, parentVApp=ref("VirtualApp", "resgroup-v1")).replace(
        f"<propSet><name>parent</name>{ref('Folder', 'group-v1')}</propSet>", ""
    )
    fake.by_type["VirtualMachine"] = [page(member)]
    values = {
        "name": text("shop"),
        "parent": ref("ResourcePool", "resgroup-8"),
        "parentFolder": ref("Folder", "group-v1"),
    }
    fake.by_type["VirtualApp"] = [page(thing("VirtualApp", "resgroup-v1", values))]
    inventory = read_inventory(vcenter)
    assert inventory.vms[0].path == "/DC1/vm/shop/web-1"
    assert inventory.requests == 24


def test_custom_fields_are_named(fake: Fake, vcenter: VCenter) -> None:
    values = (
        '<val xsi:type="ArrayOfCustomFieldValue"><CustomFieldValue xsi:type="CustomFieldStringValue"><key>101</key>'
        "<value>web</value></CustomFieldValue></val>"
    )
    fake.by_type["VirtualMachine"] = [page(vm(1, customValue=values))]
    fake.script["Fetch"] = [
        answer("Fetch", '<returnval xsi:type="ArrayOfCustomFieldDef"><CustomFieldDef><key>101</key><name>team</name>'
               "<type>string</type></CustomFieldDef></returnval>")
    ]  # fmt: skip
    assert read_inventory(vcenter).vms[0].custom_fields == (("team", "web"),)


PORT = (
    "<returnval><key>7</key><dvsUuid>sw-1</dvsUuid><portgroupKey>dvportgroup-1</portgroupKey><config>"
    '<setting xsi:type="VMwareDVSPortSetting"><vlan xsi:type="VmwareDistributedVirtualSwitchPvlanSpec">'
    "<inherited>false</inherited><pvlanId>6</pvlanId></vlan></setting><configVersion>0</configVersion></config>"
    "<conflict>false</conflict><connectionCookie>1</connectionCookie><lastStatusChange>2026-01-01T00:00:00Z"
    "</lastStatusChange></returnval>"
)


def test_ports_that_may_override_their_group_are_asked(fake: Fake, vcenter: VCenter) -> None:
    fake.by_type["DistributedVirtualPortgroup"] = [page(portgroup(override=True))]
    fake.script["FetchDVPorts"] = [answer("FetchDVPorts", PORT)]
    inventory = read_inventory(vcenter)
    assert inventory.vms[0].nics[0].vlan == Vlan("pvlan", primary=5, secondary=6, pvlan_type="isolated")
    assert inventory.requests == 22
    asked = next(body for body in fake.bodies if "<FetchDVPorts " in body)
    # Servers look objects up by class and id.
    assert re.search(r'<_this [^>]*type="VmwareDistributedVirtualSwitch"', asked)
    assert "<portgroupKey>dvportgroup-1</portgroupKey><portKey>7</portKey>" in asked


def test_ports_are_not_asked_where_no_override_is_allowed(fake: Fake, vcenter: VCenter) -> None:
    read_inventory(vcenter)
    assert "FetchDVPorts" not in fake.calls


def test_ports_that_may_not_be_read_leave_the_groups_vlan_and_a_problem(fake: Fake, vcenter: VCenter) -> None:
    fake.by_type["DistributedVirtualPortgroup"] = [page(portgroup(override=True))]
    fake.script["FetchDVPorts"] = [fault("NoPermission", "no")]
    inventory = read_inventory(vcenter)
    nic = inventory.vms[0].nics[0]
    assert (nic.vlan, nic.problem) == (Vlan("id", id=100), "port-unreadable")
    assert "unreadable-property" in {problem.code for problem in inventory.problems}


def test_a_session_lost_while_ports_are_read_is_renewed(fake: Fake, vcenter: VCenter) -> None:
    fake.by_type["DistributedVirtualPortgroup"] = [page(portgroup(override=True))]
    fake.script["FetchDVPorts"] = [fault("NotAuthenticated"), answer("FetchDVPorts", PORT)]
    assert read_inventory(vcenter).vms[0].nics[0].problem == ""


def test_properties_without_permission_are_problems(fake: Fake, vcenter: VCenter) -> None:
    gaps = {"config.hardware.device": "NoPermission"}
    fake.by_type["VirtualMachine"] = [page(thing("VirtualMachine", "vm-1", {"name": text("secret")}, gaps))]
    inventory = read_inventory(vcenter)
    assert [row.detail for row in inventory.problems if row.code == "unreadable-property"] == [
        "NoPermission: config.hardware.device"
    ]


def test_a_refused_read_names_what_was_read(fake: Fake, vcenter: VCenter) -> None:
    fake.by_type["DistributedVirtualPortgroup"] = [fault("InvalidProperty", "unknown", "<name>config.x</name>")]
    with pytest.raises(Refused, match="port groups"):
        read_inventory(vcenter)


def test_an_empty_vcenter(fake: Fake, vcenter: VCenter) -> None:
    fake.by_type = {}
    inventory = read_inventory(vcenter)
    assert replace(inventory, requests=0).vms == ()
    assert inventory.problems == ()


def test_a_vm_without_a_host_is_kept(fake: Fake, vcenter: VCenter) -> None:
    fake.by_type["VirtualMachine"] = [page(simple_vm(1))]
    (found,) = read_inventory(vcenter).vms
    assert (found.host, found.datacenter, len(found.nics), len(found.disks)) == ("", "DC1", 1, 1)
