"""What every entity of the inventory has: name, parent, status, and shared small values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Value

Builder: TypeAlias = Callable[[Scene, Any], Value]
Builders: TypeAlias = dict[str, Builder]

# One moment for everything the world has no time for, so that two reads of an unchanged world are equal.
CREATED = datetime(2024, 3, 1, 8, 0, tzinfo=UTC)


def _name(_scene: Scene, item: Any) -> Value:
    name: str = item.name
    return name


def _parent(scene: Scene, item: Any) -> Value:
    return scene.ref(item.parent) if item.parent else None


def _green(_scene: Scene, _item: Any) -> Value:
    return "green"


def _empty(_scene: Scene, _item: Any) -> Value:
    return []


ENTITY: Builders = {
    "name": _name,
    "parent": _parent,
    "overallStatus": _green,
    "configStatus": _green,
    "configIssue": _empty,
    "customValue": _empty,
    "value": _empty,
    "availableField": _empty,  # the twin's custom fields are fields of VMs
    "disabledMethod": _empty,
    "recentTask": _empty,
    "declaredAlarmState": _empty,
    "triggeredAlarmState": _empty,
    "permission": _empty,
    "effectiveRole": lambda _scene, _item: [-1],
    "alarmActionsEnabled": lambda _scene, _item: True,
    "tag": _empty,
}


def allocation(reservation: int, shares: int) -> Data:
    """CPU (MHz) or memory (MiB) allocation without a limit."""
    return Data(
        "ResourceAllocationInfo",
        reservation=reservation,
        expandableReservation=False,
        limit=-1,
        shares=Data("SharesInfo", shares=shares, level="normal"),
    )
