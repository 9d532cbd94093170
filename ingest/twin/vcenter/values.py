"""Values of the API as light Python trees: what property builders return and the renderer writes.

Scalars are Python's own; `Ref` is a managed object reference, `Data` a data object, a list an array, None an unset
member. A member may be a function without arguments: it is called only when somebody asks for that part, so a path
such as `config.name` does not build the device list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

Lazy: TypeAlias = Callable[[], "Value"]


@dataclass(frozen=True, slots=True)
class Ref:
    """A managed object reference: class name and managed object id."""

    kind: str
    moref: str


class Data:
    """A data object: its vSphere type and its members. Treat as immutable; `inner` keeps the rendered content."""

    __slots__ = ("inner", "kind", "members")

    def __init__(self, kind: str, /, **members: Value) -> None:
        self.kind = kind
        self.members = members
        self.inner: str | None = None

    def get(self, name: str) -> Any:
        """The member's value, computed when it is lazy; None when unset."""
        return computed(self.members.get(name))

    def __repr__(self) -> str:
        return f"Data({self.kind}, {self.members})"


class Fault(Data):
    """A fault as a value. `message` travels outside of it, in its localized wrapper."""

    __slots__ = ("message",)

    def __init__(self, kind: str, message: str, /, **members: Value) -> None:
        super().__init__(kind, **members)
        self.message = message


@dataclass(frozen=True, slots=True)
class Raw:
    """XML that is already rendered, tag included."""

    text: str


Value: TypeAlias = "str | int | float | bool | datetime | bytes | Ref | Data | Raw | list[Any] | Lazy | None"


def computed(value: Value) -> Any:
    """The value itself, lazy ones called."""
    return value() if callable(value) else value
