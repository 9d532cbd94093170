"""VMware's simulator saved in `object.save` form, and its inventory rehearsed end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.rehearsal.plan_run import PlanPapers
from ingest.rehearsal.rehearse import Options, rehearse_plan
from ingest.rehearsal.report import read_rehearsal
from ingest.rehearsal.tempo import durations_of
from ingest.stages.run_folder import RunFolder

from .conftest import StartVcsim
from .test_pipeline import RULES
from .test_recorded import Recorder

pytestmark = pytest.mark.vcsim


def test_a_recorded_inventory_is_rehearsed_end_to_end(start_vcsim: StartVcsim, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    Recorder(start_vcsim("-vm", "3", "-cluster", "1")).save(saved)
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES, encoding="utf-8")
    folder = RunFolder(tmp_path / "rehearsal")
    folder.path.mkdir()
    found = rehearse_plan(folder, saved, PlanPapers(rules=rules), durations_of([20.0] * 5), Options())
    assert read_rehearsal(folder.path) == found
    assert found.rows, "the recording has VMs"
    assert {row.status for row in found.rows} == {"imported"}
    assert found.whole.predicted_s is not None
    assert found.whole.rehearsed_s is not None
    assert found.whole.rehearsed_s >= 20.0, "imports take as long as they were said to"
    assert found.copied_from == str(saved)
