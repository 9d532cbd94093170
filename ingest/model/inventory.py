"""What vCenter shows: plain facts, joined, without any decision.

Source of the rules behind the fields: the vSphere API reference (class names are given where a value is derived
from a class). Sizes carry their unit in the name. Every object keeps its managed object id (`moref`), because a
name is not an identity in vSphere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VlanKind = Literal["none", "id", "trunk", "pvlan"]
PvlanType = Literal["promiscuous", "isolated", "community"]
NicKind = Literal["standard", "dvs", "opaque", "unattached"]
PowerState = Literal["poweredOn", "poweredOff", "suspended", "unknown"]


@dataclass(frozen=True, slots=True)
class Vlan:
    """VLAN of a port group or NIC.

    `none`: untagged. `id`: access VLAN `id` (1..4094). `trunk`: `ranges` of allowed ids, guest tagging included
    (4095 on a standard port group is trunk 0-4094). `pvlan`: `primary`, `secondary`, `pvlan_type`; primary and
    type are None when the switch's map has no entry for the secondary id (the NIC then carries a problem code).
    """

    kind: VlanKind
    id: int | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    primary: int | None = None
    secondary: int | None = None
    pvlan_type: PvlanType | None = None

    @property
    def text(self) -> str:
        """Short form for sheets: '' for none, '100', 'trunk 1-10,20', 'pvlan 100/101 isolated'."""
        if self.kind == "id":
            return str(self.id)
        if self.kind == "trunk":
            parts = (str(low) if low == high else f"{low}-{high}" for low, high in self.ranges)
            return "trunk " + ",".join(parts)
        if self.kind == "pvlan":
            return f"pvlan {self.primary or '?'}/{self.secondary} {self.pvlan_type or '?'}"
        return ""


@dataclass(frozen=True, slots=True)
class Nic:
    """One Ethernet card. `kind` follows the class of its backing, never which fields happen to be present.

    `key` is the vSphere device key (4000...), `label` the id CloudStack uses (`Network adapter 1`), `mac` lower-case
    colon form. `adapter` is the name CloudStack would report (Vmxnet3, Vmxnet2, PCNet32, E1000), `card_class` the
    vSphere class. `vlan` is None where it has no meaning (opaque, unattached). `ipv4` are the addresses VMware Tools
    reports, whatever the state of the tools. `problem` is '' or a code that says what could not be resolved.
    """

    key: int
    label: str
    mac: str
    adapter: str
    card_class: str
    kind: NicKind
    network_name: str = ""
    network_moref: str = ""
    switch_name: str = ""
    switch_uuid: str = ""
    portgroup_key: str = ""
    port_key: str = ""
    vlan: Vlan | None = None
    connected: bool = True
    start_connected: bool = True
    sriov: bool = False
    nsx: bool = False
    ipv4: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """One virtual disk.

    `disk_id` is vSphere's diskObjectId (`37-2000`), the id CloudStack uses. `backing` is `flat` for file-backed
    disks CloudStack can list, `rdm` or the backing class name otherwise. `controller` is one of lsilogic, lsisas1068,
    buslogic, pvscsi, ide, sata, nvme or ''; CloudStack reports the last three as `none`. `parent_file` is '' unless
    the disk is a delta over another file (snapshot or linked clone); `ancestors` are the files below that, nearest
    first.
    """

    key: int
    label: str
    disk_id: str
    capacity_bytes: int
    backing: str
    file_name: str
    datastore_name: str
    datastore_moref: str
    controller: str
    controller_bus: int
    unit: int
    mode: str = "persistent"
    sharing: str = "sharingNone"
    shared_bus: str = "noSharing"
    parent_file: str = ""
    ancestors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    """One VM as vCenter describes it. `name` is raw (`%2f` stays `%2f`), as CloudStack compares it.

    `path` is the decoded folder path for people (`/DC/vm/folder/name`). `cluster` is '' for a standalone host.
    `tools_status` is guest.toolsStatus (toolsOk, toolsOld, toolsNotRunning, toolsNotInstalled) or ''.
    `managed_by` is the extension key that owns the VM, '' for ordinary VMs. `boot_disk_key` is the key of the first
    disk in the VM's boot order, 0 when none is set. `unreadable` is True when vCenter could not read the configuration
    (inaccessible, orphaned): most fields are then empty. `iso` is the image in a CD-ROM drive that is connected, now or
    at the next start (`[datastore] path`), '' for none.
    """

    moref: str
    name: str
    instance_uuid: str
    path: str
    datacenter: str
    datacenter_moref: str
    cluster: str
    cluster_moref: str
    host: str
    host_moref: str
    power_state: PowerState
    connection_state: str
    template: bool = False
    managed_by: str = ""
    cpus: int = 0
    cores_per_socket: int = 1
    memory_mib: int = 0
    cpu_reservation_mhz: int = 0
    guest_id: str = ""
    guest_full_name: str = ""
    guest_host_name: str = ""
    tools_status: str = ""
    firmware: str = "bios"
    secure_boot: bool = False
    boot_disk_key: int = 0
    in_vapp: bool = False
    has_snapshot: bool = False
    consolidation_needed: bool = False
    question: str = ""
    ft_role: int = 0
    encrypted: bool = False
    passthrough: tuple[str, ...] = ()
    iso: str = ""
    annotation: str = ""
    custom_fields: tuple[tuple[str, str], ...] = ()
    nics: tuple[Nic, ...] = ()
    disks: tuple[Disk, ...] = ()
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class HostPortGroup:
    """A standard port group as one host defines it. `vlan_id` is raw: 0 untagged, 4095 guest tagging.

    `vmkernel` is True when only the host itself is connected to it: no place for VMs.
    """

    name: str
    vlan_id: int
    vswitch: str
    vmkernel: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """An ESXi host. `cluster` is '' for a standalone host; `compute_moref` is its (Cluster)ComputeResource."""

    moref: str
    name: str
    datacenter: str
    cluster: str
    compute_moref: str
    connection_state: str
    in_maintenance: bool
    version: str = ""
    portgroups: tuple[HostPortGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A compute resource: a cluster, or the wrapper of one standalone host (`standalone`)."""

    moref: str
    name: str
    datacenter: str
    datacenter_moref: str
    path: str
    standalone: bool


@dataclass(frozen=True, slots=True)
class Switch:
    """A distributed switch with its private VLAN map (primary, secondary, type)."""

    moref: str
    name: str
    uuid: str
    datacenter: str
    pvlans: tuple[tuple[int, int, PvlanType], ...] = ()
    uplink_portgroups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the inventory. Standard networks carry no VLAN here: each host's port group has its own.

    `binding` of a distributed port group: earlyBinding, lateBinding, ephemeral (ports exist while VMs run).
    """

    moref: str
    name: str
    kind: NicKind
    datacenter: str
    switch_name: str = ""
    switch_uuid: str = ""
    portgroup_key: str = ""
    vlan: Vlan | None = None
    uplink: bool = False
    vlan_override_allowed: bool = False
    opaque_id: str = ""
    opaque_type: str = ""
    nsx: bool = False
    binding: str = ""


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore. `type` is VMFS, NFS, NFS41, vsan, VVOL...; the remote fields are set for NAS types only.

    `pod` names the datastore cluster it is a member of, '' for none.
    """

    moref: str
    name: str
    datacenter: str
    type: str
    capacity_bytes: int = 0
    free_bytes: int = 0
    remote_host: str = ""
    remote_path: str = ""
    url: str = ""
    pod: str = ""


@dataclass(frozen=True, slots=True)
class Datacenter:
    """A datacenter: in CloudStack a zone knows exactly one."""

    moref: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read or resolved: `code` for machines, `object` and `detail` for people."""

    code: str
    object: str
    detail: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything one vCenter (`server`, `product`, `version`, `instance_uuid`) said, sorted, joined in memory.

    `requests` is the number of API round trips the read took. Tuples are sorted by (path or name, moref).
    """

    server: str
    product: str
    version: str
    api_type: str
    instance_uuid: str
    datacenters: tuple[Datacenter, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    hosts: tuple[Host, ...] = ()
    switches: tuple[Switch, ...] = ()
    networks: tuple[Network, ...] = ()
    datastores: tuple[Datastore, ...] = ()
    vms: tuple[VirtualMachine, ...] = ()
    problems: tuple[Problem, ...] = ()
    requests: int = 0
