"""One import per site at a time: the second waits for the slot of the first, on a real Prefect server."""

from __future__ import annotations

import contextvars
import threading

import pytest
from prefect import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from ingest.cli.local_server import PrefectServer
from tasks.one_at_a_time import limit_name, one_at_a_time

pytestmark = pytest.mark.server


def _enter(site: str, entered: threading.Event, leave: threading.Event) -> threading.Thread:
    def hold() -> None:
        with one_at_a_time(site):
            entered.set()
            leave.wait(60)

    # A thread starts with an empty context; Prefect keeps which server to ask in it.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(hold,))
    thread.start()
    return thread


def test_a_second_import_of_a_site_waits_and_one_of_another_does_not(server: PrefectServer) -> None:
    with get_client(sync_client=True) as client:
        for site in ("fra7", "ber7"):
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=limit_name(site), limit=1))
    leave, (first, second, other, free) = threading.Event(), (threading.Event() for _ in range(4))
    threads = [_enter("fra7", first, leave)]
    try:
        assert first.wait(30)
        threads += [_enter("fra7", second, leave), _enter("ber7", other, leave), _enter("nolimit7", free, leave)]
        assert other.wait(30)
        assert free.wait(30)
        assert not second.wait(2)
    finally:
        leave.set()
    assert second.wait(90)
    for thread in threads:
        thread.join(60)
    with get_client(sync_client=True) as client:
        assert client.read_global_concurrency_limit_by_name(limit_name("fra7")).active_slots == 0
