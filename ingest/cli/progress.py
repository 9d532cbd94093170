"""What happens, as it happens: a bar with rate on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ingest.engine.events import Event, RowDone, RowStarted, StageDone, StageStarted, StageStep, listening


@contextmanager
def shown(console: Console) -> Iterator[None]:
    """Show the events of this process on the console while the block runs."""
    if console.is_terminal:
        bar = _Bar(console)
        with bar.progress, listening(bar):
            yield
    else:
        with listening(_Lines(console)):
            yield


class _Counting:
    """What both shows keep: outcomes, rows in flight, rate."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.in_flight = 0
        self.total = 0
        self.began = time.monotonic()

    def see(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self.total, self.began = event.total, time.monotonic()
        elif isinstance(event, RowStarted):
            self.in_flight += 1
        elif isinstance(event, RowDone):
            # A row that was not begun tells only of its end.
            self.in_flight = max(0, self.in_flight - 1)
            self.outcomes[event.outcome.status] += 1

    @property
    def done(self) -> int:
        return sum(self.outcomes.values())

    @property
    def per_minute(self) -> float:
        return 60 * self.done / max(time.monotonic() - self.began, 0.001)


class _Lines:
    """A line per stage, and per row when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen = _Counting()

    def __call__(self, event: Event) -> None:
        self._seen.see(event)
        if isinstance(event, StageDone):
            self._console.print(f"{event.stage}: {event.summary}", markup=False)
        elif isinstance(event, StageStep):
            self._console.print(f"{event.stage}: {event.detail} ...", markup=False)
        elif isinstance(event, RowDone):
            one, seen = event.outcome, self._seen
            error = f": {one.error}" if one.error else ""
            self._console.print(
                f"[{seen.done}/{seen.total}] {one.vm}: {one.status} in {one.duration_s:.1f} s "
                f"({seen.per_minute:.0f}/min, {seen.in_flight} in flight){error}",
                markup=False,
            )


class _Bar:
    """One bar per stage; the import's shows rate and imports in flight, failures stay on the screen."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._seen = _Counting()
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        self._seen.see(event)
        if isinstance(event, StageStarted):
            self._task = self.progress.add_task(event.stage, total=event.total or None, note="")
        elif isinstance(event, StageStep) and self._task is not None:
            self.progress.update(self._task, note=escape(event.detail))
        elif isinstance(event, StageDone) and self._task is not None:
            total = self.progress.tasks[self._task].total or 1
            self.progress.update(self._task, total=total, completed=total, note=escape(event.summary))
        elif isinstance(event, (RowStarted, RowDone)) and self._task is not None:
            note = f"{self._seen.per_minute:.0f}/min, {self._seen.in_flight} in flight"
            self.progress.update(self._task, completed=self._seen.done, note=note)
            if isinstance(event, RowDone) and event.outcome.error:
                one = event.outcome
                self.progress.console.print(f"[red]{escape(one.vm)}[/]: {one.status}: {escape(one.error)}")
