"""What a recovery asks of people: sign-offs of steps, and what is to follow when critical VMs failed.

How they are asked is handed in: on a terminal, in the Prefect UI, or from signatures given beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from ingest.errors import Stopped, UsageError
from ingest.runbook.model import Runbook, Step, Wave

GO_ON, STOP = "continue", "stop"


@dataclass(frozen=True, slots=True)
class Request:
    """One question. `key` is what a signature names: a step's own name, else its place (`databases/before/1`).

    `who` is the role that answers, `choices` what can be answered: a step is done, a gate opens or stays shut.
    """

    key: str
    kind: Literal["step", "gate"]
    say: str
    who: str
    wave: str = ""
    choices: tuple[str, ...] = ("done",)


@dataclass(frozen=True, slots=True)
class Signature:
    """An answer: who gave it, and what was decided."""

    name: str
    decision: str = "done"
    words: str = ""


class People(Protocol):
    """Whoever is asked."""

    def ask(self, request: Request) -> Signature | None:
        """The answer; None when nobody can be asked here, or nobody answered. May take hours."""
        ...


class SignaturePending(Stopped):
    """A person has to sign or decide before anything goes on."""

    def __init__(self, request: Request, message: str, *, place: str, cure: str) -> None:
        super().__init__(message, place=place, cure=cure)
        self.request = request


@dataclass(frozen=True, slots=True)
class Given:
    """Signatures given beforehand, by key; a gate that is signed (`WAVE/gate`) opens. Others are left to `others`."""

    signs: Mapping[str, str]
    others: People | None = None

    def ask(self, request: Request) -> Signature | None:
        """The signature that was given, else what the others say."""
        name = self.signs.get(request.key, "")
        if name:
            return Signature(name, request.choices[0], "given beforehand")
        return self.others.ask(request) if self.others else None


NOBODY = Given({})


def step_requests(runbook: Runbook, when: Literal["before", "after"], wave: Wave | None = None) -> list[Request]:
    """The sign-offs before or after a wave, or the whole recovery, in order."""
    steps = [step for step in (wave.steps if wave else runbook.steps) if step.when == when]
    return [_request(step, number, wave) for number, step in enumerate(steps, start=1)]


def _request(step: Step, number: int, wave: Wave | None) -> Request:
    place = f"{wave.name}/{step.when}/{number}" if wave else f"{step.when}/{number}"
    return Request(step.name or place, "step", step.say, step.who, wave.name if wave else "")


def gate_request(wave: Wave, failed: str) -> Request:
    """The question of a wave's gate."""
    say = f"Critical VMs of {wave.name} failed: {failed}. Go on with the next wave?"
    return Request(f"{wave.name}/gate", "gate", say, wave.asks, wave.name, (GO_ON, STOP))


def known_keys(runbook: Runbook) -> list[str]:
    """Every key a signature can name, in the order they are asked for."""
    keys = [one.key for one in step_requests(runbook, "before")]
    for wave in runbook.waves:
        keys += [one.key for when in ("before", "after") for one in step_requests(runbook, when, wave)]
        keys += [f"{wave.name}/gate"] if wave.gate == "ask" else []
    return keys + [one.key for one in step_requests(runbook, "after")]


def read_signatures(texts: list[str], runbook: Runbook) -> dict[str, str]:
    """`STEP=NAME` as {step: name}. Raises UsageError for what is no signature, or names no step."""
    known = known_keys(runbook)
    found = {}
    for text in texts:
        key, equals, name = text.rpartition("=")
        if not equals or not key or not name.strip():
            raise UsageError(f"'{text}' is no signature", place="--sign", cure="--sign 'STEP=NAME'")
        if key not in known:
            cure = f"the runbook asks for: {', '.join(known) or 'nothing'}"
            raise UsageError(f"no step is called '{key}'", place="--sign", cure=cure)
        found[key] = name.strip()
    return found
