"""How a run ends: in which state, with which words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar

from prefect.client.schemas.objects import State
from prefect.runtime import deployment
from prefect.states import Cancelled, Completed

from ingest.errors import RemoteError


def cancelled(message: str, result: Any, name: str = "Cancelled") -> State[Any]:
    """A Cancelled state with the result for whoever called the flow in this process.

    In a worker nobody did, and Prefect takes the data of a Cancelled state for the exception to raise: any other value
    ends in a traceback with all of it in the worker's log.
    """
    return Cancelled(name=name, message=message, data=None if deployment.id else result)


class GivenBack(Protocol):
    """What became of a VM that was to be given back."""

    @property
    def vm(self) -> str: ...

    @property
    def status(self) -> str: ...


Row = TypeVar("Row", bound=GivenBack)


def given_back(
    rows: Sequence[Row], *, well: Collection[str], cure: Callable[[Row], str], dry_run: bool, stopped: bool
) -> State[Any]:
    """The end of a run that gave VMs back, or showed what it would do. `well`: statuses with nothing left to do.

    Raises RemoteError when something is left, with the `cure` of the first.
    """
    counts = Counter(row.status for row in rows)
    message = ", ".join(f"{number} {status}" for status, number in counts.items()) or "nothing is left to give back"
    if dry_run:
        return Completed(message=f"preview: {message}", data=rows)
    if stopped:
        return cancelled(f"stopped: {message}", rows)
    left = [row for row in rows if row.status not in well]
    if left:
        raise RemoteError(f"not everything was given back: {message}", place=left[0].vm, cure=cure(left[0]))
    return Completed(message=message, data=rows)
