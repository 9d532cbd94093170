"""Which record is which VM, and why some VMs have none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ingest.model import catalogue as c
from ingest.model.inventory import Cluster, VirtualMachine
from ingest.plan.pairing import UNMANAGED_COLUMNS, Pair, cluster_ids, dropped_devices, pair, unmanaged_rows
from tests.plan import small_site as site


def pairs_of(snapshot: Any) -> dict[str, Pair]:
    return {one.vm.moref: one for one in pair(snapshot.inventory, snapshot.catalogue)}


def only(vm: VirtualMachine, *, shown: bool = False, **more: Any) -> Pair:
    (one,) = pairs_of(site.snapshot(vm, shown=[vm] if shown else [], **more)).values()
    return one


def test_a_listed_vm_has_its_record_and_its_cluster() -> None:
    one = pairs_of(site.snapshot())["vm-1"]
    assert one.listed is not None
    assert (one.listed.name, one.cluster_id, one.absent) == ("web01", "cluster-1", "")
    assert [one.duplicate, one.managed, one.skip] == [False, False, False]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"template": True}, "vSphere template"),
        ({"managed_by": "com.vmware.vim.eam"}, "belongs to com.vmware.vim.eam, not to a person"),
        ({"name": "vCLS-4b9c"}, "belongs to vSphere Cluster Services, not to a person"),
        ({"name": "vCLS (2)"}, "belongs to vSphere Cluster Services, not to a person"),
        ({"name": "legacy01", "nics": (site.nic(1, "ff"),)}, "already managed by CloudStack"),
        ({"cluster": "", "cluster_moref": "domain-s7"}, "runs on a standalone host; CloudStack manages clusters"),
        (
            {"cluster": "C9", "cluster_moref": "domain-c9"},
            "CloudStack does not know cluster DC1/C9, or it was not asked for",
        ),
        ({"connection_state": "inaccessible"}, "vCenter calls it inaccessible; CloudStack cannot read it"),
        ({"unreadable": True}, "vCenter cannot read its configuration, nor can CloudStack"),
        ({}, "CloudStack does not list it; a host that fails while listing drops VMs silently: list it by name"),
    ],
)
def test_why_a_vm_is_not_shown(changes: dict[str, Any], says: str) -> None:
    one = only(site.web01(**changes))
    assert one.listed is None
    assert one.absent == says


@pytest.mark.parametrize("down", [{"state": "Disconnected"}, {"resourcestate": "Maintenance"}])
def test_a_host_that_is_down_explains_its_vms(down: dict[str, str]) -> None:
    hosts = site.replaced(site.catalogue().hosts, "esx1", **down)
    assert only(site.web01(), hosts=hosts).absent == "host esx1 is not Up in CloudStack"


def test_templates_and_agents_are_nobodys_to_import_even_when_they_are_shown() -> None:
    agent = only(site.web01(managed_by="com.vmware.vim.eam"), shown=True)
    assert agent.skip
    assert agent.absent == "belongs to com.vmware.vim.eam, not to a person"


def test_two_vms_of_one_name_are_paired_with_nothing() -> None:
    twin = dataclasses.replace(site.web01(), moref="vm-9", instance_uuid="other")
    pairs = pairs_of(site.snapshot(site.web01(), twin))
    assert [(one.duplicate, one.listed) for one in pairs.values()] == [(True, None), (True, None)]


def test_a_template_or_a_vm_of_an_unknown_cluster_is_no_duplicate() -> None:
    others = (
        dataclasses.replace(site.web01(), moref="vm-8", template=True),
        dataclasses.replace(site.web01(), moref="vm-9", cluster="C9", cluster_moref="domain-c9"),
    )
    pairs = pairs_of(site.snapshot(site.web01(), *others, shown=[site.web01()]))
    assert pairs["vm-1"].listed is not None
    assert not any(one.duplicate for one in pairs.values())


@pytest.mark.parametrize(
    ("instance", "managed"),
    [
        ({"instancename": "web01", "nic": (c.InstanceNic(macaddress="00:50:56:00:00:01"),)}, True),
        ({"instancename": "web01", "nic": ()}, True),
        ({"instancename": "web01", "nic": (c.InstanceNic(macaddress="00:50:56:99:99:99"),)}, False),
        ({"instancename": "i-2-34-VM", "nic": (c.InstanceNic(macaddress="00:50:56:00:00:01"),)}, False),
        ({"instancename": "", "name": "web01", "nic": (c.InstanceNic(macaddress="00:50:56:00:00:01"),)}, True),
        ({"instancename": "Web01", "nic": ()}, False),
    ],
)
def test_managed_means_the_name_and_a_common_mac(instance: dict[str, Any], managed: bool) -> None:
    machine = c.VirtualMachine(**({"id": "i-1", "name": "host-name"} | instance))
    assert only(site.web01(), virtual_machines=(machine,)).managed is managed


def test_a_listed_vm_is_not_managed_whatever_has_its_name() -> None:
    namesake = c.VirtualMachine(id="i-1", name="web01", instancename="web01")
    assert not only(site.web01(), shown=True, virtual_machines=(namesake,)).managed


def vsphere_cluster(moref: str, name: str = "C1", datacenter: str = "DC1", **more: Any) -> Cluster:
    facts: dict[str, Any] = {"datacenter_moref": "datacenter-1", "path": f"/{datacenter}/host/{name}"}
    facts |= {"standalone": False} | more
    return Cluster(moref, name, datacenter, **facts)


def cloudstack_cluster(id_: str, name: str, hypervisor: str = "VMware") -> c.Cluster:
    return c.Cluster(id=id_, name=name, zoneid="zone-1", hypervisortype=hypervisor)


@pytest.mark.parametrize(
    ("theirs", "ours", "linked"),
    [
        ([cloudstack_cluster("a", "vc/DC1/C1")], [vsphere_cluster("m1")], {"m1": "a"}),
        ([cloudstack_cluster("a", "10.0.0.1/DC1/C1")], [vsphere_cluster("m1")], {"m1": "a"}),
        ([cloudstack_cluster("a", "vc/DC1/A/B")], [vsphere_cluster("m1", "A/B")], {"m1": "a"}),
        ([cloudstack_cluster("a", "vc/DC2/C1")], [vsphere_cluster("m1")], {}),
        ([cloudstack_cluster("a", "vc/DC1/c1")], [vsphere_cluster("m1")], {}),
        ([cloudstack_cluster("a", "C1")], [vsphere_cluster("m1")], {}),
        ([cloudstack_cluster("a", "vc/DC1/C1", "KVM")], [vsphere_cluster("m1")], {}),
        ([cloudstack_cluster("a", "vc/DC1/C1")], [vsphere_cluster("m1", standalone=True)], {}),
        # Two vCenters that call things the same: neither is guessed.
        ([cloudstack_cluster("a", "vc1/DC1/C1"), cloudstack_cluster("b", "vc2/DC1/C1")], [vsphere_cluster("m1")], {}),
        ([cloudstack_cluster("a", "vc/DC1/C1")], [vsphere_cluster("m1"), vsphere_cluster("m2")], {}),
    ],
)
def test_clusters_are_linked_by_datacenter_and_name_or_not_at_all(
    theirs: list[c.Cluster], ours: list[Cluster], linked: dict[str, str]
) -> None:
    inventory = site.inventory(clusters=tuple(ours))
    assert cluster_ids(inventory, c.Catalogue(clusters=tuple(theirs))) == linked


def test_devices_cloudstack_left_out_are_named() -> None:
    vm = site.web01(
        nics=(site.nic(1, "01"), site.nic(2, "02", kind="unattached")),
        disks=(site.disk(1, 20, 1), site.disk(2, 5, 1, backing="rdm")),
    )
    assert dropped_devices(only(vm, shown=True)) == ["NIC Network adapter 2", "disk Hard disk 2 (rdm)"]
    assert dropped_devices(only(vm)) == []
    assert dropped_devices(only(site.web01(), shown=True)) == []


def test_rows_say_of_every_vm_whether_it_is_shown_and_what_is_missing() -> None:
    short = site.app02(disks=(site.disk(1, 40, 2), site.disk(2, 10, 2, backing="rdm")))
    twin = dataclasses.replace(site.web01(), moref="vm-9")
    snapshot = site.snapshot(site.web01(), short, twin, site.golden(), shown=[site.web01(), short])
    rows = {row["moref"]: row for row in unmanaged_rows(pair(snapshot.inventory, snapshot.catalogue))}
    assert {row["shown"] for moref, row in rows.items() if moref in ("vm-1", "vm-9")} == {"twice"}
    assert rows["vm-1"]["reason"] == "the name stands more than once in this cluster"
    assert (rows["vm-2"]["shown"], rows["vm-2"]["reason"]) == ("yes", "disk Hard disk 2 (rdm)")
    assert (rows["vm-2"]["vcenter_disks"], rows["vm-2"]["cloudstack_disks"]) == ("2", "1")
    assert (rows["vm-5"]["shown"], rows["vm-5"]["cloudstack_nics"]) == ("no", "")
    assert all(tuple(row) == UNMANAGED_COLUMNS for row in rows.values())
