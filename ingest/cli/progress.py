"""What happens, as it happens: a live table on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from ingest.cli.live_table import frame, heading, one_line
from ingest.cli.screen import Screen
from ingest.engine.events import Event, ImportBegan, RowDone, StageDone, StageStarted, StageStep, listening
from ingest.engine.picture import Picture

_BEAT = "-\\|/"


@contextmanager
def shown(console: Console, *, live: bool = True) -> Iterator[None]:
    """Show the events of this process on the console while the block runs; on a terminal as a `live` table."""
    if live and console.is_terminal and not console.is_dumb_terminal:
        table = _Table(console)
        with table.screen, listening(table):
            yield
    else:
        with listening(_Lines(console)):
            yield


class _Lines:
    """A line per stage, and per row when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._picture = Picture()

    def __call__(self, event: Event) -> None:
        self._picture(event)
        if isinstance(event, StageDone):
            self._console.print(f"{event.stage}: {event.summary}", markup=False)
        elif isinstance(event, StageStep):
            self._console.print(f"{event.stage}: {event.detail} ...", markup=False)
        elif isinstance(event, RowDone):
            one, now = event.outcome, self._picture.figures()
            error = f": {one.error}" if one.error else ""
            self._console.print(
                f"[{now.done}/{now.total}] {one.vm}: {one.status} in {one.duration_s:.1f} s "
                f"({now.rate}, {now.in_flight} in flight, left: {now.time_left}){error}",
                markup=False,
            )


class _Table:
    """The stage at work in a line, an import as a table that fits the terminal; stages that are over stay above it.

    When all is over the sums stay.
    """

    def __init__(self, console: Console) -> None:
        self.screen = Screen(console, self._draw)
        self._picture = Picture()
        self._stage = ""
        self._detail = ""
        self._imports = False  # the run has come to its imports
        self._rows = False  # they are under way

    def __call__(self, event: Event) -> None:
        self._picture(event)
        if isinstance(event, StageStarted):
            self._stage, self._detail = event.stage, ""
            self._rows = bool(event.total)
            self._imports = self._imports or self._rows
        elif isinstance(event, StageStep):
            self._detail = event.detail
        elif isinstance(event, ImportBegan):
            self._imports = self._rows = True
        elif isinstance(event, StageDone):
            self.screen.say(f"{event.stage}: {one_line(event.summary)}")
            self._stage, self._rows = "", False

    def _draw(self, width: int, height: int) -> list[Text]:
        if self._rows and not self.screen.over:
            return frame(self._picture, width, height)
        lines = heading(self._picture.figures(), width) if self._imports else []
        if self._stage and not self.screen.over:
            beat = _BEAT[int(4 * time.monotonic()) % len(_BEAT)]
            lines.append(Text(f"{beat} {self._stage} {one_line(self._detail)}"))
        return lines
