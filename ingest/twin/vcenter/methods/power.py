"""Power operations and guest shutdown. They change the world, under its lock, when their time has come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ingest.model.inventory import PowerState
from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import (
    invalid_argument,
    invalid_power_state,
    invalid_state,
    method_disabled,
    object_gone,
    task_in_progress,
    tools_unavailable,
)
from ingest.twin.vcenter.properties.guest import tools_running
from ingest.twin.vcenter.properties.machine import power_state
from ingest.twin.vcenter.values import Value
from ingest.twin.world import VM


def _machine(call: Call) -> VM:
    """The VM, allowed to be operated at all. Call with the world's lock held. Raises VimFault."""
    vm = call.service.world.vms.get(call.this.moref)
    if vm is None:
        raise object_gone(call.this)
    if call.request.method in vm.disabled_methods:
        raise method_disabled(call.request.method)
    if vm.template or call.service.world.connection_of(vm) != "connected":
        raise invalid_state()
    return vm


def _check(vm: VM, start: frozenset[str], target: str) -> None:
    if vm.power_state not in start:
        raise invalid_power_state(target, power_state(vm))


def _power(start: frozenset[str], target: PowerState, call: Call) -> Value:
    service = call.service
    with service.world.lock:
        vm = _machine(call)
        if service.settings.power_faults == "call":
            _check(vm, start, target)
        method, user = call.request.method, call.user_session.user

        def work(machine: VM) -> None:
            _check(machine, start, target)
            machine.power_state = target

        return service.tasks.start(vm, method, user, service.settings.task_s, work)


def _shutdown_guest(call: Call) -> Value:
    service = call.service
    with service.world.lock:
        vm = _machine(call)
        _check(vm, frozenset({"poweredOn"}), "poweredOff")
        busy = service.tasks.running_on(vm.moref)
        if busy is not None:
            raise task_in_progress(busy.ref)
        if not tools_running(vm):
            raise tools_unavailable()
        moref = vm.moref
        service.world.cloud.journal.record("vcenter-guest-shutdown", vm=vm.name, moref=moref)

    def off() -> None:
        with service.world.lock:
            machine = service.world.vms.get(moref)
            if machine is not None and machine.power_state == "poweredOn":
                machine.power_state = "poweredOff"
                service.world.touch(machine)

    if moref not in service.settings.deaf_guests:
        service.timeline.later(service.settings.guest_shutdown_s, off)
    return None


def _answer(call: Call) -> Value:
    service = call.service
    with service.world.lock:
        vm = service.world.vms.get(call.this.moref)
        if vm is None:
            raise object_gone(call.this)
        if not vm.question:
            raise invalid_argument("questionId")
        service.tasks.answer(vm)
    return None


POWER: dict[str, Callable[[Call], Value]] = {
    "PowerOnVM_Task": partial(_power, frozenset({"poweredOff", "suspended"}), "poweredOn"),
    "PowerOffVM_Task": partial(_power, frozenset({"poweredOn"}), "poweredOff"),
    "SuspendVM_Task": partial(_power, frozenset({"poweredOn"}), "suspended"),
    "ShutdownGuest": _shutdown_guest,
    "AnswerVM": _answer,
}
