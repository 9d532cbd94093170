"""A world out of its short form: the generated site, then every change a person asked for, then CloudStack's side."""

from __future__ import annotations

from ingest.errors import RulesError
from ingest.model.inventory import Vlan
from ingest.twin.generator import Draft
from ingest.twin.registration import unregister, unregister_site
from ingest.twin.world import VM, Datastore, GuestService, HostPortGroup, Network, World
from ingest.twin.worlds.description import (
    ChangeEntry,
    Description,
    DiskEntry,
    HostEntry,
    NetworkEntry,
    NicEntry,
    VmChanges,
    VmEntry,
    parse_vlan,
)
from ingest.twin.worlds.oddities import ODDITIES, Setting
from ingest.twin.worlds.site import GUEST_TAGGING, ClusterSite, Site, Tenant
from ingest.twin.worlds.yamltext import Document, Path

PLAIN_FIELDS = (
    "power_state",
    "connection_state",
    "cpus",
    "cores_per_socket",
    "memory_mib",
    "cpu_reservation_mhz",
    "guest_id",
    "guest_delay_s",
    "guest_hangs",
    "guest_dhcp",
    "guest_full_name",
    "tools_status",
    "firmware",
    "question",
    "annotation",
    "custom_fields",
)


def world_from_description(description: Description, document: Document) -> World:
    """The described world. Raises RulesError with the place in the file for a name that nothing has."""
    return _Described(description, document).build()


class _Described:
    def __init__(self, description: Description, document: Document) -> None:
        self.description = description
        self.document = document
        generate = description.generate
        try:
            shape = generate.as_shape()
        except ValueError as error:
            raise self.wrong(str(error), ("generate", "rates"), "lower the rates") from None
        self.draft = Draft(generate.vms, seed=generate.seed, shape=shape)
        self.world = self.draft.world
        self.unregistered: list[VM] = []
        self.without_network = set(description.cloud.without_networks)

    def wrong(self, message: str, path: Path, cure: str) -> RulesError:
        return RulesError(message, place=self.document.place(path), cure=cure)

    def pick(self, what: str, name: str, known: list[str], path: Path) -> int:
        """Index of the name among the known ones."""
        if name not in known:
            shown = ", ".join(sorted(known)[:40]) or "there is none"
            raise self.wrong(f"no {what} is called {name}", path, f"use one of: {shown}")
        return known.index(name)

    def build(self) -> World:
        description = self.description
        self._names()
        for index, network in enumerate(description.networks):
            self._network(network, ("networks", index))
        for index, change in enumerate(description.change):
            self._change(change, ("change", index))
        for index, entry in enumerate(description.vms):
            self._vm(entry, ("vms", index))
        for index, host_entry in enumerate(description.hosts):
            self._host(host_entry, ("hosts", index))
        self._unique_in_folders()
        world = self.draft.finish(without_network=frozenset(self.without_network))
        tweaks = description.cloud.model_dump(exclude={"configuration", "without_networks"}, exclude_none=True)
        for key, value in tweaks.items():
            setattr(world.cloud, key, value)
        world.cloud.configuration.update(description.cloud.configuration)
        self._unregister()
        return world

    def _unregister(self) -> None:
        """Last, so that CloudStack's side fits these VMs as well: they are there to be registered and imported."""
        stores = list(self.world.datastores.values())
        names = [store.name for store in stores]
        chosen: set[str] = set()
        for index, name in enumerate(self.description.replicated):
            if name == "*":
                chosen.update(store.moref for store in stores)
            else:
                self.pick("datastore", name, names, ("replicated", index))
                chosen.update(store.moref for store in stores if store.name == name)
        for vm in self.unregistered:
            if vm.power_state != "suspended":
                vm.power_state = "poweredOff"
            unregister(self.world, vm)
        unregister_site(self.world, chosen)

    def _host(self, entry: HostEntry, path: Path) -> None:
        hosts = list(self.world.hosts.values())
        host = hosts[self.pick("host", entry.name, [host.name for host in hosts], (*path, "name"))]
        if entry.connection_state is not None:
            host.connection_state = entry.connection_state
        if entry.in_maintenance is not None:
            host.in_maintenance = entry.in_maintenance

    def _names(self) -> None:
        world, vcenter = self.world, self.description.vcenter
        world.name = self.description.name
        world.vcenter_name = vcenter.name or world.vcenter_name
        world.vcenter_user = vcenter.user or world.vcenter_user
        world.vcenter_password = vcenter.password or world.vcenter_password

    def _site(self, name: str | None, path: Path) -> Site:
        sites = self.draft.populated_sites()
        if name is None:
            return sites[0]
        return sites[self.pick("datacenter", name, [site.datacenter.name for site in sites], (*path, "datacenter"))]

    def _tenant(self, name: str | None, path: Path) -> Tenant:
        tenants = self.draft.tenants
        if name is None:
            return tenants[0]
        return tenants[self.pick("tenant", name, [tenant.name for tenant in tenants], (*path, "tenant"))]

    def _network(self, entry: NetworkEntry, path: Path) -> None:
        site = self._site(entry.datacenter, path)
        datacenter = site.datacenter
        if any(n.name == entry.name for n in self._networks(site)):
            raise self.wrong(f"the datacenter has a network {entry.name} already", (*path, "name"), "rename one")
        vlan = parse_vlan(str(entry.vlan))
        prefix = {"standard": "network-", "dvs": "dvportgroup-", "opaque": "network-o"}[entry.kind]
        moref = self.draft.parts.moref(prefix)
        made = Network(moref, entry.name, entry.kind, datacenter.moref, datacenter.network_folder)
        if entry.kind == "dvs":
            self._on_switch(made, vlan, site, path)
        elif entry.kind == "opaque":
            made.opaque_id = self.draft.parts.uuid()
        else:
            if vlan.kind not in ("none", "id") and vlan.ranges != ((0, 4094),):
                raise self.wrong(
                    "a standard port group has one VLAN", (*path, "vlan"), "write one id, or trunk 0-4094 for 4095"
                )
            raw = GUEST_TAGGING if vlan.kind == "trunk" else vlan.id or 0
            for host in site.all_hosts():
                host.portgroups.append(HostPortGroup(entry.name, raw))
        self.world.networks[moref] = made
        site.vlans[moref] = vlan
        site.groups[self._tenant(entry.tenant, path).name].append(made)
        if not entry.in_cloudstack:
            self._leave_out(vlan, path)

    def _on_switch(self, network: Network, vlan: Vlan, site: Site, path: Path) -> None:
        switches = [s for s in self.world.switches.values() if s.datacenter == site.datacenter.moref]
        switch = switches[0]
        if vlan.kind == "pvlan" and vlan.primary and vlan.secondary and vlan.pvlan_type:
            taken = [s for s in switches if any(secondary == vlan.secondary for _, secondary, _ in s.pvlans)]
            switch = taken[0] if taken else switch
            entry = (vlan.primary, vlan.secondary, vlan.pvlan_type)
            if taken and entry not in switch.pvlans:
                raise self.wrong("the secondary VLAN is taken on that switch", (*path, "vlan"), "use another one")
            if not taken:
                switch.pvlans.append(entry)
        network.switch, network.vlan = switch.moref, vlan

    def _leave_out(self, vlan: Vlan, path: Path) -> None:
        if vlan.kind == "id":
            self.without_network.add(f"vlan://{vlan.id}")
        elif vlan.kind == "pvlan" and vlan.pvlan_type:
            self.without_network.add(f"pvlan://{vlan.primary}-{vlan.pvlan_type[0]}{vlan.secondary}")
        elif vlan.kind == "none":
            raise self.wrong(
                "an untagged network always gets its CloudStack network", (*path, "in_cloudstack"), "leave the key out"
            )

    def _networks(self, site: Site) -> list[Network]:
        return [n for n in self.world.networks.values() if n.datacenter == site.datacenter.moref and not n.uplink]

    def _vm(self, entry: VmEntry, path: Path) -> None:
        site = self._site(entry.datacenter, path)
        cluster = site.clusters[0]
        if entry.cluster is not None:
            names = [one.compute.name for one in site.clusters]
            cluster = site.clusters[self.pick("cluster", entry.cluster, names, (*path, "cluster"))]
        tenant = self._tenant(entry.tenant, path)
        vm = self.draft.machines.make(site, cluster, tenant, name=entry.name, running=True)
        self._apply(vm, entry, site, cluster, path)

    def _change(self, entry: ChangeEntry, path: Path) -> None:
        vms = [vm for vm in self.world.vms.values() if vm.name == entry.vm]
        if not vms:
            names = [vm.name for vm in self.world.vms.values()]
            self.pick("VM", entry.vm, names, (*path, "vm"))
        if len(vms) > 1:
            raise self.wrong(f"{len(vms)} VMs are called {entry.vm}", (*path, "vm"), "choose a VM with a unique name")
        vm = vms[0]
        compute = self.world.compute_of(vm)
        site = next(site for site in self.draft.sites if site.datacenter.moref == compute.datacenter)
        cluster = next((one for one in site.clusters if one.compute is compute), site.clusters[0])
        vm.name = entry.name or vm.name
        self._apply(vm, entry, site, cluster, path)

    def _apply(self, vm: VM, entry: VmChanges, site: Site, cluster: ClusterSite, path: Path) -> None:
        for name in PLAIN_FIELDS:
            value = getattr(entry, name)
            if value is not None:
                setattr(vm, name, value)
        if entry.services is not None:
            vm.services = [GuestService(**service.model_dump()) for service in entry.services]
        if entry.power_state not in (None, "poweredOn") and entry.tools_status is None:
            vm.tools_status = "toolsNotRunning"
        if entry.folder is not None:
            vm.folder, vm.vapp = self.draft.machines.folder(site, *entry.folder.strip("/").split("/")), ""
        if entry.disks is not None:
            vm.disks.clear()
            for index, disk in enumerate(entry.disks):
                self._disk(vm, disk, site, cluster, (*path, "disks", index))
        if entry.nics is not None:
            vm.nics.clear()
            for index, nic in enumerate(entry.nics):
                self._nic(vm, nic, site, (*path, "nics", index))
        self.draft.machines.set_addresses(vm, site)
        for index, name in enumerate(entry.oddities):
            try:
                ODDITIES[name](vm, Setting(self.draft.machines, site, cluster))
            except (ValueError, IndexError) as error:
                reason = str(error) if isinstance(error, ValueError) else "the VM lacks the device it changes"
                raise self.wrong(f"{name}: {reason}", (*path, "oddities", index), "leave it out") from None
        if not entry.registered:
            self.unregistered.append(vm)
        for nic_entry, card in zip(entry.nics or (), vm.nics, strict=False):
            card.ips = card.ips if nic_entry.ips is None else nic_entry.ips

    def _disk(self, vm: VM, entry: DiskEntry, site: Site, cluster: ClusterSite, path: Path) -> None:
        datastore = cluster.datastores[0]
        if entry.datastore is not None:
            stores: list[Datastore] = [
                d for d in self.world.datastores.values() if d.datacenter == site.datacenter.moref
            ]
            names = [store.name for store in stores]
            datastore = stores[self.pick("datastore", entry.datastore, names, (*path, "datastore"))]
        try:
            made = self.draft.parts.disk(vm, datastore, entry.size_gib, entry.controller, backing=entry.backing)
        except ValueError as error:
            raise self.wrong(str(error), path, "use another controller, or fewer disks") from None
        made.mode, made.sharing = entry.mode, entry.sharing
        made.shared_bus, made.rdm_mode = entry.shared_bus, entry.rdm_mode

    def _nic(self, vm: VM, entry: NicEntry, site: Site, path: Path) -> None:
        networks = self._networks(site)
        network = networks[self.pick("network", entry.network, [n.name for n in networks], (*path, "network"))]
        made = self.draft.parts.nic(vm, network, entry.card)
        made.mac = entry.mac or made.mac
        made.connected, made.start_connected = entry.connected, entry.start_connected

    def _unique_in_folders(self) -> None:
        seen: set[tuple[str, str]] = set()
        for vm in self.world.vms.values():
            if vm.ft_role == 2:
                continue  # the secondary of a pair stands beside its primary, under the same name
            if vm.folder and (vm.folder, vm.name) in seen:
                where = next((i for i, entry in enumerate(self.description.vms) if entry.name == vm.name), None)
                path: Path = ("vms",) if where is None else ("vms", where, "name")
                raise self.wrong(f"two VMs in one folder are called {vm.name}", path, "give one of them a folder")
            seen.add((vm.folder, vm.name))
