"""What a start from CloudStack changes in vCenter (CloudStack: VmwareResource, HypervisorHostHelper).

Size and reservation follow the compute offering, MACs follow the NIC rows, and each card moves to a port group that
CloudStack makes for the VLAN: `cloud.guest.<vlan>.<rate>.1-<switch>`. unmanageVirtualMachine turns none of it back.
Called with the world's lock held.
"""

from __future__ import annotations

import itertools
from typing import Literal, cast

from ingest.model.inventory import PvlanType, Vlan
from ingest.twin.cloud import Cloud, Instance
from ingest.twin.cloud import Network as GuestNetwork
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.refusals import ApiException
from ingest.twin.cloudstack.vlans import free_vlan, physical_network_of, pvlan_of
from ingest.twin.world import VM, HostPortGroup, Network, Nic, World

_PVLAN_TYPES = {"i": "isolated", "c": "community", "p": "promiscuous"}


def apply_offering(cloud: Cloud, instance: Instance, vm: VM) -> None:
    """CPUs, memory and reservation as CloudStack's database has them."""
    vm.cpus, vm.memory_mib = instance.cpunumber, instance.memory
    if vm.cpus % max(vm.cores_per_socket, 1):
        vm.cores_per_socket = 1
    reserves = configuration.flag(cloud, "vmware.reserve.cpu", instance.zoneid)
    vm.cpu_reservation_mhz = instance.cpunumber * instance.cpuspeed if reserves else 0


def apply_networks(world: World, instance: Instance, vm: VM) -> None:
    """Every NIC row on its card: MAC and port group; surplus cards go. Raises ApiException 533 without a free VLAN."""
    cloud = world.cloud
    rows = sorted(instance.nics, key=lambda row: row.deviceid)
    # First what may fail, so that a failed start changes nothing.
    cards = sorted(vm.nics, key=lambda card: card.key)
    for number, row in enumerate(rows):
        network = cloud.networks[row.networkid]
        _implement(cloud, network)
        if pvlan_of(network.broadcasturi) and (number >= len(cards) or cards[number].backing == "standard"):
            text = f"Unable to prepare network {network.name}: a standard switch has no private VLANs"
            raise ApiException(534, text)
    for number, row in enumerate(rows):
        if number == len(cards):
            key = 4000 + number
            cards.append(Nic(key, f"Network adapter {number + 1}", row.macaddress, ""))
        card = cards[number]
        card.mac = row.macaddress
        _plug(world, vm, card, cloud.networks[row.networkid])
    vm.nics = cards[: len(rows)]


def _implement(cloud: Cloud, network: GuestNetwork) -> None:
    """A network whose VLAN CloudStack chooses gets it when its first VM starts."""
    if network.state != "Allocated" or network.broadcasturi:
        return
    physical = physical_network_of(cloud, network)
    vlan = free_vlan(cloud, physical) if physical else None
    if vlan is None:
        raise ApiException(533, f"Unable to allocate vnet as a part of network {network.name} implement ")
    network.broadcasturi, network.state = f"vlan://{vlan}", "Implemented"


def _plug(world: World, vm: VM, card: Nic, network: GuestNetwork) -> None:
    """On the switch the card is on; cards on opaque networks stay, their VLAN is not CloudStack's to say."""
    if card.backing == "opaque" or not network.broadcasturi:
        return
    rate = configuration.number(world.cloud, "network.throttling.rate", network.zoneid)
    pvlan = pvlan_of(network.broadcasturi)
    tag = f"{pvlan.primary}-{pvlan.secondary}" if pvlan else network.broadcasturi.partition("://")[2]
    distributed = world.networks[card.network].switch if card.backing == "dvs" and card.network else ""
    switch = world.switches.get(distributed)
    if switch is not None:
        group = _group(world, vm, f"cloud.guest.{tag}.{rate}.1-{switch.name}", "dvs")
        group.switch, group.vlan = switch.moref, _vlan(network.broadcasturi)
        card.backing, card.device_name = "dvs", ""
    else:
        name = f"cloud.guest.{tag}.{rate}.1-vSwitch0"
        group = _group(world, vm, name, "standard")
        for host in world.hosts.values():
            same_cluster = host.compute == world.hosts[vm.host].compute
            if same_cluster and all(known.name != name for known in host.portgroups):
                host.portgroups.append(HostPortGroup(name, int(tag) if tag.isdigit() else 0))
        card.backing, card.device_name = "standard", name
    card.network, card.port_key, card.port_vlan = group.moref, "", None
    card.connected = card.start_connected = True


def _group(world: World, vm: VM, name: str, kind: Literal["standard", "dvs"]) -> Network:
    """The port group of that name in the VM's datacenter, made when it is not there yet."""
    datacenter = world.datacenters[world.compute_of(vm).datacenter]
    for network in world.networks.values():
        if (network.name, network.kind, network.datacenter) == (name, kind, datacenter.moref):
            return network
    prefix = "dvportgroup-" if kind == "dvs" else "network-"
    moref = next(moref for moref in (f"{prefix}{9000 + n}" for n in itertools.count()) if moref not in world.networks)
    made = world.networks[moref] = Network(moref, name, kind, datacenter.moref, datacenter.network_folder)
    return made


def _vlan(uri: str) -> Vlan:
    pvlan = pvlan_of(uri)
    if pvlan is not None:
        kind = cast("PvlanType", _PVLAN_TYPES[pvlan.kind])
        return Vlan("pvlan", primary=int(pvlan.primary), secondary=int(pvlan.secondary), pvlan_type=kind)
    tag = uri.partition("://")[2]
    return Vlan("id", int(tag)) if tag.isdigit() else Vlan("none")
