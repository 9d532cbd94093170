"""Which rows of the plan a wave, a check or a start order speaks of: the `match` of the rules, asked of a row."""

from __future__ import annotations

from pydantic import Field

from ingest.plan.patterns import Patterns, fits
from ingest.plan.rules import Criteria
from ingest.plan.sheet import Row
from ingest.runbook.rows import vm_of


class Selection(Criteria):
    """All given criteria must hold; none at all selects every row.

    The plan is a table: what vCenter knows beyond it, such as custom attributes, belongs into a column of your own.
    """

    columns: dict[str, Patterns] | None = Field(
        None, description="column of the plan, your own included: pattern, e.g. `{tier: gold}`"
    )

    def selects(self, row: Row) -> bool:
        """Whether the row meets every criterion."""
        return self.fits(vm_of(row)) and all(fits(wanted, [row[name]]) for name, wanted in (self.columns or {}).items())
