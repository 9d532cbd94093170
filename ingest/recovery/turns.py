"""Things begun in their order, a delay apart, each as soon as it is ready; their ends are waited for side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ingest.recovery.timing import Timing

One = TypeVar("One")

_LOOK_S = 0.2


def take_turns(
    order: Iterable[One],
    begin: Callable[[One, Callable[[], None]], None],
    *,
    ready: Callable[[One], bool],
    done_before: Callable[[One], bool] = lambda _one: False,
    at_once: int,
    delay_s: float,
    strictly: bool = True,
    timing: Timing,
    stop: threading.Event,
) -> None:
    """Begin one after another; returns when all that were begun are over. Raises what `begin` raises.

    `ready` waits until something is known of one, and says whether it is to be begun or passed over: the next is not
    begun before. `begin` calls the function it is given as soon as it has truly begun; `strictly`: the next waits for
    that, too. At most `at_once` are under way, `delay_s` of the timing pass between two beginnings. What an earlier
    process has `done_before` needs no delay, but counts for the next. When `stop` is set, nothing more is begun.
    """
    slots = threading.Semaphore(at_once)
    last_at: float | None = None
    futures: list[Future[None]] = []

    def go(one: One, begun: threading.Event) -> None:
        try:
            begin(one, begun.set)
        finally:
            begun.set()
            slots.release()

    with ThreadPoolExecutor(at_once, thread_name_prefix="turn") as pool:
        for one in order:
            if not ready(one):
                continue
            # A slot first: beginnings that queue up would come out together.
            while not slots.acquire(timeout=_LOOK_S):
                if stop.is_set():
                    break
            if delay_s and last_at is not None and not done_before(one):
                timing.wait(stop, last_at + delay_s - timing.now())
            if stop.is_set():
                break
            begun = threading.Event()
            futures.append(pool.submit(go, one, begun))
            if strictly:
                begun.wait()
            last_at = timing.now()
    for future in futures:
        future.result()
