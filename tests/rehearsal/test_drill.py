"""A drill on the twin: servers die, our own worker is killed, and the journal says that nothing was lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.model.request import ImportRequest, PlannedImport
from ingest.rehearsal.allowance import allowance_s
from ingest.rehearsal.drill import drill_plan
from ingest.rehearsal.drilled import Drill
from ingest.rehearsal.grading import grade
from ingest.rehearsal.plan_run import PlanPapers
from ingest.rehearsal.rehearse import Options
from ingest.rehearsal.scenario import drawn_scenario, scripted
from ingest.rehearsal.tempo import durations_of
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import DRILL_JSON, DRILL_PAGE, PLAN, RunFolder
from ingest.twin.faults.script import Script
from ingest.twin.generator import generate
from tests.rehearsal.site import planned_site

VMS = 8


def test_killed_in_mid_import_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = planned_site(generate(VMS, seed=5), tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(Path("drill"))  # as it is by default, relative to where the command was given
    folder.path.mkdir()
    # Up to two more imports may be on the wire when the worker is killed at the fourth, and are taken: only from the
    # seventh on it is surely the next worker who is told of a failure, and a person who must run it again.
    script = Script.model_validate(
        {
            "faults": [
                {"kind": "job-fails", "step": "committed", "nth": 7},
                {"kind": "session-expiry", "after_seconds": 5},
            ]
        }
    )
    options = Options(imports=ImportOptions(max_concurrent_imports=3, batch_size=2))
    papers = PlanPapers(site.file(PLAN))
    found = drill_plan(folder, site.path, papers, durations_of([], 20.0), options, scripted(script, [4]))
    assert found.grade.finished, found.grade.left
    assert (found.grade.lost, found.grade.doubled, found.grade.passed) == ((), (), True)
    assert [text for text in found.grade.people if "its worker was killed" in text]
    assert [text for text in found.grade.people if text.startswith("ran it again")]
    assert {text.partition(" ")[0] for text in found.struck} == {"job-fails", "session-expiry"}
    # The dead worker was noticed after three signs of life of 30 s.
    assert found.whole.rehearsed_s is not None
    assert found.whole.rehearsed_s >= 90
    # Three rows at a time of 20 s; 80 s until the worker is noticed, and 20 s for the row that failed.
    assert found.trouble_s == 100
    assert found.predicted_s == round((found.whole.predicted_s or 0) + 100, 1)
    assert "predicted with this trouble" in found.took
    assert Drill.model_validate_json(folder.file(DRILL_JSON).read_bytes()) == found
    assert "its worker was killed" in folder.file(DRILL_PAGE).read_text(encoding="utf-8")


def test_trouble_follows_from_the_seed() -> None:
    site = {"rows": 50, "hosts": ["esx1", "esx2"], "lasts_s": 600.0}
    drawn = [drawn_scenario(seed, **site) for seed in range(40)]  # type: ignore[arg-type]
    assert drawn == [drawn_scenario(seed, **site) for seed in range(40)]  # type: ignore[arg-type]
    assert all(len(one.troubles) == 3 for one in drawn)
    kinds = {fault.kind for one in drawn for fault in one.script.faults}
    assert kinds == {"cloudstack-restart", "capacity", "host-down", "status", "session-expiry"}
    assert any(one.kills for one in drawn)


def test_what_trouble_costs_follows_from_the_script_and_from_durations() -> None:
    always_60 = durations_of([], 60.0)

    def cost(faults: list[dict[str, object]], kills: tuple[int, ...] = ()) -> float:
        return allowance_s(scripted(Script.model_validate({"faults": faults}), kills), always_60, in_flight=5)

    restart: dict[str, object] = {"kind": "cloudstack-restart", "step": "found", "nth": 3, "seconds": 40}
    full: dict[str, object] = {"kind": "capacity", "step": "checked", "nth": 3}
    lost_session: dict[str, object] = {"kind": "session-expiry", "after_seconds": 9}
    assert cost([]) == cost([lost_session]) == 0
    assert cost([full]) == 60, "one more attempt"
    assert cost([restart]) == 40 + 60, "what was in flight at once, once more"
    assert cost([restart, full]) == 40 + 120, "six rows, five at once"
    assert cost([restart | {"finishes_later": True}]) == 40, "nothing was lost"
    # Noticed after 90 s; what is in flight is half done on average, so slots stand idle for 60 s.
    assert cost([], (3,)) == 60
    assert cost([], (3, 9)) == 120


def test_the_grade_believes_the_journal_and_not_the_program() -> None:
    world = generate(2, seed=1)
    [first, second] = world.vms.values()
    calls = [
        PlannedImport(number, vm.name, vm.moref, vm.instance_uuid, 1, ImportRequest("c", vm.name, "o"))
        for number, vm in enumerate((first, second), start=2)
    ]
    lying = grade(world, calls, {2: ("imported", "")}, ["ran it again"])
    assert not lying.passed
    assert len(lying.lost) == 2
    assert lying.words.startswith("failed: ")
