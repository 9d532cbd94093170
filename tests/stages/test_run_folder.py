"""A run's folder: artefacts whole or not at all, and errors that say what to do."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.errors import UsageError
from ingest.stages.atomic import write_atomically
from ingest.stages.run_folder import (
    PLAN,
    SNAPSHOT,
    RunFolder,
    existing_run_folder,
    fresh_run_folder,
    new_run_folder,
)


@contextmanager
def full_disk() -> Iterator[None]:
    """Files cannot grow beyond a page while the block runs: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_artefact_is_written_whole_and_readable_by_others(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).write(PLAN, b"new")
    assert path == tmp_path / PLAN
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == [PLAN]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write(PLAN, b"old")
    with full_disk(), pytest.raises(UsageError, match="cannot be written: File too large") as caught:
        folder.write(PLAN, b"x" * 100_000)
    assert caught.value.exit_code == 2
    assert str(tmp_path / PLAN) in str(caught.value)
    assert folder.file(PLAN).read_bytes() == b"old"
    assert names(tmp_path) == [PLAN]


def test_what_stands_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / PLAN).mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        RunFolder(tmp_path).write(PLAN, b"new")
    assert (tmp_path / PLAN).is_dir()
    assert names(tmp_path) == [PLAN]


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"plan\.csv: cannot be written: No such file"):
        RunFolder(tmp_path / "gone").write(PLAN, b"new")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match="cannot be written: Permission denied"):
            RunFolder(tmp_path).write(PLAN, b"new")
    finally:
        tmp_path.chmod(0o700)


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / PLAN
    contents = {bytes([letter]) * 200_000 for letter in b"ab"}
    write_atomically(path, next(iter(contents)))
    ended = threading.Event()

    def rewrite() -> None:
        for _ in range(20):
            for content in contents:
                write_atomically(path, content)
        ended.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    while not ended.is_set():
        assert path.read_bytes() in contents
    writer.join()


def test_a_missing_artefact_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(UsageError) as caught:
        folder.need(SNAPSHOT, made_by="list_unmanaged")
    assert str(caught.value) == f"{tmp_path}: there is no snapshot.json yet\n  -> run the stage list_unmanaged first"
    folder.write(SNAPSHOT, b"{}")
    assert folder.need(SNAPSHOT, made_by="list_unmanaged") == tmp_path / SNAPSHOT


def test_new_folders_are_named_by_time_and_never_the_same(tmp_path: Path) -> None:
    now = datetime(2026, 11, 22, 22, 15, 30, tzinfo=UTC)
    paths = [new_run_folder(tmp_path / "runs", now=now).path for _ in range(5)]
    assert len(set(paths)) == 5
    assert all(path.is_dir() and path.name.startswith("20261122-221530-") for path in paths)


def test_names_sort_by_age_within_a_second_and_past_it(tmp_path: Path) -> None:
    start = datetime(2026, 11, 22, 22, 15, 30, tzinfo=UTC)
    moments = [start + timedelta(microseconds=part) for part in (0, 16, 500_000, 999_999, 999_999, 1_000_020)]
    made = [new_run_folder(tmp_path, now=moment).path.name for moment in moments]
    assert made == sorted(set(made))
    assert made[2] == "20261122-221530-8000"
    assert made[-1].startswith("20261122-221531-")


@pytest.mark.parametrize("in_the_way", ["file", "link"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, in_the_way: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"cannot be made: .*\n  -> choose another folder: INGEST_RUN_FOLDER"):
        new_run_folder(tmp_path / in_the_way)


def test_an_existing_folder(tmp_path: Path) -> None:
    assert existing_run_folder(tmp_path).path == tmp_path
    with pytest.raises(UsageError, match="is not a run folder"):
        existing_run_folder(tmp_path / "gone")


def fail_after(parent: Path, content: bytes | None) -> None:
    with fresh_run_folder(parent) as folder:
        if content is not None:
            folder.write(PLAN, content)
        raise KeyError


def test_a_folder_nothing_was_written_to_goes_away_with_the_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        fail_after(tmp_path, None)
    assert names(tmp_path) == []
    with pytest.raises(KeyError):
        fail_after(tmp_path, b"half a run is worth looking at")
    (kept,) = tmp_path.iterdir()
    assert names(kept) == [PLAN]
    with fresh_run_folder(tmp_path) as empty:
        pass
    assert empty.path.is_dir()
