"""The operator's own files, looked at before anything slow begins."""

from __future__ import annotations

from pathlib import Path

from ingest.plan.own_checks import read_own_checks
from ingest.plan.resolve import rows_to_import
from ingest.plan.rules_file import read_rules
from ingest.plan.sheet import read_sheet


def look_at_inputs(
    rules: Path | None, plan: Path | None, update: Path | None = None, checks: Path | None = None
) -> None:
    """Raise RulesError or SheetError now rather than after minutes of reading two servers."""
    if rules:
        read_rules(rules)
    if checks:
        read_own_checks(checks)
    for sheet in (plan, update):
        if sheet:
            rows_to_import(read_sheet(sheet), place=str(sheet))
