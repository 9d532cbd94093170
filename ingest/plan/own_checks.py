"""The operator's own checks: a Great Expectations suite over the rows to import, reported like the built-in ones.

The file is a suite as Great Expectations writes it, in JSON or YAML:

    expectations:
      - type: expect_column_values_to_match_regex
        kwargs: {column: hostname, regex: "^(web|app|db)-"}
        severity: critical                # critical, warning or info
        meta: {rule: SITE-001, message: host names start with their role, fix: rename it}

Columns are those of the sheet; sizes and counts are numbers, empty cells are missing values.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from ingest.errors import RulesError
from ingest.model.outcome import Finding, Level
from ingest.plan.checks import CHECKS
from ingest.plan.columns import column_of
from ingest.plan.expectations import NotEvaluated, failures, library
from ingest.plan.sheet import Row
from ingest.yamlmodels import checked
from ingest.yamltext import Document, read_document

CURE = "docs/how-to/own-checks.md shows the form, with examples"
WHOLE_PLAN = 0
"""The row of a finding that is about the whole plan."""

_NUMBERS = frozenset(
    {"wave", "cpus", "memory_mib", "cpu_reservation_mhz", "cpu_speed_mhz", "nic_count", "disk_count", "disk#_size_gib"}
)


class _Part(BaseModel):
    # Great Expectations writes ids, notes and rendered texts as well.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Meta(_Part):
    rule: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*-[0-9]+$")] | None = None
    message: str = ""
    fix: str = ""


class OwnExpectation(_Part):
    type: Annotated[str, Field(pattern=r"^expect_[a-z0-9_]+$")]
    arguments: dict[str, Any] = Field(default_factory=dict, validation_alias=AliasChoices("kwargs"))
    severity: Level = "critical"
    description: str | None = None
    meta: Meta = Meta()


class Suite(_Part):
    expectations: list[OwnExpectation]


@dataclass(frozen=True, slots=True)
class OwnCheck:
    """One of the operator's checks: `place` is file and line, `column` the column it speaks of, '' for none."""

    rule: str
    level: Level
    column: str
    message: str
    fix: str
    place: str
    expectation: Any


def read_own_checks(path: Path) -> list[OwnCheck]:
    """The checks of a suite file. Raises RulesError with file, line and cure for what is not one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RulesError(f"cannot be read: {error.strerror}", place=str(path), cure="check the path") from None
    except UnicodeDecodeError:
        raise RulesError("is not UTF-8 text", place=str(path), cure="save it as UTF-8") from None
    return parse_own_checks(text, place=str(path))


def parse_own_checks(text: str, *, place: str = "checks") -> list[OwnCheck]:
    """The checks of a suite's text; errors as `read_own_checks`."""
    document = read_document(text, place, cure=CURE)
    if not isinstance(document.data, dict):
        raise RulesError("expected a suite with the key expectations", place=document.place(()), cure=CURE)
    suite = checked(Suite, document)
    found = [_check(number, one, document) for number, one in enumerate(suite.expectations)]
    known = {check.id for check in CHECKS}
    for check in found:
        if check.rule in known:
            raise RulesError(f"the rule id {check.rule} is taken", place=check.place, cure="choose one of your own")
        known.add(check.rule)
    return found


def _check(number: int, one: OwnExpectation, document: Document) -> OwnCheck:
    place = document.place(("expectations", number))
    made = _expectation(one, place)
    made.severity = one.severity
    columns = list(_columns_named(one.arguments))
    return OwnCheck(
        rule=one.meta.rule or f"OWN-{number + 1:03d}",
        level=one.severity,
        column=columns[0] if columns else "",
        message=one.meta.message or one.description or _in_words(one),
        fix=one.meta.fix or "see the rule in your file of checks",
        place=place,
        expectation=made,
    )


def _expectation(one: OwnExpectation, place: str) -> Any:
    module = library()
    names = {_snake(name): name for name in dir(module) if name.startswith("Expect") and name != "Expectation"}
    if one.type not in names:
        close = difflib.get_close_matches(one.type, names, 2)
        near = f"; nearest: {', '.join(close)}" if close else ""
        raise RulesError(f"there is no expectation {one.type}{near}", place=place, cure=CURE)
    try:
        return getattr(module, names[one.type])(**one.arguments)
    except (ValueError, TypeError) as error:
        words = " ".join(str(error).split())
        raise RulesError(f"{one.type}: {words}", place=place, cure=CURE) from None


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _columns_named(kwargs: Mapping[str, Any]) -> Iterator[str]:
    for key in ("column", "column_A", "column_B"):
        if isinstance(kwargs.get(key), str):
            yield kwargs[key]
    if isinstance(kwargs.get("column_list"), list):
        yield from map(str, kwargs["column_list"])


def _in_words(one: OwnExpectation) -> str:
    values = ", ".join(f"{key} {value}" for key, value in one.arguments.items())
    return f"{one.type.removeprefix('expect_').replace('_', ' ')}: {values}"


def run_own_checks(checks: Sequence[OwnCheck], rows: Sequence[Row]) -> list[Finding]:
    """Every finding of the operator's checks on these rows, in the order of the checks.

    Raises RulesError for a check that names a column the plan does not have, or that cannot be evaluated.
    """
    if not checks or not rows:
        return []
    frame = plan_frame(rows)
    for check in checks:
        _require_columns(check, frame)
    try:
        broken = failures(frame, [(check.rule, check.expectation) for check in checks])
    except NotEvaluated as error:
        place = next((check.place for check in checks if check.rule == error.rule), "")
        raise RulesError(f"{error.rule} cannot be evaluated: {error.reason}", place=place, cure=CURE) from None
    findings = []
    for check in checks:
        failure = broken.get(check.rule)
        if failure is None:
            continue
        if not failure.records:
            message = f"{check.message} (seen: {failure.observed})"
            findings.append(
                Finding(WHOLE_PLAN, "", check.column, check.rule, check.level, failure.observed, message, check.fix)
            )
        findings.extend(_finding(check, rows[position]) for position in failure.records)
    return findings


def _finding(check: OwnCheck, row: Row) -> Finding:
    return Finding(
        row=row.line,
        vm=row["vm"],
        column=check.column,
        rule=check.rule,
        level=check.level,
        value=row[check.column],
        message=check.message,
        fix=check.fix,
    )


def _require_columns(check: OwnCheck, frame: pd.DataFrame) -> None:
    kwargs = {key: getattr(check.expectation, key, None) for key in ("column", "column_A", "column_B", "column_list")}
    for name in _columns_named(kwargs):
        if name not in frame.columns:
            close = difflib.get_close_matches(name, list(frame.columns), 3)
            near = f"; nearest: {', '.join(close)}" if close else ""
            cure = "docs/reference/columns.md lists the columns of a plan"
            raise RulesError(f"{check.rule}: the plan has no column {name}{near}", place=check.place, cure=cure)


def plan_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table: numbers where the column holds numbers, None for empty cells."""
    frame = pd.DataFrame([row.cells for row in rows]).replace({"": None})
    for name in frame.columns:
        column = column_of(str(name))
        if column is not None and column.name in _NUMBERS:
            frame[name] = pd.to_numeric(frame[name], errors="coerce")
    return frame
