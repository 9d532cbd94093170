"""One import per site at a time, over all deployments and machines of a Prefect server, unless more are allowed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from tasks.server_traffic import SERVER_AWAY

log = logging.getLogger("ingest.flow")

# The slot of a run whose host died is free again before the run is noticed (`tasks.automations.DEAD_AFTER_S`), so that
# a Retry does not wait for it. Prefect's shortest.
LEASE_S = 60


def limit_name(site: str) -> str:
    """The global concurrency limit of a site; `ingest setup` makes it with one slot, the UI may give it more."""
    return f"ingest-import-{site}" if site else "ingest-import"


@contextmanager
def one_at_a_time(site: str) -> Iterator[None]:
    """Hold a slot of the site's limit; waits for one. Without such a limit nothing is held: the ledger still keeps any
    two runs from taking the same VM.

    A lost lease does not end a running import, and a server that is away when the slot is given back does not undo what
    was done: the lease runs out by itself.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(limit_name(site))
        except ObjectNotFound:
            yield
            return
    held = ExitStack()
    held.enter_context(
        concurrency(
            limit_name(site), occupy=1, lease_duration=LEASE_S, strict=True, raise_on_lease_renewal_failure=False
        )
    )
    try:
        yield
    finally:
        try:
            held.close()
        except SERVER_AWAY as error:
            log.warning("the slot of %s is given back when its lease runs out: %s", limit_name(site), error)
