"""Nothing phones home: the switches of Prefect and Great Expectations, set before either is imported.

Explicit settings of the operator win: only what is unset is set.
"""

from __future__ import annotations

from collections.abc import MutableMapping

NO_TELEMETRY = {
    # SDK milestones of Prefect clients.
    "DO_NOT_TRACK": "1",
    # Heartbeat of the Prefect server, and the milestones of its clients.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The newer UI contacts an analytics host from the browser whatever the setting above says; the older does not.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "GX_ANALYTICS_ENABLED": "false",
}


def no_telemetry(environment: MutableMapping[str, str]) -> None:
    """Set the switches in an environment, in place."""
    for name, value in NO_TELEMETRY.items():
        environment.setdefault(name, value)
