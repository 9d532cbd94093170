"""Taking VMs out of the inventory and putting them back: what stays in their files, and what is new afterwards.

A .vmx keeps the VM's name, devices, MAC addresses, both UUIDs and where its BIOS UUID was made. The managed object id
and the ids of disks belong to the inventory and are new after each registration. Use with the world's lock held.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection

from ingest.twin.files import datastore_named, split_path, vmx_path
from ingest.twin.world import VM, Nic, StoredVM, World

ELSEWHERE = "another site"
QUESTION = (
    "msg.uuid.altered:This virtual machine might have been moved or copied.\n"
    "In order to configure certain management and networking features, VMware ESX needs to know if this virtual "
    'machine was moved or copied.\n\nIf you don\'t know, answer "I copied it".'
)


def unregister(world: World, vm: VM, *, location: str = "") -> StoredVM:
    """Take a VM out of the inventory; its files stay. `location` is where they say it lives, its host by default.

    Raises LookupError when the world does not have the datastore of its .vmx.
    """
    path = vmx_path(world, vm)
    datacenter = world.compute_of(vm).datacenter
    split = split_path(path)
    datastore = datastore_named(world, split[0], datacenter) if split else None
    if datastore is None:
        raise LookupError(f"{path} is in no datastore of the datacenter")
    del world.vms[vm.moref]
    partner = world.vms.get(vm.ft_partner)
    if partner is not None:
        partner.ft_partner = ""
        world.touch(partner)
    vm.uuid_location = location or vm.uuid_location or _location(vm, path)
    vm.vmx_path = path
    for nic in vm.nics:
        network = world.networks.get(nic.network)
        if nic.backing == "standard" and not nic.device_name and network is not None:
            nic.device_name = network.name
    vm.moref = vm.host = vm.folder = vm.resource_pool = vm.vapp = vm.question = vm.ft_partner = ""
    vm.guest_stage = "down"
    vm.connection_state = "connected"
    vm.disabled_methods.clear()
    vm.custom_fields.clear()  # vCenter keeps them, not the .vmx
    stored = StoredVM(datastore.moref, vm)
    world.unregistered[stored.key] = stored
    return stored


def unregister_site(world: World, datastores: Collection[str] | None = None) -> int:
    """Make of a site its replicated twin: no VM of these datastores (all by default) is registered any more.

    What a disaster finds: the files of the other site's VMs, switched off as by a power cut, in datastores that the
    recovery vCenter has mounted. Returns how many VMs it was; one whose .vmx is in no datastore stays registered.
    """
    count = 0
    for vm in list(world.vms.values()):
        split = split_path(vmx_path(world, vm))
        home = datastore_named(world, split[0], world.compute_of(vm).datacenter) if split else None
        if home is None or (datastores is not None and home.moref not in datastores):
            continue
        vm.swap_left = vm.power_state == "poweredOn"
        if vm.power_state != "suspended":
            vm.power_state = "poweredOff"
        unregister(world, vm, location=ELSEWHERE)
        count += 1
    return count


def register(world: World, stored: StoredVM, *, name: str, folder: str, host: str, pool: str) -> VM:
    """Put a VM on disk into the inventory, under a new managed object id. Host and pool are the caller's choice."""
    del world.unregistered[stored.key]
    vm = stored.vm
    vm.moref = world.new_moref("vm-")
    vm.name, vm.folder, vm.host, vm.resource_pool = name, folder, host, pool
    number = vm.moref.removeprefix("vm-")
    for disk in vm.disks:
        disk.disk_id = f"{number}-{disk.key}"
    if any(other.instance_uuid == vm.instance_uuid for other in world.vms.values()):
        # Two VMs of one vCenter never share it: the later one gets a new one.
        vm.instance_uuid = _new_uuid(world, vm, "instance")
    datacenter = world.compute_of(vm).datacenter
    for nic in vm.nics:
        if nic.backing == "standard":
            nic.network = _standard_network(world, nic.device_name, datacenter)
        elif nic.backing == "dvs":
            _claim_port(world, nic)
    world.vms[vm.moref] = vm
    world.touch(vm)
    return vm


def is_out_of_place(world: World, vm: VM) -> bool:
    """True when the .vmx says it was made elsewhere, and `uuid.action` does not say what to make of that."""
    return _moved(world, vm) and vm.extra_config.get("uuid.action") not in ("keep", "create")


def settle(world: World, vm: VM, *, copied: bool | None = None) -> None:
    """The VM is at home where it is now. A copied one gets its own BIOS UUID and MAC addresses, a moved one keeps them.

    `copied` is the answer to the question; without one `uuid.action` decides. Nothing happens to a VM at its place.
    """
    if not _moved(world, vm):
        return
    if copied is None:
        copied = vm.extra_config.get("uuid.action") == "create"
    vm.uuid_location = ""
    if copied:
        vm.bios_uuid = _new_uuid(world, vm, "bios")
        taken = {nic.mac for other in world.vms.values() for nic in other.nics}
        for nic in vm.nics:
            nic.mac = _new_mac(world, vm, nic, taken)
            taken.add(nic.mac)
    world.touch(vm)


def _moved(world: World, vm: VM) -> bool:
    return vm.uuid_location not in ("", _location(vm, vmx_path(world, vm)))


def _location(vm: VM, path: str) -> str:
    return f"{vm.host} {path}"


def _new_uuid(world: World, vm: VM, kind: str) -> str:
    return str(uuid.uuid5(uuid.UUID(int=world.seed), f"{world.vcenter_uuid} {kind} {vm.moref} {vm.revision}"))


def _new_mac(world: World, vm: VM, nic: Nic, taken: set[str]) -> str:
    """Out of the block vCenter assigns from, 00:50:56:80:00:00 to 00:50:56:bf:ff:ff."""
    text = f"{world.seed} {vm.moref} {nic.key} {nic.mac}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:3], "big")
    while True:
        number = (number + 1) & 0x3FFFFF
        mac = f"00:50:56:{0x80 + (number >> 16):02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"
        if mac not in taken:
            return mac


def _standard_network(world: World, name: str, datacenter: str) -> str:
    for moref, network in world.networks.items():
        if network.kind == "standard" and network.name == name and network.datacenter == datacenter:
            return moref
    return ""


def _claim_port(world: World, nic: Nic) -> None:
    """The port it had, or a free one of the switch when somebody has taken it meanwhile."""
    network = world.networks.get(nic.network)
    if network is None or not nic.port_key:
        return
    used = {
        card.port_key
        for vm in world.vms.values()
        for card in vm.nics
        if (card.switch or (card.network in world.networks and world.networks[card.network].switch)) == network.switch
    }
    if nic.port_key in used:
        nic.port_key = str(1 + max((int(key) for key in used if key.isdigit()), default=0))
