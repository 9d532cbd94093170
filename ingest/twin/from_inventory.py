"""A world out of what a vCenter said: the twin's CloudStack can then be filled from any vCenter, vcsim included.

The vSphere side is as faithful as an inventory allows: objects keep their ids and names, VMs their devices. What an
inventory does not hold is made up: the ids of folders, resource pools and vApps, and BIOS UUIDs. Folders and vApps are
rebuilt from paths, where a `/` in a name cannot be told from a level and nested vApps become one. The CloudStack side
is generated to fit, all of it owned by one account.
"""

from __future__ import annotations

import logging
import random
from typing import get_args

from ingest.model import inventory as seen
from ingest.model.inventory import Vlan
from ingest.twin.world import (
    VM,
    Backing,
    Controller,
    Datastore,
    Disk,
    DiskBacking,
    Host,
    HostPortGroup,
    Network,
    Nic,
    Switch,
    VApp,
    World,
)
from ingest.twin.worlds.cloudside import Fit, furnish
from ingest.twin.worlds.parts import Parts, moref_number
from ingest.twin.worlds.site import Tenant

logger = logging.getLogger("ingest.twin")

OWNER = Tenant("operations", "Corporate")
CONTROLLERS: tuple[Controller, ...] = get_args(Controller)
_BACKINGS: dict[str, DiskBacking] = {"SeSparse": "seflat", "Sparse": "sparse", "RawDiskVer2": "raw"}  # parts of classes


def world_from_inventory(inventory: seen.Inventory, *, seed: int = 1) -> World:
    """The world that this inventory describes; the same inventory and seed give an equal world.

    CloudStack gets a zone per datacenter with clusters, a cluster per cluster (standalone hosts stay unknown to it),
    an L2 network per VLAN, private VLAN and untagged or opaque port group, a pool per datastore, and a mapping for
    every guest id, all owned by the account "operations" in ROOT/Corporate. A VM whose host is not in the inventory
    (orphaned) is left out, with a warning in the log.
    """
    parts = vsphere_side(inventory, seed=seed)
    furnish(parts.world, parts, Fit(tenants=[OWNER], map_every_guest=True))
    return parts.world


def vsphere_side(inventory: seen.Inventory, *, seed: int = 1) -> Parts:
    """The world's vSphere side alone, and what goes on making up ids for it. CloudStack is empty."""
    return _Copy(inventory, seed).build()


class _Copy:
    def __init__(self, inventory: seen.Inventory, seed: int) -> None:
        self.inventory = inventory
        self.world = World(
            name=inventory.server,
            seed=seed,
            vcenter_name=inventory.server,
            vcenter_version=inventory.version,
            vcenter_uuid=inventory.instance_uuid,
        )
        self.parts = Parts(self.world, random.Random(seed))  # noqa: S311  made-up data, not secrets
        self.parts.last_number = max((moref_number(moref) for moref in self._morefs()), default=1)
        self.datacenters = {found.name: found.moref for found in inventory.datacenters}
        self.paths = {found.moref: found.path for found in inventory.datacenters}
        # By datacenter as well: vcsim gives switches of one name in two datacenters one UUID.
        self.switches: dict[tuple[str, str], str] = {}
        self.datastores = {found.moref for found in inventory.datastores}
        self.vapps: dict[tuple[str, str], VApp] = {}  # by compute resource and name

    def build(self) -> Parts:
        self.parts.root()
        self._datacenters()
        self._computes()
        self._switches()
        for network in self.inventory.networks:
            self._network(network)
        for store in self.inventory.datastores:
            datacenter = self.world.datacenters[self._datacenter(store.datacenter)]
            parent = datacenter.datastore_folder
            if store.pod:
                parent = self.parts.folder(store.pod, parent, datacenter.moref, "group-p")
            self.world.datastores[store.moref] = Datastore(
                store.moref,
                store.name,
                datacenter.moref,
                parent,
                store.type,
                store.capacity_bytes,
                store.free_bytes,
                store.remote_host,
                store.remote_path,
                store.url,
            )
        # In the order they were registered: CloudStack's losses (what stands behind an unreadable VM, the first of two
        # of one name on a host) depend on an order that the inventory, sorted by path, does not keep.
        for vm in sorted(self.inventory.vms, key=lambda one: moref_number(one.moref)):
            self._vm(vm)
        return self.parts

    def _morefs(self) -> list[str]:
        found = self.inventory
        groups = (found.datacenters, found.clusters, found.hosts, found.switches, found.networks, found.datastores)
        return [item.moref for group in groups for item in group] + [vm.moref for vm in found.vms]

    def _datacenter(self, name: str) -> str:
        """An object without a known datacenter goes to the first one."""
        return self.datacenters.get(name) or next(iter(self.world.datacenters))

    def _datacenters(self) -> None:
        for found in self.inventory.datacenters:
            parent = "group-d1"
            for name in found.path.strip("/").split("/")[:-1]:
                parent = self.parts.folder(name, parent, "", "group-d")
            self.parts.datacenter(found.name, parent=parent, moref=found.moref)
        if not self.inventory.datacenters:
            made = self.parts.datacenter("datacenter")
            self.datacenters[made.name] = made.moref
            self.paths[made.moref] = f"/{made.name}"

    def _computes(self) -> None:
        for found in self.inventory.clusters:
            moref = found.datacenter_moref or self._datacenter(found.datacenter)
            datacenter = self.world.datacenters[moref]
            parent = datacenter.host_folder
            for name in _below(found.path, f"{self.paths[moref]}/host", found.name):
                parent = self.parts.folder(name, parent, moref, "group-h")
            self.parts.compute(
                found.name, datacenter, is_cluster=not found.standalone, parent=parent, moref=found.moref
            )
        for host in self.inventory.hosts:
            self.world.hosts[host.moref] = Host(
                host.moref,
                host.name,
                host.compute_moref,
                host.connection_state,
                host.in_maintenance,
                host.version,
                portgroups=[
                    HostPortGroup(group.name, group.vlan_id, group.vswitch, group.vmkernel) for group in host.portgroups
                ],
            )

    def _switches(self) -> None:
        for found in self.inventory.switches:
            datacenter = self.world.datacenters[self._datacenter(found.datacenter)]
            uplinks = [moref for moref in found.uplink_portgroups if moref]
            self.world.switches[found.moref] = Switch(
                found.moref,
                found.name,
                found.uuid,
                datacenter.moref,
                datacenter.network_folder,
                list(found.pvlans),
                self._known_network(uplinks[0]) if uplinks else "",
            )
            self.switches[found.datacenter, found.uuid] = found.moref

    def _known_network(self, moref: str) -> str:
        return moref if any(network.moref == moref for network in self.inventory.networks) else ""

    def _network(self, found: seen.Network) -> None:
        datacenter = self.world.datacenters[self._datacenter(found.datacenter)]
        kind = "standard" if found.kind == "unattached" else found.kind
        self.world.networks[found.moref] = Network(
            found.moref,
            found.name,
            kind,
            datacenter.moref,
            datacenter.network_folder,
            switch=self.switches.get((found.datacenter, found.switch_uuid), ""),
            vlan=(found.vlan or Vlan("none")) if kind == "dvs" else None,
            uplink=found.uplink,
            vlan_override_allowed=found.vlan_override_allowed,
            binding="ephemeral" if found.binding == "ephemeral" else "earlyBinding",
            opaque_id=found.opaque_id,
            opaque_type=found.opaque_type or "nsx.LogicalSwitch",
            nsx_segment=(found.opaque_id or found.moref) if found.nsx and kind == "dvs" else "",
        )

    def _vm(self, found: seen.VirtualMachine) -> None:
        host = self.world.hosts.get(found.host_moref)
        if host is None:
            logger.warning("%s (%s) has no host in the inventory and is left out of the world", found.name, found.moref)
            return
        compute = self.world.computes[host.compute]
        vm = VM(
            moref=found.moref,
            name=found.name,
            instance_uuid=found.instance_uuid,
            bios_uuid=self.parts.uuid(),
            folder="",
            host=host.moref,
            resource_pool=compute.resource_pool,
            power_state=found.power_state,
            connection_state=found.connection_state,
            template=found.template,
            managed_by=(found.managed_by, "") if found.managed_by else None,
            cpus=found.cpus,
            cores_per_socket=found.cores_per_socket,
            memory_mib=found.memory_mib,
            cpu_reservation_mhz=found.cpu_reservation_mhz,
            guest_id=found.guest_id,
            guest_full_name=found.guest_full_name,
            guest_host_name=found.guest_host_name,
            tools_status=found.tools_status,
            firmware=found.firmware,
            secure_boot=found.secure_boot,
            boot_disk_key=found.boot_disk_key,
            snapshot=found.has_snapshot,
            consolidation_needed=found.consolidation_needed,
            question=found.question,
            ft_role=found.ft_role,
            encrypted=found.encrypted,
            iso=found.iso,
            annotation=found.annotation,
            custom_fields=dict(found.custom_fields),
            extra_devices=list(found.passthrough),
            nics=[self._nic(nic, found.datacenter) for nic in found.nics],
            disks=[self._disk(disk, found.moref) for disk in found.disks],
        )
        if found.in_vapp:
            vapp = self._vapp(found, compute.moref)
            vm.vapp = vm.resource_pool = vapp.moref
        else:
            vm.folder = self._folder(found, compute.datacenter)
        self.world.vms[vm.moref] = vm

    def _vapp(self, found: seen.VirtualMachine, compute_moref: str) -> VApp:
        """The vApp that the VM's path names, directly below the root pool."""
        compute = self.world.computes[compute_moref]
        inner = _below(found.path, f"{self.paths[compute.datacenter]}/vm", found.name)
        name = inner[-1] if inner else f"{compute.name}-vapp"
        made = self.vapps.get((compute_moref, name))
        if made is None:
            folder = self.world.datacenters[compute.datacenter].vm_folder
            moref = self.parts.moref("resgroup-v")
            made = VApp(moref, name, compute.resource_pool, folder, compute_moref)
            self.vapps[compute_moref, name] = self.world.vapps[moref] = made
        return made

    def _folder(self, found: seen.VirtualMachine, datacenter: str) -> str:
        parent = self.world.datacenters[datacenter].vm_folder
        for name in _below(found.path, f"{self.paths[datacenter]}/vm", found.name):
            parent = self.parts.folder(name, parent, datacenter)
        return parent

    def _nic(self, found: seen.Nic, datacenter: str) -> Nic:
        network = self.world.networks.get(found.network_moref)
        backing = _unattached(found) if found.kind == "unattached" else found.kind
        switch = self.switches.get((datacenter, found.switch_uuid), "") if backing == "dvs" and network is None else ""
        # The key of a port group that is gone.
        key = network.moref if network is not None else found.portgroup_key if switch else ""
        port_vlan = None
        if network is not None and network.kind == "dvs" and network.vlan_override_allowed:
            port_vlan = found.vlan if found.vlan != network.vlan else None
        return Nic(
            key=found.key,
            label=found.label,
            mac=found.mac,
            network=key,
            backing=backing,
            card=found.card_class,
            port_key=found.port_key,
            device_name=found.network_name if backing in ("standard", "legacy") else "",
            connected=found.connected,
            start_connected=found.start_connected,
            ips=found.ipv4,
            port_vlan=port_vlan,
            switch=switch,
        )

    def _disk(self, found: seen.Disk, vm_moref: str) -> Disk:
        controller = next((known for known in CONTROLLERS if known == found.controller), CONTROLLERS[0])
        return Disk(
            key=found.key,
            label=found.label,
            disk_id=found.disk_id or f"{moref_number(vm_moref)}-{found.key}",  # vcsim leaves it unset
            capacity_bytes=found.capacity_bytes,
            file_name=found.file_name,
            datastore=found.datastore_moref if found.datastore_moref in self.datastores else "",
            controller=controller,
            bus=found.controller_bus,
            unit=found.unit,
            backing=_backing(found.backing),
            mode=found.mode,
            sharing=found.sharing,
            parent_file=found.parent_file,
            ancestors=found.ancestors,
            shared_bus=found.shared_bus,
        )


def _unattached(found: seen.Nic) -> Backing:
    """What stands behind a card that is on no network: the reader's problem code tells."""
    if found.problem == "unknown-backing":
        return "legacy"
    if found.problem in ("portgroup-unknown", "no-portgroup-key"):
        return "dvs"
    return "standard" if found.network_name else "none"


def _backing(kind: str) -> DiskBacking:
    """CloudStack drops every backing that is no flat file, so that for one of an unknown class any other will do."""
    if kind in ("flat", "rdm"):
        return "flat" if kind == "flat" else "rdm"
    return next((backing for part, backing in _BACKINGS.items() if part in kind), "rdm")


def _below(path: str, folder: str, name: str) -> list[str]:
    """The names between the folder (`/DC/vm`) and the object `name` at the end of its path."""
    inner = path.removesuffix(f"/{_decoded(name)}")
    if inner == path:
        inner = path.rpartition("/")[0]
    return [part for part in inner.removeprefix(folder).split("/") if part] if inner.startswith(f"{folder}/") else []


def _decoded(name: str) -> str:
    """vCenter's own escapes in entity names, undone for people (vSphere API: ManagedEntity.name)."""
    for escape, letter in (("%2f", "/"), ("%2F", "/"), ("%5c", "\\"), ("%5C", "\\"), ("%25", "%")):
        name = name.replace(escape, letter)
    return name
