"""Why a VM is in CloudStack's list of unmanaged instances, or is not: what both sides say, fact by fact.

CloudStack leaves VMs out without a word (its class VmwareResource, command GetUnmanagedInstances). Every reason that
can be seen from outside is looked for, not only the first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ingest.model.catalogue import Catalogue
from ingest.model.inventory import Host, VirtualMachine
from ingest.model.snapshot import Snapshot
from ingest.plan.pairing import Pair, dropped_devices, pair, product_of

Side = Literal["vCenter", "CloudStack", "both"]
INTERNAL_NAME = "cloud.vm.internal.name"
"""The custom attribute CloudStack writes on VMs it made; it becomes the instance name of an import."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact: which side says it, what it is, and what to do, '' when nothing has to be done."""

    side: Side
    fact: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one VM of that name. `listed`: CloudStack offers it. `path` is '' when vCenter has none."""

    name: str
    path: str
    moref: str
    listed: bool
    reasons: tuple[Reason, ...]


def why(name: str, snapshot: Snapshot) -> list[Answer]:
    """An answer for every VM of vCenter with that name (case aside) or managed object id; one when there is none."""
    wanted = name.lower()
    pairs = pair(snapshot.inventory, snapshot.catalogue)
    found = [one for one in pairs if wanted in (one.vm.name.lower(), one.vm.moref.lower())]
    if not found:
        return [Answer(name, "", "", False, tuple(_nowhere(name, snapshot)))]
    return [
        Answer(
            one.vm.name,
            one.vm.path,
            one.vm.moref,
            one.listed is not None,
            tuple(_listed(one) if one.listed else _not_listed(one, snapshot)),
        )
        for one in found
    ]


def _nowhere(name: str, snapshot: Snapshot) -> Iterator[Reason]:
    names = sorted({vm.name for vm in snapshot.inventory.vms})
    by_lower = {known.lower(): known for known in names}
    close = [by_lower[one] for one in difflib.get_close_matches(name.lower(), by_lower, 3)]
    near = f"; nearest: {', '.join(close)}" if close else ""
    yield Reason(
        "vCenter",
        f"no VM of that name among {len(snapshot.inventory.vms)}{near}",
        "look for the exact name in vCenter; a VM whose files are there may not be registered",
    )
    for instance in snapshot.catalogue.virtual_machines:
        if name.lower() in (instance.name.lower(), instance.displayname.lower(), instance.instancename.lower()):
            known_as = f"{instance.name} (internally {instance.instancename})"
            yield Reason("CloudStack", f"has an instance {known_as}, {instance.state}", "it is managed already")


def _listed(one: Pair) -> Iterator[Reason]:
    assert one.listed is not None  # noqa: S101  callers have looked
    yield Reason("CloudStack", f"lists it on host {one.listed.hostname}: it can be imported")
    missing = dropped_devices(one)
    if missing:
        cure = "an import would lose them: `ingest explain VM-005`"
        yield Reason("both", f"vCenter has what CloudStack does not show: {', '.join(missing)}", cure)
    internal = dict(one.vm.custom_fields).get(INTERNAL_NAME, "")
    if internal and internal != one.vm.name:
        yield Reason(
            "both",
            f"its custom attribute {INTERNAL_NAME} is {internal}: CloudStack takes that as the instance name, and goes "
            "on listing the VM after the import",
            "clear the attribute in vCenter before the import",
        )


def _not_listed(one: Pair, snapshot: Snapshot) -> Iterator[Reason]:
    found = [*_about_the_vm(one, snapshot), *_about_its_place(one, snapshot), *_about_its_name(one, snapshot.catalogue)]
    yield from found
    if not found:
        yield Reason(
            "both",
            "nothing either side shows explains it. A host that fails while CloudStack lists it, or a VM on it that "
            "cannot be read, takes other VMs of the host along without an error",
            "list again (`ingest plan`); look for errors of that host in the management server's log; was a VM with "
            "snapshots unmanaged before? Files of removed volumes hide VMs that are named like them",
        )


def _about_the_vm(one: Pair, snapshot: Snapshot) -> Iterator[Reason]:
    vm = one.vm
    if vm.template:
        yield Reason("vCenter", "it is a template", "convert it to a virtual machine")
    product = product_of(vm)
    if product and not vm.template:
        yield Reason(
            "vCenter", f"it belongs to {product}; this program leaves such VMs out", "nothing: it is not yours"
        )
    if one.duplicate:
        yield Reason("both", "another VM of the cluster has the same name: neither can be told apart", "rename one")
    if vm.connection_state != "connected":
        yield Reason("vCenter", f"the VM is {vm.connection_state}", "bring its host or its datastore back")
    if vm.unreadable:
        yield Reason(
            "vCenter",
            "its configuration cannot be read; CloudStack then also loses the other VMs of that host",
            "remove it from the inventory or repair its files",
        )
    if one.managed:
        yield from _managed(vm, snapshot.catalogue)


def _managed(vm: VirtualMachine, catalogue: Catalogue) -> Iterator[Reason]:
    for instance in catalogue.virtual_machines:
        if vm.name in (instance.instancename, instance.name):
            owner = instance.account or instance.projectid or "an unknown owner"
            fact = f"already has it: instance {instance.name} ({instance.id}) of {owner}, {instance.state}"
            yield Reason("CloudStack", fact, "nothing to import; to give it back: unmanageVirtualMachine")


def _about_its_place(one: Pair, snapshot: Snapshot) -> Iterator[Reason]:
    vm = one.vm
    if not vm.cluster:
        yield Reason(
            "vCenter", f"it runs on the standalone host {vm.host or '?'}", "move it to a cluster of CloudStack's"
        )
        return
    if not one.cluster_id:
        known = ", ".join(sorted(cluster.name for cluster in snapshot.catalogue.clusters)) or "none"
        yield Reason(
            "CloudStack",
            f"does not know the cluster {vm.datacenter}/{vm.cluster} (it knows: {known}), or it was not asked for",
            "add the cluster to a zone",
        )
    host = next((host for host in snapshot.inventory.hosts if host.moref == vm.host_moref), None)
    if host is not None:
        yield from _about_the_host(host)
    for known_host in snapshot.catalogue.hosts:
        if known_host.name != vm.host or (one.cluster_id and known_host.clusterid != one.cluster_id):
            continue
        if known_host.state != "Up":
            fact = f"host {known_host.name} is {known_host.state}: its VMs are left out without an error"
            yield Reason("CloudStack", fact, "reconnect the host")
        if known_host.resourcestate not in ("", "Enabled"):
            fact = f"host {known_host.name} is in {known_host.resourcestate}: its VMs are not listed"
            yield Reason("CloudStack", fact, "cancel the maintenance, or move the VM")
    if one.cluster_id and not any(h.name == vm.host for h in snapshot.catalogue.hosts):
        yield Reason("CloudStack", f"has no host {vm.host} in that cluster", "add the host")


def _about_the_host(host: Host) -> Iterator[Reason]:
    if host.connection_state != "connected":
        yield Reason("vCenter", f"host {host.name} is {host.connection_state}", "reconnect the host")
    if host.in_maintenance:
        yield Reason("vCenter", f"host {host.name} is in maintenance mode", "leave maintenance mode")


def _about_its_name(one: Pair, catalogue: Catalogue) -> Iterator[Reason]:
    if one.managed:
        return
    for instance in catalogue.virtual_machines:
        if instance.instancename == one.vm.name:
            yield Reason(
                "CloudStack",
                f"the internal name of its instance {instance.name} ({instance.id}) is the same, though the MACs "
                "differ: CloudStack leaves out every VM of that name",
                "rename the VM in vCenter",
            )
    internal = dict(one.vm.custom_fields).get(INTERNAL_NAME, "")
    if internal:
        yield Reason(
            "vCenter", f"its custom attribute {INTERNAL_NAME} is {internal}: CloudStack made or imported it once"
        )
