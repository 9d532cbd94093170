"""The operator's own checks: a Great Expectations suite, reported like ours, with errors that name the line."""

from __future__ import annotations

import json

import pytest

from ingest.errors import RulesError
from ingest.model.outcome import Finding
from ingest.plan.enrich import enrich
from ingest.plan.own_checks import parse_own_checks, run_own_checks
from ingest.plan.resolve import rows_to_import
from ingest.plan.rules import Rules
from tests.plan import small_site as site

SUITE = """
name: ours
expectations:
  - type: expect_column_values_to_match_regex
    kwargs: {column: hostname, regex: "^(web|app)"}
    severity: warning
    meta: {rule: SITE-001, message: host names start with their role, fix: rename it}
  - type: expect_column_values_to_be_between
    kwargs: {column: memory_mib, max_value: 4096}
    description: nothing above 4 GiB
  - type: expect_table_row_count_to_be_between
    kwargs: {max_value: 2}
    severity: info
  - type: expect_column_values_to_not_be_null
    kwargs: {column: account}
"""


def findings(text: str) -> list[Finding]:
    rows = rows_to_import(enrich(site.snapshot(), Rules()))
    return run_own_checks(parse_own_checks(text, place="ours.yaml"), rows)


def test_findings_by_row_and_about_the_whole_plan() -> None:
    told = [(one.rule, one.row > 0, one.vm, one.column, one.level, one.message) for one in findings(SUITE)]
    assert told == [
        ("SITE-001", True, "db_03", "hostname", "warning", "host names start with their role"),
        ("OWN-002", True, "app02", "memory_mib", "critical", "nothing above 4 GiB"),
        ("OWN-003", False, "", "", "info", "table row count to be between: max_value 2 (seen: 3)"),
    ]


def test_a_suite_as_great_expectations_writes_it() -> None:
    suite = {
        "id": "0a1b",
        "name": "exported",
        "meta": {"great_expectations_version": "1.20.0"},
        "notes": None,
        "expectations": [
            {
                "id": "1",
                "type": "expect_column_values_to_be_in_set",
                "kwargs": {"column": "power_state", "value_set": ["poweredOn"]},
                "meta": {},
                "severity": "critical",
                "rendered_content": [],
            }
        ],
    }
    assert [one.vm for one in findings(json.dumps(suite))] == ["app02"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "expected a suite"),
        ("expectations:\n  - kwargs: {}\n", "ours.yaml:2: expectations[0]: the key type is missing"),
        (
            "expectations:\n  - type: expect_column_to_shine\n",
            "there is no expectation expect_column_to_shine",
        ),
        ("expectations:\n  - type: expect_column_values_to_be_unique\n", "ours.yaml:2: expectations[0]"),
        (
            "expectations:\n  - type: expect_column_values_to_be_unique\n    kwargs: {column: hostnam}\n",
            "the plan has no column hostnam; nearest: hostname",
        ),
        (
            "expectations:\n  - type: expect_column_values_to_match_regex\n    kwargs: {column: vm, regex: '('}\n",
            "OWN-001 cannot be evaluated",
        ),
        (
            "expectations: [{type: expect_column_values_to_be_unique, kwargs: {column: vm}, meta: {rule: VM-001}}]",
            "the rule id VM-001 is taken",
        ),
        (
            "expectations:\n  - type: expect_column_values_to_be_unique\n    kwargs: {column: vm}\n    severity: bad\n",
            ":4: expectations[0].severity",
        ),
    ],
)
def test_what_is_no_suite_is_told_with_its_line(text: str, says: str) -> None:
    with pytest.raises(RulesError) as caught:
        findings(text)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


def test_no_rows_no_findings() -> None:
    assert run_own_checks(parse_own_checks(SUITE), []) == []
