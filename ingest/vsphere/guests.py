"""What guests tell of themselves, read for many VMs in one call."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ingest.model.guest import GuestState
from ingest.vsphere.collect import read_objects
from ingest.vsphere.session import VCenter

_PATHS = [
    "name",
    "runtime.powerState",
    "guestHeartbeatStatus",
    "guest.toolsRunningStatus",
    "guest.net",
    "guest.ipAddress",
]


def read_guests(vcenter: VCenter, vms: Collection[str]) -> dict[str, GuestState]:
    """The guests of these VMs by managed object id; VMs that are gone are missing. Raises as `VCenter.repeat`."""
    found = vcenter.repeat(lambda: read_objects(vcenter, "VirtualMachine", vms, _PATHS), "guests")
    return {moref: _state(moref, values) for moref, values in found.items() if "runtime.powerState" in values}


def _state(moref: str, values: dict[str, Any]) -> GuestState:
    addresses = [str(ip) for nic in values.get("guest.net") or () for ip in nic.ipAddress or ()]
    # Old tools report one address only, and not by card.
    if values.get("guest.ipAddress"):
        addresses.append(str(values["guest.ipAddress"]))
    return GuestState(
        moref=moref,
        name=str(values.get("name", "")),
        power_state=str(values["runtime.powerState"]),
        heartbeat=str(values.get("guestHeartbeatStatus", "gray")),
        tools_running=values.get("guest.toolsRunningStatus") == "guestToolsRunning",
        ips=tuple(dict.fromkeys(addresses)),
    )
