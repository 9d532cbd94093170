"""The verdict on one call: the server takes it, refuses it with these words, or it cannot be known in advance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Answer = Literal["accept", "refuse", "unknown"]
Stage = Literal["sync", "job"]

UNSAID = "…"
"""Stands in a text for what the API never shows: internal numbers, ids of hidden objects."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A resource limit that does not allow a row. Amounts as the limit counts them: MiB, bytes of storage, or pieces.

    `holder` is the account, project or domain in words; `used` what it had when the plan was made, `planned` what rows
    before this one add, `requested` what this row asks for on top.
    """

    resource: str
    holder: str
    limit: int
    used: int
    planned: int
    requested: int


@dataclass(frozen=True)
class Verdict:
    """What the server will answer to one call.

    `refuse` has the error's `code`, its `text` up to internal ids (UNSAID stands for them), the `check` that gives it
    (`A34`), and the `stage`: at once, or as the result of the job. `doubts` say what the lists do not show: an
    `unknown` call passes if they turn out well; a refused one is refused in any case, but perhaps for one of them.
    """

    answer: Answer
    code: int = 0
    text: str = ""
    check: str = ""
    stage: Stage = "job"
    doubts: tuple[str, ...] = ()
    shortage: Shortage | None = None

    def says(self, text: str) -> bool:
        """Whether a server's text is the predicted one, up to internal ids."""
        return self._pattern.fullmatch(text) is not None

    @property
    def words(self) -> str:
        """Code and text, or the doubts, for people."""
        if self.answer == "refuse":
            return f"{self.code} {self.text}"
        return "; ".join(self.doubts)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(".+?".join(map(re.escape, self.text.split(UNSAID))), re.DOTALL)
