"""The world as one request sees it: who is what, who is whose child.

A scene lives for one request and is used with the world's lock held. Relations are computed when first asked for, so
reading one VM's power state costs nothing, and reading a whole inventory computes each relation once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ingest.twin import world as w
from ingest.twin.vcenter.fields import CustomFields
from ingest.twin.vcenter.ports import Port, all_ports
from ingest.twin.vcenter.values import Ref

NETWORK_KINDS = {"standard": "Network", "dvs": "DistributedVirtualPortgroup", "opaque": "OpaqueNetwork"}
STORAGE_POD_PREFIX = "group-p"
ROOT_FOLDER = "group-d1"


@dataclass(frozen=True, slots=True)
class Pool:
    """A resource pool: the root pool of a cluster or standalone host (its `parent`), or one below."""

    moref: str
    compute: str
    parent: str
    name: str = "Resources"


@dataclass(frozen=True, slots=True)
class SnapshotPlace:
    """A snapshot and the VM it is of."""

    vm: w.VM
    snapshot: w.Snapshot

    @property
    def moref(self) -> str:
        """`snapshot-7` for the first of vm-7, `snapshot-7-2` for the second."""
        first = self.vm.moref.replace("vm-", "snapshot-")
        return first if self.snapshot.id == 1 else f"{first}-{self.snapshot.id}"


class Scene:
    """Lookups in the world for one request."""

    def __init__(self, world: w.World, fields: CustomFields, api_version: str, api_version_name: str) -> None:
        self.world = world
        self.fields = fields
        self.api_version = api_version
        self.api_version_name = api_version_name

    def locate(self, moref: str) -> tuple[str, Any] | None:
        """(class name, world object) of a managed object id, None when there is no such object."""
        world = self.world
        if (vm := world.vms.get(moref)) is not None:
            return "VirtualMachine", vm
        if (host := world.hosts.get(moref)) is not None:
            return "HostSystem", host
        if (network := world.networks.get(moref)) is not None:
            return NETWORK_KINDS[network.kind], network
        if (folder := world.folders.get(moref)) is not None:
            return "StoragePod" if moref.startswith(STORAGE_POD_PREFIX) else "Folder", folder
        if (datastore := world.datastores.get(moref)) is not None:
            return "Datastore", datastore
        if (compute := world.computes.get(moref)) is not None:
            return "ClusterComputeResource" if compute.is_cluster else "ComputeResource", compute
        if (pool := self.pools.get(moref)) is not None:
            return "ResourcePool", pool
        if (vapp := world.vapps.get(moref)) is not None:
            return "VirtualApp", vapp
        if (switch := world.switches.get(moref)) is not None:
            return "VmwareDistributedVirtualSwitch", switch
        if (datacenter := world.datacenters.get(moref)) is not None:
            return "Datacenter", datacenter
        if moref.startswith("snapshot-") and (place := self.snapshots.get(moref)) is not None:
            return "VirtualMachineSnapshot", place
        return None

    def ref(self, moref: str) -> Ref | None:
        """The reference of a managed object id, None when there is no such object."""
        found = self.locate(moref)
        return Ref(found[0], moref) if found else None

    def refs(self, morefs: list[str]) -> list[Ref]:
        """References of those of the ids that exist, in order, each once."""
        found = [self.ref(moref) for moref in dict.fromkeys(morefs)]
        return [ref for ref in found if ref is not None]

    @cached_property
    def pools(self) -> dict[str, Pool]:
        """Resource pools by managed object id, the root pools first."""
        computes, below = self.world.computes.values(), self.world.resource_pools.values()
        found = {item.resource_pool: Pool(item.resource_pool, item.moref, item.moref) for item in computes}
        return found | {item.moref: Pool(item.moref, item.compute, item.parent, item.name) for item in below}

    @staticmethod
    def snapshots_of(vm: w.VM) -> list[SnapshotPlace]:
        """The snapshots of a VM, the current one last; one without details where the world has none."""
        only = [w.Snapshot(1, "before upgrade", power_state=vm.power_state)] if vm.snapshot else []
        return [SnapshotPlace(vm, item) for item in vm.snapshots or only]

    @cached_property
    def snapshots(self) -> dict[str, SnapshotPlace]:
        """Every snapshot by managed object id."""
        return {place.moref: place for vm in self.world.vms.values() for place in self.snapshots_of(vm)}

    @cached_property
    def ports(self) -> dict[str, list[Port]]:
        """Distributed switch -> its ports."""
        return all_ports(self)

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Folder -> what it lists as `childEntity`."""
        world = self.world
        found: dict[str, list[str]] = defaultdict(list)
        placed: list[dict[str, Any]] = [
            world.folders, world.datacenters, world.computes, world.networks, world.switches, world.datastores,
        ]  # fmt: skip
        for collection in placed:
            for moref, item in collection.items():
                if item.parent:
                    found[item.parent].append(moref)
        for moref, vapp in world.vapps.items():
            found[vapp.folder].append(moref)
        for moref, vm in world.vms.items():
            if vm.folder:
                found[vm.folder].append(moref)
        return found

    @cached_property
    def hosts_of_compute(self) -> dict[str, list[str]]:
        """Compute resource -> its hosts."""
        found: dict[str, list[str]] = defaultdict(list)
        for moref, host in self.world.hosts.items():
            found[host.compute].append(moref)
        return found

    @cached_property
    def pools_of(self) -> dict[str, list[str]]:
        """Resource pool or vApp -> the resource pools and vApps directly in it."""
        found: dict[str, list[str]] = defaultdict(list)
        for moref, pool in self.world.resource_pools.items():
            found[pool.parent].append(moref)
        for moref, vapp in self.world.vapps.items():
            found[vapp.parent].append(moref)
        return found

    @cached_property
    def vms_of(self) -> dict[str, list[str]]:
        """Host, resource pool, vApp, network or datastore -> the VMs that use it."""
        found: dict[str, list[str]] = defaultdict(list)
        for moref, vm in self.world.vms.items():
            used = {vm.host, vm.vapp or vm.resource_pool}
            used.update(nic.network for nic in vm.nics)
            used.update(disk.datastore for disk in vm.disks)
            for other in used:
                found[other].append(moref)
        return found

    @cached_property
    def networks_of_host(self) -> dict[str, list[str]]:
        """Host -> the networks it offers: its standard groups by name, and its datacenter's distributed ones."""
        standard: dict[tuple[str, str], str] = {}
        shared: dict[str, list[str]] = defaultdict(list)
        for moref, network in self.world.networks.items():
            if network.kind == "standard":
                standard.setdefault((network.datacenter, network.name), moref)
            else:
                shared[network.datacenter].append(moref)
        found = {}
        for moref, host in self.world.hosts.items():
            datacenter = self.world.computes[host.compute].datacenter
            own = [standard.get((datacenter, group.name), "") for group in host.portgroups if not group.vmkernel]
            found[moref] = [item for item in own if item] + shared[datacenter]
        return found

    @cached_property
    def hosts_of_network(self) -> dict[str, list[str]]:
        """Network -> the hosts that offer it."""
        found: dict[str, list[str]] = defaultdict(list)
        for host, networks in self.networks_of_host.items():
            for network in networks:
                found[network].append(host)
        return found

    @cached_property
    def hosts_of_datacenter(self) -> dict[str, list[str]]:
        """Datacenter -> its hosts."""
        found: dict[str, list[str]] = defaultdict(list)
        for moref, host in self.world.hosts.items():
            found[self.world.computes[host.compute].datacenter].append(moref)
        return found

    @cached_property
    def datastores_of_host(self) -> dict[str, list[str]]:
        """Host -> the datastores it mounts."""
        found: dict[str, list[str]] = defaultdict(list)
        for moref in self.world.datastores:
            for host in self.hosts_of_datastore(moref):
                found[host].append(moref)
        return found

    @cached_property
    def _datastores_by_name(self) -> dict[tuple[str, str], str]:
        return {(item.datacenter, item.name): moref for moref, item in self.world.datastores.items()}

    def datacenter_of(self, vm: w.VM) -> str:
        """The datacenter of a VM's host, '' for a VM without host."""
        host = self.world.hosts.get(vm.host)
        return self.world.computes[host.compute].datacenter if host else ""

    def datastore_of_file(self, vm: w.VM, path: str) -> str:
        """The datastore that a path such as `[gold] a/b.vmdk` names for this VM, '' when there is none."""
        return self._datastores_by_name.get((self.datacenter_of(vm), path.partition("] ")[0].removeprefix("[")), "")

    def hosts_of_datastore(self, moref: str) -> list[str]:
        """The hosts that mount a datastore."""
        datastore = self.world.datastores[moref]
        return datastore.hosts or self.hosts_of_datacenter[datastore.datacenter]

    @cached_property
    def datastores_of_datacenter(self) -> dict[str, list[str]]:
        """Datacenter -> its datastores."""
        found: dict[str, list[str]] = defaultdict(list)
        for moref, datastore in self.world.datastores.items():
            found[datastore.datacenter].append(moref)
        return found

    @cached_property
    def networks_of_datacenter(self) -> dict[str, list[str]]:
        """Datacenter -> its networks."""
        found: dict[str, list[str]] = defaultdict(list)
        for moref, network in self.world.networks.items():
            found[network.datacenter].append(moref)
        return found

    @cached_property
    def portgroups_of_switch(self) -> dict[str, list[w.Network]]:
        """Distributed switch -> its port groups, the uplink group included."""
        found: dict[str, list[w.Network]] = defaultdict(list)
        for network in self.world.networks.values():
            if network.switch:
                found[network.switch].append(network)
        return found
