"""Filters that most list commands share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from ingest.twin.cloudstack.parameters import Arguments

Row = TypeVar("Row")


def select(arguments: Arguments, rows: Iterable[Row], *, keyword: str = "name", **attributes: str) -> list[Row]:
    """Rows whose attributes equal the arguments given: `select(arguments, rows, zoneid="zoneid")` maps argument to
    attribute. The argument `keyword` is searched in the attribute `keyword` names, without regard to case.
    """
    # One filter after another, the plainest loop there is: some tables have tens of thousands of rows.
    found = list(rows)
    for argument, attribute in attributes.items():
        if wanted := arguments.text(argument):
            found = [row for row in found if getattr(row, attribute) == wanted]
    if part := arguments.text("keyword").lower():
        found = [row for row in found if part in str(getattr(row, keyword)).lower()]
    return found
