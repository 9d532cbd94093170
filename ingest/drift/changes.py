"""One change, and a whole comparison, as values people and programs read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["VM", "network", "CloudStack network"]
What = Literal[
    "new",
    "gone",
    "renamed",
    "identity",
    "moved",
    "re-plugged",
    "disks",
    "vlan",
    "resized",
    "changed",
    "managed",
    "unmanaged",
    "hidden",
    "shown",
    "power",
]

WORDS: dict[What, str] = {
    "new": "new",
    "gone": "gone",
    "renamed": "renamed",
    "identity": "registered anew",
    "moved": "moved",
    "re-plugged": "with other NICs",
    "disks": "with other disks",
    "vlan": "on another VLAN",
    "resized": "resized",
    "changed": "changed otherwise",
    "managed": "now managed by CloudStack",
    "unmanaged": "no longer managed by CloudStack",
    "hidden": "no longer listed by CloudStack",
    "shown": "now listed by CloudStack",
    "power": "switched on or off",
}
"""Every kind of change in words, in the order people read them."""

_KINDS: tuple[Kind, ...] = ("VM", "network", "CloudStack network")
_WHATS = tuple(WORDS)

COLUMNS = ("kind", "name", "id", "instance_uuid", "what", "detail", "before", "after")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object. `id` is its managed object id, or CloudStack's UUID; `name` the one it has now.

    `detail` says what of it (host, datastore, `Network adapter 1: MAC`), `before` and `after` how it was and is.
    """

    kind: Kind
    name: str
    id: str
    what: What
    detail: str = ""
    before: str = ""
    after: str = ""
    instance_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """All changes from one snapshot to a later one, sorted by kind, what, name and id. Moments are UTC ISO 8601."""

    before: str
    after: str
    vms_before: int
    vms_after: int
    changes: tuple[Change, ...] = field(default=())

    @property
    def objects(self) -> Counter[tuple[Kind, What]]:
        """How many objects changed in each way: a VM with two new NICs counts once."""
        seen = {(one.kind, one.what, one.id, one.instance_uuid) for one in self.changes}
        return Counter((kind, what) for kind, what, _, _ in seen)

    @property
    def switched(self) -> Counter[str]:
        """Changes of power by the state they led to."""
        return Counter(one.after for one in self.changes if one.what == "power")

    @property
    def summary(self) -> str:
        """`VMs: 3 new, 1 gone, 2 moved; networks: 1 renamed`, or `nothing changed`."""
        counts = self.objects
        parts = []
        for kind in _KINDS:
            words = [f"{counts[kind, what]} {WORDS[what]}" for what in _WHATS if counts[kind, what]]
            if words:
                parts.append(f"{kind}s: {', '.join(words)}")
        return "; ".join(parts) or "nothing changed"


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Changes in the order people read them."""
    return tuple(
        sorted(
            changes,
            key=lambda one: (_KINDS.index(one.kind), _WHATS.index(one.what), one.name, one.id, one.detail),
        )
    )
