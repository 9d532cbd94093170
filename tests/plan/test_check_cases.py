"""Every check fires on what it is for and stays silent on what is just fine: tests/cases/plan/*.yaml."""

from __future__ import annotations

import pytest

from ingest.model.outcome import Finding
from ingest.model.snapshot import Snapshot
from ingest.plan.checks import CHECKS
from ingest.plan.enrich import enrich
from ingest.plan.resolve import rows_to_import
from ingest.plan.rules import Rules
from ingest.plan.sheet import Row
from tests.plan.cases import Case, all_cases, changed_site, edit, judged_together

CASES = all_cases()


def rows_and_site(case: Case) -> tuple[list[Row], Snapshot]:
    """The rows to check, and the site they are checked against."""
    sheet = enrich(changed_site(case.change), Rules())
    edit(sheet, case.sheet)
    rows = rows_to_import(sheet)
    assert rows, f"{case}: no row is to be imported"
    return rows, changed_site(case.change | case.later)


@pytest.fixture(scope="module")
def findings_of_cases() -> dict[str, list[Finding]]:
    found = judged_together(rows_and_site(case) for case in CASES)
    return dict(zip(map(str, CASES), found, strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, findings_of_cases: dict[str, list[Finding]]) -> None:
    findings = findings_of_cases[str(case)]
    told = sorted(f"{one.vm} {one.column} {one.rule} {one.level}" for one in findings)
    assert told == sorted(case.findings), "\n".join(f"{one.rule} {one.vm}: {one.message}" for one in findings)


def test_every_check_has_a_case_that_fires_and_one_that_does_not() -> None:
    fires = {(words[2], words[3]) for case in CASES for words in map(str.split, case.findings)}
    silent = {case.check for case in CASES if not any(case.check in finding for finding in case.findings)}
    for check in CHECKS:
        assert (check.id, check.level) in fires, f"{check.id} never fires"
        assert check.id in silent, f"{check.id} has no case in which it stays silent"
        if check.waivable:
            assert (check.id, "info") in fires, f"{check.id} is never accepted"
    assert {case.check for case in CASES} == {check.id for check in CHECKS}


def test_titles_and_ids_are_unique() -> None:
    assert len({str(case) for case in CASES}) == len(CASES)
    assert len({check.id for check in CHECKS}) == len(CHECKS)


def test_only_safety_rules_can_be_waived() -> None:
    assert [check.id for check in CHECKS if check.waivable and "safety" not in check.mirrors] == []
