"""`ingest setup`: everything a Prefect server needs for this program, made or brought up to date."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from ingest.cli.local_server import API_VARIABLE
from ingest.cli.output import Format, show, talk
from ingest.errors import UsageError
from ingest.report.tables import record

COLUMNS = ("kind", "name", "done")


def setup(file: Path | None = None, *, format: Format = "table") -> int:
    """Make work pool, queues, limits, blocks, variables, deployments and automations on the server of PREFECT_API_URL.

    Doing it again brings up to date what has changed and leaves the rest; slots, values and switches set in the UI
    stay as they are.

    Parameters
    ----------
    file
        Another prefect.yaml. Without it the one of this program.
    format
        Format of the list on stdout.
    """
    url = os.environ.get(API_VARIABLE)
    if not url:
        raise UsageError(
            "no Prefect server is named",
            place=f"environment variable {API_VARIABLE}",
            cure="set it, such as http://127.0.0.1:4200/api; or `ingest up`, which brings a server",
        )
    from tasks.provisioning import provision
    from tasks.server_look import look_at_server

    look_at_server(url)
    with talk.status("setting up"):
        things = list(provision(file))
    show([record(thing) for thing in things], COLUMNS, format)
    counts = Counter(thing.done for thing in things)
    talk.print(", ".join(f"{counts[done]} {done}" for done in ("created", "updated", "unchanged")))
    return 0
