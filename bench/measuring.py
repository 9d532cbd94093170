"""What something cost its process; each time in a fresh one, so that no measurement inherits another's memory."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_STATUS = Path("/proc/self/status")


@dataclass(slots=True)
class Cost:
    """Of a block: seconds on the clock, CPU seconds of this process (all threads), the process's peak memory so far.

    `base_mib` is what it held when the block began: interpreter and libraries.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    base_mib: float = 0.0
    peak_mib: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """The cost of the block; its fields are filled in when the block ends."""
    cost = Cost(base_mib=resident_mib("VmRSS"))
    wall, cpu = time.perf_counter(), time.process_time()
    yield cost
    cost.wall_s = time.perf_counter() - wall
    cost.cpu_s = time.process_time() - cpu
    cost.peak_mib = resident_mib("VmHWM")


def resident_mib(field: str) -> float:
    """Memory of this process now (`VmRSS`) or at most ever (`VmHWM`); only the latter where there is no /proc."""
    if _STATUS.exists():
        # Not ru_maxrss: it survives exec, so a child would be charged with the size of the process it was forked from.
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


def in_fresh_process(work: Callable[Arguments, Result], *args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
    """What `work` gives in a new interpreter; its errors are raised here. Arguments and result must be picklable."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args, **keywords).result()


def median(values: Iterable[float]) -> float:
    """The middle value; 0 when there is none."""
    found = list(values)
    return statistics.median(found) if found else 0.0
