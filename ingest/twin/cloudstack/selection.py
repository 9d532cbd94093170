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
    wanted = {
        attribute: arguments.text(argument) for argument, attribute in attributes.items() if arguments.text(argument)
    }
    part = arguments.text("keyword").lower()
    return [
        row
        for row in rows
        if all(getattr(row, attribute) == value for attribute, value in wanted.items())
        and part in str(getattr(row, keyword)).lower()
    ]
