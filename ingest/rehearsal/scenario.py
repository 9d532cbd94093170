"""What goes wrong in a drill: drawn from a seed, or read from a script of faults."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingest.twin.faults.script import Script

_TROUBLES = (
    "management server killed",
    "pool full",
    "host lost",
    "polls time out",
    "vCenter session lost",
    "worker killed",
)
_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Scenario:
    """`troubles` in words, the twin's faults, and after how many imports taken our own worker is killed."""

    troubles: tuple[str, ...]
    script: Script
    kills: tuple[int, ...] = ()


def drawn_scenario(seed: int, *, rows: int, hosts: Sequence[str], lasts_s: float) -> Scenario:
    """Three of six kinds of trouble, somewhere in the middle of an import of so many rows that lasts so long; the same
    for the same seed and site."""
    chance = random.Random(f"drill {seed}")  # noqa: S311  trouble, not secrets
    chosen = sorted(chance.sample(_TROUBLES, _AT_ONCE))
    faults: list[dict[str, Any]] = []
    kills: list[int] = []
    words: list[str] = []
    for trouble in chosen:
        nth = chance.randint(2, max(2, rows - 1))
        at_s = round(chance.uniform(0.1, 0.7) * lasts_s, 1)
        if trouble == "management server killed":
            step = chance.choice(("found", "committed", "volumes"))
            down_s = chance.randint(10, 40)
            faults.append({"kind": "cloudstack-restart", "step": step, "nth": nth, "seconds": down_s})
            words.append(f"{trouble} when import {nth} is at '{step}', for {down_s} s")
        elif trouble == "pool full":
            faults.append({"kind": "capacity", "nth": nth, "step": "checked"})
            words.append(f"{trouble} for import {nth}")
        elif trouble == "host lost":
            host, gone_s = chance.choice(sorted(hosts)), chance.randint(30, 120)
            faults.append({"kind": "host-down", "host": host, "after_seconds": at_s, "seconds": gone_s})
            words.append(f"{trouble} ({host}) after {at_s:g} s, for {gone_s} s")
        elif trouble == "polls time out":
            times = chance.randint(3, 8)
            for command in ("listAsyncJobs", "queryAsyncJobResult"):
                faults.append(
                    {"kind": "status", "status": 504, "when": "after", "command": command, "nth": nth, "times": times}
                )
            words.append(f"{trouble} {times} times from question {nth} on")
        elif trouble == "vCenter session lost":
            faults.append({"kind": "session-expiry", "after_seconds": at_s})
            words.append(f"{trouble} after {at_s:g} s")
        else:
            kills.append(nth)
            words.append(f"{trouble} when {nth} imports were taken")
    script = Script.model_validate({"seed": seed, "faults": faults})
    return Scenario(tuple(words), script, tuple(sorted(kills)))


def scripted(script: Script, kills: Sequence[int] = ()) -> Scenario:
    """A script's faults, and our worker killed after so many imports taken."""
    words = [f"{fault.name or fault.kind}" for fault in script.faults]
    words += [f"worker killed when {number} imports were taken" for number in sorted(kills)]
    return Scenario(tuple(words), script, tuple(sorted(kills)))
