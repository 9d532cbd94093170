"""From XML elements of a property collector's answer to the same values `objects` makes of pyVmomi objects.

Knows the elements VM rows are made of and nothing else; unknown properties, devices and members are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import intern
from typing import Any
from xml.etree.ElementTree import Element

from ingest.vsphere.rows import CARD_KINDS, BackingRow, DeviceRow, GuestNicRow, Missing, matters

NS = "{urn:vim25}"
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_TRUE = ("true", "1")
BOOTABLE_DISK = "VirtualMachineBootOptionsBootableDiskDevice"


def text_of(element: Element, name: str) -> str:
    """The text of a child, '' when it is absent. Interned: most texts of an inventory repeat thousands of times."""
    return intern(element.findtext(NS + name, "") or "")


def class_of(element: Element) -> str:
    """The class in xsi:type, whatever its prefix, '' when there is none."""
    return intern(element.get(_XSI_TYPE, "").rpartition(":")[2])


def missing_of(moref: str, element: Element) -> Missing:
    """A missingSet entry; its fault is wrapped (LocalizedMethodFault)."""
    fault = element.find(f"{NS}fault/{NS}fault")
    return Missing(moref, text_of(element, "path"), class_of(fault) if fault is not None else "")


def _number(element: Element, name: str, default: int = 0) -> int:
    text = element.findtext(NS + name)
    return int(text) if text else default


def _flag(element: Element | None, name: str) -> bool:
    return element is None or element.findtext(NS + name) in _TRUE


def device_rows(value: Element) -> tuple[DeviceRow, ...]:
    """The devices that matter of a VM's hardware list."""
    rows = []
    for device in value:
        kind = class_of(device)
        mac = device.findtext(NS + "macAddress")
        is_card = mac is not None or kind in CARD_KINDS
        if is_card or matters(kind):
            rows.append(_device_row(device, kind, mac or "", is_card))
    return tuple(rows)


def _device_row(device: Element, kind: str, mac: str, is_card: bool) -> DeviceRow:
    connectable = device.find(NS + "connectable")
    backing = device.find(NS + "backing")
    return DeviceRow(
        key=_number(device, "key"),
        kind=kind,
        label=intern(device.findtext(f"{NS}deviceInfo/{NS}label", "") or ""),
        controller_key=_number(device, "controllerKey"),
        unit=_number(device, "unitNumber"),
        mac=mac,
        is_card=is_card,
        connected=_flag(connectable, "connected"),
        start_connected=_flag(connectable, "startConnected"),
        bus=_number(device, "busNumber"),
        shared_bus=text_of(device, "sharedBus"),
        disk_id=text_of(device, "diskObjectId"),
        capacity_bytes=_number(device, "capacityInBytes") or _number(device, "capacityInKB") * 1024,
        backing=_backing_row(backing) if backing is not None else None,
    )


def _backing_row(backing: Element) -> BackingRow:
    values: dict[str, str] = {}
    ancestors: tuple[str, ...] = ()
    for member in backing:
        field = _BACKING_FIELDS.get(member.tag)
        if field is not None:
            values[field] = intern(member.text or "")
        elif member.tag == NS + "port":
            values["switch_uuid"] = text_of(member, "switchUuid")
            values["portgroup_key"] = text_of(member, "portgroupKey")
            values["port_key"] = text_of(member, "portKey")
        elif member.tag == NS + "parent":
            values["parent_file"] = text_of(member, "fileName")
            ancestors = _ancestors(member)
    return BackingRow(class_of(backing), **values, ancestors=ancestors)


def _ancestors(parent: Element) -> tuple[str, ...]:
    """The files below a parent, nearest first."""
    found: list[str] = []
    below = parent.find(NS + "parent")
    while below is not None:
        found.append(text_of(below, "fileName"))
        below = below.find(NS + "parent")
    return tuple(found)


def _guest_nic_rows(value: Element) -> tuple[GuestNicRow, ...]:
    return tuple(
        GuestNicRow(
            _number(nic, "deviceConfigId", -1),
            text_of(nic, "macAddress"),
            tuple(address.text or "" for address in nic.iterfind(NS + "ipAddress")),
        )
        for nic in value
    )


def _custom_values(value: Element) -> tuple[tuple[int, str], ...]:
    return tuple((_number(entry, "key"), text_of(entry, "value")) for entry in value)


def _boot_disk_key(value: Element) -> int:
    """The first disk in a boot order, 0 when no disk is in it."""
    keys = (_number(item, "deviceKey") for item in value if class_of(item) == BOOTABLE_DISK)
    return next(keys, 0)


def _text(value: Element) -> str:
    return intern(value.text or "")


def _integer(value: Element) -> int:
    return int(value.text or 0)


def _boolean(value: Element) -> bool:
    return value.text in _TRUE


def _present(_: Element) -> bool:
    return True


_BACKING_FIELDS = {
    NS + "deviceName": "device_name",
    NS + "network": "network",
    NS + "opaqueNetworkId": "opaque_id",
    NS + "opaqueNetworkType": "opaque_type",
    NS + "fileName": "file_name",
    NS + "datastore": "datastore",
    NS + "diskMode": "disk_mode",
    NS + "sharing": "sharing",
}
DECODERS: dict[str, Callable[[Element], Any]] = {
    "name": _text,
    "parent": _text,
    "parentVApp": _text,
    "config.instanceUuid": _text,
    "config.template": _boolean,
    "config.managedBy": lambda value: text_of(value, "extensionKey"),
    "config.ftInfo": lambda value: _number(value, "role"),
    "config.keyId": _present,
    "config.firmware": _text,
    "config.bootOptions.efiSecureBootEnabled": _boolean,
    "config.bootOptions.bootOrder": _boot_disk_key,
    "config.annotation": _text,
    "config.guestId": _text,
    "config.guestFullName": _text,
    "config.cpuAllocation.reservation": _integer,
    "config.hardware.numCPU": _integer,
    "config.hardware.numCoresPerSocket": _integer,
    "config.hardware.memoryMB": _integer,
    "config.hardware.device": device_rows,
    "runtime.host": _text,
    "runtime.powerState": _text,
    "runtime.connectionState": _text,
    "runtime.question": lambda value: text_of(value, "text"),
    "runtime.consolidationNeeded": _boolean,
    "guest.guestId": _text,
    "guest.guestFullName": _text,
    "guest.hostName": _text,
    "guest.toolsStatus": _text,
    "guest.net": _guest_nic_rows,
    "snapshot": _present,
    "customValue": _custom_values,
}
