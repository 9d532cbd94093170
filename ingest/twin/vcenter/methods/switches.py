"""Distributed switches: found by UUID, their groups by key, their ports by criteria."""

from __future__ import annotations

from collections.abc import Callable

from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import VimFault, not_supported
from ingest.twin.vcenter.ports import UPLINKS, Port
from ingest.twin.vcenter.properties.entity import CREATED
from ingest.twin.vcenter.properties.network import group_vlan, port_setting
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import Switch


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


def _fetch_ports(call: Call) -> Value:
    world = call.service.world
    with world.lock:
        switch = world.switches[call.this.moref]
        criteria = call.argument("criteria") or Data("DistributedVirtualSwitchPortCriteria")
        return [_port(switch, port) for port in call.reader.scene.ports[switch.moref] if _meets(port, criteria)]


def ports(scene: Scene, switch: Switch) -> list[Value]:
    """Every port of a switch, as `FetchDVPorts` without criteria answers."""
    return [_port(switch, port) for port in scene.ports[switch.moref]]


def _meets(port: Port, criteria: Data) -> bool:
    if criteria.get("scope") is not None:
        raise not_supported("The twin does not know the port criterion scope.")
    group = port.group
    flags = {
        "connected": port.connected,
        "active": port.active,
        "uplinkPort": group is not None and group.uplink,
        "nsxPort": group is not None and bool(group.nsx_segment),
    }
    if any(criteria.get(name) not in (None, value) for name, value in flags.items()):
        return False
    groups, keys, hosts = criteria.get("portgroupKey"), criteria.get("portKey"), criteria.get("host")
    inside = criteria.get("inside") is not False
    if groups and (group is not None and group.key in groups) != inside:
        return False
    if keys and port.key not in keys:
        return False
    return not hosts or port.on_host in {ref.moref for ref in hosts}


def _port(switch: Switch, port: Port) -> Data:
    free_to_differ = port.group is None or port.group.vlan_override_allowed
    own = port.nic.port_vlan if port.nic is not None and free_to_differ else None
    vlan = own or (group_vlan(port.group) if port.group else None)
    return Data(
        "DistributedVirtualPort",
        key=port.key,
        config=Data("DVPortConfigInfo", name=UPLINKS[port.uplink] if port.host else None,
                    setting=port_setting(vlan, inherited=own is None), configVersion="0"),
        dvsUuid=switch.uuid,
        portgroupKey=port.group.key if port.group else None,
        proxyHost=Ref("HostSystem", port.on_host) if port.on_host else None,
        connectee=_connectee(port),
        conflict=False,
        state=Data("DVPortState", stats=_no_traffic()),
        lastStatusChange=CREATED,
    )  # fmt: skip


def _connectee(port: Port) -> Data | None:
    kind = "DistributedVirtualSwitchPortConnectee"
    if port.vm is not None and port.nic is not None:
        machine = Ref("VirtualMachine", port.vm.moref)
        return Data(kind, connectedEntity=machine, nicKey=str(port.nic.key), type="vmVnic")
    if port.host is not None:
        return Data(kind, connectedEntity=Ref("HostSystem", port.host.moref), nicKey=f"vmnic{port.uplink}", type="pnic")
    return None


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
