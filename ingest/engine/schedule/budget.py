"""How many failures a run puts up with: after some of one cause its rows wait, after some in all the line stops."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from ingest.counting import counted
from ingest.engine.schedule.traits import Shared, Traits


class Cause(Protocol):
    """Why a row failed. `subject` is what the server's text names, '' when it names nothing; `subject_kind` is one of
    the kinds of `Shared` or ''."""

    @property
    def id(self) -> str: ...

    @property
    def what(self) -> str: ...

    @property
    def subject_kind(self) -> str: ...

    @property
    def subject(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Line:
    """What failures are counted by."""

    cause: str
    kind: str
    subject: str

    def concerns(self, shared: Shared) -> bool:
        return shared.kind == self.kind and self.subject in shared.names


class FailureBudget:
    """Counts failures. `per_cause` failures of one cause at one object hold the rows that need this object, `total`
    failures of any kind stop the line; 0 is no limit. Thread-safe.

    A text that names no object stands for the failed row's own one of the cause's kind, if it has exactly one. A cause
    without any object holds no row, because nobody can say which others it will meet; it counts for the total.
    """

    def __init__(self, per_cause: int, total: int) -> None:
        if per_cause < 0 or total < 0:
            raise ValueError(f"a budget is 0 (no limit) or more, not {per_cause} and {total}")
        self._per_cause = per_cause
        self._total = total
        self._lock = threading.Lock()
        self._counts: Counter[_Line] = Counter()
        self._words: dict[_Line, str] = {}
        self._used_up: dict[_Line, None] = {}
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures so far."""
        return self._failures

    @property
    def stopped(self) -> str:
        """Why nothing more is to be begun, '' while the total lasts."""
        if self._total and self._failures >= self._total:
            return f"{counted(self._failures, 'row')} failed, {self._total} allowed"
        return ""

    def count(self, cause: Cause, traits: Traits) -> None:
        """One more failure, of a row with these traits."""
        line = _Line(cause.id, cause.subject_kind, cause.subject or _own(cause.subject_kind, traits))
        with self._lock:
            self._failures += 1
            self._counts[line] += 1
            self._words.setdefault(line, cause.what)
            if self._per_cause and line.subject and self._counts[line] >= self._per_cause:
                self._used_up[line] = None

    def holds(self, traits: Traits) -> str:
        """Why a row with these traits is not to be begun now, '' when nothing speaks against it."""
        with self._lock:
            for line in self._used_up:
                shared = next((one for one in traits.objects if line.concerns(one)), None)
                if shared is not None:
                    name = next(iter(sorted(shared.names - {shared.id})), line.subject)
                    return f"{counted(self._counts[line], 'row')} failed at the {line.kind} {name}: {self._words[line]}"
        return ""


def _own(kind: str, traits: Traits) -> str:
    own = [shared.id for shared in traits.objects if shared.kind == kind]
    if kind == "offering":  # disk offerings follow the compute offering, which is what texts without a name mean
        own = own[:1]
    return own[0] if len(own) == 1 else ""
