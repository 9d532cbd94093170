"""The rule catalogue: every check with its id, level, the server check or safety rule it stands for, and its cure.

A blocking rule mirrors a check of the server (`mirrors` names the CloudStack class) or is a safety rule: something the
server does not look at, which the operator may accept per row in the column `accept` where it is `waivable`.
Rules that are stricter than the server without being about safety are warnings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ingest.model.outcome import Level
from ingest.plan.server import HOSTNAME
from ingest.plan.shortage import LIMITED

Expect = Callable[[Any, str], Any]
"""Gets the module great_expectations.expectations and the helper column, gives an expectation."""


def _nothing(gx: Any, column: str) -> Any:
    """The helper column holds no objection."""
    return gx.ExpectColumnValuesToBeNull(column=column)


def _something(gx: Any, column: str) -> Any:
    return gx.ExpectColumnValuesToNotBeNull(column=column)


def _hostname(gx: Any, column: str) -> Any:
    return gx.ExpectColumnValuesToMatchRegex(column=column, regex=HOSTNAME)


def _at_most_one(gx: Any, column: str) -> Any:
    return gx.ExpectColumnValuesToBeBetween(column=column, max_value=1)


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. `helper` is the frame's column the expectation looks at, `show` the sheet's column a finding names
    (`@name` takes the name from that column of the record). `message` may use `{value}` and any helper column."""

    id: str
    frame: Literal["vm", "disk", "nic", "verdict"]
    helper: str
    show: str
    level: Level
    message: str
    fix: str
    mirrors: str
    expect: Expect = _nothing
    waivable: bool = False


_IMPORT = "UnmanagedVMsManagerImpl.baseImportInstance"
_NICS = "UnmanagedVMsManagerImpl.checkUnmanagedNicAndNetwork..."
_DISKS = "UnmanagedVMsManagerImpl.checkUnmanagedDiskAndOffering..."
_SAFETY = "safety rule: the server does not look"

CHECKS: tuple[Check, ...] = (
    # Is it the VM the row speaks of, and can the server see it?
    Check("VM-001", "vm", "gone", "vm", "critical", "{value}", "plan again: ingest plan", f"{_IMPORT}: find VM"),
    Check("VM-002", "vm", "unlisted", "vm", "critical", "{value}", "see the reason; plan again", f"{_IMPORT}: find VM"),
    Check("VM-003", "vm", "duplicate", "vm", "critical", "{value}", "rename one in vCenter, plan again", _SAFETY),
    Check(
        "VM-004",
        "vm",
        "drift",
        "vm",
        "critical",
        "changed since the sheet was written: {value}",
        "plan again, or correct the seen columns",
        _SAFETY,
    ),
    Check(
        "VM-005",
        "vm",
        "dropped",
        "vm",
        "critical",
        "CloudStack does not see {value}",
        "detach or convert it, or accept the loss",
        _SAFETY,
        waivable=True,
    ),
    Check(
        "VM-006",
        "vm",
        "state",
        "power_state",
        "critical",
        "the VM {value}",
        "settle it in vCenter",
        _SAFETY,
        waivable=True,
    ),
    Check(
        "VM-007",
        "vm",
        "protected",
        "vm",
        "critical",
        "the VM {value}",
        "leave it out, or accept",
        _SAFETY,
        waivable=True,
    ),
    Check(
        "VM-008",
        "vm",
        "snapshot",
        "snapshot",
        "warning",
        "the VM {value}",
        "consolidate before the import: afterwards CloudStack refuses to resize, and an undo hides it",
        _SAFETY,
    ),
    Check(
        "VM-009",
        "vm",
        "cluster_off",
        "vm",
        "critical",
        "{value}",
        "enable the cluster in CloudStack",
        f"{_IMPORT}: cluster is enabled",
    ),
    Check(
        "VM-010",
        "vm",
        "guessed",
        "guesses",
        "critical",
        "guessed, not confirmed: {value}",
        "look at the column reason; change the value, or write yes into confirm",
        _SAFETY,
        waivable=True,
    ),
    Check(
        "VM-011",
        "vm",
        "in_vapp",
        "vm",
        "info",
        "the VM {value}",
        "nothing for the import; take the VM out of the vApp if the vApp is to be deleted",
        _SAFETY,
    ),
    Check(
        "VM-012",
        "vm",
        "image",
        "vm",
        "warning",
        "the VM {value}",
        "disconnect it in vCenter: CloudStack does not know it, and a VM that boots from it waits for it",
        _SAFETY,
    ),
    Check(
        "VM-013",
        "vm",
        "no_shutdown",
        "power",
        "warning",
        "{value}",
        "start or install VMware Tools, shut the guest down by hand, or write off into power",
        _SAFETY,
    ),
    Check(
        "FLIGHT-001",
        "vm",
        "in_flight",
        "vm",
        "warning",
        "{value}",
        "wait until that job has ended, then plan again: two imports at once make two instances of one VM",
        _SAFETY,
    ),
    Check(
        "FLIGHT-002",
        "vm",
        "tried",
        "vm",
        "info",
        "{value}",
        "nothing if the cause was mended; a try that failed late leaves NICs and addresses behind in CloudStack",
        _SAFETY,
    ),
    # Host names
    Check(
        "HOST-001",
        "vm",
        "hostname",
        "hostname",
        "critical",
        "no host name, and the VM's name is none",
        "write one",
        _IMPORT,
        _something,
    ),
    Check(
        "HOST-002",
        "vm",
        "hostname",
        "hostname",
        "critical",
        "'{value}' is not a valid host name",
        "letters, digits, hyphens; at most 63; a letter first",
        "NetUtils.verifyDomainNameLabel",
        _hostname,
    ),
    Check(
        "HOST-003",
        "vm",
        "hostname_taken",
        "hostname",
        "critical",
        "{value}",
        "choose another host name",
        "UnmanagedVMsManagerImpl.checkUnmanagedNicAndNetworkHostnameForImport",
    ),
    # Owner, compute offering, template
    Check(
        "OWNER-001",
        "vm",
        "owner_known",
        "account",
        "critical",
        "{value}",
        "correct account, domain or project",
        "BaseCmd",
    ),
    Check(
        "OWNER-002",
        "vm",
        "owner_named",
        "account",
        "critical",
        "{value}: the VM would belong to the administrator whose API key is used",
        "name account and domain, or a project",
        _SAFETY,
        waivable=True,
    ),
    Check(
        "OFFER-001",
        "vm",
        "offering_known",
        "service_offering",
        "critical",
        "{value}",
        "name one of the offerings",
        _IMPORT,
    ),
    Check(
        "OFFER-002",
        "vm",
        "offering_access",
        "service_offering",
        "critical",
        "{value}",
        "choose another offering",
        "DomainChecker.checkAccess",
    ),
    Check(
        "OFFER-003",
        "vm",
        "offering_fits",
        "service_offering",
        "critical",
        "{value}",
        "choose one that fits, a custom one, or power the VM off",
        "UnmanagedVMsManagerImpl.getUnmanagedInstanceServiceOffering",
    ),
    Check("OFFER-004", "vm", "cpu_speed", "cpu_speed_mhz", "critical", "{value}", "write MHz, e.g. 2000", _SAFETY),
    Check(
        "OFFER-005",
        "vm",
        "host_tags",
        "service_offering",
        "critical",
        "{value}",
        "choose another offering, or write yes into migrate_allowed where hosts with the tags exist",
        "UnmanagedVMsManagerImpl.hostSupportsServiceOfferingAndTemplate",
    ),
    Check(
        "DETAIL-001",
        "vm",
        "details",
        "details",
        "critical",
        "{value}",
        "correct it, or take the key out",
        "VolumeOrchestrator.importVolume",
    ),
    Check(
        "DETAIL-002",
        "vm",
        "details_doubtful",
        "details",
        "warning",
        "{value}",
        "take the key out",
        "UserVmManagerImpl.importVM",
    ),
    Check("TMPL-001", "vm", "template_known", "template", "critical", "{value}", "name one of the templates", _IMPORT),
    Check(
        "OS-001",
        "vm",
        "os_mapped",
        "template",
        "critical",
        "{value}",
        "name a template of that OS, or add a guest OS mapping in CloudStack",
        "GuestOSHypervisorDaoImpl",
    ),
    # Disks and their controllers
    Check("ROOT-001", "vm", "root_disk", "root_disk", "critical", "{value}", "name the disk that boots", _DISKS),
    Check(
        "CTRL-001",
        "vm",
        "data_controller_kinds",
        "disk1_controller",
        "critical",
        "data disks are on different controllers: {data_controllers}",
        "move them to one controller type in vCenter",
        _DISKS,
        _at_most_one,
    ),
    Check(
        "CTRL-002",
        "disk",
        "controller_none",
        "@column",
        "critical",
        "{value}; CloudStack records none",
        "move the disk to a SCSI controller in vCenter, or accept: the next start may fail",
        _SAFETY,
        waivable=True,
    ),
    Check(
        "DISK-001", "disk", "offering_known", "@column", "critical", "{value}", "name one of the disk offerings", _DISKS
    ),
    Check(
        "DISK-002",
        "disk",
        "offering_access",
        "@column",
        "critical",
        "{value}",
        "choose another",
        "DomainChecker.checkAccess",
    ),
    Check(
        "DISK-003",
        "disk",
        "offering_size",
        "@column",
        "critical",
        "{value}",
        "choose a larger one",
        _DISKS,
    ),
    Check(
        "DISK-004",
        "disk",
        "root_has_offering",
        "@offering_column",
        "critical",
        "{value}",
        "empty the offering of the root disk",
        _DISKS,
    ),
    Check(
        "DISK-005",
        "disk",
        "independent",
        "@column",
        "warning",
        "{value}: snapshots leave it out",
        "make it dependent in vCenter if snapshots or backups of the VM are wanted",
        _SAFETY,
    ),
    Check(
        "DISK-006",
        "disk",
        "delta",
        "@column",
        "warning",
        "{value}",
        "consolidate it, or clone the VM in full, before the import: its base file is not the VM's own",
        _SAFETY,
    ),
    Check(
        "POOL-001",
        "disk",
        "pool",
        "@column",
        "critical",
        "{value}",
        "add the datastore as primary storage, or use an offering whose tags it has",
        "UnmanagedVMsManagerImpl.getStoragePool",
    ),
    Check(
        "POOL-002",
        "disk",
        "pool_single",
        "@column",
        "warning",
        "{value}: the server may record another than the real one",
        "rename the datastore, or give the right pool a storage tag",
        "UnmanagedVMsManagerImpl.getStoragePool",
    ),
    Check(
        "POOL-003",
        "disk",
        "pool_hidden",
        "@column",
        "warning",
        "{value}, whose members CloudStack never lists: whether it knows this one is not known",
        "look at the cluster's datastores in CloudStack's primary storage; add the datastore there if it is new",
        "UnmanagedVMsManagerImpl.getStoragePool",
    ),
    # NICs
    Check(
        "NIC-001",
        "nic",
        "network_known",
        "@column",
        "critical",
        "{value}",
        "name a network, or create one for that VLAN",
        f"{_NICS}: suitable network",
    ),
    Check(
        "NIC-002",
        "nic",
        "network_access",
        "@column",
        "critical",
        "{value}",
        "change owner or network",
        "NetworkModelImpl",
    ),
    Check("NIC-003", "nic", "vlan", "@column", "critical", "the network {value}", "name a network of that VLAN", _NICS),
    Check(
        "NIC-004",
        "nic",
        "ip",
        "@ip_column",
        "critical",
        "{value}",
        "write an IPv4 address, or auto",
        "UnmanagedVMsManagerImpl.checkUnmanagedNicIpAndNetworkForImport",
    ),
    Check(
        "NIC-005",
        "vm",
        "nic_adapter_kinds",
        "nic1_adapter",
        "critical",
        "NICs are of different types: {nic_adapters}",
        "give them one adapter type in vCenter",
        _NICS,
        _at_most_one,
    ),
    Check(
        "NIC-006",
        "nic",
        "mac_doubtful",
        "@mac_column",
        "warning",
        "{value}",
        "make sure that both are meant: one MAC twice on one segment disturbs both VMs",
        _SAFETY,
    ),
    Check(
        "NIC-007",
        "nic",
        "mac_refused",
        "@mac_column",
        "critical",
        "{value}",
        "give one of them another MAC in vCenter, or write yes into forced: CloudStack then records a new one",
        "NetworkOrchestrator.importNic",
    ),
    Check(
        "NIC-008",
        "nic",
        "pick",
        "@ip_column",
        "warning",
        "{value}",
        "run this row in a later wave than the rows that bring their address",
        "IpAddressManagerImpl",
    ),
    Check(
        "NIC-009",
        "nic",
        "unplugged",
        "@column",
        "info",
        "{value}",
        "see whether that is meant: CloudStack records no such state, and may connect the NIC at its next start",
        _SAFETY,
    ),
    Check(
        "NIC-010",
        "nic",
        "vlan_by_host",
        "@column",
        "warning",
        "{value}",
        "give the port group one VLAN on all hosts of the cluster, or keep the VM from moving until it is imported",
        _SAFETY,
    ),
    Check(
        "NIC-011",
        "nic",
        "unresolved",
        "@column",
        "warning",
        "vCenter could not say where the NIC is connected: {value}",
        "look at the NIC in vCenter, and name its network yourself",
        _SAFETY,
    ),
    # What rows together ask for, and what no other rule foresees; of rows that nothing above blocks.
    *(
        Check(
            f"LIMIT-{number:03}",
            "verdict",
            f"limit_{resource}",
            "account",
            "critical",
            "{value}",
            "raise the limit in CloudStack, or import fewer or smaller VMs for this owner",
            "ResourceLimitManagerImpl.checkResourceLimit",
        )
        for number, resource in enumerate(LIMITED, start=1)
    ),
    Check(
        "CAP-001",
        "verdict",
        "capacity",
        "root_disk",
        "info",
        "{value}",
        "nothing for the import, which takes no new space; plan the pool's growth before new volumes are wanted there",
        _SAFETY,
    ),
    Check(
        "SERVER-001",
        "verdict",
        "refused",
        "vm",
        "critical",
        "the server would refuse the row: {value}",
        "see what it says and change the row",
        "UnmanagedVMsManagerImpl: the check in parentheses",
    ),
)
