"""From pyVmomi objects to rows. Everything small is read this way, and VMs too when asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from pyVmomi import vim

from ingest.model.inventory import HostPortGroup, PvlanType, Vlan
from ingest.vsphere.rows import (
    BackingRow,
    DatastoreRow,
    DeviceRow,
    GuestNicRow,
    HostRow,
    Missing,
    NetworkRow,
    PlaceRow,
    PortGroupRow,
    SwitchRow,
    matters,
)
from ingest.vsphere.vlans import vlan_of_id

UPLINK_TAG = "SYSTEM/DVS.UPLINKPG"


def kind_of(thing: Any) -> str:
    """The vSphere class name of a pyVmomi object."""
    return str(type(thing)._wsdlName)


def moref_of(thing: Any) -> str:
    """The managed object id, '' for None."""
    return str(thing._moId) if thing is not None else ""


def place_row(moref: str, kind: str, values: Mapping[str, Any]) -> PlaceRow:
    reachable = [*(values.get("network") or ()), *(values.get("datastore") or ())]
    return PlaceRow(
        moref,
        kind,
        values.get("name") or "",
        moref_of(values.get("parentFolder") or values.get("parent")),
        tuple(moref_of(thing) for thing in reachable),
    )


def host_row(moref: str, _kind: str, values: Mapping[str, Any]) -> HostRow:
    groups = values.get("config.network.portgroup")
    return HostRow(
        moref,
        values.get("name") or "",
        moref_of(values.get("parent")),
        str(values.get("runtime.connectionState") or ""),
        bool(values.get("runtime.inMaintenanceMode")),
        values.get("config.product.version") or "",
        tuple(map(_host_portgroup, groups)) if groups is not None else None,
    )


def _host_portgroup(group: Any) -> HostPortGroup:
    kinds = {str(port.type) for port in group.port}
    spec = group.spec
    return HostPortGroup(spec.name, spec.vlanId or 0, spec.vswitchName or "", vmkernel=kinds == {"host"})


def switch_row(moref: str, kind: str, values: Mapping[str, Any]) -> SwitchRow:
    config = values.get("config")
    entries = getattr(config, "pvlanConfig", None) or ()
    return SwitchRow(
        moref,
        values.get("name") or "",
        values.get("uuid") or "",
        moref_of(values.get("parent")),
        tuple(
            (entry.primaryVlanId, entry.secondaryVlanId, cast("PvlanType", str(entry.pvlanType))) for entry in entries
        ),
        tuple(moref_of(group) for group in getattr(config, "uplinkPortgroup", None) or ()),
        kind,
    )


def portgroup_row(moref: str, _kind: str, values: Mapping[str, Any]) -> PortGroupRow:
    return PortGroupRow(
        moref,
        values.get("name") or "",
        values.get("key") or moref,
        moref_of(values.get("parent")),
        moref_of(values.get("config.distributedVirtualSwitch")),
        vlan_of_setting(values.get("config.defaultPortConfig")),
        any(tag.key == UPLINK_TAG for tag in values.get("tag") or ()),
        bool(getattr(values.get("config.policy"), "vlanOverrideAllowed", False)),
        values.get("config.backingType") or "",
        str(values.get("config.type") or ""),
    )


def vlan_of_setting(setting: Any) -> Vlan | None:
    """The VLAN of a port setting by the class of its spec; of a private VLAN only the secondary id is known here.

    An inherited spec still carries the effective value. None when the setting carries no VLAN at all.
    """
    spec = getattr(setting, "vlan", None)
    switch = vim.dvs.VmwareDistributedVirtualSwitch
    if isinstance(spec, switch.PvlanSpec):
        return Vlan("pvlan", secondary=spec.pvlanId)
    if isinstance(spec, switch.TrunkVlanSpec):
        return Vlan("trunk", ranges=tuple((part.start, part.end) for part in spec.vlanId))
    if isinstance(spec, switch.VlanIdSpec):
        return vlan_of_id(spec.vlanId)
    return None


def network_row(moref: str, kind: str, values: Mapping[str, Any]) -> NetworkRow:
    summary = values.get("summary")
    return NetworkRow(
        moref,
        kind,
        values.get("name") or "",
        moref_of(values.get("parent")),
        accessible=summary is None or summary.accessible is not False,
        opaque_id=getattr(summary, "opaqueNetworkId", None) or "",
        opaque_type=getattr(summary, "opaqueNetworkType", None) or "",
    )


def datastore_row(moref: str, _kind: str, values: Mapping[str, Any]) -> DatastoreRow:
    summary = values.get("summary")
    nas = getattr(values.get("info"), "nas", None)
    return DatastoreRow(
        moref,
        values.get("name") or "",
        moref_of(values.get("parent")),
        getattr(summary, "type", None) or "",
        getattr(summary, "capacity", None) or 0,
        getattr(summary, "freeSpace", None) or 0,
        getattr(summary, "url", None) or "",
        getattr(nas, "remoteHost", None) or "",
        getattr(nas, "remotePath", None) or "",
    )


def vm_values(content: Any) -> tuple[dict[str, Any], tuple[Missing, ...]]:
    """Decoded values by path, and what could not be read, of one VM's ObjectContent."""
    # vcsim names unset properties without a value from the second page on.
    values = {
        str(entry.name): _VM_DECODERS.get(entry.name, _plain)(entry.val)
        for entry in content.propSet
        if entry.val is not None
    }
    moref = moref_of(content.obj)
    return values, tuple(Missing(moref, str(entry.path), kind_of(entry.fault)) for entry in content.missingSet)


def device_rows(devices: Any) -> tuple[DeviceRow, ...]:
    """The devices that matter of a VM's hardware list."""
    return tuple(device_row(device) for device in devices if _is_card(device) or matters(kind_of(device)))


def _is_card(device: Any) -> bool:
    return isinstance(device, vim.vm.device.VirtualEthernetCard)


def device_row(device: Any) -> DeviceRow:
    kind = kind_of(device)
    connectable = getattr(device, "connectable", None)
    capacity_bytes = getattr(device, "capacityInBytes", None) or (getattr(device, "capacityInKB", None) or 0) * 1024
    return DeviceRow(
        key=device.key,
        kind=kind,
        label=device.deviceInfo.label if device.deviceInfo else "",
        controller_key=device.controllerKey or 0,
        unit=device.unitNumber or 0,
        mac=getattr(device, "macAddress", None) or "",
        is_card=_is_card(device),
        connected=connectable is None or bool(connectable.connected),
        start_connected=connectable is None or bool(connectable.startConnected),
        bus=getattr(device, "busNumber", None) or 0,
        shared_bus=str(getattr(device, "sharedBus", None) or ""),
        disk_id=getattr(device, "diskObjectId", None) or "",
        capacity_bytes=capacity_bytes,
        backing=_backing_row(device.backing) if device.backing is not None else None,
    )


def _backing_row(backing: Any) -> BackingRow:
    port = getattr(backing, "port", None)
    below = _files_below(backing)
    return BackingRow(
        kind=kind_of(backing),
        device_name=getattr(backing, "deviceName", None) or "",
        network=moref_of(getattr(backing, "network", None)),
        switch_uuid=getattr(port, "switchUuid", None) or "",
        portgroup_key=getattr(port, "portgroupKey", None) or "",
        port_key=getattr(port, "portKey", None) or "",
        opaque_id=getattr(backing, "opaqueNetworkId", None) or "",
        opaque_type=getattr(backing, "opaqueNetworkType", None) or "",
        file_name=getattr(backing, "fileName", None) or "",
        datastore=moref_of(getattr(backing, "datastore", None)),
        disk_mode=getattr(backing, "diskMode", None) or "",
        sharing=getattr(backing, "sharing", None) or "",
        parent_file=below[0] if below else "",
        ancestors=below[1:],
    )


def _files_below(backing: Any) -> tuple[str, ...]:
    """The chain of files a delta stands on, nearest first."""
    found: list[str] = []
    parent = getattr(backing, "parent", None)
    while parent is not None:
        found.append(getattr(parent, "fileName", None) or "")
        parent = getattr(parent, "parent", None)
    return tuple(found)


def _guest_nic_rows(nics: Any) -> tuple[GuestNicRow, ...]:
    return tuple(GuestNicRow(nic.deviceConfigId, nic.macAddress or "", tuple(nic.ipAddress)) for nic in nics)


def _boot_disk_key(order: Any) -> int:
    """The first disk in a boot order, 0 when no disk is in it."""
    keys = (item.deviceKey for item in order if isinstance(item, vim.vm.BootOptions.BootableDiskDevice))
    return next(keys, 0)


def _plain(value: Any) -> Any:
    return value


_VM_DECODERS: dict[str, Callable[[Any], Any]] = {
    "parent": moref_of,
    "parentVApp": moref_of,
    "config.managedBy": lambda managed_by: managed_by.extensionKey,
    "config.ftInfo": lambda info: info.role,
    "config.keyId": lambda _: True,
    "config.bootOptions.bootOrder": _boot_disk_key,
    "config.hardware.device": device_rows,
    "runtime.host": moref_of,
    "runtime.powerState": str,
    "runtime.connectionState": str,
    "runtime.question": lambda question: question.text,
    "guest.toolsStatus": str,
    "guest.net": _guest_nic_rows,
    "snapshot": lambda _: True,
    "customValue": lambda values: tuple((entry.key, entry.value) for entry in values),
}
