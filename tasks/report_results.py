"""After the last batch: the results in the sheet, the report, and artifacts: every row's outcome, failures by cause."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from ingest.engine.events import StageDone, StageStarted, tell
from ingest.engine.failures import failed_together
from ingest.model.outcome import URGENCY, Outcome, summary
from ingest.report.tables import record
from ingest.stages.conclude import Concluded, conclude
from ingest.stages.run_folder import existing_run_folder
from tasks.artifacts import markdown, table
from tasks.pages import failures_page


@task(name="report_results", cache_policy=NO_CACHE)
def report_results(folder: str, outcomes: Sequence[Outcome]) -> Concluded:
    """Write results.csv and report.html; show the outcomes in the UI, failures first."""
    tell(StageStarted("report_results"))
    concluded = conclude(existing_run_folder(Path(folder)), outcomes)
    ordered = sorted(concluded.outcomes, key=lambda one: (URGENCY.index(one.status), one.row))
    text = summary(concluded.outcomes)
    table(
        "outcomes",
        [record(one) for one in ordered],
        f"{text}. All rows: {concluded.results_csv}",
        first=("row", "vm", "status", "error"),
    )
    together = failed_together(concluded.outcomes)
    failed = sum(len(one.rows) for one in together)
    causes = f"{failed} rows need a hand, by cause" if failed else "nothing failed"
    markdown("failures", failures_page(together, sums=text, results=str(concluded.results_csv)), causes)
    tell(StageDone("report_results", text))
    return concluded
