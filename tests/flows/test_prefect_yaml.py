"""prefect.yaml and the shipped profiles, read without a server: nothing in them may be a typing error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import get_current_settings
from prefect.settings.models.root import Settings

from ingest.cli.local_server import profile
from tasks.automations import DEAD_AFTER_S, HEARTBEAT_S, TAG

ROOT = Path(__file__).parents[2]
# The keys Prefect reads, level by level; others are ignored silently, so a typing error would go unnoticed.
DEPLOYMENT_KEYS = {
    "name", "version", "tags", "description", "schedules", "paused", "concurrency_limit", "entrypoint",
    "parameters", "enforce_parameter_schema", "pull", "work_pool", "triggers",
}  # fmt: skip
KEYS_WITHIN = {
    "work_pool": {"name", "work_queue_name", "job_variables"},
    "concurrency_limit": {"limit", "collision_strategy", "grace_period_seconds"},
    "schedules": {
        "cron", "interval", "rrule", "timezone", "anchor_date", "day_or", "active", "parameters", "slug", "replaces",
    },
}  # fmt: skip
JOB_VARIABLES = {"command", "env", "labels", "name", "stream_output", "working_dir"}
UNITS = sorted((ROOT / "data/prefect").glob("*.service"))


def unknown_keys(document: dict[str, Any]) -> list[str]:
    """Every key of a prefect.yaml that Prefect would ignore, by its place."""
    found = [
        key
        for key in document
        if key not in {"name", "prefect-version", "definitions", "build", "push", "pull", "deployments"}
    ]
    for deployment in document["deployments"]:
        place = deployment["name"]
        found += [f"{place}.{key}" for key in deployment if key not in DEPLOYMENT_KEYS]
        for key, known in KEYS_WITHIN.items():
            inner = deployment.get(key) or {}
            for one in inner if isinstance(inner, list) else [inner]:
                found += [f"{place}.{key}.{name}" for name in one if name not in known]
        found += [
            f"{place}.job_variables.{name}"
            for name in deployment["work_pool"].get("job_variables", {})
            if name not in JOB_VARIABLES
        ]
    return found


def _document() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    return read


def test_no_unknown_keys_in_prefect_yaml() -> None:
    assert unknown_keys(_document()) == []


@pytest.mark.parametrize(
    ("at", "misspelt"),
    [
        ((), "deployment"),
        (("deployments", "plan-nightly"), "enforce_parameters_schema"),
        (("deployments", "plan-nightly", "schedules", 0), "time_zone"),
        (("deployments", "import", "concurrency_limit"), "collision"),
        (("deployments", "import", "work_pool"), "queue"),
        (("deployments", "import", "work_pool", "job_variables"), "environment"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_misspelt_key_is_found(at: tuple[str | int, ...], misspelt: str) -> None:
    document = _document()
    place: Any = document
    for step in at:
        named = [one for one in place if isinstance(one, dict) and one.get("name") == step]
        place = named[0] if named else place[step]
    place[misspelt] = "x"
    assert any(found.endswith(misspelt) for found in unknown_keys(document))


def test_every_deployment_can_be_told_apart_and_is_watched() -> None:
    deployments = _document()["deployments"]
    assert len({one["name"] for one in deployments}) == len(deployments)
    for one in deployments:
        assert one["enforce_parameter_schema"] is True
        assert one["description"].strip()
        assert (ROOT / one["entrypoint"].split(":")[0]).exists()
        environment = one["work_pool"]["job_variables"]["env"]
        # With a slower heartbeat than the automation expects, healthy runs would be marked as crashed.
        assert float(environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) == HEARTBEAT_S
        if "writes" in one["tags"]:
            assert one["parameters"]["dry_run"] is True
            assert one["concurrency_limit"]["limit"] == 1
        assert TAG in one["tags"] or one["name"] == "notice"
    assert DEAD_AFTER_S >= 3 * HEARTBEAT_S


def _setting_names() -> set[str]:
    names: set[str] = set()

    def walk(model: Any) -> None:
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and hasattr(inner, "model_fields") and hasattr(inner, "model_config"):
                walk(inner)
                continue
            names.add(f"{model.model_config.get('env_prefix', '')}{name}".upper())
            for choice in getattr(field.validation_alias, "choices", []):
                names.add(str(choice).upper())

    walk(Settings)
    return names


@pytest.mark.parametrize("name", ["server.env", "worker.env"])
def test_profiles_name_settings_that_exist_and_take_their_values(name: str) -> None:
    values = profile(name)
    known = _setting_names()
    ours = {"DO_NOT_TRACK", "GX_ANALYTICS_ENABLED"}
    assert [one for one in values if one not in known | ours] == []
    environment = values | {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", "from prefect.settings import get_current_settings as s; print(s().model_dump_json())"],
        env=environment | {"PREFECT_HOME": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert get_current_settings()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_sound(unit: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is absent")
    prefect = Path(sys.executable).parent / "prefect"
    text = unit.read_text(encoding="utf-8").replace("/opt/ingest/bin/prefect", str(prefect))
    assert str(prefect) in text
    assert "Restart=always" in text
    if "worker" in unit.name:
        # ProtectSystem=strict leaves the runs of a worker nothing to write to but its state directory.
        assert "Environment=INGEST_RUN_FOLDER=/var/lib/ingest/runs INGEST_RUN_STATE=/var/lib/ingest/state\n" in text
        assert "StateDirectory=ingest\n" in text
        # A worker that is told to end kills its runs within a tenth of a second; so they are told first.
        assert "ExecStop=/bin/sh -c 'pkill -TERM -P ${MAINPID}; while pgrep" in text
    copy = tmp_path / unit.name.replace("@", "@fra1")
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if copy.name in line]
    assert (done.returncode, ours) == (0, []), done.stderr
