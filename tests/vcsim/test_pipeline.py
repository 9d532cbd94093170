"""The whole pipeline with VMware's simulator as the vCenter and a CloudStack filled from it, read over its API."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from ingest.cli.local_server import PrefectServer

pytestmark = [pytest.mark.vcsim, pytest.mark.server]
# What vcsim's made-up VMs leave open: their port groups are untagged, and 32 MiB fit no bounded offering.
RULES = """
version: 1
rules:
  - set:
      account: operations
      domain: ROOT/Corporate
      service_offering: custom-unconstrained
      cpu_speed_mhz: 1000
      networks:
        - {portgroup: DC0_DVPG0, network: l2-DC0_DVPG0}
        - {portgroup: DC0_DVPG1, network: l2-DC0_DVPG1}
        - {portgroup: VM Network, network: l2-VM Network}
"""


def test_plan_and_run_against_vcsim(start_vcsim, server: PrefectServer, ingest_command: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    simulator = start_vcsim("-dc", "1", "-cluster", "2", "-host", "3", "-vm", "6", "-standalone-host", "1", "-pg", "2")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("INGEST_", "PREFECT_API"))}
    environment = clean | {
        "PREFECT_API_URL": server.api_url,
        "INGEST_VCENTER_HOST": simulator.host,
        "INGEST_VCENTER_PORT": str(simulator.port),
        "INGEST_VCENTER_USER": simulator.user,
        "INGEST_VCENTER_PASSWORD": simulator.password,
        "INGEST_VCENTER_CA_FILE": str(simulator.certificate),
    }
    cloud = subprocess.Popen(
        [str(ingest_command), "twin", "serve", "--from-vcenter"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert cloud.stdout is not None
        for _ in range(4):
            name, _, value = shlex.split(cloud.stdout.readline())[1].partition("=")
            assert name.startswith("INGEST_CLOUDSTACK_")
            environment[name] = value

        def ingest(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [str(ingest_command), *arguments],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=170,
                check=False,
            )

        doctor = ingest("doctor")
        assert doctor.returncode == 0, doctor.stdout + doctor.stderr
        (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
        planned = ingest("plan", "--rules", "rules.yaml", "--format", "json")
        assert planned.returncode == 0, planned.stdout + planned.stderr
        (plan,) = tmp_path.glob("runs/*/plan.csv")
        done = ingest(
            "run", str(plan), "--yes", "--max-concurrent-imports", "12", "--batch-size", "1", "--format", "json"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        outcomes = {outcome["vm"]: outcome for outcome in json.loads(done.stdout)}
        imported = {vm for vm, outcome in outcomes.items() if outcome["status"] == "imported"}
        skipped = {vm: outcome["error"] for vm, outcome in outcomes.items() if outcome["status"] == "skipped"}
        # 6 VMs in each of two clusters can be imported, the 6 on the standalone host cannot.
        assert len(imported) == 12, done.stderr
        assert len(skipped) == 6
        assert set(skipped.values()) == {"runs on a standalone host; CloudStack manages clusters"}
        again = ingest("run", "--yes", "--format", "json")
        assert {outcome["status"] for outcome in json.loads(again.stdout)} == {"skipped"}
    finally:
        cloud.send_signal(signal.SIGINT)
        _, err = cloud.communicate(timeout=20)
    assert cloud.returncode == 0, err
