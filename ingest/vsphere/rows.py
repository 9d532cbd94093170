"""What was read from vCenter, one row per object, before anything is joined or judged.

Rows are what the two readers (stream and objects) agree on, and the only input of the pure functions that build the
inventory: a recorded, an embedded and a live vCenter all go through the same code. Managed object references are
plain ids, kinds are the class names of the vSphere API, texts are raw (`%2f` stays `%2f`). '' and () mean "not set".
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.model.inventory import HostPortGroup, PvlanType, Vlan


@dataclass(frozen=True, slots=True)
class Missing:
    """A property the server would not hand out (`missingSet`); `fault` is the fault's class, e.g. NoPermission."""

    moref: str
    path: str
    fault: str


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A link of the parent chain: Folder, StoragePod, Datacenter, a compute resource, or a VirtualApp.

    `parent` of a vApp is the folder it is shown in when it has one, otherwise its parent pool or vApp. `reachable`
    are the networks and datastores of a compute resource.
    """

    moref: str
    kind: str
    name: str
    parent: str = ""
    reachable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host. `portgroups` is None when its configuration cannot be read (never connected, no permission)."""

    moref: str
    name: str
    parent: str = ""
    connection_state: str = ""
    in_maintenance: bool = False
    version: str = ""
    portgroups: tuple[HostPortGroup, ...] | None = None


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """A distributed switch with its private VLAN map as (primary, secondary, type). `kind` is its real class."""

    moref: str
    name: str
    uuid: str
    parent: str = ""
    pvlans: tuple[tuple[int, int, PvlanType], ...] = ()
    uplink_portgroups: tuple[str, ...] = ()
    kind: str = "VmwareDistributedVirtualSwitch"


@dataclass(frozen=True, slots=True)
class PortGroupRow:
    """A distributed port group. `vlan` of kind pvlan has only `secondary` set; None when it could not be read."""

    moref: str
    name: str
    key: str
    parent: str = ""
    switch: str = ""
    vlan: Vlan | None = None
    uplink_tag: bool = False
    vlan_override_allowed: bool = False
    backing_type: str = ""
    binding: str = ""


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """A network of the inventory that is no distributed port group: `kind` is Network or OpaqueNetwork."""

    moref: str
    kind: str
    name: str
    parent: str = ""
    accessible: bool = True
    opaque_id: str = ""
    opaque_type: str = ""


@dataclass(frozen=True, slots=True)
class DatastoreRow:
    moref: str
    name: str
    parent: str = ""
    type: str = ""
    capacity_bytes: int = 0
    free_bytes: int = 0
    url: str = ""
    remote_host: str = ""
    remote_path: str = ""


@dataclass(frozen=True, slots=True)
class BackingRow:
    """What a device stands on. Only the fields of its own `kind` are set.

    `ancestors` are the files below the parent, nearest first.
    """

    kind: str
    device_name: str = ""
    network: str = ""
    switch_uuid: str = ""
    portgroup_key: str = ""
    port_key: str = ""
    opaque_id: str = ""
    opaque_type: str = ""
    file_name: str = ""
    datastore: str = ""
    disk_mode: str = ""
    sharing: str = ""
    parent_file: str = ""
    ancestors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A virtual device of a kind that matters: network card, disk, controller, CD-ROM, or one of `PINNING_KINDS`."""

    key: int
    kind: str
    label: str = ""
    controller_key: int = 0
    unit: int = 0
    mac: str = ""
    is_card: bool = False
    connected: bool = True
    start_connected: bool = True
    bus: int = 0
    shared_bus: str = ""
    disk_id: str = ""
    capacity_bytes: int = 0
    backing: BackingRow | None = None


@dataclass(frozen=True, slots=True)
class GuestNicRow:
    """One card as VMware Tools sees it. `key` is the device key, -1 when Tools cannot tell."""

    key: int
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VmRow:
    """One VM, joined with nothing. `has_config` is False when vCenter cannot read its configuration file."""

    moref: str
    name: str = ""
    parent: str = ""
    parent_vapp: str = ""
    has_config: bool = False
    instance_uuid: str = ""
    template: bool = False
    managed_by: str = ""
    host: str = ""
    power_state: str = ""
    connection_state: str = ""
    question: str = ""
    consolidation_needed: bool = False
    ft_role: int = 0
    encrypted: bool = False
    has_snapshot: bool = False
    cpus: int = 0
    cores_per_socket: int = 1
    memory_mib: int = 0
    cpu_reservation_mhz: int = 0
    firmware: str = ""
    secure_boot: bool = False
    boot_disk_key: int = 0
    annotation: str = ""
    guest_id: str = ""
    guest_full_name: str = ""
    guest_host_name: str = ""
    tools_status: str = ""
    devices: tuple[DeviceRow, ...] = ()
    guest_nics: tuple[GuestNicRow, ...] = ()
    custom_values: tuple[tuple[int, str], ...] = ()
    missing: tuple[Missing, ...] = ()


CARD_KINDS = frozenset(
    {
        "VirtualE1000",
        "VirtualE1000e",
        "VirtualEthernetCard",
        "VirtualPCNet32",
        "VirtualSriovEthernetCard",
        "VirtualVmxnet",
        "VirtualVmxnet2",
        "VirtualVmxnet3",
        "VirtualVmxnet3Vrdma",
    }
)

# Devices that tie a VM to one host's hardware or to one key provider.
PINNING_KINDS = frozenset(
    {
        "VirtualPCIPassthrough",
        "VirtualSCSIPassthrough",
        "VirtualSriovEthernetCard",
        "VirtualTPM",
        "VirtualUSB",
    }
)


def matters(kind: str) -> bool:
    """Whether a device of this class is kept at all; a network card of an unknown class is recognised by its MAC."""
    return (
        kind in CARD_KINDS
        or kind in ("VirtualDisk", "VirtualCdrom")
        or kind.endswith("Controller")
        or kind in PINNING_KINDS
    )
