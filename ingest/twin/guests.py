"""A guest that starts: VMware Tools after a while, then its name and addresses. Use with the world's lock held."""

from __future__ import annotations

from ingest.model.inventory import Vlan
from ingest.twin.world import VM, Nic, World
from ingest.twin.worlds.machines import host_label
from ingest.twin.worlds.parts import subnet, vlan_number

_FIRST, _LAST = 11, 1010  # of the 1,022 addresses of a /22


def tools_start(vm: VM) -> None:
    """The system is up. Tools that are installed run from now on, whatever kept them from it before."""
    vm.guest_stage = "tools"
    if vm.tools_status == "toolsNotRunning":
        vm.tools_status = "toolsOk"


def addresses_appear(world: World, vm: VM) -> None:
    """The guest has its network: the addresses it had before, or one from the DHCP server of each card's VLAN."""
    vm.guest_stage = ""
    if vm.tools_status not in ("toolsOk", "toolsOld"):
        return
    vm.guest_host_name = vm.guest_host_name or host_label(vm.name)
    if vm.guest_dhcp:
        _take_offers(world, vm)
    waiting = [nic for nic in vm.nics if not nic.ips and nic.connected and nic.network in world.networks]
    if not waiting:
        return
    taken = {address for other in world.vms.values() for nic in other.nics for address in nic.ips}
    for nic in waiting:
        address = _lease(world, vm, nic, taken)
        if address:
            nic.ips = (address,)
            taken.add(address)


def _take_offers(world: World, vm: VM) -> None:
    """What the virtual routers of CloudStack's networks answer to the MACs of an imported VM."""
    offers = {
        nic.macaddress.lower(): nic.ipaddress
        for instance in world.cloud.instances.values()
        if instance.moref == vm.moref and not instance.removed
        for nic in instance.nics
        if nic.ipaddress
    }
    for nic in vm.nics:
        offered = offers.get(nic.mac.lower())
        if offered and nic.connected:
            nic.ips = (offered,)


def _lease(world: World, vm: VM, nic: Nic, taken: set[str]) -> str:
    site = list(world.datacenters).index(world.compute_of(vm).datacenter)
    second, third = subnet(site, vlan_number(_vlan(world, vm, nic)))
    for number in range(_FIRST, _LAST + 1):
        address = f"10.{second}.{third + (number >> 8)}.{number & 255}"
        if address not in taken:
            return address
    return ""


def _vlan(world: World, vm: VM, nic: Nic) -> Vlan | None:
    network = world.networks[nic.network]
    if network.kind != "standard":
        return nic.port_vlan or network.vlan
    groups = world.hosts[vm.host].portgroups
    number = next((group.vlan_id for group in groups if group.name == network.name), 0)
    return Vlan("id", number) if 0 < number < 4095 else None
