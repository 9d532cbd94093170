"""`ingest up`, as a newcomer has it: started, the button Run pressed over the API, Ctrl-C; and nothing is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ingest.cli.local_server import API_VARIABLE, PrefectServer
from tests.flows.prefect_api import call, over, start_run

# Server, worker and runs are processes of their own: on a busy machine that takes minutes.
pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


def _below(pid: int) -> set[int]:
    """The processes a process has started, and theirs."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    found = {int(one) for thread in threads for one in thread.read_text(encoding="ascii").split()}
    return found.union(*(_below(one) for one in found))


@pytest.mark.skipif(not Path(f"/proc/{os.getpid()}/task").exists(), reason="reads /proc")
def test_up_is_ready_to_click_run_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != API_VARIABLE}
    process = subprocess.Popen(
        [sys.executable, "-c", "from ingest.cli.main import main; main()", "up"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = ""
        while "Ctrl-C ends" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        ui = re.search(r"Prefect UI: (http://127\.0\.0\.1:\d+)", said)
        assert ui, said
        run = _press_run(f"{ui[1]}/api", "import-vms/import-demo")
        assert run["state"]["message"] == "dry run: 55 would be imported, 7 blocked", run["state"]
        (folder,) = tmp_path.glob(".ingest/up/runs/*")
        assert (folder / "calls.csv").exists()
        started = _below(process.pid)
        assert len(started) >= 2
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert process.returncode == 0, rest
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


def _press_run(api: str, deployment: str) -> dict[str, Any]:
    server = PrefectServer(api, api.removesuffix("/api"), owned=False)
    run = start_run(server, deployment)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        now = call(server, "GET", f"/flow_runs/{run['id']}")
        if over(now):
            return dict(now)
        time.sleep(0.5)
    raise AssertionError(f"{deployment} does not end")
