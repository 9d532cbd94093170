"""Cells as people write them, and everything in a sheet that cannot be read, all at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ingest.plan.sheet import Row, Sheet

YES = frozenset({"yes", "y", "true", "1", "x"})
NO = frozenset({"no", "n", "false", "0", ""})
POWER_POLICIES = ("leave", "shutdown", "off")
_YES_NO = ("import", "migrate_allowed", "forced", "start")
_LATEST_WAVE = 999


@dataclass(frozen=True, slots=True)
class CellError:
    """One cell that cannot be read: `line` of the file, `column`, what is wrong, and what to write."""

    line: int
    column: str
    message: str
    cure: str


def is_yes(text: str) -> bool:
    """How a yes/no cell reads; raises ValueError for anything else."""
    lowered = text.strip().lower()
    if lowered in YES:
        return True
    if lowered in NO:
        return False
    raise ValueError(text)


def whole_number(text: str) -> int | None:
    """A whole number as people and spreadsheets write it (`2`, `2.0`), None for anything else."""
    text = text.strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def power_policy(row: Row) -> str:
    """leave, shutdown or off."""
    return row["power"].strip().lower() or "leave"


def cell_errors(sheet: Sheet) -> list[CellError]:
    """Every cell that cannot be read and every VM that has two rows, in the order of the lines."""
    found = [error for row in sheet.rows for error in _of_row(row)]
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in sheet.rows:
        if row["instance_uuid"] or row["moref"]:
            lines[row["instance_uuid"], row["moref"]].append(row.line)
    for same in lines.values():
        found.extend(
            CellError(line, "vm", f"the VM has a row in line {same[0]} already", "keep one of the two rows")
            for line in same[1:]
        )
    return sorted(found, key=lambda error: error.line)


def _of_row(row: Row) -> list[CellError]:
    found = []
    for column in _YES_NO:
        try:
            is_yes(row[column])
        except ValueError:
            found.append(CellError(row.line, column, f"'{row[column]}' is neither yes nor no", "write yes or no"))
    wave = whole_number(row["wave"])
    if row["wave"].strip() and (wave is None or wave > _LATEST_WAVE):
        cure = f"write a number from 1 to {_LATEST_WAVE}"
        found.append(CellError(row.line, "wave", f"'{row['wave']}' is no wave", cure))
    if power_policy(row) not in POWER_POLICIES:
        cure = f"write one of {', '.join(POWER_POLICIES)}"
        found.append(CellError(row.line, "power", f"'{row['power']}' is no power policy", cure))
    nameless = "instance_uuid" in row.cells and not (row["instance_uuid"] or row["moref"])
    if nameless and row["import"].strip().lower() in YES:
        cure = "take the row from a plan written by `ingest plan`"
        found.append(CellError(row.line, "instance_uuid", "the row does not say which VM it is", cure))
    return found
