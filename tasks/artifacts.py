"""Prefect artifacts: a summary and the first rows; the whole is in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

MAXIMUM_ROWS = 1000


def table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """A table artifact of at most 1,000 rows, the description saying what was left out. Key: lower case, dashes."""
    if not rows:
        create_markdown_artifact(markdown=f"{description}\n\nNothing to show.", key=key)
        return
    if len(rows) > MAXIMUM_ROWS:
        description += f" First {MAXIMUM_ROWS} of {len(rows)} rows."
    create_table_artifact(table=[dict(row) for row in rows[:MAXIMUM_ROWS]], key=key, description=description)


def markdown(key: str, text: str) -> None:
    """A markdown artifact."""
    create_markdown_artifact(markdown=text, key=key)
