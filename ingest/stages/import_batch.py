"""Stage 5: one batch of rows, imported one after another; and the results of all batches. Writes `results.csv`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.importing import DEFAULT_PACE, BatchResult, Pace, import_rows
from ingest.engine.journal import RunJournal
from ingest.model.endpoints import CloudStackEndpoint
from ingest.model.outcome import Outcome
from ingest.model.request import PlannedImport
from ingest.plan.cells import is_yes
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.stages.run_folder import JOURNAL, PLAN, RESULTS, RunFolder

RESULT_COLUMNS = ["status", "vm_id", "job_id", "error", "duration_s"]


def import_batch(
    endpoint: CloudStackEndpoint,
    folder: RunFolder,
    rows: Sequence[PlannedImport],
    *,
    pace: Pace = DEFAULT_PACE,
    stop: threading.Event | None = None,
) -> BatchResult:
    """Import the rows of one batch; every step is in the folder's journal before the next one."""
    with CloudStackClient(endpoint) as client, RunJournal(folder.file(JOURNAL)) as journal:
        return import_rows(client, rows, journal, pace=pace, stop=stop)


def batches(rows: Sequence[PlannedImport], size: int) -> list[tuple[PlannedImport, ...]]:
    """The rows in batches of at most `size`; a batch never spans two waves."""
    waves: dict[int, list[PlannedImport]] = {}
    for one in rows:
        waves.setdefault(one.wave, []).append(one)
    return [
        tuple(members[start : start + size])
        for _, members in sorted(waves.items())
        for start in range(0, len(members), size)
    ]


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
