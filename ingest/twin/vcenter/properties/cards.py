"""Ethernet cards of a VM and what they are plugged into."""

from __future__ import annotations

from ingest.twin.vcenter.ports import port_key
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import VM, Nic

_NO_SWITCH = "00 00 00 00 00 00 00 00-00 00 00 00 00 00 00 00"


def ethernet_card(scene: Scene, vm: VM, nic: Nic, position: int) -> Data:
    """One card as a device. The class is the world's (`VirtualVmxnet3`...), the backing follows the NIC's."""
    running = vm.power_state == "poweredOn"
    members: dict[str, Value] = {
        "key": nic.key,
        "deviceInfo": Data("Description", label=nic.label, summary=_summary(scene, vm, nic)),
        "backing": backing(scene, vm, nic),
        "connectable": Data(
            "VirtualDeviceConnectInfo",
            migrateConnect="unset",
            startConnected=nic.start_connected,
            allowGuestControl=True,
            connected=nic.connected and running,
            status="ok" if nic.connected and running else "untried",
        ),
        "controllerKey": 100,
        "unitNumber": 7 + position,
        "addressType": "assigned",
        "macAddress": nic.mac,
        "wakeOnLanEnabled": True,
        "uptCompatibilityEnabled": nic.card == "VirtualVmxnet3",
    }
    if nic.card == "VirtualSriovEthernetCard":
        members["allowGuestOSMtuChange"] = False
        members["sriovBacking"] = Data(
            "VirtualSriovEthernetCardSriovBackingInfo",
            physicalFunctionBacking=Data("VirtualPCIPassthroughDeviceBackingInfo", deviceName="", id="0000:5e:00.0",
                                         deviceId="158b", systemId="BYPASS", vendorId=-32634),
        )  # fmt: skip
    return Data(nic.card, **members)


def backing(scene: Scene, vm: VM, nic: Nic) -> Data | None:
    """The card's backing by class; None for a card without one. A network that is gone keeps its old name or key."""
    network = scene.world.networks.get(nic.network)
    if nic.backing == "standard":
        name = nic.device_name or (network.name if network else "none")
        ref = Ref("Network", network.moref) if network else None
        return Data("VirtualEthernetCardNetworkBackingInfo", deviceName=name, useAutoDetect=False, network=ref)
    if nic.backing == "legacy":
        return Data("VirtualEthernetCardLegacyNetworkBackingInfo", deviceName=nic.device_name, useAutoDetect=False)
    if nic.backing == "dvs":
        key = port_key(network, vm, nic)
        port = Data(
            "DistributedVirtualSwitchPortConnection",
            switchUuid=_switch_uuid(scene, vm, nic),
            portgroupKey=nic.network or None,
            portKey=key or None,
            connectionCookie=_cookie(nic) if key else None,
        )
        return Data("VirtualEthernetCardDistributedVirtualPortBackingInfo", port=port)
    if nic.backing == "opaque":
        return Data(
            "VirtualEthernetCardOpaqueNetworkBackingInfo",
            opaqueNetworkId=network.opaque_id if network else nic.network,
            opaqueNetworkType=network.opaque_type if network else "nsx.LogicalSwitch",
        )
    return None


def _cookie(nic: Nic) -> int:
    return int(nic.mac.replace(":", "")[-7:], 16)


def _switch_uuid(scene: Scene, vm: VM, nic: Nic) -> str:
    """The switch of the port group, or the card's own; without either one of its datacenter."""
    switches = scene.world.switches
    network = scene.world.networks.get(nic.network)
    if network is not None and network.switch in switches:
        return switches[network.switch].uuid
    if nic.switch in switches:
        return switches[nic.switch].uuid
    datacenter = scene.datacenter_of(vm)
    candidates = [item.uuid for item in switches.values() if item.datacenter == datacenter]
    return candidates[0] if candidates else _NO_SWITCH


def _summary(scene: Scene, vm: VM, nic: Nic) -> str:
    network = scene.world.networks.get(nic.network)
    if nic.backing == "dvs":
        return f"DVSwitch: {_switch_uuid(scene, vm, nic)}"
    if nic.backing == "opaque":
        return f"{network.opaque_type}: {network.opaque_id}" if network else nic.network
    return nic.device_name or (network.name if network else "none")
