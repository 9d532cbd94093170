"""Run folders published at a place that fsspec reaches, and gone on from on another machine."""

from __future__ import annotations

import logging
import shutil
import uuid
from pathlib import Path

import pytest

from ingest.errors import RemoteError, SettingsError, UsageError
from ingest.settings import RunSettings, load_settings
from ingest.stages.elsewhere import begun_by, note_flow_run, run_folder_at
from ingest.stages.place import Place
from ingest.stages.run_folder import CALLS_JSON, JOURNAL, PLAN, RESULTS, RunFolder, fresh_run_folder


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place of its own for each test: memory lives as long as the process."""
    return f"file://{tmp_path}/shared/runs" if request.param == "file" else f"memory://{uuid.uuid4().hex}/runs"


def _machine(tmp_path: Path, name: str, url: str) -> RunSettings:
    return RunSettings.model_validate({"folder": url, "state": tmp_path / name})


def _made(settings: RunSettings) -> RunFolder:
    with fresh_run_folder(settings.folder, settings.published) as folder:
        folder.write(PLAN, b"plan\n")
        folder.write(CALLS_JSON, b"[]\n")
    return folder


def test_another_machine_goes_on_with_what_was_published(tmp_path: Path, url: str) -> None:
    here, there = _machine(tmp_path, "here", url), _machine(tmp_path, "there", url)
    made = _made(here)
    note_flow_run(made, "flow-run-1")
    assert made.path.parent == tmp_path / "here/runs"
    shutil.rmtree(tmp_path / "here")

    found = begun_by("flow-run-1", there)
    assert found is not None
    assert found.path == tmp_path / "there/runs" / made.path.name
    assert found.file(PLAN).read_bytes() == b"plan\n"
    assert begun_by("flow-run-2", there) is None
    # What it writes is published as well, and seen by a third.
    found.write(RESULTS, b"results\n")
    third = _machine(tmp_path, "third", url)
    for named in (f"{url}/{made.path.name}", str(made.path), made.path.name):
        again = run_folder_at(named, third)
        assert again.path.parent == tmp_path / "third/runs"
        assert again.file(RESULTS).read_bytes() == b"results\n"


def test_a_folder_at_hand_is_brought_up_to_date_but_keeps_the_longer_journal(tmp_path: Path, url: str) -> None:
    here, there = _machine(tmp_path, "here", url), _machine(tmp_path, "there", url)
    made = _made(here)
    made.file(JOURNAL).write_bytes(b"1\n2\n")
    other = run_folder_at(made.path.name, there)
    assert not other.file(JOURNAL).exists()  # the run died: its journal was not published
    other.file(JOURNAL).write_bytes(b"1\n")
    other.publish(JOURNAL)
    other.write(PLAN, b"edited\n")

    again = run_folder_at(made.path, here)
    assert again.path == made.path
    assert again.file(PLAN).read_bytes() == b"edited\n"
    assert again.file(JOURNAL).read_bytes() == b"1\n2\n"
    other.file(JOURNAL).write_bytes(b"1\n2\n3\n")
    other.publish(JOURNAL)
    assert run_folder_at(made.path, here).file(JOURNAL).read_bytes() == b"1\n2\n3\n"


def test_a_run_that_nobody_published(tmp_path: Path, url: str) -> None:
    there = _machine(tmp_path, "there", url)
    for named in (f"{url}/20261128-000000-0000", "20261128-000000-0000", "/gone/20261128-000000-0000"):
        with pytest.raises(UsageError):
            run_folder_at(named, there)
    with pytest.raises(UsageError), fresh_run_folder(there.folder, there.published):
        raise UsageError("nothing was written")
    assert list(there.folder.iterdir()) == []


def test_without_a_url_nothing_is_published(tmp_path: Path) -> None:
    settings = RunSettings(folder=tmp_path / "runs")
    made = _made(settings)
    note_flow_run(made, "flow-run-1")
    assert made.published is None
    assert begun_by("flow-run-1", settings) == made == run_folder_at(made.path, settings)


def test_a_place_out_of_reach_stops_what_others_need_and_not_what_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    settings = _machine(tmp_path, "here", f"file://{tmp_path}/file/runs")
    with fresh_run_folder(settings.folder, settings.published) as folder, caplog.at_level(logging.WARNING):
        folder.write(RESULTS, b"results\n")
        assert "results.csv stands in" in caplog.text
        with pytest.raises(RemoteError, match=r"plan\.csv cannot be published"):
            folder.write(PLAN, b"plan\n")
    assert folder.file(PLAN).exists()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://bucket/runs", "needs a package that is not installed: s3fs"),
        ("nonsense://bucket/runs", "Protocol not known: nonsense"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, told: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Place(url).put("x", b"")
    assert told in raised.value.message
    assert raised.value.place == url


def test_the_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INGEST_RUN_FOLDER", "s3://bucket/runs/")
    run = load_settings().run
    assert (run.folder, run.published) == (Path(".ingest/runs"), "s3://bucket/runs")
    assert run.at("/srv/runs").published == ""
    assert (run.at("memory://x").folder, run.at("memory://x").published) == (Path(".ingest/runs"), "memory://x")
    assert run.at("") is run
    monkeypatch.setenv("INGEST_RUN_FOLDER", "sftp://me:hunter22@host/runs")
    with pytest.raises(SettingsError) as raised:
        _ = load_settings().run
    assert "no password" in str(raised.value)
    assert "hunter22" not in str(raised.value)
