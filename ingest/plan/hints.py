"""What vCenter knows of a VM that does not stop an import and changes what can be done with the VM afterwards."""

from __future__ import annotations

import re
from collections import defaultdict

from ingest.model.inventory import Disk, Inventory, Nic
from ingest.plan.cells import power_policy
from ingest.plan.in_flight import InFlight
from ingest.plan.resolve import ResolvedRow

_DELTA_FILE = re.compile(r"-\d{6}\.vmdk$")
_TOOLS = {
    "toolsNotInstalled": "VMware Tools are not installed",
    "toolsNotRunning": "VMware Tools do not run",
    "": "vCenter does not know whether VMware Tools run",
}


def hints(row: ResolvedRow, flights: InFlight) -> dict[str, str]:
    """The helper columns of a VM."""
    if row.pair is None:
        return dict.fromkeys(("in_vapp", "image", "no_shutdown", "in_flight", "tried"), "")
    vm = row.pair.vm
    return {
        "in_vapp": "is in a vApp: its start order and its share of the vApp's resources stay vCenter's" * vm.in_vapp,
        "image": f"has {vm.iso} in its CD-ROM drive" if vm.iso else "",
        "no_shutdown": _no_shutdown(row),
        "in_flight": flights.running(vm.name),
        "tried": flights.tried(vm.name),
    }


def _no_shutdown(row: ResolvedRow) -> str:
    assert row.pair is not None  # noqa: S101  hints has looked
    vm = row.pair.vm
    if power_policy(row.row) != "shutdown" or vm.power_state != "poweredOn" or vm.tools_status not in _TOOLS:
        return ""
    return f"{_TOOLS[vm.tools_status]}: the guest cannot be asked to shut down"


def independent(disk: Disk) -> str:
    """Whether snapshots leave the disk out; of a nonpersistent one every power off throws away what was written."""
    return f"{disk.label} is {disk.mode}" if disk.mode.startswith("independent") or disk.mode == "nonpersistent" else ""


def delta_alone(row: ResolvedRow, disk: Disk) -> str:
    """Whether the disk's file is a delta though vCenter knows no snapshot: a linked clone, or what a snapshot left.

    Where vCenter asks for a consolidation, or there is a snapshot, other checks speak of it.
    """
    if row.pair is None or row.pair.vm.has_snapshot or row.pair.vm.consolidation_needed:
        return ""
    if disk.parent_file:
        return f"{disk.label} is a delta over {disk.parent_file}, and the VM has no snapshot"
    if _DELTA_FILE.search(disk.file_name):
        return f"{disk.label} is in {disk.file_name}, named like a delta, and the VM has no snapshot"
    return ""


def unplugged(row: ResolvedRow, nic: Nic) -> str:
    """Whether the NIC is not connected, now or at the next start. Of a VM that is off no NIC is connected now."""
    if row.pair is None or nic.kind == "unattached":
        return ""
    if not nic.start_connected:
        return f"{nic.label} is set to stay disconnected at the start"
    return "" if nic.connected or row.pair.vm.power_state != "poweredOn" else f"{nic.label} is not connected"


class PortGroupVlans:
    """The VLANs of standard port groups, which every host has for itself."""

    def __init__(self, inventory: Inventory) -> None:
        self._hosts: dict[tuple[str, str], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for host in inventory.hosts:
            for group in host.portgroups:
                self._hosts[host.compute_moref, group.name][group.vlan_id].append(host.name)

    def differing(self, row: ResolvedRow, nic: Nic) -> str:
        """The VLANs of the NIC's port group on the hosts of the VM's cluster, '' when there is one only."""
        if row.pair is None or nic.kind != "standard":
            return ""
        vlans = self._hosts.get((row.pair.vm.cluster_moref, nic.network_name), {})
        if len(vlans) < 2:
            return ""
        told = (f"VLAN {vlan} on {', '.join(sorted(hosts))}" for vlan, hosts in sorted(vlans.items()))
        return f"port group {nic.network_name} of {nic.label} is {'; '.join(told)}"
