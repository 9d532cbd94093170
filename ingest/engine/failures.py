"""Rows that need a hand, grouped by cause: 137 rows, 3 causes, each with the server's words and one cure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.engine.server_words import OTHER, Cause, SubjectKind, cause_of
from ingest.model.outcome import URGENCY, FailedTogether, Outcome, Status

# What our own outcomes need; the server's failures have the cure of their cause.
_OWN: dict[Status, tuple[str, str]] = {
    "unknown": ("its end was not seen: it may be there, in part or whole", "ingest settle looks and says what is true"),
    "incomplete": ("CloudStack has a part of it", "ingest settle --yes gives it back; then import it again"),
    "held": ("not sent", "mend what the text says; what changed in vCenter needs a new plan (ingest plan --update)"),
}
# Each row has its own, so that it tells no two causes apart.
_OF_A_ROW: frozenset[SubjectKind] = frozenset({"vm", "mac", "nic", "disk", "hostname", "address", "job"})
_VARYING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\d+", re.IGNORECASE)


def failed_together(outcomes: Iterable[Outcome]) -> list[FailedTogether]:
    """Failed, incomplete, unknown and held rows by cause and object, the most frequent first."""
    groups: dict[tuple[str, ...], list[tuple[Cause, Outcome]]] = {}
    for one in outcomes:
        if one.status == "failed" or one.status in _OWN:
            cause = _cause(one)
            groups.setdefault(_kind(one, cause), []).append((cause, one))
    found = [_together(members) for members in groups.values()]
    return sorted(found, key=lambda group: (URGENCY.index(group.status), -len(group.rows), group.rows[0]))


def _cause(one: Outcome) -> Cause:
    if one.status == "failed":
        return cause_of(0, one.error)
    return Cause(one.status, *_OWN[one.status])


def _kind(one: Outcome, cause: Cause) -> tuple[str, ...]:
    """Rows of the same kind have one cause: at the same object, or by texts that differ in the row's own names only."""
    if cause.subject and cause.subject_kind not in _OF_A_ROW:
        return one.status, cause.id, cause.subject
    if cause.id != OTHER.id and one.status == "failed" and not cause.subject:
        return one.status, cause.id
    text = one.error
    for own in filter(None, (cause.subject, one.vm)):
        text = text.replace(own, "*")
    return one.status, cause.id, _VARYING.sub("*", text)


def _together(members: list[tuple[Cause, Outcome]]) -> FailedTogether:
    members = sorted(members, key=lambda member: member[1].row)
    cause, first = members[0]
    in_common = {one.subject for one, _ in members} == {cause.subject}
    return FailedTogether(
        status=first.status,
        cause=cause.what,
        subject=cause.subject if in_common else "",
        words=first.error,
        cure=cause.cure,
        rows=tuple(one.row for _, one in members),
        vms=tuple(one.vm for _, one in members),
    )
