"""Stage 3: the plan. Joins both sides, applies the rules, writes `plan.csv`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.model.snapshot import read_snapshot
from ingest.plan.cells import is_yes
from ingest.plan.enrich import enrich
from ingest.plan.merging import merged
from ingest.plan.rules import Rules
from ingest.plan.rules_file import read_rules
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.stages.run_folder import PLAN, SNAPSHOT, RunFolder


@dataclass(frozen=True, slots=True)
class Planned:
    """Counts of one plan and where it is."""

    rows: int
    to_import: int
    left_out: int
    plan_csv: Path


def enrich_csv(folder: RunFolder, rules: Path | None = None, update: Path | None = None) -> Planned:
    """Plan the folder's snapshot. Without a rules file the defaults alone decide.

    `update` is an older plan to carry on: its edits, its order and its own columns stay, what is seen is refreshed.
    """
    snapshot = read_snapshot(folder.need(SNAPSHOT, made_by="list_unmanaged"))
    sheet = enrich(snapshot, read_rules(rules) if rules else Rules())
    if update:
        sheet = merged(read_sheet(update), sheet)
    chosen = sum(is_yes(row["import"]) for row in sheet.rows)
    return Planned(
        rows=len(sheet.rows),
        to_import=chosen,
        left_out=len(sheet.rows) - chosen,
        plan_csv=folder.write(PLAN, sheet_bytes(sheet)),
    )
