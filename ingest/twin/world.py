"""One world, seen by two servers: the vSphere side as it truly is.

Both servers of the twin read and change this one object under `World.lock`. Names and values are the raw ones of
vSphere (VLAN 4095, `%2f`); what CloudStack makes of them is the CloudStack server's business. The CloudStack side
(zones, offerings, imported VMs, jobs) is `World.cloud`, see `ingest.twin.cloud`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ingest.model.inventory import PowerState, PvlanType, Vlan
from ingest.twin.clock import Clock
from ingest.twin.cloud import Cloud

Backing = Literal["standard", "dvs", "opaque", "legacy", "none"]
DiskBacking = Literal["flat", "rdm", "seflat", "sparse", "raw"]
Controller = Literal["lsilogic", "lsisas1068", "buslogic", "pvscsi", "ide", "sata", "nvme"]
# How far the guest of a VM that was switched on or off here is: not started, tools without addresses, all up.
GuestStage = Literal["down", "tools", ""]


@dataclass(slots=True)
class Datacenter:
    """`moref` like datacenter-2. The four folders are named by what they hold."""

    moref: str
    name: str
    vm_folder: str
    host_folder: str
    network_folder: str
    datastore_folder: str
    parent: str = "group-d1"


@dataclass(slots=True)
class Folder:
    """Any folder, the root `group-d1` and the datacenters' own four included. `datacenter` is '' for the root."""

    moref: str
    name: str
    parent: str
    datacenter: str


@dataclass(slots=True)
class Compute:
    """A cluster (domain-cN) or the wrapper of a standalone host (domain-sN), with its root resource pool."""

    moref: str
    name: str
    datacenter: str
    parent: str
    is_cluster: bool
    resource_pool: str


@dataclass(slots=True)
class ResourcePool:
    """A resource pool below a compute resource's root pool (which is `Compute.resource_pool`), or below another."""

    moref: str
    name: str
    parent: str  # a resource pool or a vApp
    compute: str


@dataclass(slots=True)
class VApp:
    """A virtual app: its VMs have no folder parent, only `parentVApp`."""

    moref: str
    name: str
    parent: str  # a resource pool or another vApp
    folder: str  # '' inside another vApp
    compute: str


@dataclass(slots=True)
class HostPortGroup:
    """A standard port group on one host. `vlan_id` raw: 0 untagged, 4095 guest tagging."""

    name: str
    vlan_id: int
    vswitch: str = "vSwitch0"
    vmkernel: bool = False


@dataclass(slots=True)
class Host:
    moref: str
    name: str
    compute: str
    connection_state: str = "connected"
    in_maintenance: bool = False
    version: str = "8.0.2"
    build: str = "22380479"
    portgroups: list[HostPortGroup] = field(default_factory=list)


@dataclass(slots=True)
class Switch:
    """A distributed switch. `pvlans` are (primary, secondary, type) entries; `uplink` is its uplink group's moref."""

    moref: str
    name: str
    uuid: str
    datacenter: str
    parent: str
    pvlans: list[tuple[int, int, PvlanType]] = field(default_factory=list)
    uplink: str = ""


@dataclass(slots=True)
class Network:
    """A network: standard (`network-N`), distributed port group (`dvportgroup-N`) or opaque (`network-oN`)."""

    moref: str
    name: str
    kind: Literal["standard", "dvs", "opaque"]
    datacenter: str
    parent: str
    switch: str = ""  # moref of the distributed switch
    vlan: Vlan | None = None  # dvs only
    uplink: bool = False
    vlan_override_allowed: bool = False
    binding: Literal["earlyBinding", "ephemeral"] = "earlyBinding"
    opaque_id: str = ""
    opaque_type: str = "nsx.LogicalSwitch"
    nsx_segment: str = ""

    @property
    def key(self) -> str:
        """The port group key, equal to the managed object id, as on real vCenters."""
        return self.moref


@dataclass(slots=True)
class Datastore:
    """A datastore. `hosts` mount it (managed object ids), empty: every host of its datacenter. One in a datastore
    cluster has the cluster, a folder `group-pN`, as `parent`.
    """

    moref: str
    name: str
    datacenter: str
    parent: str
    type: str = "VMFS"
    capacity_bytes: int = 4 << 40
    free_bytes: int = 2 << 40
    remote_host: str = ""
    remote_path: str = ""
    url: str = ""
    hosts: list[str] = field(default_factory=list)
    accessible: bool = True
    maintenance_mode: str = "normal"
    read_only: bool = False  # a replica that nobody has made writable yet
    other_files: list[str] = field(default_factory=list)  # paths below its root, of no VM


@dataclass(slots=True)
class Nic:
    """`network` is the moref of the network, '' for a card without backing. `card` is a vSphere class name.

    `switch` (moref) is for distributed cards whose port group cannot tell: it is gone, or the port is in no group
    (then `network` is ''). `legacy` is the backing of hosts before port groups, by `device_name` alone.
    """

    key: int
    label: str
    mac: str
    network: str
    backing: Backing = "standard"
    card: str = "VirtualVmxnet3"
    port_key: str = ""
    device_name: str = ""  # standard backings: the port group's name as the VM remembers it
    connected: bool = True
    start_connected: bool = True
    ips: tuple[str, ...] = ()
    port_vlan: Vlan | None = None  # the port's own setting where the group allows an override
    switch: str = ""


@dataclass(slots=True)
class Disk:
    """`disk_id` is vSphere's diskObjectId, e.g. 37-2000. `parent_file` marks a delta disk.

    `ancestors` are the files below the parent, nearest first. `shared_bus` is its controller's. `rdm_mode` is the
    compatibility mode of a raw device mapping; `raw` is a whole device of the host, `seflat` the space-efficient
    format, `sparse` that of hosted products.
    """

    key: int
    label: str
    disk_id: str
    capacity_bytes: int
    file_name: str  # [datastore] folder/file.vmdk
    datastore: str  # moref
    controller: Controller = "pvscsi"
    bus: int = 0
    unit: int = 0
    backing: DiskBacking = "flat"
    mode: str = "persistent"
    sharing: str = "sharingNone"
    parent_file: str = ""
    ancestors: tuple[str, ...] = ()
    shared_bus: str = "noSharing"
    rdm_mode: str = "physicalMode"


@dataclass(slots=True)
class Snapshot:
    """A snapshot of a VM; `parent` is the id of the one before it, 0 for a first one."""

    id: int
    name: str
    parent: int = 0
    description: str = ""
    power_state: PowerState = "poweredOff"
    quiesced: bool = False


@dataclass(slots=True)
class GuestService:
    """What the guest listens on once it is up: a port that accepts, or one that answers HTTP like this."""

    port: int
    kind: Literal["tcp", "http"] = "http"
    status: int = 200
    text: str = "ok"


@dataclass(slots=True)
class VM:
    """A VM. `folder` is the parent folder's moref, '' for a vApp member (then `vapp` is set).

    `snapshot` alone stands for one snapshot; `snapshots` lists them, the current one last. `ft_role` is 1 for the
    primary of a fault tolerant pair, 2 for the secondary, `ft_partner` the other VM. `iso` is a connected image,
    `[datastore] path`; `vgpus` are profile names. `boot_disk_key` is the key of the first disk in its boot order, 0
    without one. `locked_by` names the host that has its .vmx open although it is not registered here, `swap_left` says
    that a power cut left its swap file. Its guest comes up `guest_delay_s` later than others, or never (`guest_hangs`),
    takes the addresses that CloudStack's networks offer its MACs instead of keeping its own (`guest_dhcp`),
    and listens on `services` then. `revision` grows with every change, so that rendered answers can be cached per
    (moref, revision).
    """

    moref: str
    name: str
    instance_uuid: str
    bios_uuid: str
    folder: str
    host: str
    resource_pool: str
    vapp: str = ""
    power_state: PowerState = "poweredOn"
    connection_state: str = "connected"
    template: bool = False
    managed_by: tuple[str, str] | None = None  # (extension key, type)
    cpus: int = 2
    cores_per_socket: int = 1
    memory_mib: int = 4096
    cpu_reservation_mhz: int = 0
    guest_id: str = "ubuntu64Guest"
    guest_full_name: str = "Ubuntu Linux (64-bit)"
    guest_host_name: str = ""
    tools_status: str = "toolsOk"
    firmware: str = "bios"
    secure_boot: bool = False
    boot_disk_key: int = 0
    snapshot: bool = False
    snapshots: list[Snapshot] = field(default_factory=list)
    consolidation_needed: bool = False
    question: str = ""
    ft_role: int = 0
    ft_partner: str = ""
    encrypted: bool = False
    annotation: str = ""
    custom_fields: dict[str, str] = field(default_factory=dict)
    extra_devices: list[str] = field(default_factory=list)  # vSphere class names: VirtualPCIPassthrough, VirtualTPM...
    iso: str = ""
    vgpus: list[str] = field(default_factory=list)
    disabled_methods: list[str] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    disks: list[Disk] = field(default_factory=list)
    vmx_path: str = ""  # [datastore] folder/file.vmx; '' for the usual place, see `ingest.twin.files`
    extra_config: dict[str, str] = field(default_factory=dict)
    uuid_location: str = ""  # where the UUID in the .vmx was made, '' for here: see `ingest.twin.registration`
    locked_by: str = ""
    swap_left: bool = False
    guest_stage: GuestStage = ""
    guest_delay_s: float = 0.0
    guest_hangs: bool = False
    guest_dhcp: bool = False
    services: list[GuestService] = field(default_factory=list)
    revision: int = 0


@dataclass(slots=True)
class StoredVM:
    """A VM on disk only: `vm` is what its files say, without managed object id, host, folder and pool.

    `datastore` (moref) holds the .vmx, whose path `vm.vmx_path` is set.
    """

    datastore: str
    vm: VM

    @property
    def key(self) -> str:
        """Its key in `World.unregistered`."""
        return f"{self.datastore} {self.vm.vmx_path}"


@dataclass(slots=True)
class World:
    """The whole truth. Dictionaries are keyed by managed object id and keep insertion order.

    `unregistered` are VMs on disk that vCenter does not know, by datastore and path of the .vmx. `last_moref` is the
    last number given to a new object while the world was served, 0 for none.
    """

    name: str = "demo"
    seed: int = 0
    vcenter_name: str = "vcenter.example.org"
    vcenter_version: str = "8.0.2"
    vcenter_uuid: str = "11111111-2222-4333-8444-555555555555"
    vcenter_user: str = "administrator@vsphere.local"
    vcenter_password: str = "twin-password"  # noqa: S105  a loopback twin's own, printed by `ingest twin serve`
    datacenters: dict[str, Datacenter] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    computes: dict[str, Compute] = field(default_factory=dict)
    resource_pools: dict[str, ResourcePool] = field(default_factory=dict)
    vapps: dict[str, VApp] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    switches: dict[str, Switch] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    datastores: dict[str, Datastore] = field(default_factory=dict)
    vms: dict[str, VM] = field(default_factory=dict)
    unregistered: dict[str, StoredVM] = field(default_factory=dict)
    last_moref: int = 0
    cloud: Cloud = field(default_factory=Cloud)
    clock: Clock = field(default_factory=Clock, repr=False, compare=False)
    power_watchers: list[Callable[[VM], None]] = field(default_factory=list, repr=False, compare=False)
    import_watchers: list[Callable[[str, str], None]] = field(default_factory=list, repr=False, compare=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.cloud.journal.follow(self.clock)

    def compute_of(self, vm: VM) -> Compute:
        """The cluster or standalone compute resource a VM's host belongs to."""
        return self.computes[self.hosts[vm.host].compute]

    def connection_of(self, vm: VM) -> str:
        """The VM's connection state as vCenter shows it: of a host that does not answer, all VMs are disconnected."""
        host = self.hosts.get(vm.host)
        if vm.connection_state == "connected" and host is not None and host.connection_state != "connected":
            return "disconnected"
        return vm.connection_state

    def switch(self, vm: VM, state: PowerState) -> None:
        """Change a VM's power state and let its guest follow; call with the lock held."""
        vm.power_state = state
        # Without a vCenter to let it boot, a guest is there at once.
        vm.guest_stage = "" if state == "poweredOn" else "down"
        for tell in self.power_watchers:
            tell(vm)
        self.touch(vm)

    def tell_import(self, what: Literal["accepted", "over", "away", "back"], vm_name: str = "") -> None:
        """Tell who wants to know that an import was taken, or that nobody works at it any more; that CloudStack is away
        and takes none, or is back. The lock is held."""
        for tell in self.import_watchers:
            tell(what, vm_name)

    def touch(self, vm: VM) -> None:
        """Mark a VM as changed; call with the lock held."""
        vm.revision += 1

    def new_moref(self, prefix: str) -> str:
        """A managed object id that no object has or, in this world, ever had; call with the lock held."""
        if not self.last_moref:
            kinds = (self.datacenters, self.folders, self.computes, self.vapps, self.hosts, self.switches,
                     self.networks, self.datastores, self.resource_pools, self.vms)  # fmt: skip
            self.last_moref = max((_number(moref) for kind in kinds for moref in kind), default=0)
        while True:
            self.last_moref += 1
            made = f"{prefix}{self.last_moref}"
            if made not in self.vms and made not in self.folders:
                return made


def _number(moref: str) -> int:
    digits = moref[len(moref.rstrip("0123456789")) :]
    return int(digits) if 0 < len(digits) < 10 else 0
