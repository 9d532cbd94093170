"""Spans of time as people write and read them: `90 s`, `15min`, `1h 30min`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)
LONGEST = timedelta(days=30)


def read_span(text: object) -> object:
    """The span behind a text; anything but a text is handed on. Raises ValueError for what is no span.

    A number without a unit is refused: nobody can tell minutes from seconds.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return text
    said = str(text)
    at, seconds = 0, 0.0
    while part := _PART.match(said, at):
        unit = _UNITS.get(part[2].lower())
        if unit is None:
            break
        seconds += float(part[1]) * unit
        at = part.end()
    if said[at:].strip() or not at:
        raise ValueError(f"'{said}' is no span of time: write a number and its unit, such as 90s, 15min or 1h 30min")
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"'{said}' is longer than {LONGEST.days} days")
    return timedelta(seconds=seconds)


Span = Annotated[timedelta, BeforeValidator(read_span)]


def in_words(span: timedelta | float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 5 min`: whole seconds below an hour, whole minutes above. Takes seconds too."""
    seconds = round(span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < 0:
        return f"-{in_words(-seconds)}"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        minutes, rest = divmod(seconds, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
