"""Ctrl-C while batches work: asks for the same as the button Cancel. No new rows, and what became of each is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TypeVar

from prefect.futures import PrefectFuture, as_completed

Result = TypeVar("Result")


def as_they_end(futures: Sequence[PrefectFuture[Result]], stop: threading.Event) -> Iterator[PrefectFuture[Result]]:
    """The futures as they end. A first interruption sets `stop` and goes on, a second one is raised."""
    left = list(futures)
    while left:
        try:
            for future in as_completed(list(left)):
                left.remove(future)
                yield future
        except KeyboardInterrupt:
            if stop.is_set():
                raise
            stop.set()
