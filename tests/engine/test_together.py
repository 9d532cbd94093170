"""Writers that come together: each gets its own result or error, groups never overlap, nobody is left waiting."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ingest.engine.together import Order, Together

THREADS = 20


class Press:
    """Does orders in groups: gives twice the number, refuses negative ones. The first group waits until `opened`."""

    def __init__(self, fails: int = 0) -> None:
        self.opened = threading.Event()
        self.groups: list[list[int]] = []
        self.fails = fails
        self._busy = threading.Lock()

    def __call__(self, orders: Sequence[Order[int]]) -> None:
        assert self._busy.acquire(blocking=False), "two groups at the same time"
        try:
            self.groups.append([order.work for order in orders])
            assert self.opened.wait(30)
            if len(orders) > 1 and self.fails:
                self.fails -= 1
                raise MemoryError
            for order in orders:
                if order.work < 0:
                    order.error = ValueError(order.work)
                else:
                    order.result = 2 * order.work
                order.done = True
        finally:
            self._busy.release()


def at_once(together: Together[int], press: Press, numbers: Sequence[int]) -> list[Future[object]]:
    """All orders given while the first is at work."""
    with ThreadPoolExecutor(len(numbers)) as pool:
        futures = [pool.submit(together.do, number) for number in numbers]
        while not press.groups or len(together._waiting) < len(numbers) - 1:
            threading.Event().wait(0.005)
        press.opened.set()
    return futures


def test_those_who_wait_are_one_group() -> None:
    press = Press()
    futures = at_once(Together(press), press, range(THREADS))
    assert [future.result() for future in futures] == [2 * number for number in range(THREADS)]
    assert [len(group) for group in press.groups] == [1, THREADS - 1]


def test_an_error_is_its_own_alone() -> None:
    press = Press()
    futures = at_once(Together(press), press, [0, 1, -2, 3])
    assert [future.exception() is None for future in futures] == [True, True, False, True]
    with pytest.raises(ValueError, match="-2"):
        futures[2].result()


def test_a_leader_that_fails_leaves_nobody_behind() -> None:
    press = Press(fails=2)
    futures = at_once(Together(press), press, range(THREADS))
    failed = [future for future in futures if future.exception()]
    assert [type(future.exception()) for future in failed] == [MemoryError, MemoryError]
    assert sorted(future.result() for future in futures if future not in failed) == sorted(  # type: ignore[type-var]
        2 * number for number, future in enumerate(futures) if future not in failed
    )


def test_the_main_thread_has_it_done_where_nothing_interrupts() -> None:
    press = Press()
    press.opened.set()
    names = []
    together = Together[int](lambda orders: (names.append(threading.current_thread().name), press(orders))[1])
    assert threading.current_thread() is threading.main_thread()
    assert [together.do(3), together.do(4)] == [6, 8]
    assert names == ["writes-for-main"] * 2
    with pytest.raises(ValueError, match="-1"):
        together.do(-1)


def test_many_come_and_go() -> None:
    press = Press()
    press.opened.set()
    together = Together(press)
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(together.do, range(2000))) == [2 * number for number in range(2000)]
    assert sum(map(len, press.groups)) == 2000
