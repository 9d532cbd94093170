"""What stays on a terminal: every line that was said, once, and one picture."""

from __future__ import annotations

import io
import logging
import re
import sys
import threading

import pytest
from rich.console import Console

from ingest.cli.progress import shown
from ingest.engine.events import ImportBegan, RowDone, RowRunning, RowStarted, StageDone, StageStarted, tell
from ingest.model.outcome import Outcome

ROWS = 40


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def screen_of(written: str, width: int, height: int) -> tuple[list[str], list[str]]:
    """What a terminal of that size shows, and what has scrolled out of it: the few controls rich draws with."""
    lines, above, row, column = [""] * height, [], 0, 0
    for control, number, letter, char in re.findall(r"(\x1b\[\??(\d*)[;\d]*([A-Za-z]))|(.|\n)", written):
        if control:
            if letter == "A":
                row = max(row - int(number or 1), 0)
            elif letter == "K":
                lines[row] = ""
            else:
                assert letter in "mhl", control
        elif char == "\r":
            column = 0
        else:
            if char == "\n" or column == width:
                column, row = 0, row + 1
                if row == height:
                    above.append(lines.pop(0))
                    lines.append("")
                    row -= 1
            if char != "\n":
                lines[row] = lines[row][:column].ljust(column) + char + lines[row][column + 1 :]
                column += 1
    return [line for line in lines if line.strip()], above


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (120, 60)], ids=str)
def test_nothing_is_left_behind_whatever_else_writes(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    width, height = size
    console = Console(stderr=True, width=width, height=height, highlight=False, soft_wrap=True)
    said = threading.Event()
    with shown(console):
        # As Prefect does it: a handler made meanwhile, which keeps the stream and looks behind what rich puts there.
        other = Console(file=sys.stderr, soft_wrap=True, width=width)
        log = logging.Logger("other")
        log.addHandler(logging.StreamHandler(sys.stderr))
        tell(StageDone("validate", "40 rows ready"))
        tell(ImportBegan("r", "runs/r", tuple((row, f"vm{row}") for row in range(2, ROWS + 2)), 4))
        tell(StageStarted("import_batch", ROWS))
        for row in range(2, ROWS + 2):
            tell(RowStarted(row, f"vm{row}"))
            tell(RowRunning(row, f"vm{row}"))
            if row % 10 == 0:
                said.wait(0.3)  # a picture or two
                log.error("job %d: %s", row, "asking again " * 8)
                other.print(f"task run {row} crashed")
            tell(RowDone(Outcome(row, f"vm{row}", "imported")))
        console.print("a line of the command's own")
    log.error("afterwards")
    console.print("at the end")
    shown_lines, above = screen_of(terminal.getvalue(), width, height)
    everything = "\n".join([*above, *shown_lines])
    assert sys.stderr is terminal
    for row in (10, 20, 30, 40):
        assert everything.count(f"job {row}: asking") == 1
        assert everything.count(f"task run {row} crashed") == 1
    assert everything.count("validate: 40 rows ready") == 1
    assert everything.count("a line of the command's own") == 1
    assert everything.count("import ━") == 1, everything
    assert " running " not in everything
    assert shown_lines[-4:-2] == ["40 imported", shown_lines[-3]]
    assert "left: nothing" in shown_lines[-3]
    assert shown_lines[-2:] == ["afterwards", "at the end"]
    assert terminal.getvalue().rfind("\x1b[?25h") > terminal.getvalue().rfind("\x1b[?25l")  # the cursor is back
