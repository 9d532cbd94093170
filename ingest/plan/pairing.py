"""Which record of CloudStack's listing is which VM of vCenter, and why some VMs have none.

CloudStack lists by cluster and name and knows no vSphere identity, so the pair is (CloudStack cluster, raw name). Two
VMs of one name in a cluster cannot be told apart by the server: neither is paired.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ingest.model.catalogue import Catalogue, UnmanagedInstance
from ingest.model.inventory import Inventory, VirtualMachine

# vSphere Cluster Services, by name where a release does not fill managedBy.
_AGENT_NAME = re.compile(r"vCLS[- (]")


def product_of(vm: VirtualMachine) -> str:
    """The product a VM belongs to (an extension's key, or vSphere Cluster Services), '' for a person's VM."""
    return vm.managed_by or ("vSphere Cluster Services" if _AGENT_NAME.match(vm.name) else "")


@dataclass(frozen=True, slots=True)
class Pair:
    """One VM, its CloudStack cluster ('' when unknown there) and record (None when not shown).

    `absent` says in words why there is no record; `duplicate` that the name stands more than once in the cluster;
    `managed` that CloudStack already has it; `skip` marks VMs nobody wants to import (templates, agents).
    """

    vm: VirtualMachine
    cluster_id: str
    listed: UnmanagedInstance | None
    absent: str = ""
    duplicate: bool = False
    managed: bool = False
    skip: bool = False


def cluster_ids(inventory: Inventory, catalogue: Catalogue) -> dict[str, str]:
    """CloudStack cluster UUID by managed object id of the vSphere cluster.

    CloudStack names a VMware cluster `vcenter/datacenter/cluster`; the first part may be a name or an address, so
    datacenter and cluster decide. A pair of names that fits several clusters is left out rather than guessed.
    """
    by_names: dict[tuple[str, str], list[str]] = {}
    for cluster in catalogue.clusters:
        parts = cluster.name.split("/", 2)
        if cluster.hypervisortype.lower() in ("vmware", "") and len(parts) == 3:
            by_names.setdefault((parts[1], parts[2]), []).append(cluster.id)
    seen = Counter((c.datacenter, c.name) for c in inventory.clusters if not c.standalone)
    return {
        cluster.moref: by_names[key][0]
        for cluster in inventory.clusters
        if not cluster.standalone
        and len(by_names.get(key := (cluster.datacenter, cluster.name), [])) == 1
        and seen[key] == 1
    }


def pair(inventory: Inventory, catalogue: Catalogue) -> list[Pair]:
    """One Pair per VM of vCenter, in the inventory's order."""
    ids = cluster_ids(inventory, catalogue)
    listed = {(instance.clusterid, instance.name): instance for instance in catalogue.unmanaged}
    names = Counter((vm.cluster_moref, vm.name) for vm in inventory.vms if not vm.template)
    managed = _managed(catalogue)
    down = {host.name for host in catalogue.hosts if host.state != "Up" or host.resourcestate not in ("Enabled", "")}
    pairs = []
    for vm in inventory.vms:
        cluster_id = ids.get(vm.cluster_moref, "")
        record = listed.get((cluster_id, vm.name)) if cluster_id else None
        duplicate = not vm.template and bool(cluster_id) and names[(vm.cluster_moref, vm.name)] > 1
        is_managed = bool(cluster_id) and record is None and _is_managed(vm, managed)
        skip = vm.template or bool(product_of(vm))
        absent = "" if record and not skip else _absence(vm, cluster_id, is_managed, down)
        pairs.append(Pair(vm, cluster_id, None if duplicate else record, absent, duplicate, is_managed, skip))
    return pairs


def _managed(catalogue: Catalogue) -> dict[str, list[set[str]]]:
    """MAC sets of CloudStack's instances by instance name."""
    found: dict[str, list[set[str]]] = {}
    for instance in catalogue.virtual_machines:
        macs = {nic.macaddress.lower() for nic in instance.nic if nic.macaddress}
        found.setdefault(instance.instancename or instance.name, []).append(macs)
    return found


def _is_managed(vm: VirtualMachine, managed: dict[str, list[set[str]]]) -> bool:
    macs = {nic.mac.lower() for nic in vm.nics if nic.mac}
    return any(not macs or not known or macs & known for known in managed.get(vm.name, []))


def _absence(vm: VirtualMachine, cluster_id: str, managed: bool, down: set[str]) -> str:
    """Why CloudStack shows no record, as far as both sides can tell. CloudStack: UnmanagedVMsManagerImpl."""
    if vm.template:
        return "vSphere template"
    if product_of(vm):
        return f"belongs to {product_of(vm)}, not to a person"
    if managed:
        return "already managed by CloudStack"
    if not vm.cluster:
        return "runs on a standalone host; CloudStack manages clusters"
    if not cluster_id:
        return f"CloudStack does not know cluster {vm.datacenter}/{vm.cluster}, or it was not asked for"
    if vm.connection_state != "connected":
        return f"vCenter calls it {vm.connection_state}; CloudStack cannot read it"
    if vm.unreadable:
        return "vCenter cannot read its configuration, nor can CloudStack"
    if vm.host in down:
        return f"host {vm.host} is not Up in CloudStack"
    return "CloudStack does not list it; a host that fails while listing drops VMs silently: list it by name"


def dropped_devices(pair_: Pair) -> list[str]:
    """Devices vCenter has and CloudStack's record lacks, in words. CloudStack drops what it cannot read, silently."""
    if pair_.listed is None:
        return []
    nics = {nic.id for nic in pair_.listed.nic}
    disks = {disk.id for disk in pair_.listed.disk}
    gone = [f"NIC {nic.label}" for nic in pair_.vm.nics if nic.label not in nics]
    return gone + [f"disk {disk.label} ({disk.backing})" for disk in pair_.vm.disks if disk.disk_id not in disks]


UNMANAGED_COLUMNS = (
    *("vm", "datacenter", "cluster", "host", "power_state", "shown", "reason"),
    *("vcenter_nics", "cloudstack_nics", "vcenter_disks", "cloudstack_disks", "cluster_id", "moref", "instance_uuid"),
)
"""Columns of `unmanaged.csv`."""


def unmanaged_rows(pairs: Iterable[Pair]) -> list[dict[str, str]]:
    """Rows of `unmanaged.csv`: every VM, whether CloudStack shows it, and what is missing there."""
    rows = []
    for one in pairs:
        record = one.listed
        shown = "twice" if one.duplicate else ("yes" if record else "no")
        reason = "the name stands more than once in this cluster" if one.duplicate else one.absent
        rows.append(
            {
                "vm": one.vm.name,
                "datacenter": one.vm.datacenter,
                "cluster": one.vm.cluster,
                "host": one.vm.host,
                "power_state": one.vm.power_state,
                "shown": shown,
                "reason": reason or "; ".join(dropped_devices(one)),
                "vcenter_nics": str(len(one.vm.nics)),
                "cloudstack_nics": str(len(record.nic)) if record else "",
                "vcenter_disks": str(len(one.vm.disks)),
                "cloudstack_disks": str(len(record.disk)) if record else "",
                "cluster_id": one.cluster_id,
                "moref": one.vm.moref,
                "instance_uuid": one.vm.instance_uuid,
            }
        )
    return rows
