"""Nothing phones home: the switches are set at every way into the program."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ingest.quiet import NO_TELEMETRY, no_telemetry

ROOT = Path(__file__).parents[1]
# Each runs as a process of its own, because the switches have to be set before Prefect is imported.
ENTRY_POINTS = {
    "command line": "from ingest.cli.main import run_command; run_command(['--version'])",
    "flows": "import flows.import_vms",
    "tasks": "import tasks.validate",
    "flow file, as a worker loads it": "import sys; sys.path.insert(0, 'flows'); import import_vms",
}


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_switches_are_set(entry: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in NO_TELEMETRY}
    code = f"{ENTRY_POINTS[entry]}\nimport json, os; print('environment', json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean, capture_output=True, text=True, timeout=120, check=True
    )
    environment = json.loads(done.stdout.rpartition("environment ")[2])
    assert {name: environment.get(name) for name in NO_TELEMETRY} == NO_TELEMETRY


def test_the_operators_own_choice_wins() -> None:
    environment = {"DO_NOT_TRACK": "0"}
    no_telemetry(environment)
    assert environment["DO_NOT_TRACK"] == "0"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_prefect_heeds_the_switches() -> None:
    code = (
        "import os; from ingest.quiet import no_telemetry; no_telemetry(os.environ)\n"
        "from prefect.settings import get_current_settings\n"
        "s = get_current_settings().server\n"
        "print(s.analytics_enabled, s.ui.v2_enabled, s.ui.show_promotional_content)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["False", "False", "False"]


def test_deployed_runs_are_quiet() -> None:
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    for deployment in document["deployments"]:
        assert deployment["work_pool"]["job_variables"]["env"]["DO_NOT_TRACK"] == "1"


def test_make_bootstraps_the_uv_of_the_lock() -> None:
    wanted = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    locked = re.search(r'name = "uv"\nversion = "([^"]+)"', (ROOT / "uv.lock").read_text(encoding="utf-8"))
    assert wanted
    assert locked
    assert wanted[1] == locked[1]
