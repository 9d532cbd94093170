"""A run's folder: one place for every artefact, each written whole or not at all.

It is a local folder: the journal is appended and synced line by line. One that is published has a copy at a place other
machines reach: each artefact is put there the moment it is written, the journal when the run is over. The file
`published.txt` says where.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.errors import RemoteError, UsageError
from ingest.stages.atomic import write_atomically
from ingest.stages.place import Place

log = logging.getLogger("ingest.stages")

_NEXT_NAME = timedelta(microseconds=16)  # a little more than 1/65,536 s, which four digits tell apart

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
TAKEN_OUT = "taken_out.json"
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
PUBLISHED = "published.txt"

_NEEDED_ELSEWHERE = frozenset({SNAPSHOT, PLAN, FINDINGS, CALLS_JSON, TAKEN_OUT, SEEN_ROWS, APPROVAL, FLOW_RUN})
"""Without these another machine could not go on. The rest tells of things done, or can be made again: a place that
cannot be reached must not make it fail."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder that exists. File names are the constants of this module."""

    path: Path

    def file(self, name: str) -> Path:
        """The path of an artefact, whether it is there yet or not."""
        return self.path / name

    def write(self, name: str, content: bytes) -> Path:
        """Write an artefact atomically, and publish it; raises UsageError when the disk or the rights do not allow it,
        RemoteError when another machine could not go on from what is published."""
        path = self.file(name)
        write_atomically(path, content)
        self._publish(name, content)
        return path

    def publish(self, name: str) -> None:
        """Publish an artefact that was not written by `write`."""
        if self.published and self.file(name).exists():
            self._publish(name, self.file(name).read_bytes())

    @property
    def published(self) -> Place | None:
        """Where the copy is, None when there is none."""
        try:
            return Place(self.file(PUBLISHED).read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return None

    def _publish(self, name: str, content: bytes) -> None:
        place = self.published
        if place is None:
            return
        try:
            place.put(name, content)
        except RemoteError as error:
            if name in _NEEDED_ELSEWHERE:
                raise
            log.warning("%s stands in %s only: %s", name, self.path, error.message)

    def need(self, name: str, *, made_by: str) -> Path:
        """The path of an artefact an earlier stage must have written; raises UsageError naming that stage."""
        path = self.file(name)
        if not path.exists():
            raise UsageError(f"there is no {name} yet", place=str(self.path), cure=f"run the stage {made_by} first")
        return path


def new_run_folder(parent: Path, *, now: datetime | None = None) -> RunFolder:
    """A new folder below `parent`, named by UTC time: `20261122-221530-3fa9`. The tail is the part of the second in
    hexadecimal, so that names sort by age also where runs begin in one second."""
    moment = now or datetime.now(UTC)
    while True:
        path = parent / f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond * 0x10000 // 1_000_000:04x}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            if isinstance(error, FileExistsError) and path.is_dir():
                moment += _NEXT_NAME
                continue
            raise UsageError(
                f"cannot be made: {error.strerror}", place=str(path), cure="choose another folder: INGEST_RUN_FOLDER"
            ) from None
        return RunFolder(path)


@contextmanager
def fresh_run_folder(parent: Path, published: str = "") -> Iterator[RunFolder]:
    """A new run folder for the block; when the block fails before anything was written, the folder goes away again.

    `published` is the URL of the place where it has a copy, in a folder of the same name; '' for none.
    """
    folder = new_run_folder(parent)
    if published:
        publish_to(folder, Place(published))
    try:
        yield folder
    except BaseException:
        if not {one.name for one in folder.path.iterdir()} - {PUBLISHED}:
            folder.file(PUBLISHED).unlink(missing_ok=True)
            folder.path.rmdir()
        raise


def publish_to(folder: RunFolder, runs: Place) -> None:
    """From now on the folder's artefacts are published below `runs`."""
    write_atomically(folder.file(PUBLISHED), f"{runs.below(folder.path.resolve().name).url}\n".encode())


def existing_run_folder(path: Path) -> RunFolder:
    """A folder made by an earlier run; raises UsageError when it is not there."""
    if not path.is_dir():
        raise UsageError("is not a run folder", place=str(path), cure="give the folder a run printed")
    return RunFolder(path)
