"""The question whether a VM was moved or copied, answered by policy. No other question is ever answered.

ESX asks at the first power-on when the .vmx says that it was made elsewhere (`msg.uuid.altered`); the power-on task
waits for the answer (AnswerVM). "Moved" keeps the BIOS UUID and the MAC addresses, by which licences, DHCP servers and
CloudStack's records know the VM; "copied" makes new ones.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from pyVmomi import vim, vmodl

from ingest.vsphere.collect import read_objects
from ingest.vsphere.faults import refusal
from ingest.vsphere.session import VCenter

MovedOrCopied = Literal["moved", "copied"]
MESSAGE = "msg.uuid.altered"
ANSWER = "AnswerVM"


@dataclass(frozen=True, slots=True)
class Question:
    """A pending question of a VM. `choices` are (key, label); `moved_or_copied`: it is the one that may be answered."""

    moref: str
    name: str
    question_id: str
    text: str
    choices: tuple[tuple[str, str], ...]
    moved_or_copied: bool

    def key_for(self, policy: MovedOrCopied) -> str:
        """The key of the choice that says so; '' when there is none, or several (labels differ between releases)."""
        fitting = [key for key, label in self.choices if policy in label.lower().replace("_", "")]
        return fitting[0] if self.moved_or_copied and len(fitting) == 1 else ""


def read_questions(vcenter: VCenter, vms: Collection[str]) -> list[Question]:
    """The pending questions of these VMs (managed object ids), read in one call. Raises as `VCenter.repeat`."""
    found = vcenter.repeat(
        lambda: read_objects(vcenter, "VirtualMachine", vms, ["name", "runtime.question"]), "pending questions"
    )
    return [
        _question(moref, str(values.get("name", "")), values["runtime.question"])
        for moref, values in found.items()
        if "runtime.question" in values
    ]


def answer(vcenter: VCenter, question: Question, policy: MovedOrCopied) -> str:
    """Answer the question; the label of the choice taken, '' when it is not ours to answer or was answered meanwhile.

    Needs VirtualMachine.Interact.AnswerQuestion. Raises our own errors for faults, and transport errors.
    """
    key = question.key_for(policy)
    if not key:
        return ""
    try:
        vim.VirtualMachine(question.moref, vcenter.stub).AnswerVM(question.question_id, key)
    except (vmodl.fault.ManagedObjectNotFound, vmodl.fault.InvalidArgument, vim.fault.ConcurrentAccess):
        return ""
    except vim.fault.NotAuthenticated:
        raise
    except vmodl.MethodFault as fault:
        raise refusal(fault, vcenter.endpoint, ANSWER) from fault
    return dict(question.choices)[key]


def _question(moref: str, name: str, asked: Any) -> Question:
    text = str(asked.text or "")
    ids = {str(message.id) for message in asked.message or ()}
    choices = tuple((str(one.key), str(one.label or one.summary or "")) for one in asked.choice.choiceInfo or ())
    ours = MESSAGE in ids or text.startswith(f"{MESSAGE}:")
    return Question(moref, name, str(asked.id), text, choices, ours)
