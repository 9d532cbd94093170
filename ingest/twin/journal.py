"""What truly happened in the twin, in order: never what a client believes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ingest.twin.clock import Clock

Fact: TypeAlias = str | int | float | bool


@dataclass(slots=True)
class Entry:
    """One happening. `at` is the twin's wall clock in seconds since the epoch."""

    at: float
    kind: str
    facts: dict[str, Fact] = field(default_factory=dict)


class _Dated:
    """Holds the clock of the world the journal belongs to. The clock is not a field: it is not saved."""

    __slots__ = ("_clock",)
    _clock: Clock

    def follow(self, clock: Clock) -> None:
        """Date entries by this clock from now on."""
        self._clock = clock


@dataclass(slots=True)
class Journal(_Dated):
    """What truly happened, for tests to assert on. Saved with its world.

    `imports` are (vm moref, instance id) in commit order; `requests` counts API calls per command, `vcenter_calls`
    SOAP calls per method; `imports_running` now and `peak_imports_running` ever count import jobs between the start
    and end of their work. `entries` tell the story; `ingest.twin.truth` draws conclusions from both.
    """

    imports: list[tuple[str, str]] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    imports_accepted: int = 0
    imports_running: int = 0
    peak_imports_running: int = 0
    vcenter_calls: dict[str, int] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def record(self, kind: str, **facts: Fact) -> None:
        """One more entry, dated now. Call it with the world's lock held, where the thing happens."""
        clock = getattr(self, "_clock", None) or Clock()
        self.entries.append(Entry(clock.now(), kind, facts))

    def of(self, *kinds: str) -> list[dict[str, Fact]]:
        """The facts of all entries of these kinds, in order."""
        return [entry.facts for entry in self.entries if entry.kind in kinds]
