"""Distributed switches: found by UUID, their groups by key, their ports by criteria."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import VimFault, not_supported
from ingest.twin.vcenter.properties.entity import CREATED
from ingest.twin.vcenter.properties.network import group_vlan, port_setting
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import VM, Network, Nic, Switch

_PORTS_PER_GROUP = 8


def _by_uuid(call: Call) -> Value:
    wanted = call.argument("uuid")
    with call.service.world.lock:
        for switch in call.service.world.switches.values():
            if switch.uuid == wanted:
                return Ref("VmwareDistributedVirtualSwitch", switch.moref)
    raise VimFault("NotFound", "The object or item referred to could not be found.")


def _port_group(call: Call) -> Value:
    wanted = call.argument("portgroupKey")
    with call.service.world.lock:
        for group in call.reader.scene.portgroups_of_switch[call.this.moref]:
            if group.key == wanted:
                return Ref("DistributedVirtualPortgroup", group.moref)
    raise VimFault("NotFound", "The object or item referred to could not be found.")


@dataclass(frozen=True, slots=True)
class _Port:
    key: str
    group: Network
    vm: VM | None = None
    nic: Nic | None = None

    @property
    def active(self) -> bool:
        """A port is active while a running VM uses it."""
        return (
            self.vm is not None and self.nic is not None and self.vm.power_state == "poweredOn" and self.nic.connected
        )


def _ports_of(scene: Scene, switch: Switch) -> list[_Port]:
    """Those in use, then the free ones of groups with fixed ports."""
    groups = {group.key: group for group in scene.portgroups_of_switch[switch.moref]}
    used = [
        _Port(nic.port_key, groups[nic.network], vm, nic)
        for vm in scene.world.vms.values()
        for nic in vm.nics
        if nic.backing == "dvs" and nic.port_key and nic.network in groups
    ]
    taken = {port.key for port in used}
    number = 1 + max((int(key) for key in taken if key.isdigit()), default=0)
    per_group = {key: sum(1 for port in used if port.group.key == key) for key in groups}
    free = []
    for key, group in groups.items():
        # A group grows by whole blocks of ports; ephemeral groups have no port until a VM starts.
        spare = 0 if group.binding == "ephemeral" else -per_group[key] % _PORTS_PER_GROUP
        for _ in range(spare):
            free.append(_Port(str(number), group))
            number += 1
    return used + free


def _fetch_ports(call: Call) -> Value:
    world = call.service.world
    with world.lock:
        switch = world.switches[call.this.moref]
        criteria = call.argument("criteria") or Data("DistributedVirtualSwitchPortCriteria")
        return [_port(switch, port) for port in _ports_of(call.reader.scene, switch) if _meets(port, criteria)]


def ports(scene: Scene, switch: Switch) -> list[Value]:
    """Every port of a switch, as `FetchDVPorts` without criteria answers."""
    return [_port(switch, port) for port in _ports_of(scene, switch)]


def _meets(port: _Port, criteria: Data) -> bool:
    if criteria.get("scope") is not None or criteria.get("nsxPort") is not None:
        raise not_supported("The twin does not know port criteria scope and nsxPort.")
    flags = {"connected": port.vm is not None, "active": port.active, "uplinkPort": port.group.uplink}
    if any(criteria.get(name) not in (None, value) for name, value in flags.items()):
        return False
    groups, keys, hosts = criteria.get("portgroupKey"), criteria.get("portKey"), criteria.get("host")
    inside = criteria.get("inside") is not False
    if groups and (port.group.key in groups) != inside:
        return False
    if keys and port.key not in keys:
        return False
    return not hosts or (port.vm is not None and port.vm.host in {ref.moref for ref in hosts})


def _port(switch: Switch, port: _Port) -> Data:
    own = port.nic.port_vlan if port.nic is not None and port.group.vlan_override_allowed else None
    vlan = own or group_vlan(port.group)
    connectee = None
    if port.vm is not None and port.nic is not None:
        connectee = Data("DistributedVirtualSwitchPortConnectee", connectedEntity=Ref("VirtualMachine", port.vm.moref),
                         nicKey=str(port.nic.key), type="vmVnic")  # fmt: skip
    return Data(
        "DistributedVirtualPort",
        key=port.key,
        config=Data("DVPortConfigInfo", setting=port_setting(vlan, inherited=own is None), configVersion="0"),
        dvsUuid=switch.uuid,
        portgroupKey=port.group.key,
        proxyHost=Ref("HostSystem", port.vm.host) if port.vm is not None else None,
        connectee=connectee,
        conflict=False,
        state=Data("DVPortState", stats=_no_traffic()),
        lastStatusChange=CREATED,
    )


def _no_traffic() -> Data:
    names = ("packetsInMulticast", "packetsOutMulticast", "bytesInMulticast", "bytesOutMulticast", "packetsInUnicast",
             "packetsOutUnicast", "bytesInUnicast", "bytesOutUnicast", "packetsInBroadcast", "packetsOutBroadcast",
             "bytesInBroadcast", "bytesOutBroadcast", "packetsInDropped", "packetsOutDropped", "packetsInException",
             "packetsOutException")  # fmt: skip
    return Data("DistributedVirtualSwitchPortStatistics", **dict.fromkeys(names, 0))


SWITCHES: dict[str, Callable[[Call], Value]] = {
    "QueryDvsByUuid": _by_uuid,
    "LookupDvPortGroup": _port_group,
    "FetchDVPorts": _fetch_ports,
}
