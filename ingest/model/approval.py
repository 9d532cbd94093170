"""What a person decided about a plan before anything was written, and what they were asked."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["approved", "rejected", "unanswered", "plan changed"]


class Ask(BaseModel):
    """A question put to a person: its key, the plan it showed, who asks (a flow run's id), how the run waits."""

    model_config = ConfigDict(frozen=True)

    key: str
    digest: str
    asker: str
    mode: Literal["suspend", "pause"]


class Decision(BaseModel):
    """What was decided. `waves` are the approved ones, () all. `by` is a name as it was given, `at` UTC ISO 8601.

    `ask` is the key of the question, '' when nobody was asked (`auto_approve`, `--yes`). `digest` is that of the plan
    that was shown.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    digest: str
    at: str
    by: str
    asker: str
    ask: str = ""
    waves: tuple[int, ...] = ()
    reason: str = ""

    @property
    def approved(self) -> bool:
        """Whether anything may be written."""
        return self.verdict == "approved"

    @property
    def text(self) -> str:
        """For people, in a line: `approved by Ann, only wave 1 (plan 3fa9c2d17b04)`."""
        by = f" by {self.by}" if self.by else ""
        waves = f", only wave {', '.join(map(str, self.waves))}" if self.waves else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.verdict}{by}{waves}{reason} (plan {self.digest[:12]})"


class Approvals(BaseModel):
    """Everything asked and decided in one run folder, in order."""

    model_config = ConfigDict(frozen=True)

    asks: tuple[Ask, ...] = ()
    decisions: tuple[Decision, ...] = ()
