"""What a person at the Prefect UI does, done as the UI does it: over the server's REST API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from ingest.cli.local_server import PrefectServer

TIMEOUT_S = 150
"""Longer than Prefect waits for a lock of SQLite before it answers 503."""
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def call(server: PrefectServer, method: str, path: str, **body: Any) -> Any:
    """One request; its answer as JSON, None when it has no body."""
    for _ in range(10):
        answer = requests.request(method, f"{server.api_url}{path}", json=body or None, timeout=TIMEOUT_S)
        if answer.status_code != 503:  # SQLite is busy: the UI asks again as well
            break
        time.sleep(1)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def over(run: dict[str, Any]) -> bool:
    """Whether a flow run has ended, well or not."""
    return run["state_type"] in OVER


def run_until(
    server: PrefectServer, run: dict[str, Any], done: Callable[[dict[str, Any]], bool] = over
) -> dict[str, Any]:
    """The flow run once `done` is true of it."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        now = call(server, "GET", f"/flow_runs/{run['id']}")
        if done(now):
            return dict(now)
        time.sleep(0.5)
    raise AssertionError(f"still {now['state_name']}: {now['state']['message']}")


def start_run(server: PrefectServer, deployment: str, **parameters: Any) -> dict[str, Any]:
    """The button Run of a deployment, with these values in its form."""
    found = call(server, "GET", f"/deployments/name/{deployment}")
    return dict(call(server, "POST", f"/deployments/{found['id']}/create_flow_run", parameters=parameters))


def form(server: PrefectServer, run: dict[str, Any], what: str = "schema") -> str:
    """The form a waiting run asks with, or its `description`; '' when it has none yet: the state is shown before it."""
    keyset = run["state"]["state_details"]["run_input_keyset"]
    answer = requests.get(f"{server.api_url}/flow_runs/{run['id']}/input/{keyset[what]}", timeout=TIMEOUT_S)
    return answer.text if answer.ok else ""


def suspended(server: PrefectServer, run: dict[str, Any]) -> bool:
    """Whether a run's process has ended to wait for a person."""
    assert run["state_type"] not in ("FAILED", "CRASHED"), run["state"]
    return run["state_name"] == "Suspended" and bool(form(server, run))


def paused_run(server: PrefectServer) -> dict[str, Any]:
    """The flow run that waits for a person."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = call(server, "POST", "/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["PAUSED"]}}})
        if found and form(server, found[0], "description"):
            return dict(found[0])
        time.sleep(0.2)
    raise AssertionError("no run waits")


def attention(server: PrefectServer, run: str, what: str) -> str:
    """The entry of the artifact `attention` about this run and happening, once an automation has had it written."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = call(server, "POST", "/artifacts/filter", artifacts={"key": {"any_": ["attention"]}})
        for artifact in found:
            if f"**{run}**: {what}" in str(artifact["data"]):
                return str(artifact["data"])
        time.sleep(1)
    raise AssertionError(f"nobody was told that {run} {what}")


class Person:
    """Somebody at the UI, on a thread: waits until a run asks, then does as told."""

    def __init__(self, server: PrefectServer, deeds: Callable[[dict[str, Any]], None]) -> None:
        self.error: BaseException | None = None

        def act() -> None:
            try:
                deeds(paused_run(server))
            except BaseException as error:  # noqa: BLE001  shown by the test
                self.error = error

        self._thread = threading.Thread(target=act)

    def __enter__(self) -> Person:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self.error:
            raise self.error
