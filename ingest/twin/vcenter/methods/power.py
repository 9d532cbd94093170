"""Power operations, guest operations and questions. They change the world, under its lock, when their time has come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ingest.model.inventory import PowerState
from ingest.twin.registration import QUESTION, is_out_of_place, settle
from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import (
    host_not_connected,
    invalid_argument,
    invalid_power_state,
    invalid_state,
    method_disabled,
    object_gone,
    task_in_progress,
    tools_unavailable,
)
from ingest.twin.vcenter.properties.guest import tools_running
from ingest.twin.vcenter.properties.machine import ANSWERS, QUESTION_ID, power_state
from ingest.twin.vcenter.tasks import Question
from ingest.twin.vcenter.values import Ref, Value
from ingest.twin.world import VM, Host

if TYPE_CHECKING:
    from ingest.twin.vcenter.service import Service

_ON = frozenset({"poweredOn"})


def machine_of(call: Call) -> VM:
    """The VM, allowed to be operated at all. Call with the world's lock held. Raises VimFault."""
    vm = call.service.world.vms.get(call.this.moref)
    if vm is None:
        raise object_gone(call.this)
    if call.request.method in vm.disabled_methods:
        raise method_disabled(call.request.method)
    if vm.template or call.service.world.connection_of(vm) != "connected":
        raise invalid_state()
    return vm


def check_power(vm: VM, start: frozenset[str], target: str) -> None:
    """Raises VimFault unless the VM is in one of the states the operation starts from."""
    if vm.power_state not in start:
        raise invalid_power_state(target, power_state(vm))


def _power(start: frozenset[str], target: PowerState, change: Callable[[Call, VM], None], call: Call) -> Value:
    service = call.service
    with service.world.lock:
        vm = machine_of(call)
        if service.settings.power_faults == "call":
            check_power(vm, start, target)

        def work(machine: VM) -> None:
            check_power(machine, start, target)
            change(call, machine)

        return service.tasks.start(vm, call.request.method, call.user_session.user, service.settings.task_s, work)


def _switch_on(call: Call, vm: VM) -> None:
    world = call.service.world
    host = _host(call, vm)
    if host.connection_state != "connected":
        raise host_not_connected()
    if host.in_maintenance:
        raise invalid_state()
    vm.host = host.moref
    if vm.power_state != "suspended" and is_out_of_place(world, vm):
        raise Question(QUESTION)
    settle(world, vm)
    vm.power_state, vm.swap_left = "poweredOn", False
    user = call.user_session.user
    world.cloud.journal.record("started", vm=vm.name, moref=vm.moref, by=f"vcenter {user}")
    for nic in vm.nics:
        nic.connected = nic.start_connected
    call.service.boots.begin(vm)


def _host(call: Call, vm: VM) -> Host:
    """The host asked for, which is one of the compute resource the VM is in; by default the one it is on."""
    hosts = call.service.world.hosts
    wanted: Ref | None = call.argument("host")
    if wanted is None:
        return hosts[vm.host]
    if wanted.moref not in hosts or hosts[wanted.moref].compute != hosts[vm.host].compute:
        raise invalid_argument("host")
    return hosts[wanted.moref]


def _switch_off(state: PowerState, call: Call, vm: VM) -> None:
    vm.power_state = state
    call.service.boots.end(vm)


def _reset(call: Call, vm: VM) -> None:
    call.service.boots.begin(vm)


def _guest(target: PowerState, then: Callable[[Service, VM], None], call: Call) -> Value:
    """Ask the guest to do something by itself: no task, and no promise that it does."""
    service = call.service
    with service.world.lock:
        vm = machine_of(call)
        check_power(vm, _ON, target)
        busy = service.tasks.running_on(vm.moref)
        if busy is not None:
            raise task_in_progress(busy.ref)
        if not tools_running(vm):
            raise tools_unavailable()
        moref = vm.moref
        service.world.cloud.journal.record("vcenter-guest-shutdown", vm=vm.name, moref=moref)

    def later() -> None:
        with service.world.lock:
            machine = service.world.vms.get(moref)
            if machine is not None and machine.power_state == "poweredOn":
                then(service, machine)
                service.world.touch(machine)

    if moref not in service.settings.deaf_guests:
        service.timeline.later(service.settings.guest_shutdown_s, later)
    return None


def _guest_ends(state: PowerState, service: Service, vm: VM) -> None:
    vm.power_state = state
    service.boots.end(vm)


def _guest_starts_again(service: Service, vm: VM) -> None:
    service.boots.begin(vm)


def _answer(call: Call) -> Value:
    service = call.service
    with service.world.lock:
        vm = service.world.vms.get(call.this.moref)
        if vm is None:
            raise object_gone(call.this)
        if not vm.question or call.argument("questionId") != QUESTION_ID:
            raise invalid_argument("questionId")
        choice = str(call.argument("answerChoice"))
        if choice not in map(str, range(len(ANSWERS))):
            raise invalid_argument("answerChoice")
        answer = ANSWERS[int(choice)]
        user = call.user_session.user
        service.world.cloud.journal.record("vcenter-answer", vm=vm.name, moref=vm.moref, answer=answer, user=user)
        if answer != "Cancel" and vm.question == QUESTION:
            settle(service.world, vm, copied=answer == "I copied it")
        service.tasks.answer(vm, cancel=answer == "Cancel")
    return None


POWER: dict[str, Callable[[Call], Value]] = {
    "PowerOnVM_Task": partial(_power, frozenset({"poweredOff", "suspended"}), "poweredOn", _switch_on),
    "PowerOffVM_Task": partial(_power, _ON, "poweredOff", partial(_switch_off, "poweredOff")),
    "SuspendVM_Task": partial(_power, _ON, "suspended", partial(_switch_off, "suspended")),
    "ResetVM_Task": partial(_power, _ON, "poweredOn", _reset),
    "ShutdownGuest": partial(_guest, "poweredOff", partial(_guest_ends, "poweredOff")),
    "RebootGuest": partial(_guest, "poweredOn", _guest_starts_again),
    "StandbyGuest": partial(_guest, "suspended", partial(_guest_ends, "suspended")),
    "AnswerVM": _answer,
}
