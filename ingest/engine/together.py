"""Writers that come at the same time write together: whoever leads does the work of all who wait.

What is to be durable has its price, whatever is in it: a transaction, a wait for the disk. Threads that wait for one
another pay it one after another, and with a hundred of them it becomes what everybody waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Work = TypeVar("Work")


@dataclass(eq=False, slots=True)
class Order(Generic[Work]):
    """What one writer wants done, and what came of it: the result, or the error to be raised where it was ordered."""

    work: Work
    result: object = None
    error: BaseException | None = None
    done: bool = False
    called: threading.Event = field(default_factory=threading.Event)


class Together(Generic[Work]):
    """Hands the orders of many threads over in groups, one group at a time, none left behind.

    `do_all` marks each order done. What it leaves undone, because it failed, is done with the next group.
    """

    def __init__(self, do_all: Callable[[Sequence[Order[Work]]], None]) -> None:
        self._do_all = do_all
        self._lock = threading.Lock()
        self._waiting: list[Order[Work]] = []
        self._led = False

    def do(self, work: Work) -> object:
        """The result of the work, once it is done, whoever did it. Raises what it ended with."""
        order = Order(work)
        if threading.current_thread() is threading.main_thread():
            # Ctrl-C and SIGTERM interrupt this one, and others may wait for what it is about to do.
            deputy = threading.Thread(target=self._see_to, args=(order,), name="writes-for-main")
            deputy.start()
            deputy.join()
        else:
            self._see_to(order)
        if order.error is not None:
            raise order.error
        return order.result

    def _see_to(self, order: Order[Work]) -> None:
        with self._lock:
            self._waiting.append(order)
            leads, self._led = not self._led, True
        if not leads:
            order.called.wait()
        if not order.done:
            self._lead(order)

    def _lead(self, own: Order[Work]) -> None:
        with self._lock:
            orders, self._waiting = self._waiting, []
        try:
            self._do_all(orders)
        except BaseException as error:  # noqa: BLE001  raised in `do`
            own.error, own.done = error, True
        finally:
            others = [order for order in orders if order is not own]
            with self._lock:
                self._waiting[:0] = [order for order in others if not order.done]
                self._led = bool(self._waiting)
                called = [order for order in others if order.done] + self._waiting[:1]
            for order in called:
                order.called.set()
