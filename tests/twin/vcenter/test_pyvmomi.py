"""Unmodified pyvmomi as in operators' own scripts: waits for tasks, a session that comes back, pages, cancelling."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pyVim.connect import VimSessionOrientedStub
from pyVim.task import TaskBlocked, WaitForTask, WaitForTasks
from pyVmomi import SoapStubAdapter, vim, vmodl

from ingest.twin.certificate import TwinCertificate
from ingest.twin.generator import REALISTIC, generate
from ingest.twin.vcenter import VCenterServer, VCenterSettings
from ingest.twin.world import World

from .conftest import connect, machine, read_all, spec_for

query = vmodl.query.PropertyCollector
PATHS = ["name", "runtime.powerState", "config.hardware.device", "guest.net", "parent", "network"]
SIZE = 130


def session_oriented(server: VCenterServer, password: str = "") -> tuple[Any, Any]:
    """A service instance whose stub logs in when needed, and the plain stub below it."""
    inner = SoapStubAdapter(
        host=server.host, port=server.port, version="vim.version.v8_0_2_0",
        sslContext=server.certificate.client_context(),
    )  # fmt: skip
    login = VimSessionOrientedStub.makeUserLoginMethod(
        server.world.vcenter_user, password or server.world.vcenter_password
    )
    stub = VimSessionOrientedStub(inner, login, retryDelay=0.01)
    return vim.ServiceInstance("ServiceInstance", stub), inner


@pytest.fixture
def lasting(server: VCenterServer) -> Iterator[Any]:
    """A service instance that survives the loss of its session."""
    instance, inner = session_oriented(server)
    yield instance
    inner.DropConnections()


def test_waiting_tells_progress_until_the_end(si: Any) -> None:
    told: list[Any] = []
    task = machine(si, 102).PowerOff()
    assert WaitForTask(task, onProgressUpdate=lambda _, percent: told.append(percent)) == "success"
    assert (told[0], told[-1]) == ("created", "completed")


def test_waiting_without_raising_gives_the_state_and_leaves_the_error_to_read(si: Any) -> None:
    task = machine(si, 101).PowerOff()
    assert WaitForTask(task, raiseOnError=False) == "error"
    assert isinstance(task.info.error, vim.fault.InvalidPowerState)


def test_the_first_failure_of_several_tasks_is_raised_and_the_others_go_on(
    server: VCenterServer, si: Any, world: World
) -> None:
    server.plan_task("vm-102", "fail")
    failing, working = machine(si, 102).PowerOff(), machine(si, 105).PowerOff()
    with pytest.raises(vim.fault.GenericVmConfigFault):
        WaitForTasks([failing, working], si=si)
    assert WaitForTask(working) == "success"
    assert {number: world.vms[f"vm-{number}"].power_state for number in (102, 105)} == {
        102: "poweredOn",
        105: "poweredOff",
    }


def test_waiting_for_many_leaves_no_filter_behind(si: Any) -> None:
    results: list[Any] = []
    tasks = [machine(si, number).PowerOff() for number in (100, 102, 105)]
    WaitForTasks(tasks, si=si, results=results)
    assert results == [None, None, None]
    assert [task.info.state for task in tasks] == ["success"] * 3
    assert list(si.content.propertyCollector.filter) == []


def test_a_question_blocks_the_wait_until_it_is_answered(server: VCenterServer, si: Any) -> None:
    server.plan_task("vm-102", "question")
    task = machine(si, 102).PowerOff()
    with pytest.raises(TaskBlocked):
        WaitForTask(task)
    machine(si, 102).AnswerVM(machine(si, 102).runtime.question.id, "1")
    assert WaitForTask(task) == "success"


def test_a_session_lost_while_waiting_is_renewed_and_the_wait_goes_on(
    server: VCenterServer, lasting: Any, world: World
) -> None:
    """pyvmomi is told RequestCanceled, logs in again, is refused the old version and watches the task anew."""
    server.plan_task("vm-102", "question")
    task = machine(lasting, 101).PowerOn()
    server.end_sessions()
    assert WaitForTask(task) == "success"
    other = machine(lasting, 105).PowerOff()
    waits, over = server.calls.get("WaitForUpdatesEx"), threading.Event()

    def lose() -> None:
        # Not before it waits: a filter of a lost session is gone, and a first wait without one lasts for ever.
        while server.calls.get("WaitForUpdatesEx") == waits and not over.wait(0.001):
            pass
        over.wait(0.01)
        server.end_sessions()

    thread = threading.Thread(target=lose)
    thread.start()
    try:
        assert WaitForTask(other) == "success"
    finally:
        over.set()
        thread.join()
    assert (world.vms["vm-101"].power_state, world.vms["vm-105"].power_state) == ("poweredOn", "poweredOff")
    assert server.calls["Login"] >= 2


def test_each_call_of_a_short_lived_session_is_repeated_after_a_new_login(
    world: World, certificate: TwinCertificate
) -> None:
    with VCenterServer(world, settings=VCenterSettings(session_calls=4), certificate=certificate) as server:
        instance, inner = session_oriented(server)
        names = [machine(instance, number).name for number in range(100, 109)]
        inner.DropConnections()
    assert names == [world.vms[f"vm-{number}"].name for number in range(100, 109)]
    assert server.calls["Login"] > 2


def test_what_belonged_to_the_lost_session_is_gone(server: VCenterServer, lasting: Any) -> None:
    """Views and page tokens end with their session; a new login does not bring them back."""
    content = lasting.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    spec, options = spec_for(view, vim.VirtualMachine, ["name"]), query.RetrieveOptions(maxObjects=2)
    token = content.propertyCollector.RetrievePropertiesEx([spec], options).token
    server.end_sessions()
    with pytest.raises(vmodl.fault.InvalidArgument):
        content.propertyCollector.ContinueRetrievePropertiesEx(token)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        content.propertyCollector.RetrievePropertiesEx([spec], options)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        view.Destroy()


def test_a_session_oriented_stub_with_a_wrong_password_gives_up(server: VCenterServer) -> None:
    instance, inner = session_oriented(server, "wrong")
    with pytest.raises(vim.fault.InvalidLogin):
        instance.CurrentTime()
    inner.DropConnections()
    assert server.calls["Login"] == 1


@pytest.fixture(scope="module")
def site(certificate: TwinCertificate) -> Iterator[Any]:
    """A session on a generated vCenter that nobody changes."""
    with VCenterServer(generate(SIZE, seed=21, shape=REALISTIC), certificate=certificate) as server:
        instance = connect(server)
        yield instance
        instance._stub.DropConnections()


@pytest.fixture(scope="module")
def in_one_page(site: Any) -> dict[str, dict[str, str]]:
    found, pages = read_all(site, vim.VirtualMachine, PATHS)
    assert pages == 1
    return as_text(found)


def as_text(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {moref: {path: str(value) for path, value in row.items()} for moref, row in rows.items()}


@pytest.mark.parametrize(("page", "pages"), [(1, SIZE), (7, 19), (SIZE - 1, 2), (SIZE, 1), (1000, 1), (None, 1)])
def test_every_page_size_gives_the_same(
    site: Any, in_one_page: dict[str, dict[str, str]], page: int | None, pages: int
) -> None:
    found, taken = read_all(site, vim.VirtualMachine, PATHS, page)
    assert taken == pages
    assert list(found) == list(in_one_page)
    assert as_text(found) == in_one_page


@pytest.mark.parametrize("size", [0, -1])
def test_a_page_without_room_is_refused(site: Any, size: int) -> None:
    with pytest.raises(vmodl.fault.InvalidArgument):
        read_all(site, vim.VirtualMachine, ["name"], size)


def test_a_read_can_be_cancelled_in_the_middle_and_begun_again(site: Any) -> None:
    content = site.RetrieveContent()
    collector = content.propertyCollector
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    spec, options = spec_for(view, vim.VirtualMachine, ["name"]), query.RetrieveOptions(maxObjects=50)
    first = collector.RetrievePropertiesEx([spec], options)
    second = collector.ContinueRetrievePropertiesEx(first.token)
    collector.CancelRetrievePropertiesEx(second.token)
    for use in (collector.ContinueRetrievePropertiesEx, collector.CancelRetrievePropertiesEx):
        with pytest.raises(vmodl.fault.InvalidArgument):
            use(second.token)
    again = collector.RetrievePropertiesEx([spec], options)
    assert [item.obj._moId for item in again.objects] == [item.obj._moId for item in first.objects]
    assert again.token != first.token
    view.Destroy()


def test_two_reads_side_by_side_have_their_own_pages(site: Any) -> None:
    content = site.RetrieveContent()
    collector = content.propertyCollector
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    spec = spec_for(view, vim.VirtualMachine, ["name"])
    tokens = [collector.RetrievePropertiesEx([spec], query.RetrieveOptions(maxObjects=n)).token for n in (40, 100)]
    second, first = (collector.ContinueRetrievePropertiesEx(token).objects for token in reversed(tokens))
    assert (len(first), len(second)) == (40, 30)
    names = [vm.name for vm in view.view]
    assert [item.propSet[0].val for item in first] == names[40:80]
    assert [item.propSet[0].val for item in second] == names[100:]
    view.Destroy()
