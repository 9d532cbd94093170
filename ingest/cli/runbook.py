"""`ingest runbook ...`: a recovery described as waves with targets, checked and printed."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.types import PositiveFloat, PositiveInt

from ingest.cli.output import DiffFormat, show, talk
from ingest.counting import counted
from ingest.model.outcome import Finding
from ingest.plan.resolve import rows_to_import
from ingest.plan.rules_file import read_rules
from ingest.plan.sheet import read_sheet
from ingest.report.tables import record
from ingest.runbook.assignment import Assignment, assign_waves, summary
from ingest.runbook.page import render_runbook
from ingest.runbook.runbook_file import RunbookFile, read_runbook
from ingest.runbook.spans import in_words
from ingest.stages.atomic import write_atomically

app = App(name="runbook", help="A recovery described as waves with targets: check it, print it. Changes nothing.")
COLUMNS = ("where", "vm", "rule", "level", "message", "fix")


@app.command
def check(
    file: Path,
    *,
    plan: Path | None = None,
    import_seconds: PositiveFloat | None = None,
    in_flight: PositiveInt = 5,
    format: DiffFormat = "table",
) -> int:
    """Check a runbook, and whether it fits a plan: rows in no wave, targets, prerequisites, health checks, people.

    Needs no server. Exit code 3 when it could not be followed (critical findings).

    Parameters
    ----------
    file
        The runbook (YAML).
    plan
        The plan (CSV) to hold it against. Without it the one the runbook names, if it is there.
    import_seconds
        How long one import usually takes, as earlier reports say: predictions then count imports too.
    in_flight
        Imports at any moment, for predictions.
    format
        Format of the findings on stdout.
    """
    book, _, done = _checked(file, plan, import_seconds, in_flight)
    show([_row(book, one, plan) for one in done.findings], COLUMNS, format)
    for one, predicted in zip(done.waves, done.predictions, strict=True):
        target = f", target {in_words(one.wave.rto)}" if one.wave.rto else ""
        bound = "" if predicted.complete else "at least "
        end = f", predicted {bound}{in_words(predicted.end_s)}" if predicted.end_s else ""
        rows = f"{counted(len(one.rows), 'row')}, {len(one.started)} started"
        talk.print(f"wave {one.number} {one.wave.name}: {rows}{target}{end}", markup=False)
    levels = Counter(one.level for one in done.findings)
    talk.print(
        f"{summary(done)}; {counted(levels['critical'], 'critical finding')}, {counted(levels['warning'], 'warning')}, "
        f"{levels['info']} informational",
        markup=False,
    )
    return 3 if levels["critical"] else 0


@app.command(name="print")
def print_(
    file: Path,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    plan: Path | None = None,
    import_seconds: PositiveFloat | None = None,
    in_flight: PositiveInt = 5,
) -> int:
    """Write the runbook as a page for people: steps, checks, boxes to tick, room for names and times. For A4 paper.

    One HTML file that needs nothing else, on stdout or with --output into a file. Needs no server.

    Parameters
    ----------
    file
        The runbook (YAML).
    output
        File to write. Without it the page goes to stdout.
    plan
        The plan (CSV) whose VMs are listed by wave. Without it the one the runbook names, if it is there.
    import_seconds
        How long one import usually takes: predictions then count imports too.
    in_flight
        Imports at any moment, for predictions.
    """
    book, used, done = _checked(file, plan, import_seconds, in_flight)
    page = render_runbook(book.runbook, done, file=str(file), plan=str(used or ""), findings=done.findings)
    if output is None:
        sys.stdout.buffer.write(page)
        sys.stdout.buffer.flush()
        return 0
    write_atomically(output, page)
    talk.print(f"page: {output}", markup=False)
    talk.print(f"next: open it in a browser and print it; or: ingest runbook check {file}", markup=False)
    return 0


def _checked(
    file: Path, plan: Path | None, import_seconds: float | None, in_flight: int
) -> tuple[RunbookFile, Path | None, Assignment]:
    """The runbook, the plan that was used (None: there is none), and what was found."""
    book = read_runbook(file)
    if book.runbook.rules:
        read_rules(book.beside(book.runbook.rules))
    used = plan or book.beside(book.runbook.plan)
    sheet = read_sheet(used) if plan or used.exists() else None
    if sheet:
        rows_to_import(sheet, place=str(used))
    else:
        talk.print(f"there is no plan at {used} yet: rows are not judged; give one with --plan", markup=False)
    done = assign_waves(book.runbook, sheet, import_s=import_seconds, in_flight=in_flight)
    return book, used if sheet else None, done


def _row(book: RunbookFile, finding: Finding, plan: Path | None) -> dict[str, Any]:
    """A finding with its place: a line of the plan, or a line and key of the runbook."""
    sheet = plan or book.beside(book.runbook.plan)
    where = f"{sheet}:{finding.row}: {finding.column}" if finding.row else book.place(finding.column)
    return record(finding) | {"where": where}
