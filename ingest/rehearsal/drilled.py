"""What a drill found, as it is kept: `drill.json` for machines, `drill.html` for people."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ingest.rehearsal.grading import Grade
from ingest.rehearsal.report import wave_in_words
from ingest.rehearsal.results import Kind, RehearsedWave
from ingest.report.html import render_page
from ingest.runbook.spans import in_words
from ingest.stages.run_folder import DRILL_JSON, DRILL_PAGE, RunFolder


class Drill(BaseModel):
    """A whole drill. `whole` and `waves` are predicted without trouble, and what they took with it; `trouble_s` is what
    this trouble was predicted to cost. `signed` are the steps and gates of a runbook that people would have answered,
    and nobody did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = "plan"
    of: str
    copied_from: str
    made: str
    seed: int
    speed: float
    in_flight: int
    basis: str
    troubles: tuple[str, ...]
    struck: tuple[str, ...]
    whole: RehearsedWave
    trouble_s: float = 0.0
    waves: tuple[RehearsedWave, ...] = ()
    signed: tuple[str, ...] = ()
    grade: Grade

    @property
    def predicted_s(self) -> float | None:
        """How long it was predicted to take with this trouble, None when nothing is known of durations."""
        return None if self.whole.predicted_s is None else round(self.whole.predicted_s + self.trouble_s, 1)

    @property
    def took(self) -> str:
        """`60 rows, predicted 13 min (12 min to 15 min), rehearsed 17 min; 16 min were predicted with this trouble`."""
        known = self.predicted_s
        foreseen = "" if known is None else f"; {in_words(known)} were predicted with this trouble"
        return f"{wave_in_words(self.whole)}{foreseen}"

    @property
    def words(self) -> str:
        """The grade in a line, with the target of a runbook."""
        rto = {True: "; RTO met", False: "; RTO missed", None: ""}[self.whole.met]
        if self.whole.target_s is not None and self.whole.met is None:
            rto = "; RTO not known, it came to no end"
        return f"{self.grade.words}{rto}"


def write_drill(folder: RunFolder, found: Drill) -> None:
    """Write both files."""
    folder.write(DRILL_JSON, found.model_dump_json(indent=1).encode() + b"\n")
    page = render_page(
        "drill.html",
        title=f"Drill {found.seed} of {Path(found.of).name}",
        drill=found,
        span=lambda seconds: "–" if seconds is None else in_words(seconds),
    )
    folder.write(DRILL_PAGE, page)
