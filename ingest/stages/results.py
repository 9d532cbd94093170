"""The results of all batches in the sheet. Writes `results.csv`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ingest.model.outcome import Outcome
from ingest.plan.cells import is_yes
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.stages.run_folder import PLAN, RESULTS, RunFolder

RESULT_COLUMNS = ["status", "vm_id", "job_id", "error", "duration_s"]


def write_results(folder: RunFolder, outcomes: Iterable[Outcome]) -> tuple[Path, list[Outcome]]:
    """The plan with what became of every row. Rows without an outcome are `blocked` or `skipped`, with the reason.

    Gives the path and one outcome per row of the sheet, in its order.
    """
    sheet = read_sheet(folder.need(PLAN, made_by="validate"))
    sheet.add_columns(RESULT_COLUMNS)
    by_row = {outcome.row: outcome for outcome in outcomes}
    everything = []
    for row in sheet.rows:
        outcome = by_row.get(row.line)
        if outcome is None:
            if is_yes(row["import"]):
                outcome = Outcome(row.line, row["vm"], "blocked", error=row["fix"])
            else:
                outcome = Outcome(row.line, row["vm"], "skipped", error=row["reason"])
        row["status"] = outcome.status
        row["vm_id"], row["job_id"], row["error"] = outcome.vm_id, outcome.job_id, outcome.error
        row["duration_s"] = f"{outcome.duration_s:g}" if outcome.duration_s else ""
        everything.append(outcome)
    return folder.write(RESULTS, sheet_bytes(sheet)), everything
