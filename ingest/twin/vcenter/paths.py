"""Property paths: `config.hardware.device[4000].backing` read, checked against the API, followed in a value.

A real vCenter refuses the whole call when one path is wrong, so paths are checked before anything is read: against
the declared types only, which means that a member of a subclass cannot be reached (`config.defaultPortConfig.vlan`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ingest.twin.vcenter.faults import invalid_property
from ingest.twin.vcenter.schema import Slot, UnknownType, in_version, members
from ingest.twin.vcenter.values import Data, Ref, Value, computed

_STEP = re.compile(r'([A-Za-z_]\w*)(?:\[(?:"([^"]*)"|([^\]"]+))\])?(?:\.(?=.)|$)')


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a path: the member, and the key of the wanted array item or None."""

    name: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Path:
    """A checked path: its text, its steps, and what its last step declares (an item, not an array, after a key)."""

    text: str
    steps: tuple[Step, ...]
    slot: Slot


@lru_cache(maxsize=4096)
def checked(kind: str, text: str, version: str) -> Path:
    """The path of managed class `kind`, checked for the API version the server speaks. Raises VimFault."""
    steps = _steps(text)
    slot: Slot | None = None
    declared_in = kind
    for step in steps:
        if slot is not None:
            # An array can only be left through a key, and neither a scalar nor a reference has members.
            if slot.array or slot.simple or slot.managed or slot.enum:
                raise invalid_property(text)
            declared_in = slot.type
        try:
            slot = members(declared_in).get(step.name)
        except UnknownType:
            slot = None
        if slot is None or not in_version(slot.version, version):
            raise invalid_property(text)
        if step.key is not None:
            slot = _item(slot, text)
    if slot is None:
        raise invalid_property(text)
    return Path(text, steps, slot)


def _steps(text: str) -> tuple[Step, ...]:
    steps, position = [], 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise invalid_property(text)
        name, quoted, bare = match.groups()
        steps.append(Step(name, quoted if quoted is not None else bare))
        position = match.end()
    return tuple(steps)


def _item(slot: Slot, text: str) -> Slot:
    keyed = slot.array and not slot.simple and not slot.managed and "key" in members(slot.type)
    if not keyed:
        raise invalid_property(text)
    return Slot(slot.name, slot.type, False, True, slot.version, slot.simple, slot.fault, slot.managed, slot.enum)


def follow(value: Value, steps: tuple[Step, ...]) -> Value:
    """What `steps` lead to, given the value of the first step; None when something on the way is unset."""
    value = _pick(computed(value), steps[0].key)
    for step in steps[1:]:
        if not isinstance(value, Data):
            return None
        value = _pick(value.get(step.name), step.key)
    return value


def _pick(value: Value, key: str | None) -> Value:
    if key is None or not isinstance(value, list):
        return value
    for item in value:
        if isinstance(item, Data) and str(item.get("key")) == key:
            return item
    return None


def references(value: Value) -> list[Ref]:
    """The references in a property that a traversal may follow."""
    value = computed(value)
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, list):
        return [item for item in value if isinstance(item, Ref)]
    return []
