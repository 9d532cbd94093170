"""What differs between two plans, VM by VM and column by column, for people who review a change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ingest.plan.columns import column_of
from ingest.plan.guesses import edited
from ingest.plan.sheet import Row, Sheet

What = Literal["added", "gone", "world", "wanted", "edited", "own column"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `what` says whose: the VM is new (added) or gone, a fact of either server (world), a value the
    program proposes (wanted), one a person wrote (edited), or a column of the operator's own."""

    vm: str
    moref: str
    what: What
    column: str = ""
    before: str = ""
    after: str = ""


COLUMNS = ("vm", "moref", "what", "column", "before", "after")


def differences(old: Sheet, new: Sheet) -> list[Difference]:
    """All differences, sorted by VM name and moref, columns in sheet order. Computed columns do not count."""
    before, after = (_by_identity(sheet.rows) for sheet in (old, new))
    columns = list(dict.fromkeys([*new.columns, *old.columns]))
    found: list[Difference] = []
    for identity in sorted(before.keys() | after.keys(), key=lambda key: _name(before.get(key), after.get(key))):
        was, now = before.get(identity), after.get(identity)
        if was is None or now is None:
            row = now or was
            assert row is not None  # noqa: S101  the identity came from one of the two
            found.append(Difference(row["vm"], row["moref"], "added" if was is None else "gone"))
            continue
        found.extend(
            Difference(now["vm"], now["moref"], what, name, was[name], now[name])
            for name in columns
            if was[name] != now[name] and (what := _kind(name, now))
        )
    return found


def _by_identity(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(row["instance_uuid"], row["moref"]): row for row in rows}


def _name(was: Row | None, now: Row | None) -> tuple[str, str]:
    row = now or was
    return (row["vm"], row["moref"]) if row else ("", "")


def _kind(name: str, now: Row) -> What | None:
    column = column_of(name)
    if column is None:
        return "own column"
    if column.kind == "seen":
        return "world"
    if column.kind == "wanted":
        return "edited" if edited(now, name) else "wanted"
    return None
