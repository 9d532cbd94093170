"""Findings grouped by what causes them: a page of three causes is read, one of 137 rows is not."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SEVERITY = ("critical", "warning", "info")
_MOST_NAMES = 8
_MOST_MESSAGES = 5


@dataclass(frozen=True, slots=True)
class Cause:
    """All findings of one rule and level: how many rows, what is said how often, how to mend it, whom it hits.

    `messages` are (text, rows) of the most frequent ones, `more` counts the others. `command` selects the rows.
    """

    rule: str
    level: str
    rows: int
    messages: tuple[tuple[str, int], ...]
    more: int
    fix: str
    vms: str
    why: str = ""
    command: str = ""


def causes_of(
    findings: Sequence[Mapping[str, str]], *, why: Mapping[str, str] | None = None, plan: str = ""
) -> list[Cause]:
    """The causes, the most severe first, then the most frequent. `why` explains rules, `plan` is the sheet's path."""
    grouped: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for finding in findings:
        grouped.setdefault((finding["rule"], finding["level"]), []).append(finding)
    levels = Counter(rule for rule, _ in grouped)
    causes = []
    for (rule, level), members in grouped.items():
        names = list(dict.fromkeys(member["vm"] for member in members))
        vms = ", ".join(names[:_MOST_NAMES])
        if len(names) > _MOST_NAMES:
            vms += f" and {len(names) - _MOST_NAMES} more"
        rows_by_message: dict[str, set[str]] = {}
        for member in members:
            rows_by_message.setdefault(member["message"], set()).add(member["row"])
        messages = sorted(((text, len(rows)) for text, rows in rows_by_message.items()), key=lambda one: -one[1])
        causes.append(
            Cause(
                rule=rule,
                level=level,
                rows=len({member["row"] for member in members}),
                messages=tuple(messages[:_MOST_MESSAGES]),
                more=max(0, len(messages) - _MOST_MESSAGES),
                fix=members[0]["fix"],
                vms=vms,
                why=(why or {}).get(rule, ""),
                command=_command(plan, rule, level if levels[rule] > 1 else "") if plan else "",
            )
        )
    return sorted(causes, key=lambda cause: (_SEVERITY.index(cause.level), -cause.rows, cause.rule))


def _command(plan: str, rule: str, level: str) -> str:
    """A rule that some rows accepted stands at two levels: two causes with rows of their own."""
    return f"ingest check {shlex.quote(plan)} --rule {shlex.quote(rule)}" + (f" --level {level}" if level else "")


def rows_hit(findings: Sequence[Mapping[str, str]]) -> int:
    """How many rows have a finding."""
    return len(Counter(finding["row"] for finding in findings))
