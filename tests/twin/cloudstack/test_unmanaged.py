"""listUnmanagedInstances: what it shows, and what it loses without a word."""

import threading
import time
from typing import Any

import pytest

from ingest.model.inventory import Vlan
from ingest.twin.cloud import Instance, SystemVm, Volume
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import add_vm, base_request, disk, ident, nic


def listed(api: Api, **parameters: str) -> dict[str, dict[str, Any]]:
    rows = api.rows("listUnmanagedInstances", "unmanagedinstance", clusterid=ident("cluster"), **parameters)
    return {row["name"]: row for row in rows}


def test_fields(world: World, admin: Api) -> None:
    world.vms["vm-1"].cpu_reservation_mhz = 300
    row = listed(admin)["web01"]
    assert row == {
        "name": "web01",
        "clusterid": ident("cluster"),
        "clustername": "vcenter.example.org/DC/C1",
        "hostid": ident("host-1"),
        "hostname": "esx1",
        "hypervisor": "VMware",
        "hypervisorversion": "8.0.2",
        "powerstate": "PowerOff",
        "cpunumber": 2,
        "cpucorepersocket": 1,
        "cpuspeed": 300,
        "memory": 4096,
        "osid": "ubuntu64Guest",
        "osdisplayname": "Ubuntu Linux (64-bit)",
        "bootmode": "LEGACY",
        "boottype": "BIOS",
        "disk": [
            {
                "id": f"1-{2000 + number}",
                "label": f"Hard disk {number + 1}",
                "capacity": 20 << 30,
                "imagepath": f"[ds1] vm1/vm1_{number + 1}.vmdk",
                "controller": "pvscsi",
                "controllerunit": 0,
                "position": number,
                "datastorename": "ds1",
            }
            for number in range(2)
        ],
        "nic": [
            {
                "id": "Network adapter 1",
                "networkname": "VM-100",
                "macaddress": "00:50:56:00:01:01",
                "vlanid": 100,
                "adaptertype": "Vmxnet3",
            }
        ],
    }


def test_a_distributed_group_has_no_name(admin: Api) -> None:
    assert listed(admin)["app02"]["nic"][1] == {
        "id": "Network adapter 2",
        "macaddress": "00:50:56:00:02:02",
        "vlanid": 200,
        "adaptertype": "Vmxnet3",
    }


@pytest.mark.parametrize(
    ("network", "backing", "expected"),
    [
        ("network-2", "standard", {"vlanid": 0, "networkname": "VM-0"}),
        ("network-3", "standard", {"vlanid": 4095, "networkname": "VM-4095"}),
        ("dvportgroup-2", "dvs", {"vlanid": 300, "isolatedpvlan": 301, "isolatedpvlantype": "isolated"}),
        ("dvportgroup-3", "dvs", {}),
        ("dvportgroup-4", "dvs", {}),
        ("network-o1", "opaque", {}),
        ("network-4", "standard", None),
        ("", "none", None),
        ("dvportgroup-99", "dvs", None),
    ],
)
def test_nics(world: World, admin: Api, network: str, backing: Any, expected: dict[str, Any] | None) -> None:
    world.vms["vm-1"].nics = [nic(1, 1, network, backing)]
    nics = listed(admin)["web01"]["nic"]
    known = {"id": "Network adapter 1", "macaddress": "00:50:56:00:01:01", "adaptertype": "Vmxnet3"}
    assert nics == ([] if expected is None else [known | expected])


def test_a_port_may_override_its_group(world: World, admin: Api) -> None:
    world.vms["vm-1"].nics = [nic(1, 1, "dvportgroup-1", "dvs")]
    world.vms["vm-1"].nics[0].port_vlan = Vlan("id", id=222)
    assert listed(admin)["web01"]["nic"][0]["vlanid"] == 200
    world.networks["dvportgroup-1"].vlan_override_allowed = True
    assert listed(admin)["web01"]["nic"][0]["vlanid"] == 222


def test_an_ephemeral_group_loses_the_nic_of_a_stopped_vm(world: World, admin: Api) -> None:
    world.networks["dvportgroup-1"].binding = "ephemeral"
    world.vms["vm-1"].nics = [nic(1, 1, "dvportgroup-1", "dvs")]
    assert listed(admin)["web01"]["nic"] == []
    world.vms["vm-1"].power_state = "poweredOn"
    assert len(listed(admin)["web01"]["nic"]) == 1


@pytest.mark.parametrize(
    ("tools", "expected"), [("toolsOk", ["10.0.0.5"]), ("toolsOld", None), ("toolsNotRunning", None)]
)
def test_addresses_only_from_current_tools(world: World, admin: Api, tools: str, expected: list[str] | None) -> None:
    vm = world.vms["vm-1"]
    vm.tools_status, vm.nics[0].ips = tools, ("10.0.0.5", "fe80::1")
    assert listed(admin)["web01"]["nic"][0].get("ipaddresses") == expected


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("VirtualVmxnet3", "Vmxnet3"),
        ("VirtualPCNet32", "PCNet32"),
        ("VirtualE1000e", "E1000"),
        ("VirtualSriovEthernetCard", "E1000"),
    ],
)
def test_adapter_types(world: World, admin: Api, card: str, expected: str) -> None:
    world.vms["vm-1"].nics[0].card = card
    assert listed(admin)["web01"]["nic"][0]["adaptertype"] == expected


@pytest.mark.parametrize("controller", ["sata", "nvme"])
def test_unknown_controllers_are_none(world: World, admin: Api, controller: Any) -> None:
    world.vms["vm-1"].disks[0].controller = controller
    row = listed(admin)["web01"]["disk"][0]
    assert row["controller"] == "none"
    assert "controllerunit" not in row


def test_raw_devices_are_lost_and_network_storage_is_described(world: World, admin: Api) -> None:
    disks = world.vms["vm-1"].disks = [disk(1, 1), disk(2, 1, "datastore-2")]
    disks[0].backing = "rdm"
    (row,) = listed(admin)["web01"]["disk"]
    assert (row["datastorename"], row["datastorehost"], row["datastorepath"], row["datastoretype"]) == (
        "nfs1",
        "nas",
        "/export/one",
        "NFS",
    )


def test_devices_are_sorted_by_their_number(world: World, admin: Api) -> None:
    world.vms["vm-1"].nics = [nic(10, 1), nic(2, 1)]
    assert [row["id"] for row in listed(admin)["web01"]["nic"]] == ["Network adapter 2", "Network adapter 10"]


def test_suspended_is_unknown(world: World, admin: Api) -> None:
    world.vms["vm-1"].power_state = "suspended"
    assert listed(admin)["web01"]["powerstate"] == "PowerUnknown"


@pytest.mark.parametrize(
    ("place", "attribute", "value"),
    [
        ("cloud", "state", "Down"),
        ("cloud", "resourcestate", "Maintenance"),
        ("vsphere", "connection_state", "disconnected"),
    ],
)
def test_a_lost_host_contributes_nothing(world: World, admin: Api, place: str, attribute: str, value: str) -> None:
    host = world.cloud.hosts[ident("host-1")] if place == "cloud" else world.hosts["host-1"]
    setattr(host, attribute, value)
    assert set(listed(admin)) == {"app02"}


def test_an_unreadable_vm_hides_those_behind_it(world: World, admin: Api) -> None:
    add_vm(world, 3, "broken", connection_state="inaccessible")
    add_vm(world, 4, "behind")
    assert set(listed(admin)) == {"web01", "app02"}
    assert set(listed(admin, name="behind")) == {"behind"}


def test_names_on_one_host_collapse_but_not_across_hosts(world: World, admin: Api) -> None:
    add_vm(world, 3, "twin", cpus=3)
    add_vm(world, 4, "twin", cpus=4)
    add_vm(world, 5, "twin", cpus=5, host="host-2")
    rows = admin.rows("listUnmanagedInstances", "unmanagedinstance", clusterid=ident("cluster"), name="twin")
    assert sorted(row["cpunumber"] for row in rows) == [4, 5]


def test_paging_is_ignored_but_not_its_rule(admin: Api) -> None:
    assert len(listed(admin, page="1", pagesize="1")) == 2
    answer = admin.call("listUnmanagedInstances", clusterid=ident("cluster"), page="1")
    assert answer.status_code == 431


def test_filters(world: World, admin: Api) -> None:
    add_vm(world, 3, "golden", template=True)
    assert set(listed(admin, keyword="WEB")) == {"web01"}
    assert listed(admin, name="WEB01") == {}
    assert listed(admin, name="golden") == {}


def test_raw_names_stay_raw(world: World, admin: Api) -> None:
    add_vm(world, 3, "a%2fb")
    assert set(listed(admin, name="a%2fb")) == {"a%2fb"}


def test_only_root_admins(bob: Api) -> None:
    answer = bob.call("listUnmanagedInstances", clusterid=ident("cluster"))
    assert answer.status_code == 531
    body = answer.json()["listunmanagedinstancesresponse"]
    assert body["errortext"] == (f"Cannot perform this operation, caller account [{ident('bob')}] is not ROOT Admin.")


def test_other_hypervisors(world: World, admin: Api) -> None:
    world.cloud.clusters[ident("cluster")].hypervisortype = "XenServer"
    body = admin.body("listUnmanagedInstances", clusterid=ident("cluster"))
    assert body["errortext"] == "VM import is currently not supported for hypervisor [XenServer]."


def test_managed_names_go_only_by_name(world: World, admin: Api) -> None:
    assert admin.run("importUnmanagedInstance", **base_request())["jobstatus"] == 1
    assert set(listed(admin)) == {"app02"}
    world.vms["vm-1"].name = "renamed"
    assert set(listed(admin)) == {"app02", "renamed"}


@pytest.mark.parametrize(
    ("chain", "hidden"),
    [
        (["[ds1] x/x-000001.vmdk"], set()),
        (["[ds1] x/x-000001.vmdk", "[ds1] web01/web01.vmdk"], {"web01"}),
        (["[ds1] x/x-000001.vmdk", "[ds1] x/app02-old.vmdk"], {"app02"}),
        (["[ds1] x/x-000001.vmdk", "[ds1] x/ROOT-7.vmdk"], set()),
        (
            ["[ds1] web01/web01-000001.vmdk", "[ds1] my x/my web01-000002.vmdk", "[ds1] y/app02.vmdk"],
            {"web01", "app02"},
        ),
    ],
)
def test_removed_chains_hide_names(world: World, admin: Api, chain: list[str], hidden: set[str]) -> None:
    cloud = world.cloud
    gone = Instance(
        "i", "x", "x", "x", "Stopped", ident("zone"), ident("zone-pod"), ident("cluster"), ident("host-1"),
        ident("admin"), ident("ROOT"), ident("so-custom"), ident("template"), ident("os-ubuntu"), 1, 1, "vm-9",
        removed=True,
    )  # fmt: skip
    cloud.instances["i"] = gone
    cloud.volumes["v"] = Volume("v", "ROOT-1", "ROOT", "i", 1, ident("pool-ds1"), "", "x", chain, removed=True)
    assert set(listed(admin)) == {"web01", "app02"} - hidden


def test_the_list_is_slow_and_holds_nobody_up(world: World, admin: Api) -> None:
    world.cloud.list_seconds_per_vm = 0.2
    found: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: found.append(listed(admin)))
    start = time.monotonic()
    reader.start()
    time.sleep(0.05)
    assert admin.names("listZones", "zone", name="zone") == ["zone"]
    assert reader.is_alive()
    reader.join()
    assert time.monotonic() - start >= 0.4
    assert set(found[0]) == {"web01", "app02"}


def test_no_order_and_every_time_another(world: World, admin: Api) -> None:
    for number in range(10, 30):
        add_vm(world, number, f"vm{number}", host=f"host-{1 + number % 2}")
    orders = [tuple(listed(admin)) for _ in range(4)]
    assert len(set(orders)) > 1
    assert {frozenset(order) for order in orders} == {frozenset(orders[0])}
    hosts = [row["hostname"] for row in listed(admin).values()]
    assert hosts == sorted(hosts), "hosts answer one after the other"


def test_a_vm_without_configuration_is_a_name_and_little_more(world: World, admin: Api) -> None:
    world.vms["vm-1"].connection_state = "invalid"
    assert listed(admin)["web01"] == {
        "name": "web01",
        "clusterid": ident("cluster"),
        "clustername": "vcenter.example.org/DC/C1",
        "hostid": ident("host-1"),
        "hostname": "esx1",
        "hypervisor": "VMware",
        "hypervisorversion": "8.0.2",
        "powerstate": "PowerUnknown",
        "disk": [],
        "nic": [],
    }


def test_a_host_that_takes_longer_than_the_agent_waits_is_lost(world: World, admin: Api) -> None:
    for number in range(10, 13):
        add_vm(world, number, f"vm{number}")
    world.clock.run_at(100)
    world.cloud.list_seconds_per_vm = 0.3
    world.cloud.configuration["wait"] = "1"
    assert set(listed(admin)) == {"app02"}, "four VMs take 1.2 s"
    assert set(listed(admin, name="vm10")) == {"vm10"}
    world.cloud.configuration["wait"] = "2"
    assert len(listed(admin)) == 5


def test_a_host_that_fails_while_it_is_read_is_lost(world: World, admin: Api) -> None:
    world.cloud.list_seconds_per_vm = 0.05
    found: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: found.append(listed(admin)))
    reader.start()
    end = time.monotonic() + 30
    while "listUnmanagedInstances" not in world.cloud.journal.requests:
        assert time.monotonic() < end
    with world.lock:
        world.hosts["host-2"].connection_state = "notResponding"
    reader.join()
    assert set(found[0]) == {"web01"}


def system_vm(**place: str) -> SystemVm:
    return SystemVm("s", "app02", ident("zone2-pod"), **place)


@pytest.mark.parametrize(
    ("vm", "hidden"),
    [
        (system_vm(hostid=ident("host-1")), True),
        (system_vm(lasthostid=ident("host-2")), True),
        (system_vm(hostid=ident("host-3")), False),
        (SystemVm("s", "app02", ident("zone-pod")), True),
        (SystemVm("s", "app02", ident("zone2-pod")), False),
    ],
    ids=["here", "last here", "in another cluster", "nowhere in the pod", "nowhere in another pod"],
)
def test_managed_vms_hide_their_namesakes(world: World, admin: Api, vm: SystemVm, hidden: bool) -> None:
    """The same for system VMs and user VMs; the namesake need not be the VM itself."""
    world.cloud.system_vms["s"] = vm
    assert ("app02" not in listed(admin)) == hidden
    assert (listed(admin, name="app02") == {}) == hidden
    world.cloud.system_vms.clear()
    assert admin.run("importUnmanagedInstance", **base_request())["jobstatus"] == 1
    (instance,) = world.cloud.instances.values()
    instance.instancename = "app02"
    instance.hostid, instance.lasthostid, instance.podid = vm.hostid, vm.lasthostid, vm.podid
    assert ("app02" not in listed(admin)) == hidden
    instance.removed = True
    assert "app02" in listed(admin)


def test_a_template_on_a_pool_hides_its_namesake(world: World, admin: Api) -> None:
    world.cloud.templates[ident("template-removed")].installpath = "app02"
    assert set(listed(admin)) == {"web01"}


def test_what_is_not_filtered(world: World, admin: Api) -> None:
    for number, name in enumerate(("vCLS-1", "cloud.uuid-worker", "vcenter", "web01_replica"), start=10):
        add_vm(world, number, name)
    assert {"vCLS-1", "cloud.uuid-worker", "vcenter", "web01_replica"} <= set(listed(admin))


def test_a_vm_with_another_internal_name_stays_listed(world: World, admin: Api) -> None:
    """The instance name comes from the custom field, the filter looks at vCenter's name."""
    world.vms["vm-1"].custom_fields["cloud.vm.internal.name"] = "i-2-7-VM"
    machine = admin.run("importUnmanagedInstance", **base_request())["jobresult"]["virtualmachine"]
    assert machine["instancename"] == "i-2-7-VM"
    assert "web01" in listed(admin)
    world.vms["vm-2"].custom_fields["cloud.vm.internal.name"] = "not an internal name"
    assert "app02" in listed(admin, keyword="APP")


def test_unknown_clusters(admin: Api) -> None:
    answer = admin.call("listUnmanagedInstances", clusterid="nonsense")
    assert answer.status_code == 431
    assert answer.json()["listunmanagedinstancesresponse"]["errortext"] == (
        "Unable to execute API command listunmanagedinstances due to invalid value. Invalid parameter clusterid "
        "value=nonsense due to incorrect long value format, or entity does not exist or due to incorrect parameter "
        "annotation for the field in api cmd class."
    )
    missing = admin.body("listUnmanagedInstances")["errortext"]
    assert missing == "Unable to execute API command listunmanagedinstances due to missing parameter clusterid"


def test_kvm_clusters_answer_as_well(world: World, admin: Api) -> None:
    world.cloud.clusters[ident("cluster")].hypervisortype = "KVM"
    assert {row["hypervisor"] for row in listed(admin).values()} == {"KVM"}


@pytest.mark.parametrize(
    ("kind", "expected"), [("VMFS", None), ("vsan", None), ("VVOL", None), ("NFS", "NFS"), ("NFS41", "NFS41")]
)
def test_only_network_storage_is_described(world: World, admin: Api, kind: str, expected: str | None) -> None:
    datastore = world.datastores["datastore-1"]
    datastore.type, datastore.remote_host, datastore.remote_path = kind, "nas", "/one"
    row = listed(admin)["web01"]["disk"][0]
    assert row.get("datastoretype") == expected
    assert ("datastorehost" in row, "datastorepath" in row) == (expected is not None, expected is not None)


def test_fields_that_are_empty_are_absent(world: World, admin: Api) -> None:
    vm = world.vms["vm-1"]
    vm.guest_id = vm.guest_full_name = vm.disks[0].label = ""
    vm.cpu_reservation_mhz, vm.cores_per_socket, vm.nics, vm.firmware = 0, 0, [], "efi"
    row = listed(admin)["web01"]
    assert not {"osid", "osdisplayname"} & set(row)
    assert "label" not in row["disk"][0]
    assert (row["cpuspeed"], row["cpucorepersocket"], row["nic"]) == (0, 1, [])
    assert (row["boottype"], row["bootmode"]) == ("UEFI", "LEGACY")


def test_the_top_of_a_chain_is_shown_and_the_chain_is_not(world: World, admin: Api) -> None:
    top = world.vms["vm-1"].disks[0]
    top.file_name, top.parent_file = "[ds1] web01/web01-000001.vmdk", "[ds1] web01/web01.vmdk"
    row = listed(admin)["web01"]["disk"][0]
    assert row["imagepath"] == "[ds1] web01/web01-000001.vmdk"
    assert "chaininfo" not in {key.lower() for key in row}


def test_a_promiscuous_port_and_capital_macs(world: World, admin: Api) -> None:
    world.networks["dvportgroup-2"].vlan = Vlan("pvlan", secondary=300)
    card = nic(1, 1, "dvportgroup-2", "dvs")
    card.mac = "00:50:56:AA:BB:CC"
    world.vms["vm-1"].nics = [card]
    (row,) = listed(admin)["web01"]["nic"]
    assert (row["vlanid"], row["isolatedpvlan"], row["isolatedpvlantype"]) == (300, 300, "promiscuous")
    assert row["macaddress"] == "00:50:56:aa:bb:cc"
