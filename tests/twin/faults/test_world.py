"""What others do between two calls, and what becomes of hosts, sessions, pages and clocks."""

from __future__ import annotations

import http.client
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyVmomi import vim

from ingest.twin.serving import Twin
from ingest.twin.worlds.integrity import dangling
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import base_request, ident
from tests.twin.faults.conftest import fired, strike, until
from tests.twin.vcenter.conftest import read_all

CLUSTER = {"clusterid": ident("cluster")}


def unmanaged(admin: Api) -> list[str]:
    return sorted(admin.names("listUnmanagedInstances", "unmanagedinstance", **CLUSTER))


def machine(si: Any, number: int) -> Any:
    return vim.VirtualMachine(f"vm-{number}", si._stub)


def test_a_host_goes_down_on_both_sides_and_comes_back(twin: Twin, admin: Api, si: Any) -> None:
    twin.world.clock.run_at(50)
    strike(twin, kind="host-down", host="esx2", seconds=40)
    assert unmanaged(admin) == ["web01"]
    states = {row["name"]: row["state"] for row in admin.rows("listHosts", "host", type="Routing")}
    assert states == {"esx1": "Up", "esx2": "Disconnected", "esx3": "Up"}
    assert vim.HostSystem("host-2", si._stub).runtime.connectionState == "notResponding"
    assert machine(si, 2).runtime.connectionState == "disconnected"
    until(lambda: unmanaged(admin) == ["app02", "web01"])
    assert machine(si, 2).runtime.connectionState == "connected"
    assert fired(twin) == ["host-down"]


def test_vcenter_sessions_expire_just_before_a_call(twin: Twin, si: Any) -> None:
    strike(twin, kind="session-expiry", command="CurrentTime")
    with pytest.raises(vim.fault.NotAuthenticated):
        si.CurrentTime()


def test_vcenter_restarts(twin: Twin, si: Any) -> None:
    port = twin.vcenter.port
    strike(twin, kind="vcenter-restart", command="CurrentTime", seconds=0.1)
    with pytest.raises((http.client.HTTPException, OSError)):
        si.CurrentTime()
    before = twin.vcenter.requests
    until(lambda: twin.world.cloud.journal.of("vcenter-back"))
    with pytest.raises(vim.fault.NotAuthenticated):
        si.CurrentTime()
    assert (twin.vcenter.port, fired(twin)) == (port, ["vcenter-restart"])
    assert twin.vcenter.requests > before > 0


def test_pages_of_vcenter_shrink_in_the_middle(twin: Twin, si: Any) -> None:
    assert read_all(si, vim.HostSystem, ["name"])[1] == 1
    strike(twin, kind="vcenter-page-size", objects=1)
    hosts, pages = read_all(si, vim.HostSystem, ["name"])
    assert (len(hosts), pages) == (3, 3)
    twin.faults.clear()
    assert read_all(si, vim.HostSystem, ["name"])[1] == 1


def test_the_page_size_of_cloudstack_changes(twin: Twin, admin: Api) -> None:
    strike(twin, kind="cloudstack-page-size", rows=1)
    assert len(admin.rows("listHosts", "host")) == 1
    assert admin.call("listHosts", page="1", pagesize="2").status_code == 431
    twin.faults.clear()
    assert len(admin.rows("listHosts", "host")) == 3


def test_the_listing_gets_slow(twin: Twin, admin: Api) -> None:
    strike(twin, kind="slow-listing", seconds_per_vm=0.15)
    began = time.monotonic()
    assert unmanaged(admin) == ["app02", "web01"]
    assert time.monotonic() - began >= 0.3


def test_the_clock_jumps(twin: Twin, admin: Api, si: Any) -> None:
    strike(twin, kind="clock-jump", seconds=3600)
    assert admin.call("listZones", expires_in=1800).status_code == 401
    assert si.CurrentTime() - datetime.now(UTC) > timedelta(minutes=59)
    strike(twin, kind="clock-jump", seconds=-3600)
    assert admin.call("listZones").status_code == 200


def test_a_datastore_is_full(twin: Twin, si: Any) -> None:
    strike(twin, kind="datastore-full", datastore="ds*")
    assert vim.Datastore("datastore-1", si._stub).summary.freeSpace == 0
    assert vim.Datastore("datastore-2", si._stub).summary.freeSpace > 0
    twin.faults.clear()
    assert vim.Datastore("datastore-1", si._stub).summary.freeSpace > 0


def test_a_vm_vanishes_between_list_and_import(twin: Twin, admin: Api) -> None:
    strike(twin, kind="vm-vanishes", command="importUnmanagedInstance", vm="web*")
    assert unmanaged(admin) == ["app02", "web01"]
    job = admin.run("importUnmanagedInstance", **base_request())
    assert job["jobresult"]["errortext"].startswith("Failed to find unmanaged vm with name: web01")
    assert list(dangling(twin.world)) == []


def test_a_vm_is_renamed_when_a_list_is_read(twin: Twin, admin: Api, si: Any) -> None:
    strike(twin, kind="vm-renamed", command="listUnmanagedInstances", nth=2, vm="web01", to="{name}-old")
    assert unmanaged(admin) == ["app02", "web01"]
    assert unmanaged(admin) == ["app02", "web01-old"]
    assert machine(si, 1).name == "web01-old"


@pytest.mark.parametrize(("to", "host"), [("", "host-2"), ("esx3", "host-3")])
def test_a_vm_moves(twin: Twin, si: Any, to: str, host: str) -> None:
    strike(twin, kind="vm-moves", vm="web01", to=to)
    assert machine(si, 1).runtime.host._moId == host


def test_a_vm_is_switched_off_by_somebody_and_cloudstack_notices(twin: Twin, admin: Api, si: Any) -> None:
    imported = admin.run("importUnmanagedInstance", **base_request())["jobresult"]["virtualmachine"]
    assert imported["state"] == "Stopped"
    strike(twin, kind="vm-power", vm="web01", to="poweredOn")
    assert machine(si, 1).runtime.powerState == "poweredOn"
    assert admin.rows("listVirtualMachines", "virtualmachine")[0]["state"] == "Running"


def test_a_mac_is_taken_between_check_and_write(twin: Twin, admin: Api) -> None:
    strike(twin, kind="address-taken", network="l2-100", step="checked")
    job = admin.run("importUnmanagedInstance", **base_request())
    assert job["jobresult"]["errortext"] == (
        "Failed to import NICs while importing vm: web01. NIC with MAC address 00:50:56:00:01:01 exists on network "
        "l2-100 and forced flag is disabled"
    )
    rows = admin.rows("listVirtualMachines", "virtualmachine")
    assert [row["name"] for row in rows] == ["somebody-1"]
    assert list(dangling(twin.world)) == []


def test_an_address_is_taken_between_check_and_write(twin: Twin, admin: Api) -> None:
    strike(twin, kind="address-taken", network="shared-100", ip="10.1.0.10", step="checked")
    sent = base_request() | {
        "nicnetworklist[0].network": ident("shared-100"),
        "nicipaddresslist[0].nic": "Network adapter 1",
        "nicipaddresslist[0].ip4Address": "10.1.0.10",
    }
    job = admin.run("importUnmanagedInstance", **sent)
    assert job["jobresult"]["errortext"] == (
        "Failed to import NICs while importing vm: web01. Unable to acquire Guest IP  address for network shared-100"
    )


@pytest.mark.parametrize(("outcome", "state"), [("fail", "error"), ("hang", "running")])
def test_a_power_task_goes_wrong(twin: Twin, si: Any, outcome: str, state: str) -> None:
    strike(twin, kind="vcenter-task", vm="app02", outcome=outcome)
    task = machine(si, 2).PowerOff()
    until(lambda: task.info.state == state)
    assert twin.world.vms["vm-2"].power_state == "poweredOn"
    started = twin.world.cloud.journal.of("vcenter-task")
    assert [(one["method"], one["vm"]) for one in started] == [("PowerOffVM_Task", "app02")]
    ended = twin.world.cloud.journal.of("vcenter-task-ended")
    assert [(one["state"], one["fault"]) for one in ended] == (
        [("error", "GenericVmConfigFault")] if outcome == "fail" else []
    )


def test_guests_and_calls_are_in_the_journal(twin: Twin, si: Any) -> None:
    machine(si, 2).ShutdownGuest()
    assert twin.world.cloud.journal.of("vcenter-guest-shutdown") == [{"vm": "app02", "moref": "vm-2"}]
    assert twin.world.cloud.journal.vcenter_calls["ShutdownGuest"] == 1
