"""Which failures of a reading stage are worth another try."""

from __future__ import annotations

from typing import Any

from ingest.errors import Transient

RETRY_DELAYS_S: list[float] = [2, 10, 30]


def only_transient(task: Any, task_run: Any, state: Any) -> bool:
    """Retry when the server was away; never on a wrong password, a refusal or a bad file."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, Transient)
