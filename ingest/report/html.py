"""The pages of a run, each one self-contained HTML file that needs no network, no script and no other file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader

from ingest.model.outcome import URGENCY, FailedTogether, Outcome
from ingest.report.causes import causes_of, rows_hit

_MOST_ROWS = 2000
"""Rows on a page of findings: a browser still opens it at once."""


@dataclass(frozen=True, slots=True)
class RowOnPage:
    """A row to import as the page of findings shows it. `verdict` in a word, `style` a status word for its colour."""

    line: int
    vm: str
    verdict: str
    style: str
    says: str = ""
    findings: tuple[Mapping[str, str], ...] = ()
    doubts: tuple[str, ...] = ()
    next_start: tuple[str, ...] = field(default=())


def render_report(
    *,
    title: str,
    outcomes: Sequence[Outcome],
    findings: Sequence[Mapping[str, str]],
    why: Mapping[str, str] | None = None,
    plan: str = "",
    failures: Sequence[FailedTogether] = (),
    decisions: Sequence[str] = (),
) -> bytes:
    """The page of a finished run, UTF-8: what became of every row, what needs a hand first.

    `failures` are the rows that need a hand, by cause; `decisions` who approved or rejected the plan, a line each.
    """
    counts = Counter(outcome.status for outcome in outcomes)
    return render_page(
        "run.html",
        title=title,
        counts=[(status, counts[status]) for status in URGENCY if counts[status]],
        causes=causes_of(findings, why=why, plan=plan),
        affected=rows_hit(findings),
        failures=failures,
        decisions=decisions,
        outcomes=sorted(outcomes, key=lambda one: (URGENCY.index(one.status), one.row)),
    )


def render_findings(
    *,
    title: str,
    rows: Sequence[RowOnPage],
    findings: Sequence[Mapping[str, str]],
    why: Mapping[str, str],
    plan: str,
) -> bytes:
    """The page of a checked plan, UTF-8: causes, then every row to import, those with findings first."""
    counts = Counter((row.verdict, row.style) for row in rows)
    ordered = sorted(rows, key=lambda row: (not row.findings, not row.doubts, row.line))
    return render_page(
        "findings.html",
        title=title,
        counts=[(word, number, style) for (word, style), number in sorted(counts.items())],
        causes=causes_of(findings, why=why, plan=plan),
        affected=rows_hit(findings),
        rows=ordered[:_MOST_ROWS],
        shortened=len(ordered) > _MOST_ROWS,
    )


def render_drift(
    *,
    title: str,
    since: str,
    sums: Sequence[tuple[int, str]],
    switched: str,
    rows: Sequence[Mapping[str, Any]],
    whole: str,
) -> bytes:
    """The page of what changed on a site since the last snapshot, UTF-8. `sums` are numbers with their words."""
    return render_page(
        "drift.html",
        title=title,
        since=since,
        sums=sums,
        switched=switched,
        rows=rows[:_MOST_ROWS],
        left_out=max(0, len(rows) - _MOST_ROWS),
        whole=whole,
    )


def render_page(template: str, **values: Any) -> bytes:
    """A page made from one of our templates, UTF-8. Values are escaped."""
    environment = Environment(loader=PackageLoader("ingest.report"), autoescape=True)
    return environment.get_template(template).render(**values).encode()
