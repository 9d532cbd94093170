"""The RTO clock of a recovery as lines for a terminal. Pure."""

from __future__ import annotations

from rich.text import Text

from ingest.cli.live_table import one_line
from ingest.engine.events import ClockRead
from ingest.runbook.clock import Reading
from ingest.runbook.spans import in_words

_STYLES = {"done": "green", "running": "cyan", "stopped": "red", "waiting": "dim"}
_NAME = 24


def clock_lines(read: ClockRead, width: int) -> list[Text]:
    """One line per wave and one for the recovery: state, what is left of the target, when it will be over."""
    lines = [Text(f"{'RTO clock':<{_NAME}} {'state':<8} {'left':>12}  {'over after':>12}  target", style="dim")]
    lines += [_line(one) for one in read.clock.readings]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines


def _line(one: Reading) -> Text:
    text = Text(end="")
    text.append(f"{one_line(one.name)[:_NAME]:<{_NAME}} ", "bold" if one.name == "recovery" else "")
    text.append(f"{one.state:<8} ", _STYLES[one.state])
    text.append(f"{_span(one.left_s):>12}  {_span(one.end_s):>12}  ", "red" if one.missed else "")
    text.append(one.text, "red" if one.missed else "green" if one.ahead_s is not None else "dim")
    return text


def _span(seconds: float | None) -> str:
    return "" if seconds is None else in_words(seconds)
