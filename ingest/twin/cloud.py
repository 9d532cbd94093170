"""The CloudStack side of the world: what the management server's database holds.

Field names follow the API (`ingest.model.catalogue` describes the same objects as a client sees them, but the twin
keeps its own records, so that each can contradict the other). Ids are UUID text. Sizes carry their unit.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

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
    """`broadcasturi` like vlan://100 or pvlan://100-i200, '' when none. Owner: account, or the project's account."""

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
    permissions: list[str] = field(default_factory=list)  # accounts that may use it besides the owner


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
    """`path` is /<datacenter>/<datastore>, or the export path for NFS. `tags` is a comma list."""

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


@dataclass(slots=True)
class Instance:
    """A VM in CloudStack's database. `moref` is the vSphere VM it was imported from.

    `counted` False: resource counts leave it out, as they do until an import ends.
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
class ResourceLimit:
    """The most of one resource an account or a domain may have; `max` -1 unlimited.

    `resource` is user_vm, volume, network, cpu, memory (MiB) or primary_storage (GiB).
    """

    owner: Literal["account", "domain"]
    ownerid: str
    resource: str
    max: int


@dataclass(slots=True)
class Job:
    """An asynchronous job. `status` 0 pending, 1 done, 2 failed. `created`, `completed` are seconds since the epoch."""

    id: str
    cmd: str
    accountid: str
    userid: str
    status: int = 0
    resultcode: int = 0
    result: dict[str, Any] | None = None
    created: float = 0.0
    completed: float | None = None


@dataclass(slots=True)
class Event:
    id: str
    type: str
    level: str
    state: str
    description: str
    accountid: str
    created: float


@dataclass(slots=True)
class Journal:
    """What truly happened, for tests to assert on: never what a client believes.

    `imports` are (vm moref, instance id) in commit order; `requests` counts API calls per command;
    `imports_running` now and `peak_imports_running` ever count import jobs between the start and end of their work.
    """

    imports: list[tuple[str, str]] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    imports_accepted: int = 0
    imports_running: int = 0
    peak_imports_running: int = 0


@dataclass(slots=True)
class Cloud:
    """The management server's database and settings. Dictionaries are keyed by id, in insertion (database) order."""

    version: str = "4.22.0.0"
    configuration: dict[str, str] = field(default_factory=dict)
    zones: dict[str, Zone] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    service_offerings: dict[str, ServiceOffering] = field(default_factory=dict)
    disk_offerings: dict[str, DiskOffering] = field(default_factory=dict)
    storage_pools: dict[str, StoragePool] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    os_types: dict[str, OsType] = field(default_factory=dict)
    os_mappings: dict[str, OsMapping] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    system_vms: dict[str, SystemVm] = field(default_factory=dict)
    limits: list[ResourceLimit] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    # How long things take, in seconds.
    import_seconds: float = 1.0
    import_jitter_seconds: float = 0.0
    import_seconds_per_disk: float = 0.0
    import_seconds_per_nic: float = 0.0
    list_seconds_per_vm: float = 0.0
    job_cleaner_seconds: float = 10.0  # how often expired jobs are deleted; 0: at once
    job_threads: int = 125
    in_maintenance: bool = False  # True: asynchronous calls are refused with 503
    import_template_storable: bool = True  # False: the hidden template of imports without one cannot be made
