"""A run's folder: one place for every artefact, each written whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import UsageError

INVENTORY = "inventory.json"
NETWORKS_JSON = "networks.json"
NETWORKS_CSV = "networks.csv"
SNAPSHOT = "snapshot.json"
SOURCE = "snapshot_of.json"
DRIFT_CSV = "drift.csv"
DRIFT_JSON = "drift.json"
DRIFT_PAGE = "drift.html"
NETWORKS_TO_CREATE = "networks_to_create.csv"
NETWORKS_CREATED = "networks_created.json"
UNMANAGED = "unmanaged.csv"
PLAN = "plan.csv"
FINDINGS = "findings.csv"
FINDINGS_PAGE = "findings.html"
CALLS_JSON = "calls.json"
CALLS_CSV = "calls.csv"
SEEN_ROWS = "seen.jsonl"
JOURNAL = "journal.jsonl"
RESULTS = "results.csv"
REPORT = "report.html"
EVIDENCE = "evidence.zip"
UNDO = "undo.csv"
SETTLED = "settled.csv"
REGISTERED_CSV = "registered.csv"
REGISTERED_JSON = "registered.json"
UNREGISTERED = "unregistered.csv"
FLOW_RUN = "flow_run.txt"
RUNBOOK = "runbook.yaml"
STORED_PLAN = "stored_plan.csv"
RULES = "rules.yaml"
COURSE = "course.json"
RECOVERY_JSON = "recovery.json"
RECOVERY_PAGE = "recovery.html"
FAIL_BACK = "fail_back.csv"
REHEARSED = "rehearsed.json"
REHEARSAL_JSON = "rehearsal.json"
REHEARSAL_PAGE = "rehearsal.html"
DRILL_JSON = "drill.json"
DRILL_PAGE = "drill.html"
APPROVAL = "approval.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder that exists. File names are the constants of this module."""

    path: Path

    def file(self, name: str) -> Path:
        """The path of an artefact, whether it is there yet or not."""
        return self.path / name

    def write(self, name: str, content: bytes) -> Path:
        """Write an artefact atomically; raises UsageError when the disk or the rights do not allow it."""
        path = self.file(name)
        write_atomically(path, content)
        return path

    def need(self, name: str, *, made_by: str) -> Path:
        """The path of an artefact an earlier stage must have written; raises UsageError naming that stage."""
        path = self.file(name)
        if not path.exists():
            raise UsageError(f"there is no {name} yet", place=str(self.path), cure=f"run the stage {made_by} first")
        return path


def new_run_folder(parent: Path, *, now: datetime | None = None) -> RunFolder:
    """A new folder below `parent`, named by UTC time and a random tail: `20261122-221530-3fa9`."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    path = parent / f"{stamp}-{secrets.token_hex(2)}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise UsageError(
            f"cannot be made: {error.strerror}", place=str(path), cure="choose another folder: INGEST_RUN_FOLDER"
        ) from None
    return RunFolder(path)


@contextmanager
def fresh_run_folder(parent: Path) -> Iterator[RunFolder]:
    """A new run folder for the block; when the block fails before anything was written, the folder goes away again."""
    folder = new_run_folder(parent)
    try:
        yield folder
    except BaseException:
        if not any(folder.path.iterdir()):
            folder.path.rmdir()
        raise


def existing_run_folder(path: Path) -> RunFolder:
    """A folder made by an earlier run; raises UsageError when it is not there."""
    if not path.is_dir():
        raise UsageError("is not a run folder", place=str(path), cure="give the folder a run printed")
    return RunFolder(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Temporary file in the same folder, fsync, rename, fsync of the folder: whole or not at all, or UsageError."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", place=str(path), cure="check folder and rights"
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise UsageError(
            f"cannot be written: {error.strerror}", place=str(path), cure="check space and rights"
        ) from None
