"""Names that tell runs apart in the list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from prefect.runtime import flow_run


def stamped(verb: str) -> Callable[[], str]:
    """A flow run name with the minute the run was due: `plan-20261122-2215`, `import-dry-run-fra1-20261122-2216`.

    Not the minute it is made in: a run that is resumed or retried is named again, and must keep its name.
    """

    def name() -> str:
        parameters = flow_run.parameters or {}
        rehearsed = "dry-run" if parameters.get("dry_run") else ""
        due = (flow_run.scheduled_start_time or datetime.now(UTC)).astimezone(UTC)
        return "-".join(filter(None, (verb, rehearsed, parameters.get("site"), f"{due:%Y%m%d-%H%M}")))

    return name
