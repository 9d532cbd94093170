"""Power of VMs: read for many in one call, and the three calls that change it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, get_args

from pyVmomi import vim, vmodl

from ingest.model.inventory import PowerState
from ingest.vsphere.collect import PAGE_SIZE, pages
from ingest.vsphere.session import VCenter

SHUT_DOWN, POWER_OFF, POWER_ON = "ShutdownGuest", "PowerOffVM_Task", "PowerOnVM_Task"
_STATES: dict[str, PowerState] = {state: state for state in get_args(PowerState)}
_VM_PATHS = [
    "name",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.question",
    "guest.toolsRunningStatus",
    "disabledMethod",
]
_TASK_PATHS = ["info.state", "info.error"]


@dataclass(frozen=True, slots=True)
class PowerRow:
    """What decides whether and how a VM can be switched. `question` is the text of a pending one, `disabled` the
    methods vCenter would refuse."""

    moref: str
    name: str
    power_state: PowerState
    connection_state: str
    tools_running: bool
    question: str = ""
    disabled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task: `state` queued, running, success, error; `error` its fault's class and words."""

    state: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class PowerReading:
    """VMs and tasks by managed object id. Those that are gone are missing."""

    vms: dict[str, PowerRow]
    tasks: dict[str, TaskRow]


def read_power(vcenter: VCenter, vms: Collection[str], tasks: Collection[str] = ()) -> PowerReading:
    """The power of these VMs and the state of these tasks (managed object ids), all in one call.

    Raises as `VCenter.repeat`.
    """
    if not vms and not tasks:
        return PowerReading({}, {})
    return vcenter.repeat(lambda: _read(vcenter, vms, tasks), "reading power states")


def shut_down_guest(vcenter: VCenter, moref: str) -> None:
    """Ask the guest to shut down. Nothing says whether it will. Raises faults of the API and transport errors."""
    vim.VirtualMachine(moref, vcenter.stub).ShutdownGuest()


def power_off(vcenter: VCenter, moref: str) -> str:
    """Begin to switch off hard; the task's id. Raises faults of the API and transport errors."""
    return str(vim.VirtualMachine(moref, vcenter.stub).PowerOffVM_Task()._moId)


def power_on(vcenter: VCenter, moref: str) -> str:
    """Begin to switch on; the task's id. Raises faults of the API and transport errors."""
    return str(vim.VirtualMachine(moref, vcenter.stub).PowerOnVM_Task()._moId)


def _read(vcenter: VCenter, vms: Collection[str], tasks: Collection[str]) -> PowerReading:
    collector = vmodl.query.PropertyCollector
    objects = [vim.VirtualMachine(moref, vcenter.stub) for moref in vms]
    objects += [vim.Task(moref, vcenter.stub) for moref in tasks]
    paths = ((vim.VirtualMachine, _VM_PATHS, vms), (vim.Task, _TASK_PATHS, tasks))
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=one) for one in objects],
        propSet=[collector.PropertySpec(type=kind, pathSet=wanted) for kind, wanted, present in paths if present],
        # Otherwise one VM that is gone fails the call for all.
        reportMissingObjectsInResults=True,
    )
    found = PowerReading({}, {})
    for page in pages(vcenter, spec, PAGE_SIZE):
        for content in page:
            values = {str(entry.name): entry.val for entry in content.propSet if entry.val is not None}
            moref = str(content.obj._moId)
            if isinstance(content.obj, vim.Task):
                if "info.state" in values:
                    found.tasks[moref] = TaskRow(str(values["info.state"]), _words(values.get("info.error")))
            elif "runtime.powerState" in values:
                found.vms[moref] = _row(moref, values)
    return found


def _row(moref: str, values: dict[str, Any]) -> PowerRow:
    question = values.get("runtime.question")
    return PowerRow(
        moref=moref,
        name=str(values.get("name", "")),
        power_state=_STATES.get(str(values["runtime.powerState"]), "unknown"),
        connection_state=str(values.get("runtime.connectionState", "")),
        tools_running=values.get("guest.toolsRunningStatus") == "guestToolsRunning",
        question=str(question.text) if question is not None else "",
        disabled=frozenset(map(str, values.get("disabledMethod") or ())),
    )


def _words(fault: Any) -> str:
    if fault is None:
        return ""
    name = str(type(fault)._wsdlName)
    text = (getattr(fault, "msg", "") or "").strip()
    return f"{name}: {text}" if text else name
