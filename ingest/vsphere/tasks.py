"""vCenter's tasks, followed to their end: what came out, or why not."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from pyVmomi import vim

from ingest.errors import Transient, UnknownOutcome
from ingest.vsphere.faults import refusal
from ingest.vsphere.session import VCenter

logger = logging.getLogger("ingest.vsphere")

_FIRST_LOOK_S = 0.02
_SLOWEST_LOOK_S = 2.0


def await_task(vcenter: VCenter, task: str, what: str, *, timeout_s: float, stop: threading.Event | None = None) -> Any:
    """The result of a task (managed object id); `what` names it in errors.

    A connection lost meanwhile is waited out. Raises what the task's fault says (Refused, Unauthorised, Transient),
    and UnknownOutcome when the task is not over in time, is not known any more, or `stop` was set.
    """
    stop = stop or threading.Event()
    deadline = time.monotonic() + timeout_s
    pause_s, words = _FIRST_LOOK_S, "it was not over in time"
    while True:
        try:
            info = vcenter.repeat(lambda: vim.Task(task, vcenter.stub).info, what)
        except Transient as error:
            logger.warning("%s: %s; asking again", what, error.message)
            words = error.message
        else:
            if info.state == "success":
                return info.result
            if info.state == "error":
                raise refusal(info.error, vcenter.endpoint, what)
        if time.monotonic() >= deadline or stop.wait(pause_s):
            raise UnknownOutcome(
                f"{what}: {'stopped before it was over' if stop.is_set() else words}",
                place=f"{vcenter.endpoint.host}, {task}",
                cure="look at the task in vCenter, then run this again: it looks before it acts",
            )
        pause_s = min(1.5 * pause_s, _SLOWEST_LOOK_S)
