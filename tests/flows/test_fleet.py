"""A fleet on two sites and two hosts, database and ledger on PostgreSQL: one is cancelled, the next
loses a host in mid-import.

A host is a worker with folders of its own; both publish their run folders to one place, and share the ledger. With
INGEST_WAIT_FOR_HEARTBEAT=1 the shipped automation notices the dead host, after 90 seconds without a sign; otherwise the
test does what the automation does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from ingest.cli.local_server import PrefectServer, prefect_server
from ingest.engine.ledger import open_ledger
from ingest.settings import RunSettings
from ingest.twin.generator import generate
from ingest.twin.serving import Twin
from tests.cli.forked import descendants
from tests.engine.postgresql import new_database, postgresql_server, postgresql_url
from tests.flows.prefect_api import OVER, call
from tests.flows.workers import worker_command

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]
__all__ = ["postgresql_server", "postgresql_url"]

ROOT = Path(__file__).parents[2]
WAIT_FOR_HEARTBEAT = os.environ.get("INGEST_WAIT_FOR_HEARTBEAT") == "1"
VMS = 30
SLOWLY_S, FAST_S = 3.0, 0.05
"""An import takes so long that a cancellation or a death is in the middle, on a busy machine too; then no longer."""
SITES = ("alpha", "beta")


def _until(what: str, look: Callable[[], Any], patience_s: float = 240) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited too long until {what}"
        time.sleep(0.7)
    return found


def _two_sites(folder: Path) -> Path:
    """prefect.yaml with the demo's import deployment for each of the two sites, each in its own queue."""
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    known = {one["name"]: one for one in document["deployments"]}
    sites = [
        known["import-demo"]
        | {
            "name": f"import-{site}",
            "parameters": {"dry_run": True, "site": site},
            "work_pool": known["import-demo"]["work_pool"] | {"work_queue_name": site},
        }
        for site in SITES
    ]
    file = folder / "prefect.yaml"
    file.write_text(yaml.safe_dump(document | {"deployments": [known["fleet"], known["notice"], *sites]}))
    return file


class Host:
    """A machine: its workers, and all they started."""

    def __init__(self, home: Path, python: Path, environment: dict[str, str]) -> None:
        self.home = home
        self._python = python
        self._environment = environment | {
            "PREFECT_HOME": str(home / "prefect"),
            "INGEST_RUN_STATE": str(home / "state"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        self._workers: list[subprocess.Popen[bytes]] = []
        home.mkdir()

    def serve(self, *queues: str) -> None:
        """Start a worker for these queues."""
        asked = [word for queue in queues for word in ("--work-queue", queue)]
        command = worker_command(self._python, *asked)
        with (self.home / f"{queues[0]}.log").open("wb") as log:
            self._workers.append(
                subprocess.Popen(
                    command,
                    cwd=self.home,
                    env=self._environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def lose(self) -> None:
        """The machine is gone: every process on it, at once, without a word."""
        for worker in self._workers:
            for process in [*descendants(worker.pid), worker.pid]:
                os.kill(process, signal.SIGKILL)
            worker.wait()

    def end(self) -> None:
        """Shut down as a service would be."""
        for worker in self._workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGTERM)
                try:
                    worker.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(worker.pid, signal.SIGKILL)
                    worker.wait()


class Site:
    """A twin and what truly happened on it."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    def imported(self) -> int:
        with self.twin.world.lock:
            return len(self.twin.world.cloud.journal.imports)

    def requests(self) -> int:
        with self.twin.world.lock:
            return sum(self.twin.world.cloud.journal.requests.values())

    def assert_each_once(self) -> None:
        with self.twin.world.lock:
            journal = self.twin.world.cloud.journal
            assert sorted(Counter(moref for moref, _ in journal.imports).values()) == [1] * VMS
            assert journal.imports_accepted == VMS


@contextmanager
def _sites(environment: dict[str, str]) -> Iterator[dict[str, Site]]:
    from tasks.blocks import save_credentials

    with ExitStack() as stack:
        found = {}
        for seed, name in enumerate(SITES):
            world = generate(VMS, seed=5 + seed)
            world.cloud.import_seconds = SLOWLY_S
            twin = stack.enter_context(Twin(world))
            save_credentials(name, twin.environment())
            found[name] = Site(twin)
        yield found


@pytest.fixture
def server(
    postgresql_server: str, python_command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PrefectServer]:
    """A Prefect server on PostgreSQL, with the deployments of two sites."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tasks.provisioning import provision
    from tasks.server_traffic import flush_to_server

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(sys, "executable", str(python_command))
    with (
        new_database(postgresql_server) as url,
        prefect_server(tmp_path / "server", database=url.replace("postgresql://", "postgresql+asyncpg://")) as running,
        temporary_settings({PREFECT_API_URL: running.api_url}),
    ):
        list(provision(_two_sites(tmp_path)))
        yield running
        flush_to_server()


def test_fleets_that_are_cancelled_and_lose_a_host(
    server: PrefectServer, python_command: Path, postgresql_url: str, tmp_path: Path
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INGEST_")}
    settings = RunSettings(ledger=SecretStr(postgresql_url))
    environment = kept | {
        "PREFECT_API_URL": server.api_url,
        "INGEST_RUN_LEDGER": postgresql_url,
        "INGEST_RUN_FOLDER": f"file://{tmp_path}/shared",
    }
    with _sites(environment) as sites, ExitStack() as stack:
        first, second = (Host(tmp_path / name, python_command, environment) for name in ("first", "second"))
        for host in (first, second):
            stack.callback(host.end)
        first.serve("alpha")
        second.serve("beta", "fleet")
        alpha, beta = sites["alpha"], sites["beta"]

        def state(run: dict[str, Any]) -> dict[str, Any]:
            return dict(call(server, "GET", f"/flow_runs/{run['id']}"))

        def over(run: dict[str, Any]) -> dict[str, Any] | None:
            now = state(run)
            return now if now["state_type"] in OVER else None

        def share(site: str) -> dict[str, Any]:
            deployment = call(server, "GET", f"/deployments/name/import-vms/import-{site}")["id"]
            wanted = {"deployment_id": {"any_": [deployment]}}
            return dict(call(server, "POST", "/flow_runs/filter", flow_runs=wanted, sort="START_TIME_DESC")[0])

        deployment = call(server, "GET", "/deployments/name/import-fleet/fleet")["id"]
        limits = {"max_concurrent_imports": 2, "batch_size": 2}
        parameters = {
            "dry_run": False,
            "approval": {"mode": "auto_approve"},
            "sites": [{"site": site, "limits": limits, "safety": {"grace_s": 5}} for site in SITES],
        }

        def start() -> dict[str, Any]:
            return dict(call(server, "POST", f"/deployments/{deployment}/create_flow_run", parameters=parameters))

        # Cancelled: Prefect by itself would let the sites go on.
        fleet = start()
        _until("both sites import", lambda: alpha.imported() and beta.imported())
        call(server, "POST", f"/flow_runs/{fleet['id']}/set_state", state={"type": "CANCELLING"})
        assert _until("the fleet is cancelled", lambda: over(fleet))["state_type"] == "CANCELLED"
        shares = _until(
            "both shares are over", lambda: all(over(share(site)) for site in SITES) and list(map(share, SITES))
        )
        assert [one["state_type"] for one in shares] == ["CANCELLED", "CANCELLED"]
        before = [site.imported() for site in sites.values()]
        assert max(before) < VMS
        time.sleep(2)
        assert [site.imported() for site in sites.values()] == before

        # Another fleet imports the rest, and one of its hosts is gone in the middle of it, worker and flow.
        fleet = start()
        _until("alpha imports again", lambda: alpha.imported() > before[0])
        assert alpha.imported() < VMS
        first.lose()
        for site in sites.values():
            site.twin.world.cloud.import_seconds = FAST_S
        time.sleep(1)
        told = alpha.requests()
        second.serve("alpha")
        if WAIT_FOR_HEARTBEAT:
            _until("the automation notices", lambda: share("alpha")["state_type"] == "CRASHED")
        else:
            # What the automation does. The dead run's slot is free when its lease is over, 60 s after its last sign;
            # who does not wait that long gives the site another one.
            call(server, "PATCH", "/v2/concurrency_limits/ingest-import-alpha", limit=2)
            dead = {"type": "CRASHED", "message": "No sign of life"}
            call(server, "POST", f"/flow_runs/{share('alpha')['id']}/set_state", state=dead, force=True)
        assert alpha.requests() == told  # nobody was at work there any more
        ended = _until("the fleet is over", lambda: over(fleet))
        assert ended["state_type"] == "COMPLETED", ended["state"]
        rest = 2 * VMS - sum(before)
        assert ended["state"]["message"] == f"{rest} imported, {sum(before)} skipped by 2 runs"
        picked_up = share("alpha")
        said = f"{VMS - before[0]} imported, {before[0]} skipped"
        assert (picked_up["state"]["message"], picked_up["run_count"]) == (said, 2)
        (page,) = call(server, "POST", "/artifacts/latest/filter", artifacts={"key": {"any_": ["fleet"]}})
        assert f"| alpha | Completed, picked up 1x | {VMS - before[0]} |" in page["data"]
        assert f"/runs/flow-run/{share('beta')['id']})" in page["data"]

        # Retried, it finds the runs it has, and starts none.
        call(server, "POST", f"/flow_runs/{fleet['id']}/set_state", state={"type": "SCHEDULED"}, force=True)
        again = _until("the retried fleet is over", lambda: state(fleet)["run_count"] == 2 and over(fleet))
        assert again["state"]["message"] == ended["state"]["message"]
        assert share("alpha")["id"] == picked_up["id"]

        # Nothing doubled, nothing lost.
        for site in sites.values():
            site.assert_each_once()
        with open_ledger(settings) as ledger:
            assert Counter((entry.state, entry.holder) for entry in ledger.entries()) == {("imported", ""): 2 * VMS}
            assert ledger.verify_chain() is None
