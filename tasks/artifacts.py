"""Prefect artifacts: a summary and the first rows; the whole is in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

MAXIMUM_ROWS = 1000


def table(key: str, rows: Sequence[Mapping[str, Any]], description: str, first: Sequence[str] = ()) -> None:
    """A table artifact of at most 1,000 rows, the description saying what was left out. Key: lower case, dashes.

    `first` are the columns to begin with: the UI shows about five, and scrolls to the others.
    """
    if not rows:
        markdown(key, "Nothing to show.", description)
        return
    if len(rows) > MAXIMUM_ROWS:
        description += f" First {MAXIMUM_ROWS} of {len(rows)} rows."
    shown = [{name: row[name] for name in first} | dict(row) for row in rows[:MAXIMUM_ROWS]]
    create_table_artifact(table=shown, key=key, description=description)


def markdown(key: str, text: str, description: str) -> None:
    """A markdown artifact; the description is what its card in the run's list says, about 40 characters of it."""
    create_markdown_artifact(markdown=text, key=key, description=description)
