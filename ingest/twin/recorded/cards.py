"""Network cards of a recorded VM and what they are plugged into."""

from __future__ import annotations

from itertools import count
from xml.etree.ElementTree import Element

from ingest.twin.recorded.documents import integer, kind_of
from ingest.twin.recorded.places import Places, Plug
from ingest.twin.world import VM, Nic

_NO_MAC = "00:00:00:00:00:00"


def read_card(places: Places, vm: VM, device: Element, ips: tuple[str, ...]) -> Nic:
    """The card; the VM has its host already."""
    starts = device.findtext("connectable/startConnected", "true") == "true"
    connected = device.findtext("connectable/connected", "true") == "true"
    nic = Nic(
        key=integer(device.findtext("key", "")),
        label=device.findtext("deviceInfo/label", ""),
        mac=device.findtext("macAddress", ""),
        network="",
        backing="none",
        card=kind_of(device),
        connected=connected if vm.power_state == "poweredOn" else starts,
        start_connected=starts,
        ips=ips,
    )
    backing = device.find("backing")
    if backing is not None:
        _plug(places, vm, nic, backing)
    return nic


def _plug(places: Places, vm: VM, nic: Nic, backing: Element) -> None:
    kind, world = kind_of(backing), places.world
    if kind == "VirtualEthernetCardNetworkBackingInfo":
        nic.backing, nic.device_name = "standard", backing.findtext("deviceName", "")
        network = backing.findtext("network", "")
        nic.network = network if network in world.networks else ""
    elif kind == "VirtualEthernetCardLegacyNetworkBackingInfo":
        nic.backing, nic.device_name = "legacy", backing.findtext("deviceName", "")
    elif kind == "VirtualEthernetCardOpaqueNetworkBackingInfo":
        nic.backing = "opaque"
        nic.network = places.opaque.get(backing.findtext("opaqueNetworkId", ""), "")
    elif kind == "VirtualEthernetCardDistributedVirtualPortBackingInfo":
        nic.backing, nic.port_key = "dvs", backing.findtext("port/portKey", "")
        key = backing.findtext("port/portgroupKey", "")
        nic.network = places.groups.get(key, "")
        if not nic.network:
            nic.switch = _switch(places, vm, backing.findtext("port/switchUuid", ""))
            nic.network = key if nic.switch else ""
        on_port = nic.network in world.networks or not nic.network
        switch = world.networks[nic.network].switch if nic.network in world.networks else nic.switch
        if nic.port_key and on_port:
            nic.port_vlan = places.ports.get((switch, nic.port_key))


def _switch(places: Places, vm: VM, uuid: str) -> str:
    """The switch by its UUID, one of the VM's datacenter before others of the same UUID."""
    datacenter = places.world.compute_of(vm).datacenter
    found = [switch for switch in places.world.switches.values() if switch.uuid == uuid]
    found.sort(key=lambda switch: switch.datacenter != datacenter)
    return found[0].moref if found else ""


def unseen_cards(places: Places, vm: VM, networks: list[str]) -> list[Nic]:
    """The cards of a VM without configuration: those its switches tell of, and one on each other of its networks.

    `networks` are in the order of the cards.
    """
    plugs = {plug.card: plug for plug in places.connected.get(vm.moref, ())}
    known = {plug.group: plug.card for plug in reversed(list(plugs.values()))}
    last = 3999
    for moref in networks:
        if moref in known:
            last = max(last, known[moref])
        elif moref in places.world.networks:
            last = next(key for key in count(last + 1) if key not in plugs)
            plugs[last] = Plug(last, "", "", moref)
    found = []
    for key, plug in sorted(plugs.items()):
        network = places.world.networks.get(plug.group)
        found.append(Nic(key, f"Network adapter {key - 3999}", _NO_MAC, plug.group, network.kind if network else "dvs",
                         port_key=plug.port, switch="" if network else plug.switch))  # fmt: skip
    return found
