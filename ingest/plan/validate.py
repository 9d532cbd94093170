"""The checks, run by Great Expectations over the frames, as findings by row and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ingest.model.outcome import Finding
from ingest.model.snapshot import Snapshot
from ingest.plan.checks import CHECKS, Check
from ingest.plan.expectations import NotEvaluated, failures, library
from ingest.plan.frames import frames
from ingest.plan.next_start import next_start
from ingest.plan.resolve import ResolvedRow, resolve, rows_to_import
from ingest.plan.sheet import Sheet

LEVELS = ("critical", "warning", "info")


def validate(sheet: Sheet, snapshot: Snapshot, *, place: str = "plan", confirm_guesses: bool = False) -> list[Finding]:
    """Every finding on the rows to import, sorted by (row, level, rule, column). `confirm_guesses` confirms them all.

    Raises SheetError for cells that cannot be read at all, RuntimeError when a rule could not be evaluated.
    """
    rows = resolve(rows_to_import(sheet, place=place), snapshot)
    return judge(frames(rows, snapshot, confirm_guesses=confirm_guesses), rows)


def judge(
    tables: Mapping[str, pd.DataFrame], rows: Sequence[ResolvedRow], checks: Sequence[Check] = CHECKS
) -> list[Finding]:
    """The findings on tables made by `frames` of these rows; order and errors as `validate`."""
    findings: list[Finding] = []
    for name, frame in tables.items():
        mine = [check for check in checks if check.frame == name]
        if mine and not frame.empty:
            findings.extend(_run(frame, mine, rows))
    return in_order(findings)


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Findings by row, level, rule and column."""
    return sorted(findings, key=lambda f: (f.row, LEVELS.index(f.level), f.rule, f.column))


def apply_findings(sheet: Sheet, findings: list[Finding]) -> None:
    """Write the columns `finding` and `fix` of every row."""
    sheet.add_columns(["finding", "fix"])
    by_row: dict[int, list[Finding]] = {}
    for finding in findings:
        by_row.setdefault(finding.row, []).append(finding)
    for row in sheet.rows:
        mine = by_row.get(row.line, [])
        row["finding"] = " ".join(dict.fromkeys(finding.rule for finding in mine))
        row["fix"] = f"{mine[0].column}: {mine[0].message} -> {mine[0].fix}" if mine else ""


def apply_next_start(sheet: Sheet, rows: Sequence[ResolvedRow]) -> None:
    """Write the column `next_start` of these rows; others lose theirs."""
    sheet.add_columns(["next_start"])
    told = {row.row.line: "; ".join(next_start(row)) for row in rows}
    for row in sheet.rows:
        row["next_start"] = told.get(row.line, "")


def _run(frame: pd.DataFrame, checks: list[Check], rows: Sequence[ResolvedRow]) -> list[Finding]:
    expectations = library()
    suite = []
    for check in checks:
        expectation = check.expect(expectations, check.helper)
        expectation.severity = check.level
        suite.append((check.id, expectation))
    broken = failures(frame, suite)
    findings = []
    for check in checks:
        failure = broken.get(check.id)
        if failure is None:
            continue
        if not failure.records:
            raise NotEvaluated(check.id, f"no record is named, {failure.observed} was observed")
        for position in failure.records:
            cells = {str(name): value for name, value in frame.iloc[position].items()}
            findings.append(_finding(check, cells, rows[int(cells["_index"])]))
    return findings


def _finding(check: Check, record: dict[str, Any], row: ResolvedRow) -> Finding:
    value = record[check.helper]
    text = "" if value is None or value != value else str(value)
    column = str(record[check.show[1:]]) if check.show.startswith("@") else check.show
    accepted = check.waivable and check.id in row.accepted
    return Finding(
        row=int(record["row"]),
        vm=str(record["vm"]),
        column=column,
        rule=check.id,
        level="info" if accepted else check.level,
        value=row.row[column],
        message=check.message.format(**{**record, "value": text}) + (" (accepted)" if accepted else ""),
        fix=check.fix + (f"; or write {check.id} in the column accept" if check.waivable and not accepted else ""),
    )
