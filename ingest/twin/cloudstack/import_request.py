"""An import as it was accepted, and what the checks know by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.twin.cloud import Account, Cluster, Host, Network, ServiceOffering, StoragePool, Template, Zone
from ingest.twin.cloudstack.parameters import Groups
from ingest.twin.cloudstack.unmanaged import UnmanagedVm
from ingest.twin.cloudstack.unmanaged_devices import UnmanagedDisk, UnmanagedNic

# The hidden template of imports without one, by hypervisor; made on first use, and a removed row ever after.
DUMMY_TEMPLATES = {
    "VMware": "system-default-vm-import-dummy-template.iso",
    "KVM": "kvm-default-vm-import-dummy-template",
}


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """The parameters as sent. The maps are raw: their contents are checked inside the job.

    `details` is the map group with the lowest index, the only one that is read.
    """

    caller: Account
    owner: Account
    clusterid: str
    cluster_number: int
    name: str
    displayname: str
    hostname: str
    account: str
    domainid: str
    templateid: str
    serviceofferingid: str
    nic_networks: Groups
    nic_addresses: Groups
    disk_offerings: Groups
    details: Mapping[str, str]
    migrate_allowed: bool
    forced: bool


@dataclass(frozen=True, slots=True)
class Target:
    """Where the VM goes, after checks A1 to A15. `template` None means the dummy template.

    The maps go from NIC or disk id to network id, address (or `auto`) and disk offering id; of entries for one id
    the last one counts.
    """

    cluster: Cluster
    zone: Zone
    owner: Account
    template: Template | None
    offering: ServiceOffering
    displayname: str
    hostname: str
    networks: Mapping[str, str]
    addresses: Mapping[str, str]
    disk_offerings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """One volume to be, with its offering and pool."""

    disk: UnmanagedDisk
    diskofferingid: str
    pool: StoragePool


@dataclass(frozen=True, slots=True)
class NicPlan:
    """One NIC to be. `address` is '' on L2 networks, `auto` when the server picks one."""

    nic: UnmanagedNic
    network: Network
    address: str


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Everything checked; nothing written yet. `disks` starts with the root disk."""

    target: Target
    vm: UnmanagedVm
    guestosid: str
    host: Host
    must_move: bool
    disks: tuple[DiskPlan, ...]
    nics: tuple[NicPlan, ...]
