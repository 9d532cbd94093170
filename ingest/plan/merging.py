"""Planning again from an older plan: what is seen is refreshed, what the operator wrote stays, drift is shown.

A wanted cell is the operator's when it differs from what was proposed then (column `proposed`). Rows keep their order,
columns and comments their place; new VMs come last; a VM that is gone keeps its row and is not imported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ingest.plan.columns import Column, column_of, numbered, split_number, width
from ingest.plan.guesses import edited, proposed
from ingest.plan.sheet import Row, Sheet

# What became of a row belongs to the run that did it; what was found belongs to the last check.
_OUTCOME = frozenset({"status", "vm_id", "job_id", "error", "duration_s"})
_IDENTIFIES = {"nic": "nic#_label", "disk": "disk#_id"}
GONE = "no longer in vCenter"


def merged(old: Sheet, new: Sheet) -> Sheet:
    """A sheet with the old one's layout and edits and the new one's facts and proposals. Neither is changed."""
    columns = list(old.columns)
    columns.extend(name for name in new.columns if name not in columns)
    partner = _partners(old, new)
    matched = {id(row) for row in partner.values()}
    rows = [_merged_row(row, partner[index]) if index in partner else _gone(row) for index, row in enumerate(old.rows)]
    rows.extend(Row(dict(row.cells)) for row in new.rows if id(row) not in matched)
    sheet = Sheet(columns, rows, list(old.comments), old.delimiter, old.bom, old.newline)
    sheet.number_lines()
    return sheet


def _partners(old: Sheet, new: Sheet) -> dict[int, Row]:
    """The new row of each old one, by its index: by both ids, else by an instance UUID nobody else has."""
    found: dict[int, Row] = {}
    for key in (_both_ids, _instance_uuid):
        theirs = {id(row) for row in found.values()}
        left = [row for row in new.rows if id(row) not in theirs and key(row)]
        by_key = {key(row): row for row in left}
        single = _single(left, key)
        waiting = [(index, row) for index, row in enumerate(old.rows) if index not in found and key(row)]
        single &= _single([row for _, row in waiting], key)
        found |= {index: by_key[key(row)] for index, row in waiting if key(row) in single}
    return found


def _both_ids(row: Row) -> str:
    return f"{row['instance_uuid']} {row['moref']}" if row["moref"] else ""


def _instance_uuid(row: Row) -> str:
    return row["instance_uuid"]


def _single(rows: list[Row], key: Callable[[Row], str]) -> set[str]:
    return {value for value, count in Counter(map(key, rows)).items() if count == 1}


def _merged_row(old: Row, new: Row) -> Row:
    cells: dict[str, str] = {}
    for name, value in old.cells.items():
        column = column_of(name)
        if column is None or column.name in _OUTCOME:
            cells[name] = value
    cells |= {name: value for name, value in new.cells.items() if name not in cells}
    kept = _kept_edits(old, new)
    cells |= kept
    cells |= {"finding": "", "fix": "", "changed": "; ".join(drift(old, new))}
    if kept:
        known = proposed(new) or {}
        yours = "; ".join(f"{name}={value or '-'}: yours, not {known.get(name) or '-'}" for name, value in kept.items())
        cells["reason"] = "; ".join(filter(None, (new["reason"], yours)))
    return Row(cells)


def _kept_edits(old: Row, new: Row) -> dict[str, str]:
    """The operator's wanted cells under the new row's column names: devices are found by label or id, not by number."""
    moves = {device: _moves(old, new, device) for device in _IDENTIFIES}
    kept = {}
    for name, value in old.cells.items():
        column = column_of(name)
        if column is None or column.kind != "wanted" or not edited(old, name):
            continue
        place = _moved(name, column, moves)
        if place and new[place] != value:
            kept[place] = value
    return kept


def _moves(old: Row, new: Row, device: str) -> dict[int, int]:
    """New number of each device by its old one; a device that is gone has none."""
    label = _IDENTIFIES[device]
    where = {new[numbered(label, n)]: n for n in range(1, width(list(new.cells), device) + 1)}
    where.pop("", None)
    found = {}
    for number in range(1, width(list(old.cells), device) + 1):
        name = old[numbered(label, number)]
        if name in where:
            found[number] = where[name]
    return found


def _moved(name: str, column: Column, moves: dict[str, dict[int, int]]) -> str:
    if "#" not in column.name:
        return name
    device, number = split_number(name)
    new_number = moves[device].get(number)
    return numbered(column.name, new_number) if new_number else ""


def _gone(old: Row) -> Row:
    return Row(dict(old.cells) | {"import": "no", "reason": GONE, "changed": GONE, "finding": "", "fix": ""})


def drift(old: Row, new: Row) -> list[str]:
    """`cpus 2 -> 4` for every seen column that differs, in the old sheet's order."""
    names = [name for name in old.cells if (column := column_of(name)) and column.kind == "seen"]
    names += [name for name in new.cells if name not in old.cells and (c := column_of(name)) and c.kind == "seen"]
    return [f"{name} {old[name] or '-'} -> {new[name] or '-'}" for name in names if old[name] != new[name]]
