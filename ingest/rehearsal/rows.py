"""Rows of a plan with what a rehearsal says of them: what failed, why, and the cure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ingest.engine.failures import failed_together
from ingest.model.outcome import Finding, Outcome
from ingest.plan.sheet import Row
from ingest.rehearsal.results import RehearsedRow


def plan_rows(
    sheet: Iterable[Row],
    outcomes: Sequence[Outcome],
    findings: Iterable[Finding],
    seconds: Mapping[str, float],
) -> tuple[RehearsedRow, ...]:
    """Every row that was to be imported, in the order of the sheet. `seconds` are what imports took, by VM."""
    by_line = {outcome.row: outcome for outcome in outcomes}
    first: dict[int, Finding] = {}
    for finding in findings:
        if finding.level == "critical":
            first.setdefault(finding.row, finding)
    cures = cures_of(outcomes)
    rows = []
    for row in sheet:
        outcome = by_line.get(row.line)
        if outcome is None or outcome.status == "skipped":
            continue
        why, cure = outcome.error, cures.get(row.line, "")
        if outcome.status == "blocked" and row.line in first:
            finding = first[row.line]
            why, cure = f"{finding.rule}: {finding.message}", finding.fix
        rows.append(
            RehearsedRow(
                row=row.line,
                vm=outcome.vm,
                key=key_of(row),
                wave=row["wave"] or "1",
                ok=outcome.status == "imported" and not outcome.error,
                status=outcome.status,
                why=why,
                cure=cure,
                seconds=round(seconds.get(outcome.vm, 0.0), 1),
            )
        )
    return tuple(rows)


def key_of(row: Row) -> str:
    """What a VM is known by from one rehearsal to the next."""
    return row["instance_uuid"] or row["vm"]


def cures_of(outcomes: Sequence[Outcome]) -> dict[int, str]:
    """What to do about rows that failed, by row."""
    return {row: group.cure for group in failed_together(outcomes) for row in group.rows}
