"""The end of a run: `results.csv` (the plan with what became of every row) and `report.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.engine.failures import failed_together
from ingest.engine.journal import outcomes_in
from ingest.model.outcome import Outcome
from ingest.plan.causes import CAUSES
from ingest.report.html import render_report
from ingest.report.tables import csv_rows
from ingest.stages.approval import read_approvals
from ingest.stages.results import write_results
from ingest.stages.run_folder import FINDINGS, JOURNAL, PLAN, REPORT, RunFolder
from ingest.stages.validate import read_calls


@dataclass(frozen=True, slots=True)
class Concluded:
    """One outcome per row of the sheet, in its order, and the files for people."""

    outcomes: tuple[Outcome, ...]
    results_csv: Path
    report_html: Path


def conclude_from_journal(folder: RunFolder) -> Concluded:
    """The results of a run that did not come to its end; rows the journal does not mention are `not-started`."""
    journal = folder.file(JOURNAL)
    known = {outcome.row: outcome for outcome in (outcomes_in(journal) if journal.exists() else ())}
    waiting = (Outcome(call.row, call.vm, "not-started") for call in read_calls(folder) if call.row not in known)
    return conclude(folder, [*known.values(), *waiting])


def conclude(folder: RunFolder, outcomes: Sequence[Outcome]) -> Concluded:
    """Write the results and the report of the folder's run."""
    results_csv, everything = write_results(folder, outcomes)
    findings = csv_rows(folder.need(FINDINGS, made_by="validate").read_bytes())
    page = render_report(
        title=f"Import run {folder.path.name}",
        outcomes=everything,
        findings=findings,
        why=CAUSES,
        plan=str(folder.file(PLAN)),
        failures=failed_together(everything),
        decisions=[f"{one.at} {one.text}" for one in read_approvals(folder).decisions],
    )
    return Concluded(tuple(everything), results_csv, folder.write(REPORT, page))
