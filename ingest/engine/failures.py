"""Rows the server refused, grouped by cause: 137 rows, 3 causes, each with the server's words and one cure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ingest.engine.server_words import Cause, cause_of
from ingest.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class FailedTogether:
    """Rows with one cause: what is wrong, with which object ('' when the text names none), the first text, the cure."""

    cause: str
    subject: str
    words: str
    cure: str
    rows: tuple[int, ...]
    vms: tuple[str, ...]

    @property
    def text(self) -> str:
        """For people, in one line: how many, which, why, the server's words, what to do."""
        shown = ", ".join(self.vms[:_MOST_NAMED]) + (", ..." if len(self.vms) > _MOST_NAMED else "")
        subject = f" ({self.subject})" if self.subject else ""
        cure = f" -> {self.cure}" if self.cure else ""
        return f'{len(self.rows)} failed [{shown}]: {self.cause}{subject}; the server: "{self.words}"{cure}'


_MOST_NAMED = 3


def failed_together(outcomes: Iterable[Outcome]) -> list[FailedTogether]:
    """The failed rows by cause and object, the most frequent first."""
    groups: dict[tuple[str, str], tuple[Cause, list[Outcome]]] = {}
    for one in outcomes:
        if one.status == "failed":
            cause = cause_of(0, one.error)
            groups.setdefault((cause.id, cause.subject), (cause, []))[1].append(one)
    found = [
        FailedTogether(
            cause=cause.what,
            subject=cause.subject,
            words=members[0].error,
            cure=cause.cure,
            rows=tuple(one.row for one in members),
            vms=tuple(one.vm for one in members),
        )
        for cause, members in groups.values()
    ]
    return sorted(found, key=lambda group: (-len(group.rows), group.rows[0]))
