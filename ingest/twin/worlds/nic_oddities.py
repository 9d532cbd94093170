"""What makes a VM special by its network cards: their number, type, address and network."""

from __future__ import annotations

from ingest.model.inventory import Vlan
from ingest.twin.world import VM, Network
from ingest.twin.worlds.oddity import Setting, oddity, switch_off


def _first_nic_to(vm: VM, setting: Setting, purpose: str) -> None:
    network = setting.site.special[purpose]
    if vm.nics:
        setting.parts.attach(vm, vm.nics[0], network)
    else:
        setting.parts.nic(vm, network)
    setting.machines.set_addresses(vm, setting.site)


@oddity
def no_nic(vm: VM, setting: Setting) -> None:
    """No network card."""
    vm.nics.clear()
    setting.machines.set_addresses(vm, setting.site)


@oddity
def mixed_adapters(vm: VM, setting: Setting) -> None:
    """Two cards of different type."""
    network = setting.parts.world.networks[vm.nics[0].network]
    if len(vm.nics) < 2:
        setting.parts.nic(vm, network)
    vm.nics[0].card, vm.nics[1].card = "VirtualVmxnet3", "VirtualE1000"


@oddity
def duplicate_mac(vm: VM, setting: Setting) -> None:
    """The first card has the address of an earlier VM's card."""
    for other in setting.parts.world.vms.values():
        if other is not vm and other.nics:
            vm.nics[0].mac = other.nics[0].mac
            return
    raise ValueError("a world with a duplicate MAC address needs a second VM")


@oddity
def nic_not_at_start(vm: VM, setting: Setting) -> None:
    """A card that is not connected when the VM starts, nor now."""
    last = vm.nics[-1]
    last.connected = last.start_connected = False
    last.ips = ()


@oddity
def untagged_nic(vm: VM, setting: Setting) -> None:
    """On a port group without VLAN: no network can be found for it automatically."""
    _first_nic_to(vm, setting, setting.parts.random.choice(("untagged", "native")))


@oddity
def guest_tagging_nic(vm: VM, setting: Setting) -> None:
    """On a standard port group with VLAN 4095: the guest tags."""
    _first_nic_to(vm, setting, "guest_tagging")


@oddity
def trunk_nic(vm: VM, setting: Setting) -> None:
    """On a distributed port group that carries many VLANs."""
    _first_nic_to(vm, setting, "trunk")


@oddity
def opaque_nic(vm: VM, setting: Setting) -> None:
    """On an NSX segment."""
    if "opaque" not in setting.site.special:
        raise ValueError("opaque_nic needs opaque_networks in the shape")
    _first_nic_to(vm, setting, "opaque")


@oddity
def orphan_nic(vm: VM, setting: Setting) -> None:
    """Its port group is gone: the network called "none" where vCenter keeps one, else no network at all."""
    nic = vm.nics[0]
    none = setting.site.special.get("none")
    nic.backing, nic.port_key, nic.port_vlan = "standard", "", None
    nic.network, nic.device_name = (none.moref, none.name) if none else ("", "removed-portgroup")
    nic.ips = ()


@oddity
def ephemeral_nic(vm: VM, setting: Setting) -> None:
    """On an ephemeral port group while off, so without a port: CloudStack leaves the card out of its listing."""
    switch_off(vm)
    _first_nic_to(vm, setting, "ephemeral")


@oddity
def port_override_nic(vm: VM, setting: Setting) -> None:
    """The port carries another VLAN than its group says, and CloudStack reads the port."""
    _first_nic_to(vm, setting, "override")
    own = next(vlan for vlan in setting.site.vlans.values() if vlan.kind == "id" and (vlan.id or 0) > 200)
    vm.nics[0].port_vlan = Vlan("id", own.id)
    setting.machines.set_addresses(vm, setting.site)


@oddity
def shared_network_nic(vm: VM, setting: Setting) -> None:
    """On the VLAN of CloudStack's Shared network, which wants an address."""
    _first_nic_to(vm, setting, "shared")


@oddity
def missing_network_nic(vm: VM, setting: Setting) -> None:
    """On a VLAN that CloudStack has no network for."""
    if "missing" not in setting.site.special:
        raise ValueError("missing_network_nic needs a rate above 0 in the shape, which makes the port group")
    _first_nic_to(vm, setting, "missing")


@oddity
def drifting_portgroup_nic(vm: VM, setting: Setting) -> None:
    """On a standard port group whose VLAN differs on one host."""
    if "drifting" not in setting.site.special:
        raise ValueError("drifting_portgroup_nic needs a rate above 0 in the shape, which makes the port group")
    _first_nic_to(vm, setting, "drifting")


@oddity
def unbacked_nic(vm: VM, setting: Setting) -> None:
    """A card that is plugged into nothing at all."""
    nic = vm.nics[0]
    nic.network, nic.backing, nic.device_name, nic.port_key, nic.port_vlan, nic.ips = "", "none", "", "", None, ()


@oddity
def legacy_nic(vm: VM, setting: Setting) -> None:
    """A backing from before port groups, by the name of a host's network."""
    unbacked_nic(vm, setting)
    vm.nics[0].backing, vm.nics[0].device_name = "legacy", "vmnet0"


@oddity
def deleted_portgroup_nic(vm: VM, setting: Setting) -> None:
    """Its distributed port group was removed: the card keeps the group's key, which nothing has any more."""
    standalone_port_nic(vm, setting)
    vm.nics[0].network = setting.parts.moref("dvportgroup-")


@oddity
def standalone_port_nic(vm: VM, setting: Setting) -> None:
    """On a port of the switch that belongs to no group."""
    _first_nic_to(vm, setting, "native")
    nic = vm.nics[0]
    nic.switch = setting.site.special["native"].switch
    nic.network, nic.ips = "", ()


@oddity
def sriov_nic(vm: VM, setting: Setting) -> None:
    """A slice of a physical card of its host."""
    for nic in vm.nics:
        nic.card = "VirtualSriovEthernetCard"


@oddity
def nsx_portgroup_nic(vm: VM, setting: Setting) -> None:
    """On an NSX segment that is a distributed port group: its VLAN 0 means nothing."""
    if "nsx_portgroup" not in setting.site.special:
        native = setting.site.special["native"]
        moref = setting.parts.moref("dvportgroup-")
        made = Network(moref, "nsx-web-segment", "dvs", native.datacenter, native.parent, native.switch, Vlan("none"))
        made.nsx_segment = "/infra/segments/nsx-web-segment"
        setting.parts.world.networks[moref] = setting.site.special["nsx_portgroup"] = made
        setting.site.vlans[moref] = Vlan("none")
    _first_nic_to(vm, setting, "nsx_portgroup")


@oddity
def ipv6_only_nic(vm: VM, setting: Setting) -> None:
    """The guest reports addresses, none of them IPv4."""
    for index, nic in enumerate(vm.nics):
        nic.ips = (f"fd00:{index:x}::{vm.cpus:x}",) if nic.ips else ()
