"""What happens, as it happens: a bar with rate on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ingest.engine.events import Event, JobOver, RowDone, RowStarted, StageDone, StageStarted, StageStep, listening
from ingest.engine.schedule.eta import NO_IDEA, eta

_ESTIMATE_EVERY_S = 1.0


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
    """What both shows keep: outcomes, rows in flight, rate, and when it will be over."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.total = 0
        self.began = time.monotonic()
        self._started: dict[int, float] = {}
        self._durations: list[float] = []
        self._slots = 1
        self._left = NO_IDEA
        self._left_at = 0.0

    def see(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, StageStarted):
            self.total, self.began = event.total, now
        elif isinstance(event, RowStarted):
            self._started[event.row] = now
            self._slots = max(self._slots, len(self._started))
        elif isinstance(event, JobOver):
            self._over(event.row, now)
        elif isinstance(event, RowDone):
            self._over(event.outcome.row, now)
            self.outcomes[event.outcome.status] += 1

    def _over(self, row: int, now: float) -> None:
        # A row that was not begun tells only of its end.
        began = self._started.pop(row, None)
        if began is not None:
            self._durations.append(now - began)

    @property
    def in_flight(self) -> int:
        return len(self._started)

    @property
    def done(self) -> int:
        return sum(self.outcomes.values())

    @property
    def per_minute(self) -> float:
        return 60 * self.done / max(time.monotonic() - self.began, 0.001)

    @property
    def left(self) -> str:
        """When the last row will be over, in words; worked out once a second at most."""
        now = time.monotonic()
        if now - self._left_at >= _ESTIMATE_EVERY_S:
            running = [now - began for began in self._started.values()]
            waiting = max(self.total - self.done - len(running), 0)
            estimate = eta(self._durations, running_s=running, waiting=waiting, in_flight=self._slots)
            self._left, self._left_at = estimate.text if estimate else NO_IDEA, now
        return self._left

    @property
    def note(self) -> str:
        """Rate, rows in flight, time left."""
        return f"{self.per_minute:.0f}/min, {self.in_flight} in flight, left: {self.left}"


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
                f"[{seen.done}/{seen.total}] {one.vm}: {one.status} in {one.duration_s:.1f} s ({seen.note}){error}",
                markup=False,
            )


class _Bar:
    """One bar per stage; the import's shows rate, imports in flight and time left; failures stay on the screen."""

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
            self.progress.update(self._task, completed=self._seen.done, note=self._seen.note)
            if isinstance(event, RowDone) and event.outcome.error:
                one = event.outcome
                self.progress.console.print(f"[red]{escape(one.vm)}[/]: {one.status}: {escape(one.error)}")
