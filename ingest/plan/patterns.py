"""What a rule compares a VM with: text patterns and ranges of numbers.

A text pattern is a glob (`web*`, `db-??`), or, after `re:`, a regular expression that has to fit the whole text. Case
does not matter in either. A list of patterns fits when one of them does.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

REGEX = "re:"


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression. Raises ValueError for one that cannot be read."""
    if not pattern.startswith(REGEX):
        return re.compile(fnmatch.translate(pattern), re.IGNORECASE)
    try:
        return re.compile(pattern.removeprefix(REGEX), re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"'{pattern}' is no regular expression: {error}") from None


def _readable(pattern: str) -> str:
    compiled(pattern)
    return pattern


Pattern = Annotated[str, AfterValidator(_readable)]
Patterns = Pattern | list[Pattern]


def fits(patterns: Patterns, texts: Iterable[str]) -> bool:
    """Whether any of the texts fits any of the patterns."""
    wanted = [compiled(one) for one in ([patterns] if isinstance(patterns, str) else patterns)]
    return any(one.fullmatch(text) for text in texts for one in wanted)


class Range(BaseModel):
    """Numbers from `min` to `max`, both included; one of them may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: float | None = Field(default=None, ge=0)
    max: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is more than max {self.max:g}")
        return self

    def holds(self, number: float) -> bool:
        """Whether the number is in the range."""
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)


Numbers = float | Range


def holds(wanted: Numbers, number: float) -> bool:
    """Whether a number is the wanted one, or in the wanted range."""
    return wanted.holds(number) if isinstance(wanted, Range) else number == wanted
