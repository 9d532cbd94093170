"""The checks, run by Great Expectations over the frames, as findings by row and column.

One ephemeral context per call (a shared one mixes up results between threads). A rule that could not be evaluated is an
error, never a pass: Great Expectations reports a crashed rule as a failure without rows.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ingest.model.outcome import Finding
from ingest.model.snapshot import Snapshot
from ingest.plan.checks import CHECKS, Check
from ingest.plan.frames import frames, verdict_frame
from ingest.plan.predict.rows import verdicts
from ingest.plan.predict.verdict import Verdict
from ingest.plan.resolve import ResolvedRow, resolve, rows_to_import
from ingest.plan.sheet import Sheet

LEVELS = ("critical", "warning", "info")


def validate(sheet: Sheet, snapshot: Snapshot, *, place: str = "plan") -> list[Finding]:
    """Every finding on the rows to import, sorted by (row, level, rule, column); errors as `examine`."""
    return list(examine(sheet, snapshot, place=place).findings)


@dataclass(frozen=True, slots=True)
class Examined:
    """Findings, sorted by (row, level, rule, column), and the server's answers by line, of the rows to import."""

    findings: tuple[Finding, ...]
    verdicts: Mapping[int, Verdict]


def examine(sheet: Sheet, snapshot: Snapshot, *, place: str = "plan") -> Examined:
    """Check the rows to import, then foresee the server's answer to each.

    Rows with a critical finding are not sent, so they take nothing from those after them. Raises SheetError for cells
    that cannot be read at all, RuntimeError when a rule could not be evaluated.
    """
    rows = resolve(rows_to_import(sheet, place=place), snapshot)
    findings = judge(frames(rows, snapshot), rows)
    blocked = blocked_lines(findings)
    said = verdicts(rows, snapshot, left_out=blocked)
    findings += judge({"verdict": verdict_frame(rows, snapshot, said, blocked)}, rows)
    return Examined(tuple(sorted(findings, key=_order)), said)


def blocked_lines(findings: Iterable[Finding]) -> set[int]:
    """The lines with a critical finding."""
    return {finding.row for finding in findings if finding.level == "critical"}


def judge(
    tables: Mapping[str, pd.DataFrame], rows: Sequence[ResolvedRow], checks: Sequence[Check] = CHECKS
) -> list[Finding]:
    """The findings on tables made from these rows; order and errors as `examine`."""
    findings: list[Finding] = []
    for name, frame in tables.items():
        mine = [check for check in checks if check.frame == name]
        if mine and not frame.empty:
            findings.extend(_run(frame, mine, rows))
    return sorted(findings, key=_order)


def _order(finding: Finding) -> tuple[int, int, str, str]:
    return finding.row, LEVELS.index(finding.level), finding.rule, finding.column


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


def apply_verdicts(sheet: Sheet, verdicts: Mapping[int, Verdict]) -> None:
    """Write the columns `verdict` and `server_says` of every row; rows that are not to be imported have none."""
    sheet.add_columns(["verdict", "server_says"])
    for row in sheet.rows:
        verdict = verdicts.get(row.line)
        row["verdict"] = verdict.answer if verdict else ""
        row["server_says"] = verdict.words if verdict else ""


def _run(frame: pd.DataFrame, checks: list[Check], rows: Sequence[ResolvedRow]) -> list[Finding]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # raised while Great Expectations is imported
        import great_expectations as gx
        from great_expectations import expectations

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    keyed = frame.assign(_key=range(len(frame)))
    by_id = {check.id: check for check in checks}
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = []
    for check in checks:
        expectation = check.expect(expectations, check.helper)
        expectation.severity = check.level
        expectation.meta = {"rule": check.id}
        suite.append(expectation)
    batch = (
        context.data_sources.add_pandas("plan")
        .add_dataframe_asset("frame")
        .add_batch_definition_whole_dataframe("all")
        .get_batch(batch_parameters={"dataframe": keyed})
    )
    result = batch.validate(
        gx.ExpectationSuite(name="plan", expectations=suite),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["_key"]},
    )
    if len(result.results) != len(checks):
        raise RuntimeError(f"{len(checks)} rules, {len(result.results)} results: a rule was not evaluated")
    findings = []
    for outcome in result.results:
        if outcome.success:
            continue
        check = by_id[outcome.expectation_config.meta["rule"]]
        bad = outcome.result.get("unexpected_index_list")
        if not bad:
            raise RuntimeError(f"rule {check.id} could not be evaluated: {outcome.exception_info}")
        for key in bad:
            record = {str(name): value for name, value in keyed.iloc[int(key["_key"])].items()}
            findings.append(_finding(check, record, rows[int(record["_index"])]))
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
