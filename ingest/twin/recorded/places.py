"""Everything of a recorded inventory but the VMs: places, hosts, networks and datastores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast, get_args
from xml.etree.ElementTree import Element

from ingest.model.inventory import PvlanType, Vlan
from ingest.twin.recorded.documents import ROOT, Document, Documents, integer, kind_of
from ingest.twin.recorded.pools import read_pools
from ingest.twin.vcenter.properties.network import UPLINK_TAG
from ingest.twin.vcenter.scene import STORAGE_POD_PREFIX
from ingest.twin.vcenter.schema import api_versions
from ingest.twin.world import (
    Compute,
    Datacenter,
    Datastore,
    Folder,
    Host,
    HostPortGroup,
    Network,
    Switch,
    World,
)


@dataclass(frozen=True, slots=True)
class Plug:
    """A card by its device key, in a port of a switch; `group` is '' for a port in no group."""

    card: int
    port: str
    switch: str
    group: str


@dataclass(slots=True)
class Places:
    """The world so far, and what the VMs' devices refer to: groups by key, opaque networks by id, ports by key.

    `connected` tells of each VM what is plugged into which port.
    """

    world: World
    groups: dict[str, str] = field(default_factory=dict)
    opaque: dict[str, str] = field(default_factory=dict)
    ports: dict[tuple[str, str], Vlan] = field(default_factory=dict)  # (switch, port key) -> its own VLAN
    connected: dict[str, list[Plug]] = field(default_factory=dict)
    fields: dict[int, str] = field(default_factory=dict)


def read_places(documents: Documents, world: World) -> Places:
    """Fill the world with everything the VMs stand on."""
    return _Places(documents, world).read()


class _Places:
    def __init__(self, documents: Documents, world: World) -> None:
        self.documents = documents
        self.world = world
        self.made = Places(world)
        self.parents = {
            item.moref: item.reference("parent")
            for item in documents.of("Folder", "StoragePod", "Datacenter", "ComputeResource", "ClusterComputeResource")
        }

    def read(self) -> Places:
        self._vcenter()
        self._folders()
        self._computes()
        for item in self.documents.of("HostSystem"):
            self._host(item)
        switches = self.documents.of("DistributedVirtualSwitch", "VmwareDistributedVirtualSwitch")
        for item in switches:
            self._switch(item)
        self._networks()
        for item in switches:
            self._ports(item)
        for item in self.documents.of("Datastore"):
            self._datastore(item)
        for item in self.documents.of("CustomFieldsManager"):
            for one in item.items("field"):
                self.made.fields[integer(one.findtext("key", ""))] = one.findtext("name", "")
        return self.made

    def _vcenter(self) -> None:
        content, world = self.documents.content, self.world
        assert content is not None  # noqa: S101  the caller has looked
        world.vcenter_uuid = content.text("content/about/instanceUuid") or world.vcenter_uuid
        version = content.text("content/about/version")
        if version and api_versions(version):
            world.vcenter_version = version
        setting = content.reference("content/setting")
        for item in self.documents.of("OptionManager"):
            if item.moref == setting:
                found = {one.findtext("key"): one.findtext("value", "") for one in item.items("setting")}
                name = found.get("VirtualCenter.FQDN") or found.get("VirtualCenter.InstanceName")
                world.vcenter_name = name or world.vcenter_name

    def _id(self, moref: str) -> str:
        return ROOT if moref == self.documents.root else moref

    def _datacenter(self, moref: str) -> str:
        """The datacenter above an object, '' when there is none."""
        seen = set()
        while moref and moref not in seen:
            if moref in self.world.datacenters:
                return moref
            seen.add(moref)
            moref = self.parents.get(moref, "")
        return ""

    def _rooted(self, moref: str, folders: set[str]) -> bool:
        """True when everything above an object was recorded too."""
        seen = set()
        while moref != self.documents.root:
            if moref in seen or (moref not in folders and moref not in self.world.datacenters):
                return False
            seen.add(moref)
            moref = self.parents.get(moref, "")
        return True

    def _folders(self) -> None:
        world = self.world
        for item in self.documents.of("Datacenter"):
            world.datacenters[item.moref] = Datacenter(
                item.moref,
                item.text("name"),
                item.reference("vmFolder"),
                item.reference("hostFolder"),
                item.reference("networkFolder"),
                item.reference("datastoreFolder"),
                self._id(item.reference("parent")) or ROOT,
            )
        recorded = self.documents.of("Folder", "StoragePod")
        known = {item.moref for item in recorded}
        for moref, datacenter in list(world.datacenters.items()):
            if not {datacenter.vm_folder, datacenter.host_folder, datacenter.network_folder,
                    datacenter.datastore_folder} <= known or not self._rooted(moref, known):  # fmt: skip
                del world.datacenters[moref]
                self.documents.leave("Datacenter without its folders")
        world.folders[ROOT] = Folder(ROOT, "Datacenters", "", "")
        for item in recorded:
            parent = self._id(item.reference("parent"))
            moref = self._id(item.moref)
            datacenter_moref = "" if moref == ROOT else self._datacenter(item.moref)
            if not self._rooted(item.moref, known):
                self.documents.leave(f"{item.kind} without a place")
                continue
            if item.kind == "StoragePod" and not moref.startswith(STORAGE_POD_PREFIX):
                self.documents.leave("StoragePod, taken for a folder")
            world.folders[moref] = Folder(moref, item.text("name"), "" if moref == ROOT else parent, datacenter_moref)

    def _placed(self, items: list[Document], folder: str) -> Iterator[tuple[Document, Datacenter, str]]:
        """(object, its datacenter, its parent folder), those that are in no datacenter left out."""
        for item in items:
            parent = item.reference("parent")
            moref = self._datacenter(parent)
            if not moref:
                self.documents.leave(f"{item.kind} without a place")
                continue
            datacenter = self.world.datacenters[moref]
            yield item, datacenter, parent if parent in self.world.folders else getattr(datacenter, folder)

    def _computes(self) -> None:
        computes = self.documents.of("ComputeResource", "ClusterComputeResource")
        for item, datacenter, parent in self._placed(computes, "host_folder"):
            pool = item.reference("resourcePool") or f"resgroup-{item.moref}"
            cluster = item.kind == "ClusterComputeResource"
            self.world.computes[item.moref] = Compute(
                item.moref, item.text("name"), datacenter.moref, parent, cluster, pool
            )
        read_pools(self.documents, self.world)

    def _host(self, item: Document) -> None:
        compute = item.reference("parent")
        if compute not in self.world.computes:
            self.documents.leave("HostSystem without a place")
            return
        places = ("summary/config/product", "config/product")
        product = next((path for path in places if item.get(path) is not None), "")
        made = Host(
            item.moref,
            item.text("name"),
            compute,
            item.text("runtime/connectionState", "connected"),
            item.flag("runtime/inMaintenanceMode"),
        )
        if product:
            made.version, made.build = item.text(f"{product}/version"), item.text(f"{product}/build")
        config = item.get("config")
        if config is not None:
            made.portgroups = [_portgroup(one) for one in config.iterfind("network/portgroup")]
        else:  # which groups it has can be seen, their VLANs cannot
            offered = {one.text or "" for one in item.items("network")}
            names = [one.text("name") for one in self.documents.of("Network") if one.moref in offered]
            made.portgroups = [HostPortGroup(name, 0) for name in names]
        self.world.hosts[item.moref] = made

    def _switch(self, item: Document) -> None:
        for _, datacenter, parent in self._placed([item], "network_folder"):
            entries = [
                (integer(one.findtext("primaryVlanId", "")), integer(one.findtext("secondaryVlanId", "")),
                 _pvlan_type(one.findtext("pvlanType", "")))
                for one in _all(item.get("config"), "pvlanConfig")
            ]  # fmt: skip
            uplinks = [one.text or "" for one in _all(item.get("config"), "uplinkPortgroup")]
            known = {one.moref for one in self.documents.of("DistributedVirtualPortgroup")}
            uplink = next((moref for moref in uplinks if moref in known), "")
            self.world.switches[item.moref] = Switch(
                item.moref, item.text("name"), item.text("uuid"), datacenter.moref, parent, entries, uplink
            )

    def _networks(self) -> None:
        recorded = self.documents.of("Network", "OpaqueNetwork", "DistributedVirtualPortgroup")
        for item, datacenter, parent in self._placed(recorded, "network_folder"):
            made = Network(item.moref, item.text("name"), "standard", datacenter.moref, parent)
            if item.kind == "OpaqueNetwork":
                made.kind = "opaque"
                made.opaque_id = item.text("summary/opaqueNetworkId")
                made.opaque_type = item.text("summary/opaqueNetworkType") or made.opaque_type
                self.made.opaque[made.opaque_id] = made.moref
            elif item.kind == "DistributedVirtualPortgroup" and not self._group(item, made):
                self.documents.leave("DistributedVirtualPortgroup without its switch")
                continue
            self.world.networks[made.moref] = made
        for switch in self.world.switches.values():
            if switch.uplink not in self.world.networks:
                switch.uplink = ""

    def _group(self, item: Document, made: Network) -> bool:
        switch = self.world.switches.get(item.reference("config/distributedVirtualSwitch"))
        if switch is None:
            return False
        made.kind, made.switch = "dvs", switch.moref
        made.uplink = any(one.findtext("key") == UPLINK_TAG for one in item.items("tag")) or made.moref == switch.uplink
        made.vlan = _vlan(item.get("config/defaultPortConfig/vlan"), switch) or Vlan("none")
        made.vlan_override_allowed = item.flag("config/policy/vlanOverrideAllowed")
        made.binding = "ephemeral" if item.text("config/type") == "ephemeral" else "earlyBinding"
        if item.text("config/backingType") == "nsx":
            made.nsx_segment = item.text("config/segmentId") or item.text("config/logicalSwitchUuid") or made.moref
        self.made.groups[item.text("key") or made.moref] = made.moref
        return True

    def _ports(self, item: Document) -> None:
        switch = self.world.switches.get(item.moref)
        answer = self.documents.answer(item, "FetchDVPorts")
        if switch is None or answer is None:
            return
        for port in answer.iterfind("returnval"):
            key = port.findtext("key", "")
            in_group = port.findtext("portgroupKey", "")
            group = self.world.networks.get(self.made.groups.get(in_group, ""))
            if in_group and group is None:
                continue
            entity, card = port.findtext("connectee/connectedEntity"), port.findtext("connectee/nicKey", "")
            if entity:
                plug = Plug(integer(card, 4000), key, switch.moref, group.moref if group else "")
                self.made.connected.setdefault(entity, []).append(plug)
            spec = port.find("config/setting/vlan")
            fixed = group is not None and not group.vlan_override_allowed
            if spec is None or fixed or spec.findtext("inherited") == "true":
                continue
            own = _vlan(spec, switch)
            if own is not None:
                self.made.ports[switch.moref, key] = own

    def _datastore(self, item: Document) -> None:
        for _, datacenter, parent in self._placed([item], "datastore_folder"):
            url = item.text("summary/url")
            made = Datastore(
                item.moref,
                item.text("name"),
                datacenter.moref,
                parent,
                item.text("summary/type") or "VMFS",
                item.number("summary/capacity"),
                item.number("summary/freeSpace"),
                item.text("info/nas/remoteHost"),
                item.text("info/nas/remotePath"),
                "" if url == f"ds:///vmfs/volumes/{item.moref}/" else url,
                self._mounts(item, datacenter),
                item.text("summary/accessible", "true") in ("true", "1"),
                item.text("summary/maintenanceMode") or "normal",
            )
            self.world.datastores[item.moref] = made

    def _mounts(self, item: Document, datacenter: Datacenter) -> list[str]:
        """The hosts that mount a datastore; none for every host of the datacenter, as the world has it."""
        world = self.world
        everywhere = [host.moref for host in world.hosts.values()
                      if world.computes[host.compute].datacenter == datacenter.moref]  # fmt: skip
        said = item.get("host")
        if said is not None and not len(said) and everywhere:
            self.documents.leave("Datastore that no host mounts, taken for one that every host does")
        mounts = [one.findtext("key", "") for one in item.items("host")]
        found = [moref for moref in mounts if moref in world.hosts]
        if found == everywhere and not (len(found) == 1 and item.flag("info/vmfs/local")):
            return []
        return found


def _all(element: Element | None, name: str) -> list[Element]:
    return list(element.iterfind(name)) if element is not None else []


def _portgroup(element: Element) -> HostPortGroup:
    kinds = {port.findtext("type") for port in element.iterfind("port")}
    name, vlan = element.findtext("spec/name", ""), integer(element.findtext("spec/vlanId", ""))
    return HostPortGroup(name, vlan, element.findtext("spec/vswitchName", ""), vmkernel=kinds == {"host"})


def _pvlan_type(text: str) -> PvlanType:
    return cast("PvlanType", text if text in get_args(PvlanType) else "isolated")


def _vlan(spec: Element | None, switch: Switch) -> Vlan | None:
    """The VLAN of a port setting, by the class of its spec."""
    if spec is None:
        return None
    kind = kind_of(spec)
    if kind.endswith("TrunkVlanSpec"):
        ranges = [
            (integer(one.findtext("start", "")), integer(one.findtext("end", ""))) for one in spec.iterfind("vlanId")
        ]
        return Vlan("trunk", ranges=tuple(ranges))
    if kind.endswith("PvlanSpec"):
        secondary = integer(spec.findtext("pvlanId", ""))
        for primary, entry, pvlan_type in switch.pvlans:
            if entry == secondary:
                return Vlan("pvlan", primary=primary, secondary=secondary, pvlan_type=pvlan_type)
        return Vlan("pvlan", secondary=secondary)
    if kind.endswith("VlanIdSpec"):
        number = integer(spec.findtext("vlanId", ""))
        return Vlan("id", number) if number else Vlan("none")
    return None
