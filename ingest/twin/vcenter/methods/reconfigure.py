"""ReconfigVM_Task, as far as a migration needs it: name, size, notes, settings, and cards put on other networks.

Anything else in the spec is refused with NotSupported, so that no client believes it was done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import VimFault, concurrent_access, invalid_argument, invalid_power_state, not_supported
from ingest.twin.vcenter.methods.places import rename_vm
from ingest.twin.vcenter.methods.power import machine_of
from ingest.twin.vcenter.properties.machine import change_version
from ingest.twin.vcenter.schema import is_a
from ingest.twin.vcenter.values import Data, Value
from ingest.twin.world import VM, Nic, World

_PLAIN = {"annotation": "annotation", "guestId": "guest_id", "uuid": "bios_uuid", "instanceUuid": "instance_uuid",
          "firmware": "firmware", "numCoresPerSocket": "cores_per_socket"}  # fmt: skip
_ONLY_OFF = frozenset({"guestId", "uuid", "instanceUuid", "firmware", "numCoresPerSocket"})
_HOT_PLUG = {
    "numCPUs": ("cpus", "CpuHotPlugNotSupported", "CPU"),
    "memoryMB": ("memory_mib", "MemoryHotPlugNotSupported", "Memory"),
}


def _reconfigure(call: Call) -> Value:
    service = call.service
    with service.world.lock:
        vm = machine_of(call)
        spec: Data = call.argument("spec")
        work = {"changeVersion", "name", "extraConfig", "deviceChange", *_PLAIN, *_HOT_PLUG}
        for name in spec.members:
            if name not in work:
                raise not_supported(f"The twin does not change {name} of a virtual machine.")
        user, seconds = call.user_session.user, service.settings.task_s
        return service.tasks.start(vm, call.request.method, user, seconds, lambda machine: _change(call, machine, spec))


def _change(call: Call, vm: VM, spec: Data) -> None:
    """All of it or nothing: everything is checked before the first change."""
    wanted = spec.get("changeVersion")
    if wanted and wanted != change_version(vm):
        raise concurrent_access()
    on = vm.power_state != "poweredOff"
    for name in spec.members:
        if on and name in _ONLY_OFF:
            raise invalid_power_state("poweredOff", vm.power_state)
    for name, (field, fault, word) in _HOT_PLUG.items():
        value = spec.get(name)
        if value is not None and value <= 0:
            raise invalid_argument(f"spec.{name}")
        if value is not None and on and value != getattr(vm, field):
            raise VimFault(fault, f"{word} hot plug is not supported for this virtual machine.")
    cards = [_card_change(call.service.world, vm, item) for item in spec.get("deviceChange") or []]
    if spec.get("name"):
        rename_vm(call, vm, spec.get("name"))
    for name, field in (*_PLAIN.items(), *((name, entry[0]) for name, entry in _HOT_PLUG.items())):
        if spec.get(name) is not None:
            setattr(vm, field, spec.get(name))
    for option in spec.get("extraConfig") or []:
        if option.get("value") in (None, ""):  # an empty value takes the key away
            vm.extra_config.pop(option.get("key"), None)
        else:
            vm.extra_config[option.get("key")] = str(option.get("value"))
    for apply in cards:
        apply()


def _card_change(world: World, vm: VM, change: Data) -> Callable[[], None]:
    device: Data = change.get("device")
    operation = change.get("operation")
    if not is_a(device.kind, "VirtualEthernetCard") or operation not in ("edit", "remove"):
        raise not_supported("The twin edits and removes network cards; it changes no other device.")
    nic = next((item for item in vm.nics if item.key == device.get("key")), None)
    if nic is None:
        raise VimFault("InvalidDeviceSpec", "Invalid configuration for device '0'.", property="key", deviceIndex=0)
    if operation == "remove":
        return lambda: vm.nics.remove(nic)
    changes: dict[str, Any] = {}
    if device.get("backing") is not None:
        changes |= _backing(world, vm, nic, device.get("backing"))
    connectable = device.get("connectable")
    if connectable is not None:
        changes["start_connected"] = bool(connectable.get("startConnected"))
        if vm.power_state == "poweredOn":
            changes["connected"] = bool(connectable.get("connected"))
    if device.get("macAddress"):
        changes["mac"] = device.get("macAddress").lower()

    def apply() -> None:
        for name, value in changes.items():
            setattr(nic, name, value)

    return apply


def _backing(world: World, vm: VM, nic: Nic, backing: Data) -> dict[str, Any]:
    """What the card is plugged into from now on; an address of the old network does not come along."""
    datacenter = world.compute_of(vm).datacenter
    near = [item for item in world.networks.values() if item.datacenter == datacenter and not item.uplink]
    found = None
    if backing.kind == "VirtualEthernetCardNetworkBackingInfo":
        found = next(
            (item for item in near if item.kind == "standard" and item.name == backing.get("deviceName")), None
        )
    elif backing.kind == "VirtualEthernetCardDistributedVirtualPortBackingInfo":
        key = backing.get("port").get("portgroupKey")
        found = next((item for item in near if item.kind == "dvs" and item.key == key), None)
    elif backing.kind == "VirtualEthernetCardOpaqueNetworkBackingInfo":
        wanted = backing.get("opaqueNetworkId")
        found = next((item for item in near if item.kind == "opaque" and item.opaque_id == wanted), None)
    if found is None:
        raise VimFault("InvalidDeviceBacking", "Invalid backing for device '0'.", property="backing", deviceIndex=0)
    if found.moref == nic.network:
        return {}
    on_switch = found.kind == "dvs" and (found.binding != "ephemeral" or vm.power_state == "poweredOn")
    return {
        "network": found.moref,
        "backing": found.kind,
        "device_name": found.name if found.kind == "standard" else "",
        "port_key": _free_port(world, found.switch) if on_switch else "",
        "port_vlan": None,
        "ips": (),
    }


def _free_port(world: World, switch: str) -> str:
    groups = {item.moref for item in world.networks.values() if item.switch == switch}
    used = [nic.port_key for vm in world.vms.values() for nic in vm.nics if nic.network in groups]
    return str(1 + max((int(key) for key in used if key.isdigit()), default=0))


RECONFIGURE: dict[str, Callable[[Call], Value]] = {"ReconfigVM_Task": _reconfigure}
