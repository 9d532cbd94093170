"""What a rehearsal found, as it is kept: `rehearsal.json`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["plan", "runbook"]
Verdict = Literal["well", "rows fail", "regressed", "stopped"]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RehearsedRow(_Kept):
    """One row. `status` as outcomes have it, or for a runbook what was not reached; 'ok' is all of it done.

    `why` is the first thing that went wrong, in the server's words where it spoke, `cure` what to do about it.
    `seconds` is what the import took in the twin's time.
    """

    row: int
    vm: str
    key: str
    wave: str
    ok: bool
    status: str
    why: str = ""
    cure: str = ""
    seconds: float = 0.0


class RehearsedWave(_Kept):
    """One wave, or the whole (`name` ''). Seconds, None where nothing is known.

    `predicted_s` (and in 4 of 5 cases between `low_s` and `high_s`) follows from what earlier imports took;
    `rehearsed_s` is what the rehearsal took. Of a plan both are spans of the imports; of a runbook they are moments
    since the start of the recovery, as its targets are.
    """

    name: str
    rows: int
    target_s: float | None = None
    predicted_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    rehearsed_s: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None without one, or when the wave did not come to its end."""
        return None if None in (self.target_s, self.rehearsed_s) else self.rehearsed_s <= self.target_s  # type: ignore[operator]


Worth = Literal["worse", "better", "neither"]


class Change(_Kept):
    """A difference to the last rehearsal. `what` it is about, `before` and `now` in words."""

    worth: Worth
    what: str
    subject: str
    before: str
    now: str


class Rehearsal(_Kept):
    """A whole rehearsal. `site` is the vCenter's UUID or name, `name` that of the runbook.

    `basis` says where the durations are from. `rehearsed` are sign-offs that were given by nobody, in a runbook.
    """

    format: Literal[1] = 1
    kind: Kind
    site: str
    name: str = ""
    of: str
    copied_from: str
    taken_at: str
    made: str
    seed: int
    speed: float
    in_flight: int
    basis: str
    assumed: bool
    waves: tuple[RehearsedWave, ...]
    whole: RehearsedWave
    rows: tuple[RehearsedRow, ...]
    left_out: tuple[str, ...] = ()
    rehearsed: tuple[str, ...] = ()
    stopped: str = ""
    since: str = ""
    changes: tuple[Change, ...] = ()

    def is_like(self, other: Rehearsal) -> bool:
        """Whether both can be compared: plans of one site, or one runbook on the copies of one site."""
        return (self.kind, self.site, self.name) == (other.kind, other.site, other.name)

    @property
    def failing(self) -> list[RehearsedRow]:
        """The rows that would fail."""
        return [row for row in self.rows if not row.ok]

    @property
    def worse(self) -> list[Change]:
        """What got worse since the last rehearsal."""
        return [change for change in self.changes if change.worth == "worse"]

    @property
    def verdict(self) -> Verdict:
        """In a word; what got worse counts most, because somebody thought it worked."""
        if self.worse:
            return "regressed"
        if self.stopped:
            return "stopped"
        return "rows fail" if self.failing else "well"
