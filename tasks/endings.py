"""How a run that did not come to its end says so."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.runtime import deployment
from prefect.states import Cancelled


def cancelled(message: str, result: Any, name: str = "Cancelled") -> State[Any]:
    """A Cancelled state with the result for whoever called the flow in this process.

    In a worker nobody did, and Prefect takes the data of a Cancelled state for the exception to raise: any other value
    ends in a traceback with all of it in the worker's log.
    """
    return Cancelled(name=name, message=message, data=None if deployment.id else result)
