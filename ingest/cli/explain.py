"""`ingest explain`: what a rule means, why it is there, and what to do."""

from __future__ import annotations

import difflib
import sys

from ingest.cli.output import Format, show
from ingest.errors import UsageError
from ingest.plan.causes import CAUSES
from ingest.plan.checks import CHECKS

COLUMNS = ("rule", "level", "why", "cure")


def explain(rule: str | None = None, *, format: Format = "table") -> int:
    """Explain a rule of the checks, such as HOST-003. Without one, list all. Needs no server.

    Parameters
    ----------
    rule
        Id of the rule, as it stands in the column finding.
    format
        Format on stdout.
    """
    catalogue = {check.id: check for check in CHECKS}
    if rule is None:
        rows = [{"rule": c.id, "level": c.level, "why": CAUSES[c.id], "cure": c.fix} for c in CHECKS]
        show(rows, COLUMNS, format)
        return 0
    check = catalogue.get(rule.upper())
    if check is None:
        close = difflib.get_close_matches(rule.upper(), catalogue, 3)
        near = f"; nearest: {', '.join(close)}" if close else ""
        raise UsageError(f"there is no rule {rule}{near}", cure="ingest explain")
    facts = {
        "rule": check.id,
        "level": check.level,
        "column": check.show.removeprefix("@"),
        "says": check.message.replace("{value}", "..."),
        "why": CAUSES[check.id],
        "cure": check.fix,
        "accept": f"write {check.id} into the column accept" if check.waivable else "no",
        "mirrors": check.mirrors,
        "rows": f"ingest check PLAN --rule {check.id}",
    }
    if format == "table":
        sys.stdout.write("".join(f"{name + ':':9}{text}\n" for name, text in facts.items()))
    else:
        show([facts], list(facts), format)
    return 0
