"""Names that tell runs apart in the list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def stamped(prefix: str) -> Callable[[], str]:
    """A flow run name made when the run starts: `plan-20261122-2215`."""
    return lambda: f"{prefix}-{datetime.now(UTC):%Y%m%d-%H%M}"
