"""The course of a recovery: which VMs come in which wave, decided once and kept in the run's folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ingest.engine.ledger import VmKey
from ingest.runbook.runbook_file import RunbookFile, read_runbook
from ingest.stages.run_folder import COURSE, RUNBOOK, RunFolder


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VmOnCourse(_Kept):
    """One VM of a wave. `row` is its line in the run's plan, 0 for a VM that was not found (`missing` says why).

    `checks` are the numbers of the wave's health checks that concern it, `addresses` where it answers by the number of
    the NIC: `auto` is known after the import.
    """

    row: int
    vm: str
    moref: str = ""
    hostname: str = ""
    instance_uuid: str = ""
    cluster_id: str = ""
    critical: bool = True
    start: bool = False
    checks: tuple[int, ...] = ()
    addresses: dict[int, str] = {}
    missing: str = ""

    @property
    def subject(self) -> str:
        """What the ledger calls it (`VmKey.text`)."""
        return VmKey(self.instance_uuid, self.cluster_id, self.moref, self.vm).text


class WaveOnCourse(_Kept):
    """One wave, its VMs in the order they are started. `predicted_s` is what it takes, None when nobody knows;
    `tail_s` the part of it that follows the last import."""

    number: int
    name: str
    vms: tuple[VmOnCourse, ...]
    predicted_s: float | None = None
    tail_s: float = 0.0


class Course(_Kept):
    """All waves; `leftovers` are VMs of the stored plan that no wave takes, `strangers` VMs found that no row is."""

    waves: tuple[WaveOnCourse, ...]
    leftovers: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()


def write_course(folder: RunFolder, course: Course) -> Path:
    """Keep the course; the mark of a recovery that is planned."""
    return folder.write(COURSE, course.model_dump_json(indent=1).encode() + b"\n")


def read_course(folder: RunFolder) -> Course | None:
    """The course, None while nothing is planned."""
    path = folder.file(COURSE)
    return Course.model_validate_json(path.read_bytes()) if path.exists() else None


def kept_runbook(folder: RunFolder) -> RunbookFile:
    """The runbook as it was when the recovery began."""
    return read_runbook(folder.need(RUNBOOK, made_by="recover"))
