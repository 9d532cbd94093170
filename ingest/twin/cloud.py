"""The CloudStack side of the world: what the management server's database holds.

Field names follow the API (`ingest.model.catalogue` describes the same objects as a client sees them, but the twin
keeps its own records, so that each can contradict the other). Ids are UUID text. Sizes carry their unit.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from ingest.twin.journal import Journal

NetworkType = Literal["Isolated", "Shared", "L2"]


def new_id() -> str:
    """A random UUID, as the management server makes them."""
    return str(uuid.uuid4())


@dataclass(slots=True)
class Zone:
    id: str
    name: str
    networktype: str = "Advanced"
    allocationstate: str = "Enabled"


@dataclass(slots=True)
class Pod:
    id: str
    name: str
    zoneid: str


@dataclass(slots=True)
class Cluster:
    """`compute` is the managed object id of the vSphere cluster behind it."""

    id: str
    name: str  # vcenter/datacenter/cluster
    zoneid: str
    podid: str
    compute: str
    allocationstate: str = "Enabled"
    managedstate: str = "Managed"
    hypervisortype: str = "VMware"


@dataclass(slots=True)
class Host:
    """`moref` is the vSphere host behind it. `hosttags` is a comma list."""

    id: str
    name: str
    clusterid: str
    zoneid: str
    podid: str
    moref: str
    state: str = "Up"
    resourcestate: str = "Enabled"
    hosttags: str = ""


@dataclass(slots=True)
class Domain:
    id: str
    name: str
    path: str
    parentid: str = ""
    level: int = 0
    state: str = "Active"


@dataclass(slots=True)
class Account:
    """`accounttype` 0 user, 1 root admin, 2 domain admin, 5 project."""

    id: str
    name: str
    domainid: str
    accounttype: int = 0
    state: str = "enabled"
    has_role: bool = True  # False: its role is gone, so that the access checker refuses the account outright


@dataclass(slots=True)
class User:
    """An API key pair. `apis` None means every API; otherwise the only ones its role allows."""

    id: str
    name: str
    accountid: str
    api_key: str
    secret_key: str
    enabled: bool = True
    apis: frozenset[str] | None = None


@dataclass(slots=True)
class Project:
    """`accountid` is the project's own account (type 5)."""

    id: str
    name: str
    domainid: str
    accountid: str
    state: str = "Active"


@dataclass(slots=True)
class Network:
    """`broadcasturi` like vlan://100 or pvlan://100-i200, '' when none. Owner: account, or the project's account.

    `networkofferingid` '' means the default offering of its type, `physicalnetworkid` '' the first of its zone.
    """

    id: str
    name: str
    type: NetworkType
    zoneid: str
    accountid: str
    domainid: str
    broadcasturi: str = ""
    state: str = "Setup"
    cidr: str = ""
    gateway: str = ""
    startip: str = ""
    endip: str = ""
    acltype: str = "Account"
    subdomainaccess: bool = True
    projectid: str = ""
    issystem: bool = False
    displaytext: str = ""
    removed: bool = False
    networkofferingid: str = ""
    physicalnetworkid: str = ""
    networkdomain: str = ""
    created: float = 0.0
    permissions: list[str] = field(default_factory=list)  # accounts that may use it besides the owner


@dataclass(slots=True)
class PhysicalNetwork:
    """`vlan` is the guest range that CloudStack hands out itself, like 100-199,300-310; '' for none."""

    id: str
    name: str
    zoneid: str
    vlan: str = ""
    state: str = "Enabled"
    isolationmethods: str = "VLAN"
    tags: str = ""


@dataclass(slots=True)
class NetworkOffering:
    """`specifyvlan`: who creates a network says its VLAN. `domainids`, `zoneids` empty means public."""

    id: str
    name: str
    guestiptype: NetworkType
    specifyvlan: bool = False
    specifyipranges: bool = False
    ispersistent: bool = False
    forvpc: bool = False
    services: list[str] = field(default_factory=list)
    tags: str = ""
    domainids: list[str] = field(default_factory=list)
    zoneids: list[str] = field(default_factory=list)
    state: str = "Enabled"


def default_network_offerings() -> dict[str, NetworkOffering]:
    """The offerings every installation starts with, as far as imports meet them; their ids follow from the names."""
    usual = ["Dhcp", "Dns", "UserData"]
    nat = [*usual, "Firewall", "Lb", "PortForwarding", "SourceNat", "StaticNat", "Vpn"]
    offerings = [
        NetworkOffering("", "DefaultL2NetworkOffering", "L2"),
        NetworkOffering("", "DefaultL2NetworkOfferingVlan", "L2", specifyvlan=True),
        NetworkOffering("", "DefaultL2NetworkOfferingConfigDrive", "L2", services=["UserData"]),
        NetworkOffering("", "DefaultL2NetworkOfferingConfigDriveVlan", "L2", specifyvlan=True, services=["UserData"]),
        NetworkOffering(
            "", "DefaultSharedNetworkOffering", "Shared", specifyvlan=True, specifyipranges=True, services=usual
        ),
        NetworkOffering("", "DefaultIsolatedNetworkOfferingWithSourceNatService", "Isolated", services=nat),
    ]
    for offering in offerings:
        offering.id = str(uuid.uuid5(uuid.NAMESPACE_OID, offering.name))
    return {offering.id: offering for offering in offerings}


@dataclass(slots=True)
class ResourceLimit:
    """A stored limit. `resource` like user_vm, cpu, memory (MiB), primary_storage (GiB); `max` -1 is unlimited."""

    owner: Literal["account", "domain"]
    ownerid: str
    resource: str
    max: int


@dataclass(slots=True)
class ServiceOffering:
    """None for cpunumber, cpuspeed (MHz), memory (MiB) means open. `domainids`, `zoneids` empty means public."""

    id: str
    name: str
    cpunumber: int | None
    cpuspeed: int | None
    memory: int | None
    diskofferingid: str
    mincpunumber: int | None = None
    maxcpunumber: int | None = None
    minmemory: int | None = None
    maxmemory: int | None = None
    hosttags: str = ""
    storagetags: str = ""
    storagetype: str = "shared"
    domainids: list[str] = field(default_factory=list)
    zoneids: list[str] = field(default_factory=list)
    state: str = "Active"
    removed: bool = False
    offerha: bool = False


@dataclass(slots=True)
class DiskOffering:
    """`disksize` in GiB, 0 with `iscustomized`."""

    id: str
    name: str
    disksize: int
    iscustomized: bool
    tags: str = ""
    storagetype: str = "shared"
    domainids: list[str] = field(default_factory=list)
    zoneids: list[str] = field(default_factory=list)
    state: str = "Active"
    hidden: bool = False  # the disk offering bound to a service offering is not listed
    removed: bool = False


@dataclass(slots=True)
class StoragePool:
    """`path` is /<datacenter>/<datastore>, or the export path for NFS. `tags` is a comma list.

    `parent` is set for members of a datastore cluster.
    """

    id: str
    name: str
    path: str
    zoneid: str
    clusterid: str = ""  # '' for zone-wide
    host: str = ""
    type: str = "VMFS"
    scope: str = "CLUSTER"
    tags: str = ""
    state: str = "Up"
    capacity_bytes: int = 4 << 40
    parent: str = ""  # the pool of the datastore cluster; its members are never listed


@dataclass(slots=True)
class Template:
    """`installpath` is its name on a storage pool; a VM called so is hidden from the unmanaged ones."""

    id: str
    name: str
    zoneid: str
    ostypeid: str
    hypervisor: str = "VMware"
    isready: bool = True
    format: str = "OVA"
    removed: bool = False
    installpath: str = ""
    templatetag: str = ""
    details: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class OsType:
    id: str
    description: str


@dataclass(slots=True)
class OsMapping:
    id: str
    ostypeid: str
    hypervisorversion: str
    osnameforhypervisor: str


@dataclass(slots=True)
class InstanceNic:
    id: str
    networkid: str
    macaddress: str
    ipaddress: str = ""
    isdefault: bool = False
    deviceid: int = 0


@dataclass(slots=True)
class Volume:
    id: str
    name: str
    type: Literal["ROOT", "DATADISK"]
    instanceid: str
    size_bytes: int
    poolid: str
    diskofferingid: str
    path: str
    chaininfo: list[str] = field(default_factory=list)
    deviceid: int = 0
    removed: bool = False
    snapshots: list[str] = field(default_factory=list)  # ids of volume snapshots CloudStack knows


@dataclass(slots=True)
class Instance:
    """A VM in CloudStack's database. `moref` is the vSphere VM it was imported from.

    `hostid` is '' while it is stopped by CloudStack, `lasthostid` then says where it ran. `counted` False: resource
    counts leave it out, as they do until an import ends.
    """

    id: str
    name: str  # hostname
    displayname: str
    instancename: str
    state: str
    zoneid: str
    podid: str
    clusterid: str
    hostid: str
    accountid: str
    domainid: str
    serviceofferingid: str
    templateid: str
    guestosid: str
    cpunumber: int
    memory: int
    moref: str
    cpuspeed: int = 0
    projectid: str = ""
    details: dict[str, str] = field(default_factory=dict)
    nics: list[InstanceNic] = field(default_factory=list)
    created: float = 0.0
    removed: bool = False
    lasthostid: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    isoid: str = ""
    snapshots: list[str] = field(default_factory=list)  # names of VM snapshots CloudStack knows
    kubernetes_cluster: str = ""  # its name
    shared_filesystem: bool = False
    ha_work: bool = False  # a task of the high-availability manager waits
    userid: str = ""
    haenable: bool = False
    counted: bool = True


@dataclass(slots=True)
class SystemVm:
    """A VM of CloudStack's own: `instancename` like v-2-VM, r-7-VM. It hides its namesake in vCenter."""

    id: str
    instancename: str
    podid: str
    hostid: str = ""
    lasthostid: str = ""


@dataclass(slots=True)
class Job:
    """An asynchronous job. `status` 0 pending, 1 done, 2 failed. `created`, `completed` are seconds since the epoch.

    `instancetype` and `instanceid` name what it works on; an import job names nothing.
    """

    id: str
    cmd: str
    accountid: str
    userid: str
    status: int = 0
    resultcode: int = 0
    result: dict[str, Any] | None = None
    created: float = 0.0
    completed: float | None = None
    instancetype: str = ""
    instanceid: str = ""


@dataclass(slots=True)
class Event:
    """`startid` is the Scheduled event it continues, '' where CloudStack keeps no link."""

    id: str
    type: str
    level: str
    state: str
    description: str
    accountid: str
    created: float
    userid: str = ""
    startid: str = ""
    resourcetype: str = ""
    resourceid: str = ""


@dataclass(slots=True)
class Cloud:
    """The management server's database and settings. Dictionaries are keyed by id, in insertion (database) order."""

    version: str = "4.22.0.0"
    configuration: dict[str, str] = field(default_factory=dict)
    zone_configuration: dict[str, dict[str, str]] = field(default_factory=dict)  # by zone id, beats the global one
    zones: dict[str, Zone] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    physical_networks: dict[str, PhysicalNetwork] = field(default_factory=dict)
    network_offerings: dict[str, NetworkOffering] = field(default_factory=default_network_offerings)
    limits: list[ResourceLimit] = field(default_factory=list)
    service_offerings: dict[str, ServiceOffering] = field(default_factory=dict)
    disk_offerings: dict[str, DiskOffering] = field(default_factory=dict)
    storage_pools: dict[str, StoragePool] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    os_types: dict[str, OsType] = field(default_factory=dict)
    os_mappings: dict[str, OsMapping] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    system_vms: dict[str, SystemVm] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    # How long things take, in seconds.
    import_seconds: float = 1.0
    import_jitter_seconds: float = 0.0
    import_seconds_per_disk: float = 0.0
    import_seconds_per_nic: float = 0.0
    import_seconds_seen: list[float] = field(default_factory=list)  # imports elsewhere: one is drawn for each VM
    list_seconds_per_vm: float = 0.0
    power_seconds: float = 1.0  # a start, or a guest shutdown; a power off takes no time
    job_cleaner_seconds: float = 10.0  # how often expired jobs are deleted; 0: at once
    job_threads: int = 125
    in_maintenance: bool = False  # True: asynchronous calls are refused with 503
    import_template_storable: bool = True  # False: the hidden template of imports without one cannot be made
