"""What became of VMs and waves of a recovery, kept wave by wave in the run's folder."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ingest.stages.run_folder import RunFolder

Verdict = Literal["well", "failed", "given-up", "stopped"]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckDone(_Kept):
    """One health check of one VM; `words` are what the last attempt saw."""

    kind: str
    target: str
    ok: bool
    attempts: int = 0
    seconds: float = 0.0
    words: str = ""


class VmResult(_Kept):
    """What became of a VM. `imported`, `started` and `healthy` in a word each; '' for what was not to be done.

    Moments (`_at`) are seconds since the start of the recovery, None for what did not happen. `import_s` is what the
    import took, 0 in a twin's time, whose speed changes. `why` is the first thing
    that went wrong, in the server's words where it spoke.
    """

    row: int
    vm: str
    critical: bool
    vm_id: str = ""
    imported: str = ""
    started: str = ""
    healthy: str = ""
    imported_at: float | None = None
    started_at: float | None = None
    healthy_at: float | None = None
    import_s: float = 0.0
    checks: tuple[CheckDone, ...] = ()
    why: str = ""

    @property
    def well(self) -> bool:
        """Whether all that was to be done was done."""
        return (
            self.imported == "imported" and self.started in ("", "started", "already") and self.healthy in ("", "yes")
        )


class WaveResult(_Kept):
    """What became of a wave. `well`: no critical VM failed. `given-up`: its time was over. `stopped`: it did not come
    to its end. Moments are seconds since the start of the recovery."""

    number: int
    name: str
    verdict: Verdict
    began_s: float
    ended_s: float
    vms: tuple[VmResult, ...]
    decision: str = ""
    why: str = ""

    @property
    def failed_critical(self) -> list[VmResult]:
        """Critical VMs that are not well."""
        return [vm for vm in self.vms if vm.critical and not vm.well]


def _name(number: int) -> str:
    return f"wave_{number}.json"


def write_wave(folder: RunFolder, result: WaveResult) -> None:
    """Keep what became of a wave."""
    folder.write(_name(result.number), result.model_dump_json(indent=1).encode() + b"\n")


def read_wave(folder: RunFolder, number: int) -> WaveResult | None:
    """What became of a wave, None before it was over once."""
    path = folder.file(_name(number))
    return WaveResult.model_validate_json(path.read_bytes()) if path.exists() else None
