"""What CloudStack shows: one typed model for each object of its API that we use.

Field names are the API's own, so that the API documentation is the documentation. Unknown fields of newer releases
are ignored. CloudStack omits null fields, so nearly everything has a default; '' and 0 mean "not said" unless a
field's comment says otherwise.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ApiObject(BaseModel):
    """Base of all API objects: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class Zone(ApiObject):
    id: str
    name: str
    networktype: str = ""
    allocationstate: str = ""


class Pod(ApiObject):
    id: str
    name: str
    zoneid: str = ""


class Cluster(ApiObject):
    """`name` is `vcenter/datacenter/cluster` for VMware clusters."""

    id: str
    name: str
    zoneid: str = ""
    zonename: str = ""
    podid: str = ""
    hypervisortype: str = ""
    allocationstate: str = ""
    managedstate: str = ""


class Host(ApiObject):
    id: str
    name: str
    state: str = ""
    resourcestate: str = ""
    type: str = ""
    clusterid: str = ""
    clustername: str = ""
    hypervisor: str = ""
    hypervisorversion: str = ""
    hosttags: str = ""


class Network(ApiObject):
    """Match on `broadcasturi` (`vlan://100`, `pvlan://100-i200`), not on `vlan`. Absent when the network has none."""

    id: str
    name: str
    displaytext: str = ""
    type: str = ""  # Isolated, Shared, L2
    state: str = ""
    zoneid: str = ""
    physicalnetworkid: str = ""
    networkofferingid: str = ""
    networkdomain: str = ""
    created: str = ""
    broadcasturi: str = ""
    vlan: str = ""
    cidr: str = ""
    gateway: str = ""
    acltype: str = ""  # Account, Domain
    subdomainaccess: bool = False
    account: str = ""
    projectid: str = ""
    project: str = ""
    domainid: str = ""
    domainpath: str = ""
    issystem: bool = False


class PhysicalNetwork(ApiObject):
    """`vlan` are the VLAN ids CloudStack hands out itself, such as `100-199,300-310`; '' when there are none."""

    id: str
    name: str
    zoneid: str = ""
    state: str = ""
    vlan: str = ""
    isolationmethods: str = ""
    tags: str = ""


class NetworkService(ApiObject):
    """A service an offering gives its networks, such as Dhcp."""

    name: str


class NetworkOffering(ApiObject):
    """`guestiptype` is L2, Shared or Isolated; `specifyvlan`: a network of it names its VLAN."""

    id: str
    name: str
    state: str = ""
    guestiptype: str = ""
    specifyvlan: bool = False
    specifyipranges: bool = False
    traffictype: str = ""
    domainid: str = ""
    zoneid: str = ""
    ispersistent: bool = False
    forvpc: bool = False
    tags: str = ""
    service: tuple[NetworkService, ...] = ()


class IpRange(ApiObject):
    """The addresses a Shared network hands out; it may have several ranges."""

    id: str
    networkid: str = ""
    startip: str = ""
    endip: str = ""


class ServiceOffering(ApiObject):
    """Compute offering. `cpunumber`, `cpuspeed` (MHz), `memory` (MiB) are None when left open to the VM."""

    id: str
    name: str
    state: str = "Active"
    cpunumber: int | None = None
    cpuspeed: int | None = None
    memory: int | None = None
    iscustomized: bool = False
    serviceofferingdetails: dict[str, str] = Field(default_factory=dict)
    hosttags: str = ""
    storagetags: str = ""
    storagetype: str = ""
    domainid: str = ""
    zoneid: str = ""
    diskofferingid: str = ""
    offerha: bool = False

    @property
    def is_open(self) -> bool:
        """Whether CPU, CPU speed or memory are left to the VM."""
        return None in (self.cpunumber, self.cpuspeed, self.memory)


class DiskOffering(ApiObject):
    """`disksize` in GiB, 0 or None when `iscustomized`."""

    id: str
    name: str
    state: str = "Active"
    disksize: int | None = None
    iscustomized: bool = False
    tags: str = ""
    storagetype: str = ""
    domainid: str = ""
    zoneid: str = ""


class StoragePool(ApiObject):
    """VMware pools have a path `/<datacenter>/<datastore>` (VMFS) or the NFS export path."""

    id: str
    name: str
    path: str = ""
    ipaddress: str = ""
    type: str = ""
    scope: str = ""
    state: str = ""
    tags: str = ""
    istagarule: bool = False
    clusterid: str = ""
    zoneid: str = ""
    disksizetotal: int = 0
    disksizeallocated: int = 0
    disksizeused: int = 0


class Limited(ApiObject):
    """Whoever may own a limited number of things: a number as text, "Unlimited", '' when not said; and how many it has.

    Memory in MiB, primary storage in whole GiB. A domain's totals include those of the domains below it.
    """

    vmlimit: str = ""
    vmtotal: int = 0
    cpulimit: str = ""
    cputotal: int = 0
    memorylimit: str = ""
    memorytotal: int = 0
    volumelimit: str = ""
    volumetotal: int = 0
    primarystoragelimit: str = ""
    primarystoragetotal: int = 0
    networklimit: str = ""
    networktotal: int = 0


class Domain(Limited):
    id: str
    name: str
    path: str = ""
    parentdomainid: str = ""
    level: int = 0
    state: str = ""


class User(ApiObject):
    """A login of an account. Mail addresses and keys, which the API shows too, are not read."""

    id: str
    username: str
    state: str = ""


class Account(Limited):
    """`accounttype`: 0 user, 1 root admin, 2 domain admin, 5 project. Its users are never saved with it."""

    id: str
    name: str
    domainid: str = ""
    domain: str = ""
    domainpath: str = ""
    accounttype: int = 0
    state: str = ""
    user: tuple[User, ...] = Field(default=(), exclude=True)


class Project(Limited):
    id: str
    name: str
    projectaccountname: str = ""
    domainid: str = ""
    domain: str = ""
    state: str = ""


class Template(ApiObject):
    """`details` are given to VMs imported with it; they may hold anything, so they are never saved with it."""

    id: str
    name: str
    hypervisor: str = ""
    ostypeid: str = ""
    ostypename: str = ""
    isready: bool = False
    format: str = ""
    zoneid: str = ""
    templatetag: str = ""
    details: dict[str, str] = Field(default_factory=dict, exclude=True)


class OsType(ApiObject):
    id: str
    description: str = ""


class GuestOsMapping(ApiObject):
    """`osnameforhypervisor` is the VMware guest id (`centos7_64Guest`)."""

    id: str
    ostypeid: str = ""
    osdisplayname: str = ""
    osnameforhypervisor: str = ""
    hypervisor: str = ""
    hypervisorversion: str = ""


class UnmanagedDisk(ApiObject):
    """`capacity` in bytes; `controller` is `none` for SATA and NVMe; `imagepath` is the current top file."""

    id: str
    label: str = ""
    capacity: int = 0
    imagepath: str = ""
    controller: str = ""
    controllerunit: int | None = None
    position: int | None = None
    datastorename: str = ""
    datastorehost: str = ""
    datastorepath: str = ""
    datastoretype: str = ""


class UnmanagedNic(ApiObject):
    """`id` is the device label. `networkname` is absent for distributed port groups; `vlanid` when untagged."""

    id: str
    macaddress: str = ""
    adaptertype: str = ""
    networkname: str = ""
    vlanid: int | None = None
    isolatedpvlan: int | None = None
    isolatedpvlantype: str = ""
    ipaddresses: tuple[str, ...] = ()


class UnmanagedInstance(ApiObject):
    """A VM as listUnmanagedInstances reports it. `memory` in MiB, `cpuspeed` is the CPU reservation in MHz."""

    name: str
    clusterid: str = ""
    clustername: str = ""
    hostid: str = ""
    hostname: str = ""
    hypervisor: str = ""
    hypervisorversion: str = ""
    powerstate: str = ""  # PowerOn, PowerOff, PowerUnknown
    cpunumber: int = 0
    cpucorepersocket: int = 0
    cpuspeed: int = 0
    memory: int = 0
    osid: str = ""
    osdisplayname: str = ""
    boottype: str = ""
    bootmode: str = ""
    disk: tuple[UnmanagedDisk, ...] = ()
    nic: tuple[UnmanagedNic, ...] = ()


class InstanceNic(ApiObject):
    """`type` is that of its network: Isolated, Shared, L2."""

    id: str = ""
    networkid: str = ""
    networkname: str = ""
    type: str = ""
    macaddress: str = ""
    ipaddress: str = ""
    isdefault: bool = False
    deviceid: int = 0


class Tag(ApiObject):
    key: str
    value: str = ""


class VirtualMachine(ApiObject):
    """A managed instance. `name` is the hostname, `instancename` the vCenter name of an imported VM.

    `memory` in MiB, `cpuspeed` in MHz. `isoid` is the attached ISO's. `details` may hold passwords: they are never
    saved with it.
    """

    id: str
    name: str
    displayname: str = ""
    instancename: str = ""
    state: str = ""
    account: str = ""
    projectid: str = ""
    domainid: str = ""
    zoneid: str = ""
    hostid: str = ""
    serviceofferingid: str = ""
    templateid: str = ""
    isoid: str = ""
    guestosid: str = ""
    cpunumber: int = 0
    cpuspeed: int = 0
    memory: int = 0
    hypervisor: str = ""
    created: str = ""
    userid: str = ""
    haenable: bool = False
    tags: tuple[Tag, ...] = ()
    details: dict[str, str] = Field(default_factory=dict, exclude=True)
    nic: tuple[InstanceNic, ...] = ()


class SystemVm(ApiObject):
    """A VM of CloudStack's own; `name` (v-2-VM, r-7-VM) is its name in vCenter too."""

    id: str
    name: str
    podid: str = ""
    hostid: str = ""


class Volume(ApiObject):
    """A disk CloudStack knows. `size` in bytes, `path` the file's base name, `chaininfo` JSON with its `diskChain`."""

    id: str
    name: str
    type: str = ""  # ROOT, DATADISK
    size: int = 0
    path: str = ""
    chaininfo: str = ""
    deviceid: int = 0
    storageid: str = ""
    diskofferingid: str = ""
    virtualmachineid: str = ""


class VolumeSnapshot(ApiObject):
    id: str
    name: str = ""
    volumeid: str = ""
    state: str = ""


class VmSnapshot(ApiObject):
    id: str
    name: str = ""
    displayname: str = ""
    state: str = ""


class Job(ApiObject):
    """An asynchronous job. `jobstatus`: 0 pending, 1 succeeded, 2 failed. `jobresult` may be missing on failure.

    `account` is the caller's. An import job does not say which VM it imports.
    """

    jobid: str
    cmd: str = ""
    account: str = ""
    jobstatus: int = 0
    jobresultcode: int = 0
    jobresult: dict[str, Any] | None = None
    created: str = ""
    completed: str = ""


class Event(ApiObject):
    """An entry of the event log. `state`: Scheduled, Started, Completed. Of an import only success and a VM that was
    not found write Completed; `account` and `username` of Scheduled are those the VM is for, and who asked."""

    id: str
    type: str = ""
    level: str = ""
    state: str = ""
    description: str = ""
    created: str = ""
    account: str = ""
    username: str = ""

    @property
    def imported(self) -> str:
        """The name of the VM an import event is about (CloudStack: ImportUnmanagedInstanceCmd.getEventDescription)."""
        return self.description.removeprefix("Importing unmanaged Instance: ")


class Capabilities(ApiObject):
    """What the management server says of itself. `apilimitmax` calls per `apilimitinterval` s, 0 without a limit."""

    cloudstackversion: str = ""
    apilimitinterval: int = 0
    apilimitmax: int = 0
    customdiskofferingmaxsize: int = 0
    dynamicrolesenabled: bool = False


class ApiParameter(ApiObject):
    name: str
    type: str = ""
    required: bool = False
    since: str = ""


class Api(ApiObject):
    """A command that the caller's role may use, with the parameters this release documents."""

    name: str
    isasync: bool = False
    since: str = ""
    params: tuple[ApiParameter, ...] = ()


class Catalogue(BaseModel):
    """Everything of CloudStack that planning needs, read at one moment. Tuples are sorted by (name, id).

    `callers` are the accounts the key belongs to: one. `ip_ranges` is None when the key may not list them.
    `import_jobs` are the imports that ran just then, whoever asked; `import_events` those of the last day about the
    unmanaged VMs, in the order they happened. Both are empty when the key may not list them.
    """

    model_config = ConfigDict(frozen=True)

    cloudstack_version: str = ""
    configuration: dict[str, str] = Field(default_factory=dict)
    zones: tuple[Zone, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    hosts: tuple[Host, ...] = ()
    networks: tuple[Network, ...] = ()
    physical_networks: tuple[PhysicalNetwork, ...] = ()
    network_offerings: tuple[NetworkOffering, ...] = ()
    ip_ranges: tuple[IpRange, ...] | None = None
    service_offerings: tuple[ServiceOffering, ...] = ()
    disk_offerings: tuple[DiskOffering, ...] = ()
    storage_pools: tuple[StoragePool, ...] = ()
    domains: tuple[Domain, ...] = ()
    accounts: tuple[Account, ...] = ()
    callers: tuple[Account, ...] = ()
    projects: tuple[Project, ...] = ()
    templates: tuple[Template, ...] = ()
    os_types: tuple[OsType, ...] = ()
    guest_os_mappings: tuple[GuestOsMapping, ...] = ()
    unmanaged: tuple[UnmanagedInstance, ...] = ()
    import_jobs: tuple[Job, ...] = ()
    import_events: tuple[Event, ...] = ()
    virtual_machines: tuple[VirtualMachine, ...] = ()


class Unread(BaseModel):
    """A list the API would not give: `what` it holds, `why` in the server's words."""

    model_config = ConfigDict(frozen=True)

    what: str
    why: str


class Census(Catalogue):
    """Everything of CloudStack a copy of it needs. Tuples keep the server's order.

    `network_offerings` are those of every state. `zone_configuration` are settings by zone id. `callers` are the
    accounts the key belongs to: one. `unread` are the lists that were refused; they are empty here.
    """

    zone_configuration: dict[str, dict[str, str]] = Field(default_factory=dict)

    pods: tuple[Pod, ...] = ()
    ip_ranges: tuple[IpRange, ...] = ()
    os_types: tuple[OsType, ...] = ()
    volumes: tuple[Volume, ...] = ()
    system_vms: tuple[SystemVm, ...] = ()
    callers: tuple[Account, ...] = ()
    unread: tuple[Unread, ...] = ()
