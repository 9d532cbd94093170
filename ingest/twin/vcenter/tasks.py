"""Tasks: operations that take their time, and those told to fail, hang or ask."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from ingest.twin.vcenter.faults import VimFault, object_gone, task_in_progress
from ingest.twin.vcenter.schema import method as declaration
from ingest.twin.vcenter.timeline import Timeline
from ingest.twin.vcenter.values import Data, Fault, Ref, Value
from ingest.twin.world import VM, World

Outcome: TypeAlias = Literal["fail", "hang", "question"]
_KEPT = 1000
QUESTION = "The virtual machine might have been moved or copied. Did you move it or copy it?"


class Question(Exception):
    """A task's work cannot go on before somebody has answered this text; it is then done again from the start."""


@dataclass(slots=True)
class Task:
    """One task. `finish` does the work when its time has come."""

    moref: str
    method: str
    description_id: str
    vm: str
    entity_name: str
    user: str
    started_at: datetime
    finish: Callable[[], None]
    state: str = "running"
    progress: int | None = 0
    ended_at: datetime | None = None
    error: Fault | None = None
    asking: bool = False
    entity: Ref | None = None
    result: Value = None

    @property
    def ref(self) -> Ref:
        """Its reference."""
        return Ref("Task", self.moref)

    def info(self) -> Data:
        """`TaskInfo`."""
        return Data(
            "TaskInfo",
            key=self.moref,
            task=self.ref,
            name=self.method,
            descriptionId=self.description_id,
            entity=self.entity or Ref("VirtualMachine", self.vm),
            entityName=self.entity_name,
            state=self.state,
            cancelled=False,
            cancelable=False,
            error=self.error,
            result=self.result,
            progress=self.progress,
            reason=Data("TaskReasonUser", userName=self.user),
            queueTime=self.started_at,
            startTime=self.started_at,
            completeTime=self.ended_at,
            eventChainId=int(self.moref.partition("-")[2]),
        )


class Tasks:
    """The tasks of this vCenter; at most one runs per VM. Thread-safe; changes the world under its lock."""

    def __init__(self, world: World, timeline: Timeline) -> None:
        self._world = world
        self._timeline = timeline
        self._numbers = itertools.count(1001)
        self._tasks: dict[str, Task] = {}
        self._order: deque[str] = deque()
        self._planned: dict[str, Outcome] = {}
        self._lock = threading.RLock()

    def plan(self, vm: str, outcome: Outcome) -> None:
        """Let the next task on this VM (managed object id) fail, hang for ever, or stop with a question."""
        with self._lock:
            self._planned[vm] = outcome

    def get(self, moref: str) -> Task | None:
        """A task by its managed object id."""
        return self._tasks.get(moref)

    def recent(self) -> list[Value]:
        """References of the newest tasks."""
        with self._lock:
            return [self._tasks[moref].ref for moref in list(self._order)[-10:]]

    def running_on(self, vm: str) -> Task | None:
        """The task that works on a VM."""
        with self._lock:
            return next((task for task in self._tasks.values() if task.vm == vm and task.state == "running"), None)

    def start(self, vm: VM, method: str, user: str, duration_s: float, work: Callable[[VM], None]) -> Ref:
        """Begin a task that does `work` after `duration_s`. `work` may raise VimFault. Raises VimFault if one runs."""
        with self._lock:
            busy = self.running_on(vm.moref)
            if busy is not None:
                raise task_in_progress(busy.ref)
            moref = f"task-{next(self._numbers)}"
            description_id = _description_id(method)
            now = self._world.clock.moment()
            task = Task(moref, method, description_id, vm.moref, vm.name, user, now, lambda: self._finish(task, work))
            self._tasks[moref] = task
            self._order.append(moref)
            if len(self._order) > _KEPT:
                self._tasks.pop(self._order.popleft(), None)
            outcome = self._planned.pop(vm.moref, None)
        self._world.cloud.journal.record("vcenter-task", task=moref, method=method, vm=vm.name, moref=vm.moref)
        if outcome == "fail":
            self._timeline.later(duration_s, lambda: self._end(task, _broken()))
        elif outcome == "question":
            self._ask(task)
        elif outcome is None:
            self._timeline.later(duration_s, task.finish)
        return task.ref

    def begin(
        self, entity: Ref, entity_name: str, method: str, user: str, duration_s: float, work: Callable[[], Value]
    ) -> Ref:
        """Begin a task on anything else, which does `work` after `duration_s` and has what it returns as its result.

        `work` runs with the world's lock held and may raise VimFault.
        """
        with self._lock:
            moref = f"task-{next(self._numbers)}"
            now = self._world.clock.moment()
            task = Task(moref, method, _description_id(method), "", entity_name, user, now, lambda: None, entity=entity)
            self._tasks[moref] = task
            self._order.append(moref)
            if len(self._order) > _KEPT:
                self._tasks.pop(self._order.popleft(), None)
        self._world.cloud.journal.record("vcenter-task", task=moref, method=method, vm=entity_name, moref=entity.moref)

        def finish() -> None:
            with self._world.lock:
                try:
                    task.result = work()
                except VimFault as fault:
                    self._end(task, fault.value)
                else:
                    self._end(task, None)

        task.finish = finish
        self._timeline.later(duration_s, finish)
        return task.ref

    def answer(self, vm: VM, *, cancel: bool = False) -> None:
        """The question on a VM is answered: its waiting task goes on, or ends. Call with the world's lock held."""
        vm.question = ""
        self._world.touch(vm)
        task = self.running_on(vm.moref)
        if task is not None and task.asking:
            task.asking = False
            if cancel:
                self._end(task, VimFault("RequestCanceled", "The operation was canceled by the user.").value)
            else:
                task.finish()

    def _ask(self, task: Task, text: str = QUESTION) -> None:
        with self._world.lock:
            vm = self._world.vms.get(task.vm)
            if vm is not None:
                vm.question = text
                self._world.touch(vm)
                task.asking = True
                self._world.cloud.journal.record("vcenter-question", task=task.moref, vm=task.entity_name)
                task.progress = 95  # a change of the task, which lets those who wait for it look for a question

    def _finish(self, task: Task, work: Callable[[VM], None]) -> None:
        with self._world.lock:
            vm = self._world.vms.get(task.vm)
            if vm is None:
                self._end(task, object_gone(Ref("VirtualMachine", task.vm)).value)
                return
            try:
                work(vm)
            except Question as question:
                self._ask(task, str(question))
            except VimFault as fault:
                self._end(task, fault.value)
            else:
                self._world.touch(vm)
                self._end(task, None)

    def _end(self, task: Task, error: Fault | None) -> None:
        with self._lock:
            task.ended_at = self._world.clock.moment()
            task.error = error
            task.progress = None if error else 100
            task.state = "error" if error else "success"
        with self._world.lock:
            self._world.cloud.journal.record(
                "vcenter-task-ended",
                task=task.moref,
                vm=task.entity_name,
                state=task.state,
                fault=error.kind if error else "",
            )


def _description_id(method_name: str) -> str:
    declared = declaration(method_name)
    return declared.description_id if declared else method_name


def _broken() -> Fault:
    return VimFault("GenericVmConfigFault", "The operation failed on the host.", reason="the twin was told so").value
