"""Case files: a change of the tiny world and of the base request, and what the server must say.

`$name` stands for the id of the object called so. `world` maps a path of attributes, keys and indexes to a value;
`meanwhile` is another such change, after the job was accepted and before it starts. `request` adds or replaces
parameters, null removes one. `first` is an import that succeeds before, made the same way. `limits` are (owner kind,
owner, resource, max). `fault` raises at a step what the server may meet there: `error` is a class of refusals.
`check` names the checks the case is about, of which a refused one fires the first. `left` says which MACs a clean-up
leaves behind, `stays` that the VM is imported although the job failed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from ingest.twin.world import World
from tests.twin.cloudstack.tiny import ident

FOLDER = Path(__file__).parents[2] / "cases" / "twin_import"


@dataclass(frozen=True)
class Case:
    check: str
    title: str
    world: dict[str, Any] = field(default_factory=dict)
    meanwhile: dict[str, Any] = field(default_factory=dict)
    limits: list[tuple[Literal["account", "domain"], str, str, int]] = field(default_factory=list)
    fault: dict[str, Any] | None = None
    left: list[str] = field(default_factory=list)
    stays: bool = False
    request: dict[str, str | None] = field(default_factory=dict)
    first: dict[str, str | None] | None = None
    user: str = "admin"
    refused: dict[str, Any] | None = None
    imported: dict[str, Any] | None = None

    @property
    def checks(self) -> list[str]:
        return self.check.split()

    def __str__(self) -> str:
        return f"{self.check} {self.title}"


def all_cases() -> list[Case]:
    return [
        Case(**_resolved(entry))
        for path in sorted(FOLDER.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def change(world: World, path: str, value: Any) -> None:
    """Set what `path` names; null deletes an entry of a dictionary or list."""
    *parents, last = path.split("/")
    target: Any = world
    for part in parents:
        target = _step(target, part)
    if isinstance(target, dict):
        if value is None:
            del target[last]
        else:
            target[last] = value
    elif isinstance(target, list):
        if value is None:
            del target[int(last)]
        else:
            target[int(last)] = value
    else:
        previous = getattr(target, last)
        setattr(target, last, tuple(value) if isinstance(previous, tuple) else value)


def _step(target: Any, part: str) -> Any:
    if isinstance(target, dict):
        return target[part]
    if isinstance(target, list):
        return target[int(part)]
    return getattr(target, part)


def _resolved(value: Any) -> Any:
    if isinstance(value, dict):
        return {_resolved(key): _resolved(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner) for inner in value]
    if isinstance(value, str):
        return re.sub(r"\$([a-zA-Z0-9-]+)", lambda match: ident(match[1]), value)
    return value
