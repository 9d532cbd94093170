"""Power operations, tasks, and waiting for them."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from pyVim.task import TaskBlocked, WaitForTask, WaitForTasks
from pyVmomi import vim, vmodl

from ingest.twin.certificate import TwinCertificate
from ingest.twin.vcenter import READ_ONLY, VCenterServer, VCenterSettings
from ingest.twin.world import World

from .conftest import connect, machine, make_vm, spec_for

query = vmodl.query.PropertyCollector


def wait_for_state(world: World, moref: str, state: str) -> None:
    deadline = time.monotonic() + 5
    while world.vms[moref].power_state != state:
        assert time.monotonic() < deadline, f"{moref} is still {world.vms[moref].power_state}"
        time.sleep(0.005)


def test_power_off_and_on_change_the_world(si: Any, world: World) -> None:
    before = world.vms["vm-102"].revision
    task = machine(si, 102).PowerOff()
    assert task.info.state in ("running", "success")
    assert WaitForTask(task) == "success"
    assert world.vms["vm-102"].power_state == "poweredOff"
    assert machine(si, 102).runtime.powerState == "poweredOff"
    info = task.info
    assert (info.entity._moId, info.entityName, info.descriptionId) == ("vm-102", "vm102", "VirtualMachine.powerOff")
    assert info.completeTime >= info.startTime
    assert WaitForTask(machine(si, 102).PowerOn()) == "success"
    assert world.vms["vm-102"].power_state == "poweredOn"
    assert world.vms["vm-102"].revision == before + 2
    assert task in list(si.content.taskManager.recentTask)


def test_many_tasks_can_be_waited_for_together(si: Any, world: World) -> None:
    WaitForTasks([machine(si, number).PowerOff() for number in (100, 102, 105)], si=si)
    assert {world.vms[f"vm-{number}"].power_state for number in (100, 102, 105)} == {"poweredOff"}


@pytest.mark.parametrize(("number", "existing"), [(101, "poweredOff"), (107, "suspended")])
def test_the_wrong_power_state_fails_the_task(si: Any, number: int, existing: str) -> None:
    with pytest.raises(vim.fault.InvalidPowerState) as caught:
        WaitForTask(machine(si, number).PowerOff())
    assert (caught.value.existingState, caught.value.requestedState) == (existing, "poweredOff")


def test_the_wrong_power_state_can_fail_the_call(world: World, certificate: TwinCertificate) -> None:
    with VCenterServer(world, settings=VCenterSettings(power_faults="call"), certificate=certificate) as server:
        instance = connect(server)
        with pytest.raises(vim.fault.InvalidPowerState):
            machine(instance, 101).PowerOff()
        instance._stub.DropConnections()


def test_one_task_at_a_time(server: VCenterServer, si: Any) -> None:
    server.plan_task("vm-102", "hang")
    task = machine(si, 102).PowerOff()
    for call in (machine(si, 102).PowerOff, machine(si, 102).ShutdownGuest):
        with pytest.raises(vim.fault.TaskInProgress) as caught:
            call()
        assert caught.value.task == task
    assert task.info.state == "running"


def test_a_task_can_be_told_to_fail(server: VCenterServer, si: Any, world: World) -> None:
    server.plan_task("vm-102", "fail")
    with pytest.raises(vim.fault.GenericVmConfigFault):
        WaitForTask(machine(si, 102).PowerOff())
    assert world.vms["vm-102"].power_state == "poweredOn"
    assert WaitForTask(machine(si, 102).PowerOff()) == "success"


def test_a_task_can_stop_with_a_question(server: VCenterServer, si: Any, world: World) -> None:
    server.plan_task("vm-101", "question")
    task = machine(si, 101).PowerOn()
    with pytest.raises(TaskBlocked):
        WaitForTask(task)
    question = machine(si, 101).runtime.question
    machine(si, 101).AnswerVM(question.id, "2")
    assert WaitForTask(task) == "success"
    assert (world.vms["vm-101"].power_state, machine(si, 101).runtime.question) == ("poweredOn", None)


def test_a_guest_shuts_down_without_a_task(si: Any, world: World) -> None:
    world.vms["vm-100"].disabled_methods.clear()
    assert machine(si, 100).ShutdownGuest() is None
    wait_for_state(world, "vm-100", "poweredOff")
    assert machine(si, 100).guest.toolsRunningStatus == "guestToolsNotRunning"


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (102, vim.fault.ToolsUnavailable),
        (101, vim.fault.InvalidPowerState),
        (100, vim.fault.MethodDisabled),
        (103, vim.fault.InvalidState),
        (104, vim.fault.InvalidState),
    ],
)
def test_why_a_guest_cannot_be_shut_down(si: Any, number: int, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        machine(si, number).ShutdownGuest()


def test_a_deaf_guest_accepts_and_goes_on(world: World, certificate: TwinCertificate) -> None:
    settings = VCenterSettings(guest_shutdown_s=0.0, deaf_guests=frozenset({"vm-105"}))
    with VCenterServer(world, settings=settings, certificate=certificate) as server:
        instance = connect(server)
        machine(instance, 105).ShutdownGuest()
        machine(instance, 106).ShutdownGuest()
        instance._stub.DropConnections()
    assert world.vms["vm-105"].power_state == "poweredOn"
    assert world.vms["vm-106"].power_state == "poweredOff"


def test_tools_start_with_the_guest_and_addresses_appear_after_them(world: World, certificate: TwinCertificate) -> None:
    world.vms["vm-101"].tools_status = "toolsNotRunning"
    world.vms["vm-101"].nics[0].ips = ()
    settings = VCenterSettings(task_s=0, guest_boot_s=600, guest_address_s=600)
    world.clock.run_at(6000)  # so a boot takes a tenth of a second
    with VCenterServer(world, settings=settings, certificate=certificate) as server:
        instance = connect(server)
        vm = machine(instance, 101)
        WaitForTask(vm.PowerOn())
        seen = []
        deadline = time.monotonic() + 5
        while not seen or not seen[-1][1]:
            guest = vm.guest
            seen.append((guest.toolsRunningStatus, bool(guest.net and guest.net[0].ipAddress)))
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert list(dict.fromkeys(seen)) == [
            ("guestToolsNotRunning", False), ("guestToolsRunning", False), ("guestToolsRunning", True)
        ]  # fmt: skip
        guest = vm.guest
        assert (guest.toolsStatus, guest.hostName, guest.ipAddress) == ("toolsOk", "vm101", "10.0.0.11")
        instance._stub.DropConnections()


@pytest.mark.parametrize("method", ["ResetVM_Task", "RebootGuest"])
def test_a_guest_that_starts_again_is_gone_for_a_while(world: World, certificate: TwinCertificate, method: str) -> None:
    settings = VCenterSettings(task_s=0, guest_shutdown_s=0, guest_boot_s=3600)
    with VCenterServer(world, settings=settings, certificate=certificate) as server:
        instance = connect(server)
        getattr(machine(instance, 105), method)()
        assert machine(instance, 105).guest.toolsRunningStatus == "guestToolsNotRunning"
        assert machine(instance, 105).runtime.powerState == "poweredOn"
        with pytest.raises(vim.fault.ToolsUnavailable):
            machine(instance, 105).StandbyGuest()
        instance._stub.DropConnections()
    assert world.vms["vm-105"].guest_stage == "down"
    quick = VCenterSettings(guest_boot_s=0, guest_address_s=0)
    with VCenterServer(world, settings=quick, certificate=certificate):
        assert world.vms["vm-105"].guest_stage == ""  # a server that starts goes on with it


def test_a_guest_stands_by(world: World, certificate: TwinCertificate) -> None:
    with VCenterServer(world, settings=VCenterSettings(guest_shutdown_s=0), certificate=certificate) as server:
        instance = connect(server)
        machine(instance, 105).StandbyGuest()
        assert machine(instance, 105).runtime.powerState == "suspended"
        WaitForTask(machine(instance, 105).PowerOn())
        assert machine(instance, 105).runtime.powerState == "poweredOn"
        instance._stub.DropConnections()


@pytest.mark.parametrize(
    ("host", "fault"),
    [("host-32", vim.fault.InvalidState), ("host-33", vmodl.fault.InvalidArgument)],
)
def test_a_start_on_a_host_that_cannot_take_it(si: Any, world: World, host: str, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        WaitForTask(machine(si, 101).PowerOn(vim.HostSystem(host, si._stub)))
    assert (world.vms["vm-101"].power_state, world.vms["vm-101"].host) == ("poweredOff", "host-31")


def watched(si: Any, vm: Any, paths: list[str]) -> tuple[Any, Any]:
    collector = si.content.propertyCollector.CreatePropertyCollector()
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=vm)], propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=paths)]
    )
    return collector, collector.CreateFilter(spec, True)


def test_updates_tell_only_what_changed(si: Any, world: World) -> None:
    collector, _ = watched(si, machine(si, 102), ["name", "runtime.powerState"])
    options = query.WaitOptions(maxWaitSeconds=0)
    first = collector.WaitForUpdatesEx("", options)
    (entered,) = first.filterSet[0].objectSet
    assert (entered.kind, {change.name for change in entered.changeSet}) == ("enter", {"name", "runtime.powerState"})
    assert collector.WaitForUpdatesEx(first.version, options) is None
    WaitForTask(machine(si, 102).PowerOff())
    second = collector.WaitForUpdatesEx(first.version, options)
    (changed,) = second.filterSet[0].objectSet
    assert (changed.kind, [(item.name, item.val) for item in changed.changeSet]) == (
        "modify", [("runtime.powerState", "poweredOff")]
    )  # fmt: skip
    with world.lock:
        del world.vms["vm-102"]
    third = collector.WaitForUpdatesEx(second.version, options)
    assert [(item.kind, item.obj._moId) for item in third.filterSet[0].objectSet] == [("leave", "vm-102")]


def test_waiting_ends_with_an_update_and_can_be_cancelled(server: VCenterServer, si: Any, world: World) -> None:
    collector, _ = watched(si, machine(si, 102), ["runtime.powerState"])
    version = collector.WaitForUpdatesEx("", None).version

    def later(action: Any) -> threading.Thread:
        thread = threading.Timer(0.05, action)
        thread.start()
        return thread

    thread = later(lambda: WaitForTask(machine(si, 102).PowerOff()))
    assert collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=5)).version != version
    thread.join()
    version = collector.CheckForUpdates("").version
    thread = later(collector.CancelWaitForUpdates)
    with pytest.raises(vmodl.fault.RequestCanceled):
        collector.WaitForUpdates(version)
    thread.join()
    thread = later(server.end_sessions)
    with pytest.raises(vmodl.fault.RequestCanceled):
        collector.WaitForUpdates(version)
    thread.join()


def test_a_waiting_view_notices_new_members(si: Any, world: World) -> None:
    content = si.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    content.propertyCollector.CreateFilter(spec_for(view, vim.VirtualMachine, ["name"]), True)
    version = content.propertyCollector.WaitForUpdates("").version

    def add() -> None:
        with world.lock:
            world.vms["vm-300"] = make_vm(300)

    timer = threading.Timer(0.05, add)
    timer.start()
    update = content.propertyCollector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=5))
    timer.join()
    assert [item.obj._moId for item in update.filterSet[0].objectSet] == ["vm-300"]


def test_updates_come_in_the_size_asked_for(si: Any) -> None:
    content = si.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    collector = content.propertyCollector.CreatePropertyCollector()
    for kind in (vim.VirtualMachine, vim.ManagedEntity):
        collector.CreateFilter(spec_for(view, kind, ["name"]), True)
    options = query.WaitOptions(maxWaitSeconds=0, maxObjectUpdates=5)
    version, sizes, seen = "", [], []
    while (found := collector.WaitForUpdatesEx(version, options)) is not None:
        version = found.version
        updates = [item for one in found.filterSet for item in one.objectSet]
        sizes.append((len(updates), found.truncated))
        seen += [(item.kind, item.obj._moId) for item in updates]
    assert sizes == [(5, True), (5, True), (5, True), (3, False)]
    assert len(seen) == 18
    assert len(set(seen)) == 9
    for wrong in (query.WaitOptions(maxObjectUpdates=0), query.WaitOptions(maxWaitSeconds=-1)):
        with pytest.raises(vmodl.fault.InvalidArgument, match=r"options\.max"):
            collector.WaitForUpdatesEx("", wrong)


def test_an_update_says_what_may_not_be_read(world: World, certificate: TwinCertificate) -> None:
    settings = VCenterSettings(no_permission={"vm-102": ("config",)})
    with VCenterServer(world, settings=settings, certificate=certificate) as server:
        instance = connect(server)
        collector, _ = watched(instance, machine(instance, 102), ["name", "config.template"])
        first = collector.CheckForUpdates("")
        again = collector.CheckForUpdates(first.version)
        instance._stub.DropConnections()
    (entered,) = first.filterSet[0].objectSet
    assert [change.name for change in entered.changeSet] == ["name"]
    assert [(item.path, type(item.fault)) for item in entered.missingSet] == [
        ("config.template", vim.fault.NoPermission)
    ]
    assert again is None


def test_a_list_view_may_hold_tasks_and_follow_another_view(si: Any) -> None:
    manager = si.content.viewManager
    task = machine(si, 102).PowerOff()
    view = manager.CreateListView([task, machine(si, 101)])
    assert list(view.view) == [task, machine(si, 101)]
    source = manager.CreateContainerView(vim.Folder("group-v20", si._stub), [vim.VirtualMachine], True)
    view.ResetFromView(source)
    assert list(view.view) == [machine(si, 100)]
    source.Destroy()
    assert list(view.view) == [machine(si, 100)]
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        view.ResetFromView(source)


@pytest.mark.parametrize(
    ("method", "privilege"),
    [
        ("PowerOff", "VirtualMachine.Interact.PowerOff"),
        ("ShutdownGuest", "VirtualMachine.Interact.PowerOff"),
        ("PowerOn", "VirtualMachine.Interact.PowerOn"),
        ("Suspend", "VirtualMachine.Interact.Suspend"),
    ],
)
def test_a_read_only_account_changes_nothing(
    world: World, certificate: TwinCertificate, method: str, privilege: str
) -> None:
    with VCenterServer(world, settings=VCenterSettings(no_privilege=READ_ONLY), certificate=certificate) as server:
        instance = connect(server)
        assert machine(instance, 102).name == "vm102"
        with pytest.raises(vim.fault.NoPermission) as caught:
            getattr(machine(instance, 102), method)()
        instance._stub.DropConnections()
    assert (caught.value.privilegeId, caught.value.object._moId) == (privilege, "vm-102")
    assert world.vms["vm-102"].power_state == "poweredOn"


def test_what_may_not_be_seen_may_not_be_operated(world: World, certificate: TwinCertificate) -> None:
    settings = VCenterSettings(no_permission={"vm-102": ("",)})
    with VCenterServer(world, settings=settings, certificate=certificate) as server:
        instance = connect(server)
        with pytest.raises(vim.fault.NoPermission):
            machine(instance, 102).PowerOff()
        assert WaitForTask(machine(instance, 105).PowerOff()) == "success"
        instance._stub.DropConnections()


def test_vms_of_a_lost_host_cannot_be_operated(si: Any, world: World) -> None:
    with world.lock:
        world.hosts["host-31"].connection_state = "notResponding"
    with pytest.raises(vim.fault.InvalidState):
        machine(si, 102).PowerOff()


def test_a_version_of_another_collector_is_refused(si: Any) -> None:
    collector, made = watched(si, machine(si, 102), ["name"])
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        collector.WaitForUpdatesEx("17", None)
    made.Destroy()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        made.Destroy()
    collector.Destroy()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        collector.CheckForUpdates("")
