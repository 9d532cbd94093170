"""While VMs start: the question whether each was moved or copied, answered as soon as it comes.

Whoever starts them, vCenter's own client or CloudStack, waits for the answer; CloudStack never gives it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyVmomi import vim

from ingest.errors import RemoteError
from ingest.vsphere.questions import MovedOrCopied, Question, answer, read_questions
from ingest.vsphere.session import VCenter

log = logging.getLogger("ingest.engine")


@dataclass(frozen=True, slots=True)
class Answered:
    """A question that was answered, or one that is not ours to answer (`choice` '') or was refused (`problem`)."""

    moref: str
    vm: str
    text: str
    choice: str = ""
    problem: str = ""


def answer_questions(vcenter: VCenter, vms: Collection[str], policy: MovedOrCopied = "moved") -> list[Answered]:
    """Answer what is asked of these VMs now. Raises what concerns every VM, such as a server that is away."""
    return [_answered(vcenter, question, policy) for question in read_questions(vcenter, vms)]


@contextmanager
def answering(
    vcenter: VCenter,
    vms: Callable[[], Collection[str]],
    policy: MovedOrCopied = "moved",
    *,
    every_s: float = 2.0,
    told: Callable[[Answered], None] = lambda _: None,
) -> Iterator[None]:
    """While the block runs, a thread answers what is asked of the VMs that `vms` names then (managed object ids).

    `told` hears of each answer, and once of each question that is left to people. A server that is away is asked again.
    """
    over = threading.Event()
    left: set[tuple[str, str]] = set()

    def watch() -> None:
        while True:
            try:
                for one in answer_questions(vcenter, vms(), policy):
                    if one.choice or (one.moref, one.text + one.problem) not in left:
                        told(one)
                    if not one.choice:
                        left.add((one.moref, one.text + one.problem))
            except RemoteError as error:
                log.warning("pending questions: %s; reading again", error.message)
            if over.wait(every_s):
                return

    thread = threading.Thread(target=watch, name="answering", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _answered(vcenter: VCenter, question: Question, policy: MovedOrCopied) -> Answered:
    try:
        choice = answer(vcenter, question, policy)
    except vim.fault.NotAuthenticated:
        vcenter.login()
        return Answered(question.moref, question.name, question.text)
    except RemoteError as error:
        return Answered(question.moref, question.name, question.text, problem=error.message)
    return Answered(question.moref, question.name, question.text, choice)
