"""A terminal drawn by one thread: lines that stay, and below them a picture that is drawn anew a few times a second.

Whatever else writes to stderr meanwhile, Prefect's log above all, goes through that thread too: text that moves the
cursor between two pictures would leave pieces of the older one behind.
"""

from __future__ import annotations

import contextlib
import io
import queue
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

_FRAMES_PER_SECOND = 4


class Screen:
    """A context manager. `draw` gives the lines of the picture for a width and a height; it is called by the thread
    that draws, the last time when the block has been left."""

    def __init__(self, console: Console, draw: Callable[[int, int], list[Text]]) -> None:
        self._given = console
        self._draw = draw
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._stderr: TextIO | None = None

    def __enter__(self) -> Self:
        given = self._given
        self._own = Console(file=given.file, force_terminal=True, highlight=False, no_color=given.color_system is None)
        self._live = Live(self, console=self._own, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        stderr: TextIO = sys.stderr
        if id(given.file) == id(stderr):
            self._stderr, sys.stderr = stderr, _Diverted(stderr, self)
        self._own.size = given.size
        self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._stderr is not None:
            sys.stderr = self._stderr
        with contextlib.suppress(OSError):
            self._print_said()
            self._live.stop()

    @property
    def over(self) -> bool:
        """Whether the block has been left."""
        return self._over.is_set()

    def say(self, text: str) -> None:
        """A text that stays, above the picture; it is on the terminal a moment later. From any thread."""
        self._said.put(text)

    def _run(self) -> None:
        while not self._over.wait(1 / _FRAMES_PER_SECOND):
            self._own.size = self._given.size  # terminals change their size
            try:
                self._print_said()
                self._live.refresh()
            except OSError:  # the terminal is gone; the command goes on
                return

    def _print_said(self) -> None:
        lines = []
        while not self._said.empty():
            lines.append(self._said.get())
        if lines:
            self._own.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Lines are cut to what the terminal holds: a line the terminal breaks cannot be drawn anew.
        width, height = console.size
        lines = self._draw(width, height - 1)
        for number, line in enumerate(lines, 1):
            line.no_wrap = True
            line.end = "" if number == len(lines) else "\n"
            line.truncate(width, overflow="ellipsis")
            yield line


class _Diverted(io.TextIOBase):
    """Stands for stderr while a screen is drawn, and passes on afterwards: log handlers keep it for good."""

    def __init__(self, file: TextIO, screen: Screen) -> None:
        self._file = file
        self._screen = screen
        self._lock = threading.Lock()
        self._begun = ""

    def write(self, text: str) -> int:
        with self._lock:
            if self._screen.over:
                self._file.write(self._begun + text)
                self._begun = ""
            else:
                *lines, self._begun = (self._begun + text).split("\n")
                for line in lines:
                    self._screen.say(line)
        return len(text)

    def flush(self) -> None:
        if self._screen.over:
            self._file.flush()

    def isatty(self) -> bool:
        return self._file.isatty()

    def fileno(self) -> int:
        return self._file.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
