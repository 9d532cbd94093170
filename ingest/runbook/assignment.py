"""Which wave each row of a plan belongs to, in what order its VMs start, and what does not fit together.

A row belongs to the first wave that selects it. Rows that are not to be imported belong to none.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.counting import counted
from ingest.model.outcome import Finding
from ingest.plan.sheet import Row, Sheet
from ingest.runbook.catalogue import found
from ingest.runbook.coverage import check_findings, selection_findings, several_waves
from ingest.runbook.model import Runbook
from ingest.runbook.prediction import Prediction, predict
from ingest.runbook.references import people_findings, prerequisite_findings, site_findings
from ingest.runbook.rows import wants_import
from ingest.runbook.spans import in_words
from ingest.runbook.targets import target_findings
from ingest.runbook.wave_rows import WaveRows, wave_rows


@dataclass(frozen=True, slots=True)
class Assignment:
    """Every wave of a runbook with its rows, the rows no wave takes, what was found, and what it would take."""

    waves: tuple[WaveRows, ...]
    leftovers: tuple[Row, ...]
    findings: tuple[Finding, ...]
    predictions: tuple[Prediction, ...] = ()

    def wave_of(self, row: Row) -> int | None:
        """The number of a row's wave, from 1; None for a row no wave takes."""
        return next((one.number for one in self.waves for mine in one.rows if mine.line == row.line), None)


def assign_waves(
    runbook: Runbook, plan: Sheet | None, *, import_s: float | None = None, in_flight: int = 5
) -> Assignment:
    """Rows to waves. Without a plan only what the runbook says by itself is judged.

    `import_s` is how long one import usually takes, `in_flight` how many run at once; without the first, predictions
    are lower bounds: people and delays between starts alone.
    """
    rows = [row for row in plan.rows if wants_import(row)] if plan else []
    left = list(rows)
    waves: list[WaveRows] = []
    findings: list[Finding] = []
    for number, wave in enumerate(runbook.waves, start=1):
        fitting = [row for row in rows if wave.select.selects(row)]
        lines = {row.line for row in fitting}
        mine = [row for row in left if row.line in lines]
        taken = {row.line for row in mine}
        left = [row for row in left if row.line not in taken]
        waves.append(wave_rows(number, wave, mine))
        if plan:
            findings += selection_findings(waves[-1], fitting, taken)
    if plan:
        findings += several_waves(runbook, rows)
        findings += [
            found("WAVE-001", "no wave selects the row", row=row.line, vm=row["vm"], column="vm") for row in left
        ]
        findings += [one for with_rows in waves for one in check_findings(runbook, with_rows)]
    findings += prerequisite_findings(runbook)
    findings += [*people_findings(runbook), *site_findings(runbook)]
    predictions = predict(
        runbook, [(len(one.rows), len(one.started)) for one in waves], import_s=import_s, in_flight=in_flight
    )
    findings += target_findings(runbook, predictions)
    return Assignment(tuple(waves), tuple(left), tuple(findings), predictions)


def with_waves(plan: Sheet, assignment: Assignment) -> Sheet:
    """A copy of the plan whose column `wave` holds the number of the wave; rows no wave takes are not imported."""
    columns = list(plan.columns)
    columns.extend(name for name in ("wave", "import", "reason") if name not in columns)
    numbers = {row.line: one.number for one in assignment.waves for row in one.rows}
    left = {row.line for row in assignment.leftovers}
    rows = []
    for row in plan.rows:
        cells = dict(row.cells)
        if row.line in numbers:
            cells["wave"] = str(numbers[row.line])
        elif row.line in left:
            cells |= {"import": "no", "reason": "no wave of the runbook selects it"}
        rows.append(Row(cells, row.line))
    return Sheet(columns, rows, list(plan.comments), plan.delimiter, plan.bom, plan.newline)


def summary(assignment: Assignment) -> str:
    """`4 waves, 40 rows, 2 rows in no wave`, with the predicted end when something is known of it."""
    rows = sum(len(one.rows) for one in assignment.waves)
    left = counted(len(assignment.leftovers), "row")
    text = f"{counted(len(assignment.waves), 'wave')}, {counted(rows, 'row')}, {left} in no wave"
    if assignment.predictions and assignment.predictions[-1].end_s:
        last = assignment.predictions[-1]
        text += f"; predicted end after {'' if last.complete else 'at least '}{in_words(last.end_s)}"
    return text
