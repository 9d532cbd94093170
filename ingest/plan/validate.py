"""The checks, run by Great Expectations over the frames, as findings by row and column; then the server's answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ingest.model.outcome import Finding
from ingest.model.snapshot import Snapshot
from ingest.plan.checks import CHECKS, Check
from ingest.plan.expectations import NotEvaluated, failures, library
from ingest.plan.frames import frames, verdict_frame
from ingest.plan.next_start import next_start
from ingest.plan.own_checks import WHOLE_PLAN, OwnCheck, run_own_checks
from ingest.plan.predict.rows import verdicts
from ingest.plan.predict.verdict import Verdict
from ingest.plan.resolve import ResolvedRow, resolve, rows_to_import
from ingest.plan.sheet import Sheet

LEVELS = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Examined:
    """The rows to import, resolved; findings by row, level, rule and column; the server's answers by line."""

    rows: tuple[ResolvedRow, ...]
    findings: tuple[Finding, ...]
    verdicts: Mapping[int, Verdict]

    @property
    def blocked(self) -> set[int]:
        """The lines of the rows that must not be imported."""
        return blocked_lines(self.findings, self.rows)


def validate(sheet: Sheet, snapshot: Snapshot, *, place: str = "plan", confirm_guesses: bool = False) -> list[Finding]:
    """Every finding on the rows to import, in order; arguments and errors as `examine`."""
    return list(examine(sheet, snapshot, place=place, confirm_guesses=confirm_guesses).findings)


def examine(
    sheet: Sheet,
    snapshot: Snapshot,
    *,
    place: str = "plan",
    confirm_guesses: bool = False,
    own_checks: Sequence[OwnCheck] = (),
) -> Examined:
    """Check the rows to import, then foresee the server's answer to each. `confirm_guesses` confirms every guess.

    Rows with a critical finding are not sent, so they take nothing from those after them. Raises SheetError for cells
    that cannot be read at all, NotEvaluated when a rule could not be evaluated, RulesError when one of `own_checks`
    could not.
    """
    rows = resolve(rows_to_import(sheet, place=place), snapshot)
    findings = judge(frames(rows, snapshot, confirm_guesses=confirm_guesses), rows)
    findings += run_own_checks(own_checks, [row.row for row in rows])
    blocked = blocked_lines(findings, rows)
    said = verdicts(rows, snapshot, left_out=blocked)
    findings += judge({"verdict": verdict_frame(rows, snapshot, said, blocked)}, rows)
    return Examined(tuple(rows), tuple(in_order(findings)), said)


def blocked_lines(findings: Iterable[Finding], rows: Iterable[ResolvedRow] = ()) -> set[int]:
    """The lines with a critical finding; all of `rows` when one is about the whole plan."""
    blocked = {finding.row for finding in findings if finding.level == "critical"}
    return {row.row.line for row in rows} if WHOLE_PLAN in blocked else blocked


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


def apply_verdicts(sheet: Sheet, verdicts: Mapping[int, Verdict]) -> None:
    """Write the columns `verdict` and `server_says` of every row; rows that are not to be imported have none."""
    sheet.add_columns(["verdict", "server_says"])
    for row in sheet.rows:
        verdict = verdicts.get(row.line)
        row["verdict"] = verdict.answer if verdict else ""
        row["server_says"] = verdict.words if verdict else ""


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
