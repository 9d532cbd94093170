"""Guesses and whose a cell is: the program's proposal, or the operator's word.

The column `proposed` holds what the program wrote into the wanted columns. A cell that differs was changed by a person:
it is no guess any more, and it wins when the plan is made again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ingest.plan.columns import column_of
from ingest.plan.sheet import Row

PROPOSED, GUESSES, CONFIRM = "proposed", "guesses", "confirm"
_YES = ("yes", "y", "true", "1", "x")


def write_proposed(cells: Mapping[str, str]) -> str:
    """The wanted cells that are not empty, as JSON with sorted keys."""
    wanted = {
        name: value
        for name, value in cells.items()
        if value and (column := column_of(name)) and column.kind == "wanted"
    }
    return json.dumps(wanted, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def proposed(row: Row) -> dict[str, str] | None:
    """What the program proposed for a row, None when the row does not say."""
    try:
        found = json.loads(row[PROPOSED])
    except ValueError:
        return None
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else None


def edited(row: Row, column: str) -> bool:
    """Whether a wanted cell is the operator's: it differs from the proposal, or nobody knows what was proposed."""
    known = proposed(row)
    return row[column] != known.get(column, "") if known is not None else bool(row[column])


def open_guesses(row: Row) -> list[str]:
    """The columns that still hold a guess nobody confirmed."""
    said = row[CONFIRM].replace(",", " ").replace(";", " ").lower().split()
    if any(word in _YES for word in said):
        return []
    known = proposed(row) or {}
    return [
        name
        for name in row[GUESSES].split()
        if name.lower() not in said and row[name] and known.get(name, row[name]) == row[name]
    ]
