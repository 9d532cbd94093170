"""What one part of a runbook says of another: prerequisites, people, identities. Judged without a plan."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from ingest.model.outcome import Finding
from ingest.runbook.catalogue import found
from ingest.runbook.model import Runbook, Step


def named_places(runbook: Runbook) -> dict[str, tuple[float, str]]:
    """Every name a prerequisite may use: (when it ends, what it is). Waves end at their number from 1.

    A step before a wave ends half a step before that wave, one after it half a step after.
    """
    places: dict[str, tuple[float, str]] = {}

    def add(steps: Sequence[Step], before: float, after: float) -> None:
        for step in steps:
            if step.name:
                places[step.name] = (before if step.when == "before" else after, "step")

    add(runbook.steps, 0.0, len(runbook.waves) + 1.0)
    for number, wave in enumerate(runbook.waves, start=1):
        add(wave.steps, number - 0.5, number + 0.25)
        places[wave.name] = (float(number), "wave")
    return places


def prerequisite_findings(runbook: Runbook) -> list[Finding]:
    """Prerequisites that do not exist, that only end after the wave has begun, and those that wait for each other."""
    places = named_places(runbook)
    findings = []
    for number, wave in enumerate(runbook.waves, start=1):
        for index, name in enumerate(wave.prerequisites):
            key = f"waves[{number - 1}].prerequisites[{index}]"
            if name not in places:
                close = difflib.get_close_matches(name, places, 1)
                near = f"; nearest: {close[0]}" if close else ""
                findings.append(
                    found("PRE-001", f"wave {wave.name} needs '{name}', which is no wave and no step{near}", column=key)
                )
                continue
            ends, kind = places[name]
            if name == wave.name:
                findings.append(found("PRE-002", f"wave {name} waits for itself", column=key))
            elif ends >= number:
                circle = _circle(runbook, wave.name, name)
                text = f"wave {wave.name} needs the {kind} '{name}', which ends only after that wave has begun"
                findings.append(found("PRE-002", f"{text}{f' (a circle: {circle})' if circle else ''}", column=key))
    return findings


def _circle(runbook: Runbook, start: str, needed: str) -> str:
    """`a -> b -> a` when the needed wave needs the start in turn, else ''."""
    needs: Mapping[str, Sequence[str]] = {wave.name: wave.prerequisites for wave in runbook.waves}
    trails = [[start, needed]]
    seen = {needed}
    while trails:
        trail = trails.pop(0)
        for name in needs.get(trail[-1], ()):
            if name == start:
                return " -> ".join([*trail, start])
            if name not in seen:
                seen.add(name)
                trails.append([*trail, name])
    return ""


def people_findings(runbook: Runbook) -> Iterator[Finding]:
    """Roles that steps and gates name and `people` does not have, and gates that ask nobody."""
    roles = [person.role for person in runbook.people]

    def missing(who: str, key: str) -> Iterator[Finding]:
        if who and who not in roles:
            close = difflib.get_close_matches(who, roles, 1)
            near = f"; nearest: {close[0]}" if close else ""
            yield found("PEOPLE-001", f"'{who}' is no role of people{near}", column=key)

    for index, step in enumerate(runbook.steps):
        yield from missing(step.who, f"steps[{index}].who")
    for number, wave in enumerate(runbook.waves):
        for index, step in enumerate(wave.steps):
            yield from missing(step.who, f"waves[{number}].steps[{index}].who")
        yield from missing(wave.asks, f"waves[{number}].asks")
        if wave.gate == "ask" and not wave.asks:
            key = f"waves[{number}].gate"
            yield found("PEOPLE-001", f"the gate of {wave.name} asks a person, and asks does not say whom", column=key)


def site_findings(runbook: Runbook) -> Iterator[Finding]:
    """Registration settings that take a VM's identity away."""
    for index, site in enumerate(runbook.sites):
        if site.identity == "copied":
            yield found(
                "SITE-001", f"site {site.name}: VMs get new instance UUIDs and MACs", column=f"sites[{index}].identity"
            )
