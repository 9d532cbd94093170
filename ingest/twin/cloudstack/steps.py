"""The named steps of an import job, and what may hang on them: tests that hold jobs, and faults."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

Step: TypeAlias = Literal[
    "accepted",  # a thread has taken up the job; nothing is checked
    "started",  # A1 to A15 passed, the event Started is written, managed names are known
    "found",  # A16 passed: the VM is read
    "checked",  # A17 to A46 passed, resources are reserved, nothing is written
    "committed",  # C1: the VM row
    "volumes",  # C2
    "nics",  # C3
    "moved",  # C4
    "completed",  # C5 but for the answer: counted, event Completed written
]
STEPS: tuple[Step, ...] = get_args(Step)

Callback: TypeAlias = Callable[[Step, str, str], None]
"""Gets the step, the job's id and the VM's name."""


class Steps:
    """Who wants to know of which step. Thread-safe.

    Callbacks run after their step, on the job's thread and without the world's lock, so they may wait. One may raise
    `JobLost`: the job ends there as in a restart. Or a `ServerError`: the job fails there as if the next thing the
    server does had failed. From `committed` to `moved` it then cleans up, and wraps the error in the text it has for
    that place, unless it is an `ApiException`; elsewhere it does neither, except that `InsufficientCapacity` at
    `checked` becomes its failure 533.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[Step, tuple[Callback, ...]] = {}

    def on(self, step: Step, callback: Callback) -> Callable[[], None]:
        """Call `callback` whenever a job has done `step`; the function returned ends that."""
        if step not in STEPS:
            raise ValueError(f"{step} is no step of an import: {', '.join(STEPS)}")
        with self._lock:
            self._callbacks[step] = (*self._callbacks.get(step, ()), callback)

        def end() -> None:
            with self._lock:
                self._callbacks[step] = tuple(one for one in self._callbacks[step] if one is not callback)

        return end

    def reached(self, step: Step, job_id: str, vm_name: str) -> None:
        """Tell those who wait for `step`, in the order in which they asked."""
        with self._lock:
            callbacks = self._callbacks.get(step, ())
        for callback in callbacks:
            callback(step, job_id, vm_name)
