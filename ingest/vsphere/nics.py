"""Network cards: classified by the class of their backing, joined with port groups, switches and the VM's own host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address

from ingest.model.inventory import Nic, NicKind, Vlan
from ingest.vsphere.paths import Places
from ingest.vsphere.rows import (
    BackingRow,
    DeviceRow,
    GuestNicRow,
    HostRow,
    NetworkRow,
    PortGroupRow,
    SwitchRow,
)
from ingest.vsphere.vlans import resolve_vlan, vlan_of_id

DVS_BACKING = "VirtualEthernetCardDistributedVirtualPortBackingInfo"
STANDARD_BACKING = "VirtualEthernetCardNetworkBackingInfo"
OPAQUE_BACKING = "VirtualEthernetCardOpaqueNetworkBackingInfo"

# What a NIC's `problem` can say, and how the report explains it.
PROBLEMS = {
    "no-backing": "the card has no backing: it is connected to nothing",
    "unknown-backing": "the backing class is not known to name a network",
    "network-inaccessible": "the network exists in the VM's settings only: no host offers it",
    "portgroup-not-on-host": "the VM's host has no port group of this name",
    "portgroup-unknown": "the distributed port group does not exist (deleted, or not readable)",
    "no-portgroup-key": "the card is connected to a bare switch port without a port group",
    "opaque-unknown": "no opaque network has this id",
    "host-unknown": "the VM has no readable host, so the port group's VLAN is not known",
    "host-unreadable": "the configuration of the VM's host cannot be read, so the VLAN is not known",
    "vlan-unreadable": "the port group's VLAN cannot be read",
    "pvlan-unmapped": "the switch's private VLAN map has no entry for this id",
    "port-unreadable": "the port may override its group's VLAN and cannot be read",
}

# As CloudStack names adapters (com.cloud.hypervisor.vmware.mo.VirtualMachineMO): everything else is E1000.
_ADAPTERS = {
    "VirtualPCNet32": "PCNet32",
    "VirtualVmxnet2": "Vmxnet2",
    "VirtualVmxnet3": "Vmxnet3",
}


@dataclass(frozen=True, slots=True)
class Fabric:
    """Everything a NIC can be connected to. Built once, read for every NIC.

    `port_vlans` are the ports' own settings by (switch uuid, port key), read only for groups that allow overriding.
    """

    places: Places
    hosts: Mapping[str, HostRow]
    switches: Mapping[str, SwitchRow]
    portgroups: Mapping[str, PortGroupRow]  # by key
    networks: Mapping[str, NetworkRow]
    opaque: Mapping[str, tuple[NetworkRow, ...]]  # by opaque network id
    standard: Mapping[tuple[str, str], NetworkRow]  # by (datacenter, name)
    port_vlans: Mapping[tuple[str, str], Vlan | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        places: Places,
        hosts: Iterable[HostRow],
        switches: Iterable[SwitchRow],
        portgroups: Iterable[PortGroupRow],
        networks: Iterable[NetworkRow],
        port_vlans: Mapping[tuple[str, str], Vlan | None] | None = None,
    ) -> Fabric:
        listed = tuple(networks)
        opaque: dict[str, tuple[NetworkRow, ...]] = {}
        standard: dict[tuple[str, str], NetworkRow] = {}
        for row in listed:
            if row.kind == "OpaqueNetwork":
                opaque[row.opaque_id] = (*opaque.get(row.opaque_id, ()), row)
            else:
                datacenter = places.datacenter(row.parent)
                standard.setdefault((datacenter.moref if datacenter else "", row.name), row)
        return cls(
            places,
            {row.moref: row for row in hosts},
            {row.moref: row for row in switches},
            {row.key: row for row in portgroups},
            {row.moref: row for row in listed},
            opaque,
            standard,
            port_vlans or {},
        )


@dataclass(frozen=True, slots=True)
class _Connection:
    """Where a NIC ends: the fields of `Nic` that depend on its backing."""

    kind: NicKind
    network_name: str = ""
    network_moref: str = ""
    switch_name: str = ""
    switch_uuid: str = ""
    portgroup_key: str = ""
    port_key: str = ""
    vlan: Vlan | None = None
    nsx: bool = False
    problem: str = ""


def read_nic(
    device: DeviceRow, host: HostRow | None, datacenter: str, fabric: Fabric, guest: Iterable[GuestNicRow] = ()
) -> Nic:
    """One card, whatever its state: a card that cannot be resolved is kept with a `problem`, never left out.

    `host` is the VM's own host (standard port groups are looked up nowhere else), `datacenter` the VM's.
    """
    connection = _connection(device.backing, host, datacenter, fabric)
    return Nic(
        key=device.key,
        label=device.label,
        mac=device.mac.lower().replace("-", ":"),
        adapter=_ADAPTERS.get(device.kind, "E1000"),
        card_class=device.kind,
        kind=connection.kind,
        network_name=connection.network_name,
        network_moref=connection.network_moref,
        switch_name=connection.switch_name,
        switch_uuid=connection.switch_uuid,
        portgroup_key=connection.portgroup_key,
        port_key=connection.port_key,
        vlan=connection.vlan,
        connected=device.connected,
        start_connected=device.start_connected,
        sriov=device.kind == "VirtualSriovEthernetCard",
        nsx=connection.nsx,
        ipv4=_ipv4(device, guest),
        problem=connection.problem,
    )


def _connection(backing: BackingRow | None, host: HostRow | None, datacenter: str, fabric: Fabric) -> _Connection:
    if backing is None:
        return _Connection("unattached", problem="no-backing")
    if backing.kind == DVS_BACKING:
        return _distributed(backing, fabric)
    if backing.kind == STANDARD_BACKING:
        return _standard(backing, host, datacenter, fabric)
    if backing.kind == OPAQUE_BACKING:
        return _opaque(backing, datacenter, fabric)
    return _Connection("unattached", network_name=backing.device_name, problem="unknown-backing")


def _distributed(backing: BackingRow, fabric: Fabric) -> _Connection:
    group = fabric.portgroups.get(backing.portgroup_key)
    switch = fabric.switches.get(group.switch) if group else None
    if group is None or (switch is not None and switch.uuid != backing.switch_uuid):
        named = next((row.name for row in fabric.switches.values() if row.uuid == backing.switch_uuid), "")
        return _Connection(
            "unattached",
            switch_name=named,
            switch_uuid=backing.switch_uuid,
            portgroup_key=backing.portgroup_key,
            port_key=backing.port_key,
            problem="portgroup-unknown" if backing.portgroup_key else "no-portgroup-key",
        )
    nsx = is_nsx(group)
    vlan: Vlan | None = None
    problem = ""
    if not nsx:  # the VLAN of an NSX segment's port group means nothing
        port = (backing.switch_uuid, backing.port_key)
        vlan, problem = resolve_vlan(fabric.port_vlans.get(port, group.vlan), switch)
        if may_override(backing, group) and port not in fabric.port_vlans:
            problem = problem or "port-unreadable"
    return _Connection(
        "dvs",
        network_name=group.name,
        network_moref=group.moref,
        switch_name=switch.name if switch else "",
        switch_uuid=backing.switch_uuid,
        portgroup_key=backing.portgroup_key,
        port_key=backing.port_key,
        vlan=vlan,
        nsx=nsx,
        problem=problem,
    )


def _standard(backing: BackingRow, host: HostRow | None, datacenter: str, fabric: Fabric) -> _Connection:
    network = fabric.networks.get(backing.network) or fabric.standard.get((datacenter, backing.device_name))
    moref = network.moref if network else backing.network
    if host is None or host.portgroups is None:
        problem = "host-unknown" if host is None else "host-unreadable"
        return _Connection("standard", backing.device_name, moref, problem=problem)
    for group in host.portgroups:
        if group.name == backing.device_name:
            vlan = vlan_of_id(group.vlan_id)
            return _Connection("standard", backing.device_name, moref, switch_name=group.vswitch, vlan=vlan)
    gone = backing.device_name == "none" or (network is not None and not network.accessible)
    problem = "network-inaccessible" if gone else "portgroup-not-on-host"
    return _Connection("unattached", backing.device_name, moref, problem=problem)


def _opaque(backing: BackingRow, datacenter: str, fabric: Fabric) -> _Connection:
    nsx = backing.opaque_type.startswith("nsx.")
    rows = fabric.opaque.get(backing.opaque_id, ())
    if not rows:
        return _Connection("opaque", network_name=backing.opaque_id, nsx=nsx, problem="opaque-unknown")
    here = [row for row in rows if (home := fabric.places.datacenter(row.parent)) and home.moref == datacenter]
    row = (here or rows)[0]
    return _Connection("opaque", row.name, row.moref, nsx=nsx)


def may_override(backing: BackingRow, group: PortGroupRow) -> bool:
    """Whether the port itself has to be asked for its VLAN, as CloudStack does for every port."""
    return group.vlan_override_allowed and bool(backing.port_key) and not is_nsx(group)


def is_nsx(group: PortGroupRow) -> bool:
    """Whether a distributed port group stands for an NSX segment (config.backingType, since API 7.0)."""
    return group.backing_type.lower() == "nsx"


def _ipv4(device: DeviceRow, guest: Iterable[GuestNicRow]) -> tuple[str, ...]:
    """IPv4 addresses VMware Tools reports for this card: matched by device key, by MAC when Tools gives no key."""
    found: dict[str, None] = {}
    for nic in guest:
        if nic.key == device.key or (nic.key < 0 and nic.mac and nic.mac.lower() == device.mac.lower()):
            found |= dict.fromkeys(address for address in nic.addresses if _is_ipv4(address))
    return tuple(found)


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
