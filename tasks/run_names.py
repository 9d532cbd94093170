"""Names that tell runs apart in the list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from prefect.runtime import flow_run


def stamped(verb: str) -> Callable[[], str]:
    """A flow run name made when the run starts: `plan-20261122-2215`, `import-dry-run-fra1-20261122-2216`."""

    def name() -> str:
        parameters = flow_run.parameters or {}
        rehearsed = "dry-run" if parameters.get("dry_run") else ""
        return "-".join(filter(None, (verb, rehearsed, parameters.get("site"), f"{datetime.now(UTC):%Y%m%d-%H%M}")))

    return name
