"""Switching VMs off and on again on the twin's vCenter, with guests and servers of all tempers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.engine.power import (
    PowerChange,
    PowerOrder,
    PowerPace,
    PowerPolicy,
    not_off,
    switch_off,
    switch_on,
    to_restore,
)
from ingest.errors import Transient
from ingest.model.endpoints import VCenterEndpoint
from ingest.twin.certificate import TwinCertificate
from ingest.twin.generator import CLEAN, generate
from ingest.twin.vcenter import READ_ONLY, Disturbance, VCenterServer, VCenterSettings
from ingest.twin.world import VM, World
from ingest.vsphere.power import power_off, read_power
from ingest.vsphere.session import VCenter, connect

PACE = PowerPace(every_s=0.01, slowest_s=0.02, guest_s=5, task_s=5)
IMPATIENT = PowerPace(every_s=0.01, slowest_s=0.02, guest_s=0.1, task_s=0.1)
QUICK: dict[str, Any] = {"task_s": 0.02, "guest_shutdown_s": 0.03, "guest_boot_s": 0.02, "guest_address_s": 0.0}


class Site:
    """A vCenter with running VMs whose guests can be asked, and a session of ours."""

    def __init__(self, world: World, server: VCenterServer, vcenter: VCenter) -> None:
        self.world = world
        self.server = server
        self.vcenter = vcenter
        self.vms = list(world.vms.values())
        self.noted: list[PowerChange] = []

    def orders(self, policy: PowerPolicy = "power-off", count: int = 1) -> list[PowerOrder]:
        return [PowerOrder(vm.name, vm.moref, policy) for vm in self.vms[:count]]

    def asked(self) -> list[str]:
        """What the twin was really asked to do."""
        facts = self.world.cloud.journal.of("vcenter-guest-shutdown", "vcenter-task")
        return [str(one.get("method", "ShutdownGuest")) for one in facts]


@pytest.fixture(scope="module")
def certificate() -> TwinCertificate:
    return TwinCertificate()


Open = Callable[..., Any]


@pytest.fixture
def site_of(certificate: TwinCertificate, tmp_path: Path) -> Open:
    ca_file = certificate.write_ca(tmp_path / "ca.pem")

    @contextmanager
    def open_site(vms: int = 1, *, deaf: bool = False, **settings: Any) -> Iterator[Site]:
        world = generate(vms, seed=3, shape=CLEAN)
        settings = QUICK | {"deaf_guests": frozenset(world.vms if deaf else ())} | settings
        for vm in world.vms.values():
            vm.power_state, vm.tools_status, vm.guest_stage = "poweredOn", "toolsOk", ""
        with VCenterServer(world, settings=VCenterSettings(**settings), certificate=certificate) as server:
            endpoint = VCenterEndpoint(
                host=server.host,
                port=server.port,
                user=world.vcenter_user,
                password=SecretStr(world.vcenter_password),
                ca_file=ca_file,
                timeout_s=5,
            )
            with connect(endpoint) as vcenter:
                yield Site(world, server, vcenter)

    return open_site


@pytest.mark.parametrize("policy", ["shut-down", "power-off"])
def test_a_guest_that_listens_is_shut_down(site_of: Open, policy: PowerPolicy) -> None:
    with site_of() as site:
        (outcome,) = switch_off(site.vcenter, site.orders(policy), pace=PACE, note=site.noted.append)
        assert (outcome.before, outcome.now, outcome.problem) == ("poweredOn", "poweredOff", "")
        assert site.vms[0].power_state == "poweredOff"
        assert site.asked() == ["ShutdownGuest"]
        (change,) = site.noted
        assert outcome.changes == (change,)
        assert (change.means, change.before, change.by) == ("ShutdownGuest", "poweredOn", site.world.vcenter_user)
        assert change.at.endswith("+00:00")


def test_a_second_time_nothing_happens(site_of: Open) -> None:
    with site_of() as site:
        switch_off(site.vcenter, site.orders(), pace=PACE)
        asked = site.asked()
        (outcome,) = switch_off(site.vcenter, site.orders(), pace=PACE, note=site.noted.append)
        assert (outcome.before, outcome.now, outcome.changes, outcome.problem) == ("poweredOff", "poweredOff", (), "")
        assert (site.asked(), site.noted) == (asked, [])


def test_a_vm_to_be_left_alone_is_left_alone(site_of: Open) -> None:
    with site_of() as site:
        (outcome,) = switch_off(site.vcenter, site.orders("leave"), pace=PACE)
        assert (outcome.now, outcome.changes, outcome.problem) == ("poweredOn", (), "")


def changed(change: Callable[[VM], None]) -> Callable[[Site], None]:
    def apply(site: Site) -> None:
        with site.world.lock:
            change(site.vms[0])
            site.world.touch(site.vms[0])

    return apply


def having(**values: Any) -> Callable[[Site], None]:
    return changed(lambda vm: [setattr(vm, name, value) for name, value in values.items()] and None)


NO_TOOLS = having(tools_status="toolsNotInstalled")
DEAF = having()  # see `site_of`
HARD, SOFT = "PowerOffVM_Task", "ShutdownGuest"


@pytest.mark.parametrize(
    ("prepare", "policy", "asked", "problem"),
    [
        (DEAF, "power-off", [SOFT, HARD], ""),
        (DEAF, "shut-down", [SOFT], "ShutdownGuest: not off in time; hard power off is not allowed"),
        (NO_TOOLS, "power-off", [HARD], ""),
        (NO_TOOLS, "shut-down", [], "VMware Tools do not run in the guest; hard power off is not allowed"),
        (having(disabled_methods=[SOFT]), "power-off", [HARD], ""),
        (having(disabled_methods=[SOFT]), "shut-down", [],
         "ShutdownGuest is disabled in vCenter; hard power off is not allowed"),
        (having(disabled_methods=[SOFT, HARD]), "power-off", [],
         "ShutdownGuest is disabled in vCenter; PowerOffVM_Task is disabled in vCenter"),
        (having(power_state="suspended"), "power-off", [],
         "it is suspended; whether to go on is for a person to decide"),
        (having(question="Moved or copied?"), "power-off", [],
         "it waits for the answer to a question: Moved or copied?"),
        (having(connection_state="inaccessible"), "power-off", [], "it is inaccessible, not connected"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way(
    site_of: Open, prepare: Callable[[Site], None], policy: PowerPolicy, asked: list[str], problem: str
) -> None:
    with site_of(deaf=prepare is DEAF) as site:
        prepare(site)
        before = site.vms[0].power_state
        (outcome,) = switch_off(site.vcenter, site.orders(policy), pace=IMPATIENT)
        assert (outcome.problem, site.asked()) == (problem, asked)
        assert outcome.now == ("poweredOff" if not problem else before)
        assert [change.means for change in outcome.changes] == asked


@pytest.mark.parametrize(
    ("fate", "problem"),
    [
        ("fail", "PowerOffVM_Task: GenericVmConfigFault: The operation failed on the host."),
        ("hang", "PowerOffVM_Task: not off in time"),
        ("question", "it waits for the answer to a question: The virtual machine might have been moved or copied."),
    ],
)
def test_tasks_that_do_not_do_it(site_of: Open, fate: str, problem: str) -> None:
    with site_of() as site:
        NO_TOOLS(site)
        site.server.plan_task(site.vms[0].moref, fate)
        (outcome,) = switch_off(site.vcenter, site.orders(), pace=IMPATIENT)
        assert problem in outcome.problem
        assert outcome.now == "poweredOn"


def test_a_vm_another_task_works_on_is_waited_for(site_of: Open) -> None:
    with site_of(task_s=2) as site:
        NO_TOOLS(site)
        power_off(site.vcenter, site.vms[0].moref)
        (outcome,) = switch_off(site.vcenter, site.orders(), pace=PACE)
        assert (outcome.now, outcome.problem) == ("poweredOff", "")
        # The other task may end between our look and our call, which then fails and does no harm.
        assert site.asked() in ([HARD], [HARD, HARD])


def test_a_wrong_power_state_said_by_the_call_is_success_when_it_is_the_wanted_one(site_of: Open) -> None:
    with site_of(power_faults="call") as site:
        NO_TOOLS(site)
        # Off between our look and our call.
        site.server.disturb(Disturbance("PowerOffVM_Task", delay_s=0.05))
        timer = threading.Timer(0.02, lambda: having(power_state="poweredOff")(site))

        def note(_: PowerChange) -> None:
            timer.start()

        (outcome,) = switch_off(site.vcenter, site.orders(), pace=PACE, note=note)
        timer.join()
        assert (outcome.now, outcome.problem) == ("poweredOff", "")


@pytest.mark.parametrize("method", ["ShutdownGuest", "PowerOffVM_Task"])
def test_an_answer_that_is_lost_is_not_taken_for_a_refusal(site_of: Open, method: str) -> None:
    with site_of() as site:
        if method == HARD:
            NO_TOOLS(site)
        site.server.disturb(Disturbance(method, cut_after_bytes=0))
        (outcome,) = switch_off(site.vcenter, site.orders(), pace=PACE)
        assert (outcome.now, outcome.problem) == ("poweredOff", "")
        assert set(site.asked()) == {method}


@pytest.mark.parametrize(
    "trouble",
    [
        Disturbance("ShutdownGuest", lose_session=True),
        Disturbance("RetrievePropertiesEx", lose_session=True),
        Disturbance("ShutdownGuest", status=503),
        Disturbance("ShutdownGuest", status=503, times=3),
    ],
)
def test_a_session_or_a_server_that_goes_away_for_a_moment(site_of: Open, trouble: Disturbance) -> None:
    with site_of() as site:
        site.server.disturb(trouble)
        (outcome,) = switch_off(site.vcenter, site.orders(), pace=PACE)
        assert (outcome.now, outcome.problem, len(outcome.changes)) == ("poweredOff", "", 1)


def test_a_vcenter_that_stays_away_is_given_up_in_time(site_of: Open) -> None:
    with site_of() as site:

        def note(_: PowerChange) -> None:
            site.server.disturb(Disturbance(status=503, times=0))

        (outcome,) = switch_off(site.vcenter, site.orders(), pace=IMPATIENT, note=note)
        assert outcome.problem == "its state could not be read: HTTP status 503"
        assert [change.means for change in outcome.changes] == [SOFT]
        site.server.calm()


def test_a_vcenter_that_is_away_from_the_start_is_an_error(site_of: Open) -> None:
    with site_of() as site:
        site.server.disturb(Disturbance(status=503, times=0))
        with pytest.raises(Transient):
            switch_off(site.vcenter, site.orders(), pace=PACE)
        site.server.calm()
        assert site.asked() == []


def test_a_user_who_may_only_read(site_of: Open) -> None:
    with site_of(no_privilege=READ_ONLY) as site:
        (outcome,) = switch_off(site.vcenter, site.orders(), pace=PACE)
        assert "lacks the privilege VirtualMachine.Interact.PowerOff" in outcome.problem
        assert outcome.now == "poweredOn"


def test_a_vm_that_is_gone_is_a_problem_of_its_own_only(site_of: Open) -> None:
    with site_of(2) as site:
        with site.world.lock:
            del site.world.vms[site.vms[0].moref]
        gone, other = switch_off(site.vcenter, site.orders(count=2), pace=PACE)
        assert (gone.before, gone.problem) == ("unknown", "vCenter does not have it any more")
        assert (other.now, other.problem) == ("poweredOff", "")
        assert not_off(site.vcenter, [vm.moref for vm in site.vms]) == {site.vms[0].moref: "unknown"}


def test_requests_do_not_grow_with_the_number_of_vms(site_of: Open) -> None:
    with site_of(40, guest_shutdown_s=0.1) as site:
        pace = PowerPace(every_s=0.05, slowest_s=0.05, guest_s=5, task_s=5, at_once=40)
        before = site.vcenter.requests
        outcomes = switch_off(site.vcenter, site.orders(count=40), pace=pace)
        reads = site.vcenter.requests - before - len(site.asked())
    assert {outcome.now for outcome in outcomes} == {"poweredOff"}
    assert len(site.asked()) == 40
    assert reads < 40


def test_only_so_many_at_once_and_all_in_the_end(site_of: Open) -> None:
    with site_of(12) as site:
        peak = 0

        def note(_: PowerChange) -> None:
            nonlocal peak
            asked = len(site.asked()) + 1
            off = sum(vm.power_state == "poweredOff" for vm in site.vms)
            peak = max(peak, asked - off)

        pace = PowerPace(every_s=0.01, slowest_s=0.01, guest_s=5, task_s=5, at_once=3)
        outcomes = switch_off(site.vcenter, site.orders(count=12), pace=pace, note=note)
    assert [(outcome.vm, outcome.now) for outcome in outcomes] == [(vm.name, "poweredOff") for vm in site.vms]
    assert 1 <= peak <= 3


def test_a_stop_begins_nothing_more_and_says_what_was_begun(site_of: Open) -> None:
    with site_of(3, deaf=True) as site:
        stop = threading.Event()

        def note(_: PowerChange) -> None:
            stop.set()

        pace = PowerPace(every_s=0.01, slowest_s=0.01, guest_s=60, task_s=60, at_once=1)
        outcomes = switch_off(site.vcenter, site.orders(count=3), pace=pace, stop=stop, note=note)
        assert [len(outcome.changes) for outcome in outcomes] == [1, 0, 0]
        assert {outcome.problem for outcome in outcomes} == {"stopped before it was off"}
        assert site.asked() == [SOFT]


def test_the_state_before_is_restored(site_of: Open) -> None:
    with site_of(3) as site:
        having(power_state="poweredOff")(site)
        switch_off(site.vcenter, site.orders(count=3), pace=PACE, note=site.noted.append)
        assert not_off(site.vcenter, [vm.moref for vm in site.vms]) == {}
        restored = switch_on(site.vcenter, to_restore(site.noted), pace=PACE)
        assert [outcome.problem for outcome in restored] == ["", ""]
        assert [vm.power_state for vm in site.vms] == ["poweredOff", "poweredOn", "poweredOn"]
        again = switch_on(site.vcenter, to_restore(site.noted), pace=PACE)
        assert [outcome.changes for outcome in again] == [(), ()]


def test_only_what_ran_before_the_first_change_is_restored() -> None:
    first = PowerChange("a", "vm-1", "poweredOn", SOFT, "me", "t1")
    later = PowerChange("a", "vm-1", "poweredOff", HARD, "me", "t2")
    assert [order.moref for order in to_restore([first, later])] == ["vm-1"]
    assert to_restore([later, first]) == []


def test_nothing_to_read_is_no_call(site_of: Open) -> None:
    with site_of() as site:
        before = site.vcenter.requests
        assert read_power(site.vcenter, []).vms == {}
        assert switch_off(site.vcenter, [], pace=PACE) == ()
        assert site.vcenter.requests == before
