"""Why a VM is not in the list: every reason that shows, from both sides."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ingest.model.inventory import VirtualMachine
from ingest.plan.why import Answer, why
from tests.plan import small_site as site


def answer(vm: VirtualMachine, *, shown: bool = False, **more: Any) -> Answer:
    snapshot = site.snapshot(vm, shown=[vm] if shown else [], **more)
    (found,) = why(vm.name, snapshot)
    return found


def facts(found: Answer) -> str:
    return "\n".join(f"{one.side}: {one.fact}" for one in found.reasons)


def test_a_listed_vm() -> None:
    found = answer(site.web01(), shown=True)
    assert found.listed
    assert facts(found).startswith("CloudStack: lists it on host")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"template": True}, "vCenter: it is a template"),
        ({"managed_by": "com.vmware.vim.eam"}, "vCenter: it belongs to com.vmware.vim.eam"),
        ({"connection_state": "inaccessible"}, "vCenter: the VM is inaccessible"),
        ({"unreadable": True}, "vCenter: its configuration cannot be read"),
        ({"cluster": "", "cluster_moref": "domain-s9"}, "vCenter: it runs on the standalone host"),
        ({"cluster": "C9", "cluster_moref": "domain-c9"}, "CloudStack: does not know the cluster DC1/C9"),
        ({"host": "esx77", "host_moref": "host-77"}, "CloudStack: has no host esx77"),
        (
            {"custom_fields": (("cloud.vm.internal.name", "i-2-5-VM"),)},
            "vCenter: its custom attribute cloud.vm.internal.name is i-2-5-VM",
        ),
    ],
)
def test_reasons_of_the_vm(changes: dict[str, Any], says: str) -> None:
    found = answer(dataclasses.replace(site.web01(), **changes))
    assert not found.listed
    assert says in facts(found)


def test_reasons_of_hosts_on_both_sides() -> None:
    hosts = tuple(
        host.model_copy(update={"state": "Disconnected", "resourcestate": "Maintenance"})
        for host in site.catalogue().hosts
    )
    seen = {"hosts": tuple(dataclasses.replace(h, in_maintenance=True) for h in site.inventory().hosts)}
    told = facts(answer(site.web01(), hosts=hosts, seen=seen))
    assert "is Disconnected: its VMs are left out without an error" in told
    assert "is in Maintenance: its VMs are not listed" in told
    assert not site.inventory().hosts or "is in maintenance mode" in told


def test_a_vm_cloudstack_has_already() -> None:
    (found,) = why("legacy01", site.snapshot())
    assert "already has it: instance" in facts(found)


def test_a_name_that_hides_another_vm() -> None:
    (legacy, *_) = site.catalogue().virtual_machines
    other = legacy.model_copy(update={"id": "i-9", "name": "other", "instancename": "web01"})
    assert "internal name of its instance other" in facts(answer(site.web01(), virtual_machines=(other,)))


def test_two_vms_of_one_name_get_two_answers() -> None:
    second = dataclasses.replace(site.web01(), moref="vm-99", instance_uuid="u-99")
    found = why("WEB01", site.snapshot(site.web01(), second))
    assert [one.moref for one in found] == ["vm-1", "vm-99"]
    assert all("neither can be told apart" in facts(one) for one in found)


def test_nothing_explains_it() -> None:
    assert "nothing either side shows explains it" in facts(answer(site.web01()))


def test_a_vm_nobody_has() -> None:
    (found,) = why("wbe01", site.snapshot())
    assert found.path == ""
    assert "nearest: web01" in facts(found)
    (internal,) = why("legacy-internal", site.snapshot(virtual_machines=()))
    assert "no VM of that name" in facts(internal)


def test_listed_with_fewer_devices_and_an_internal_name() -> None:
    vm = dataclasses.replace(site.web01(), custom_fields=(("cloud.vm.internal.name", "i-2-5-VM"),))
    listed = site.as_listed(vm).model_copy(update={"nic": ()})
    told = facts(answer(vm, unmanaged=(listed,)))
    assert "does not show: NIC Network adapter 1" in told
    assert "goes on listing the VM after the import" in told
