"""Things handed from one thread to another as they come, until no more will."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Feed(Generic[Item]):
    """Many put, one takes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[Item] = []
        self._closed = False

    def put(self, *items: Item) -> None:
        """Hand over."""
        with self._changed:
            self._items += items
            self._changed.notify_all()

    def close(self) -> None:
        """No more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, seconds: float) -> list[Item] | None:
        """What has come, waited for so long at most; None when that was all."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, seconds)
            found, self._items = self._items, []
            return None if self._closed and not found else found
