"""A rehearsal as files: `rehearsal.json` for the next one and for machines, `rehearsal.html` for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from ingest.counting import counted
from ingest.rehearsal.results import Rehearsal, RehearsedWave
from ingest.report.html import render_page
from ingest.runbook.spans import in_words
from ingest.stages.run_folder import REHEARSAL_JSON, REHEARSAL_PAGE, RunFolder, existing_run_folder

_MOST_ROWS = 2000
VERDICTS = {
    "well": "every row would come through",
    "rows fail": "some rows would fail, as before",
    "regressed": "something got worse since the last rehearsal",
    "stopped": "it did not come to its end",
}


def write_rehearsal(folder: RunFolder, rehearsal: Rehearsal) -> None:
    """Write both files."""
    folder.write(REHEARSAL_JSON, rehearsal.model_dump_json(indent=1).encode() + b"\n")
    folder.write(REHEARSAL_PAGE, render(rehearsal))


def read_rehearsal(path: Path) -> Rehearsal:
    """What an earlier rehearsal wrote into its folder. Raises UsageError when there is none."""
    folder = existing_run_folder(path)
    return Rehearsal.model_validate_json(folder.need(REHEARSAL_JSON, made_by="rehearse").read_bytes())


def last_rehearsal(
    parent: Path, wanted: Callable[[Rehearsal], bool], *, leave_out: Path | None = None
) -> tuple[Path, Rehearsal] | None:
    """The newest one below `parent` that is wanted and can be read, with its folder."""
    found: list[tuple[str, str, Path, Rehearsal]] = []
    for written in parent.glob(f"*/{REHEARSAL_JSON}"):
        if leave_out is not None and written.parent.resolve() == leave_out.resolve():
            continue
        try:
            one = Rehearsal.model_validate_json(written.read_bytes())
        except (OSError, ValidationError):
            continue  # of another version of this program
        if wanted(one):
            found.append((one.made, written.parent.name, written.parent, one))
    if not found:
        return None
    _, _, folder, newest = max(found, key=lambda one: one[:2])
    return folder, newest


def sums(rehearsal: Rehearsal) -> str:
    """In a line: rows, failures, durations, what changed."""
    counts = Counter(row.status for row in rehearsal.rows)
    parts = [", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "no rows"]
    parts.append(wave_in_words(rehearsal.whole))
    if rehearsal.since:
        worths = Counter(change.worth for change in rehearsal.changes)
        parts.append(f"since the last rehearsal: {worths['worse']} worse, {worths['better']} better")
    return "; ".join(parts)


def wave_in_words(wave: RehearsedWave) -> str:
    """`40 rows, target 2 h, predicted 3 min 20 s (3 min to 4 min), rehearsed 3 min 31 s`."""
    parts = [counted(wave.rows, "row")]
    parts += [f"target {in_words(wave.target_s)}"] if wave.target_s is not None else []
    if wave.predicted_s is not None:
        doubt = ""
        if wave.low_s is not None and wave.high_s is not None and wave.low_s < wave.high_s:
            doubt = f" ({in_words(wave.low_s)} to {in_words(wave.high_s)})"
        parts.append(f"predicted {in_words(wave.predicted_s)}{doubt}")
    parts += [f"rehearsed {in_words(wave.rehearsed_s)}"] if wave.rehearsed_s is not None else []
    return ", ".join(parts)


def render(rehearsal: Rehearsal) -> bytes:
    """The page, UTF-8 HTML that needs nothing else."""
    return render_page(
        "rehearsal.html",
        title=f"Rehearsal of {Path(rehearsal.of).name or rehearsal.of}",
        rehearsal=rehearsal,
        verdict=VERDICTS[rehearsal.verdict],
        sums=sums(rehearsal),
        waves=[*rehearsal.waves, rehearsal.whole],
        failing=rehearsal.failing[:_MOST_ROWS],
        left_out=max(0, len(rehearsal.failing) - _MOST_ROWS),
        span=lambda seconds: "–" if seconds is None else in_words(seconds),
    )
