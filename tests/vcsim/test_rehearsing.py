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
from .test_recorded import Recorder

pytestmark = pytest.mark.vcsim


def test_a_recorded_inventory_is_rehearsed_end_to_end(start_vcsim: StartVcsim, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    Recorder(start_vcsim("-vm", "3")).save(saved)
    folder = RunFolder(tmp_path / "rehearsal")
    folder.path.mkdir()
    found = rehearse_plan(folder, saved, PlanPapers(confirm_guesses=True), durations_of([20.0] * 5), Options())
    assert read_rehearsal(folder.path) == found
    assert found.rows, "the recording has VMs"
    assert {row.status for row in found.rows} == {"imported"}
    assert found.whole.predicted_s is not None
    assert found.whole.rehearsed_s == pytest.approx(found.whole.predicted_s, rel=0.3)
    assert found.copied_from == str(saved)
