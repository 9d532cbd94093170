"""A recovery as it happens: the RTO clock and the wave at work on a terminal, plain lines otherwise; people asked."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from ingest.cli.clock_table import clock_lines
from ingest.cli.live_table import frame, one_line
from ingest.cli.screen import Screen
from ingest.counting import counted
from ingest.engine.events import (
    ClockRead,
    Event,
    ImportBegan,
    PersonAnswered,
    PersonAsked,
    RowDone,
    StageDone,
    TargetAtRisk,
    VmChecked,
    VmStarted,
    WaveBegan,
    WaveOver,
    listening,
)
from ingest.engine.picture import Picture
from ingest.recovery.people import Request, Signature


class RecoveryView:
    """Listens while the block of `shown` runs. On a terminal the clock burns down below the lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._lock = threading.Lock()
        self._screen: Screen | None = None
        self._clock: ClockRead | None = None
        self._picture = Picture()
        self._importing = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show what happens while the block runs."""
        self._open()
        try:
            with listening(self):
                yield
        finally:
            self._close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The terminal is somebody else's while the block runs."""
        self._close()
        try:
            yield
        finally:
            self._open()

    def __call__(self, event: Event) -> None:
        self._picture(event)
        if isinstance(event, ClockRead):
            self._clock = event
        elif isinstance(event, ImportBegan):
            self._importing = True
        elif isinstance(event, StageDone) and event.stage == "import_batch":
            self._importing = False
        words = _words(event)
        if words:
            self._say(words)

    def _say(self, text: str) -> None:
        with self._lock:
            if self._screen is not None:
                self._screen.say(text)
            else:
                self._console.print(text, markup=False)

    def _open(self) -> None:
        if self._live:
            screen = Screen(self._console, self._draw)
            screen.__enter__()
            with self._lock:
                self._screen = screen

    def _close(self) -> None:
        with self._lock:
            screen, self._screen = self._screen, None
        if screen is not None:
            screen.__exit__(None, None, None)

    def _draw(self, width: int, height: int) -> list[Text]:
        lines = clock_lines(self._clock, width) if self._clock else []
        if self._importing and height - len(lines) > 4:
            lines += frame(self._picture, width, height - len(lines))
        return lines[:height]


def _words(event: Event) -> str:
    """What an event says for good, '' for nothing."""
    match event:
        case StageDone(stage, summary):
            return f"{stage}: {one_line(summary)}"
        case WaveBegan(number, name, vms):
            return f"wave {number} {one_line(name)}: {counted(vms, 'VM')}"
        case RowDone(one) if one.status != "imported":
            return f"  {one_line(one.vm)}: {one.status}: {one_line(one.error)}"
        case VmStarted(_, vm, status, error) if error:
            return f"  {one_line(vm)}: start {status}: {one_line(error)}"
        case VmChecked(_, vm, False, error):
            return f"  {one_line(vm)}: not healthy: {one_line(error)}"
        case PersonAsked(key, say, who):
            return f"{one_line(who) or 'somebody'} has to sign '{one_line(key)}': {one_line(say)}"
        case PersonAnswered(key, name, decision):
            return f"'{one_line(key)}': {decision}, signed by {one_line(name)}"
        case TargetAtRisk(_, text):
            return f"WARNING: {one_line(text)}"
        case WaveOver(number, name, verdict, why):
            return f"wave {number} {one_line(name)}: {verdict}{f': {one_line(why)}' if why else ''}"
        case _:
            return ""


class Terminal:
    """Asks whoever sits in front of it. Nobody does when stdin is no terminal: then there is no answer."""

    def __init__(self, view: RecoveryView, console: Console) -> None:
        self._view = view
        self._console = console

    def ask(self, request: Request) -> Signature | None:
        if not sys.stdin.isatty():
            return None
        with self._view.paused():
            self._console.print(f"\n{request.say}", markup=False, style="bold")
            decision = request.choices[0]
            if len(request.choices) > 1:
                decision = self._line(f"{' or '.join(request.choices)}? ").lower()
                if decision not in request.choices:
                    return None
            name = self._line(f"{request.who or 'who'} signs with their name (nothing: not yet): ")
        return Signature(name, decision) if name else None

    def _line(self, prompt: str) -> str:
        self._console.print(prompt, end="", markup=False)
        try:
            return input().strip()
        except EOFError:
            return ""
