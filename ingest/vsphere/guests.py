"""What guests tell of themselves, read for many VMs in one call."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pyVmomi import vim, vmodl

from ingest.model.guest import GuestState
from ingest.vsphere.collect import PAGE_SIZE, pages
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
    if not vms:
        return {}
    collector = vmodl.query.PropertyCollector
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=vim.VirtualMachine(moref, vcenter.stub)) for moref in vms],
        propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=_PATHS)],
        reportMissingObjectsInResults=True,
    )

    def read() -> dict[str, GuestState]:
        found = {}
        for page in pages(vcenter, spec, PAGE_SIZE):
            for content in page:
                values = {str(entry.name): entry.val for entry in content.propSet if entry.val is not None}
                if "runtime.powerState" in values:
                    moref = str(content.obj._moId)
                    found[moref] = _state(moref, values)
        return found

    return vcenter.repeat(read, "guests")


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
