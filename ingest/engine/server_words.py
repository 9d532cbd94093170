"""What the server's texts mean: the cause, its cure, and the object they name, so that rows can be grouped by it.

The texts are those of CloudStack 4.14 to 4.23 (UnmanagedVMsManagerImpl, UserVmManagerImpl, NetworkOrchestrator,
ResourceLimitManagerImpl, ApiServer, ParamProcessWorker); what stands for a slot may be any text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

SubjectKind = Literal[
    "", "network", "offering", "disk-offering", "datastore", "owner", "domain", "cluster", "host", "template", "os",
    "mac", "address", "hostname", "nic", "disk", "vm", "limit", "job", "parameter",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the server said no: `what` is wrong, and its `cure`. `subject` is the object the text names, if any.

    Rows with the same `id` and `subject` share one cause.
    """

    id: str
    what: str
    cure: str
    subject_kind: SubjectKind = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class _Words:
    """A text: its pattern (with a group `subject` when it names an object), and the cause."""

    pattern: re.Pattern[str]
    cause: Cause


def _words(id_: str, pattern: str, what: str, cure: str, kind: SubjectKind = "") -> _Words:
    return _Words(re.compile(pattern, re.DOTALL), Cause(id_, what, cure, kind))


_OWNER_CURE = "choose another, or give the owner access to it (its domain, its zone)"

# The first that fits decides. What a failed step wraps (`... while importing vm: x. cause`) comes before the wrapping.
_NOT_SHOWN = "no VM shows this MAC"

_TABLE: tuple[_Words, ...] = (
    # The commit: NICs, volumes, a move, the end.
    _words(
        "mac-leftover",
        rf"NIC with MAC address (?P<subject>\S+) exists on network .*; {_NOT_SHOWN}",
        "a failed import left a NIC with this MAC in the network; no VM shows it",
        "import into another network or forced (it changes the recorded MAC), or remove the row of table nics",
        "mac",
    ),
    _words(
        "mac-taken",
        r"NIC with MAC address (?P<subject>\S+) exists on network .* and forced flag is disabled",
        "the network already has a NIC with this MAC: of another VM, or left behind by a failed import",
        "remove the other NIC; a leftover yields to a forced import (it changes the recorded MAC) or to the database",
        "mac",
    ),
    _words(
        "no-free-address",
        r"Cannot find a free IP to assign to VM NIC on network (?P<subject>.*)",
        "the network has no free address left",
        "add addresses to the network, or name one",
        "network",
    ),
    _words(
        "address-not-acquired",
        r"Unable to acquire Guest IP +address for network (?P<subject>.*)",
        "the address is taken or not in the network's range",
        "choose a free address of the range",
        "network",
    ),
    _words(
        "mac-invalid",
        r"The mac address (?P<subject>.*) is not valid",
        "the MAC cannot be read",
        "give the NIC a proper MAC in vCenter",
        "mac",
    ),
    _words(
        "nic-step",
        r"Failed to import NICs while importing vm: (?P<subject>.*?)\. ",
        "a NIC could not be recorded; NICs before it stay recorded and keep their MAC and address",
        "mend what the text says; the next try may meet the leftovers (MAC exists)",
        "vm",
    ),
    _words(
        "volume-step",
        r"Failed to import volumes while importing vm: (?P<subject>.*?)\. ",
        "a volume could not be recorded; nothing is left behind",
        "mend what the text says, then import again",
        "vm",
    ),
    _words(
        "no-destination",
        r"VM import failed for [Uu]nmanaged [Vv][Mm].*[Mm]igration",
        "the VM had to move to a host or pool that fits its offerings, and could not",
        "choose offerings that fit where the VM is, or see why it cannot move; leftover NICs may have to be forced",
    ),
    _words(
        "usage-record",
        r"VM import failed for unmanaged vm (?P<subject>.*) during publishing usage records",
        "the server could not write usage records, and took the import back",
        "see the management server's log, then import again; leftover NICs may have to be forced",
        "vm",
    ),
    _words(
        "no-capacity",
        r"Failed to import VM \[(?P<subject>.*?)\] due to \[.*\]\.",
        "no capacity for the VM in its cluster",
        "see capacity and thresholds of the cluster, then import again",
        "vm",
    ),
    # The job's checks, in their order.
    _words(
        "owner-parameters",
        r"(domainid parameter must be specified with account parameter|Account must be specified with domainId "
        r"parameter)",
        "an owner needs account and domain together",
        "fill in both",
    ),
    _words(
        "not-root-admin",
        r"Cannot perform this operation, caller account \[(?P<subject>.*?)\] is not ROOT Admin",
        "only a root admin may import",
        "use the API key of a root admin",
        "owner",
    ),
    _words(
        "cluster-gone",
        r"Cluster with ID \[(?P<subject>.*?)\] cannot be found",
        "the cluster is not there any more",
        "plan again",
        "cluster",
    ),
    _words(
        "hypervisor",
        r"VM import is currently not supported for hypervisor \[(?P<subject>.*?)\]",
        "VMs of this hypervisor cannot be imported",
        "choose a VMware cluster",
        "cluster",
    ),
    _words(
        "cluster-disabled",
        r"Cluster \[(?P<subject>.*)\] is not enabled",
        "the cluster does not take VMs",
        "enable the cluster (its allocation state) in CloudStack",
        "cluster",
    ),
    _words(
        "template-gone",
        r"Template ID: (?P<subject>.*) cannot be found",
        "the template was removed",
        "choose another template",
        "template",
    ),
    _words(
        "dummy-template",
        r"Default VM import template with unique name: (?P<subject>.*?) for hypervisor: .* cannot be created",
        "CloudStack cannot make the hidden template of imports",
        "name a template in the row, or see the management server's log",
        "template",
    ),
    _words(
        "template-needed",
        r"Template is needed and unable to use default template for hypervisor (?P<subject>.*)",
        "this hypervisor needs a template",
        "name a template in the row",
        "template",
    ),
    _words(
        "template-lookup",
        r"Unable to look up template by id (?P<subject>\S+)",
        "a detail (rootdisksize) needs a template, and none is named",
        "name a template, or leave the detail out",
        "template",
    ),
    _words(
        "offering-gone",
        r"Service offering ID: (?P<subject>.*) cannot be found",
        "the compute offering was removed",
        "choose another offering",
        "offering",
    ),
    _words(
        "disk-offering-access",
        r"There's no way to confirm .* has access to (?P<subject>Disk offering.*)",
        "the owner may not use this disk offering",
        _OWNER_CURE,
        "disk-offering",
    ),
    _words(
        "offering-access",
        r"There's no way to confirm .* has access to (?P<subject>.*)",
        "the owner may not use this offering",
        _OWNER_CURE,
        "offering",
    ),
    _words(
        "hostname-needed",
        r"Please provide a valid hostname for the VM",
        "the VM's name is no host name, and the row has none",
        "give the row a host name",
    ),
    _words(
        "hostname-invalid",
        r"Invalid VM hostname",
        "the host name breaks the rules of DNS",
        "letters, digits and hyphens, 1 to 63, beginning with a letter",
    ),
    _words(
        "hostname-in-zone",
        r"There already exists a VM by the hostname: (?P<subject>.*?) in zone",
        "another VM of the zone has the host name",
        "choose another host name",
        "hostname",
    ),
    _words(
        "network-map",
        r"Network ID: (?P<subject>.*?) for NIC ID: .* is invalid",
        "a NIC is mapped to a network that is not there",
        "choose an existing network",
        "network",
    ),
    _words(
        "address-map",
        r"(NIC ID: '(?P<subject>.*?)' is invalid for IP address mapping|Empty address for NIC ID: (?P<subject2>.*?) is "
        r"invalid|IP address '.*' for NIC ID: (?P<subject3>.*?) is invalid)",
        "the address given for a NIC is none",
        "write an IPv4 address, or auto in lower case",
        "nic",
    ),
    _words(
        "disk-map",
        r"Disk offering ID: (?P<subject>.*?) for disk ID: .* is invalid",
        "a disk is mapped to an offering that is not there",
        "choose an existing disk offering",
        "disk-offering",
    ),
    _words(
        "not-found",
        r"Failed to find unmanaged vm with name: (?P<subject>.*?) in cluster: ",
        "CloudStack did not find the VM: managed already, renamed, on a host that is not Up, or vCenter did not answer",
        "`ingest why` says which",
        "vm",
    ),
    _words(
        "os-not-mapped",
        r"Unable to find hypervisor guest OS ID: (?P<subject>.*?) details for unmanaged VM",
        "CloudStack has no mapping of this guest OS for this ESXi version",
        "add a guest OS mapping, or name a template",
        "os",
    ),
    _words(
        "os-unknown",
        r"Unable to retrieve guest OS details for unmanaged VM: .* with OS name: (?P<subject>.*?), OS ID: ",
        "CloudStack does not know this guest OS",
        "name a template",
        "os",
    ),
    _words(
        "size-unknown",
        r"(CPU cores|Memory) \[.*?\] is not valid for importing VM \[(?P<subject>.*?)\]",
        "vCenter did not tell CPUs or memory",
        "see whether vCenter can read the VM, then import again",
        "vm",
    ),
    _words(
        "limit-account",
        r"for Account Name = (?P<subject>.*?) in Domain Id",
        "the owner may not have so much of it",
        "raise the owner's limit, or free something",
        "limit",
    ),
    _words(
        "limit-domain",
        r"Maximum domain resource limits of Type '.*?' for Domain Id = (?P<subject>\S+) is exceeded",
        "the domain may not have so much of it",
        "raise the domain's limit, or free something",
        "limit",
    ),
    _words(
        "limit",
        r"(VM|Volume) resource allocation error for \w+: (?P<subject>[^.\s]+)\.",
        "a limit of the owner is reached",
        "raise the limit, or free something",
        "limit",
    ),
    _words(
        "offering-incompatible",
        r"because the service offering \[(?P<subject>.*?)\] is not compatible due to",
        "the VM's size or CPU speed does not fit the compute offering",
        "choose one that equals the VM, or a custom one (with cpu_speed when it leaves the speed open); switched off, "
        "fixed ones fit too",
        "offering",
    ),
    _words(
        "host-tags",
        r"Service offering: (?P<subject>.*?) or template: .* is not compatible with host: ",
        "the VM's host lacks the tags of the offering or template",
        "choose an offering without those tags, tag the host, or allow migration",
        "offering",
    ),
    _words(
        "no-disks",
        r"No attached disks found for the unmanaged VM: (?P<subject>.*)",
        "CloudStack sees no disk of the VM",
        "see in vCenter what its disks are (raw device mappings are not read)",
        "vm",
    ),
    _words(
        "disk-count",
        r"VM has total \d+ disks(?: for which|, disk offering mapping)",
        "the disks of the VM are not those of the plan",
        "plan the row again: exactly one disk, the root disk, has no offering",
    ),
    _words(
        "root-controller",
        r"Unable to retrieve root disk details for VM: (?P<subject>.*?) ?$",
        "the root disk has no controller that CloudStack can read",
        "see the disk's controller in vCenter",
        "vm",
    ),
    _words(
        "disk-size",
        r"Size of disk\(ID: (?P<subject>.*?)\) is found invalid",
        "a disk's size cannot be read",
        "see the disk in vCenter",
        "disk",
    ),
    _words(
        "datastore-not-found",
        r"Storage pool for disk .* with datastore: (?P<subject>.*) not found in zone ID",
        "no primary storage of the zone has this datastore and the tags of the disk's offering",
        "add the datastore as primary storage, tag it as the offering wants, or choose another offering",
        "datastore",
    ),
    _words(
        "disk-offering-pool",
        r"Disk offering: (?P<subject>.*?) is not compatible with storage pool",
        "the storage lacks the tags of the disk offering",
        "choose another disk offering, or tag the storage",
        "disk-offering",
    ),
    _words(
        "disk-controllers",
        r"Multiple data disk controllers of different type",
        "the data disks sit on controllers of different types",
        "put them on one type of controller in vCenter",
    ),
    _words(
        "disk-offering-empty",
        r"Size of fixed disk offering\(ID: (?P<subject>.*?)\) is found invalid",
        "the disk offering has no size",
        "choose another disk offering",
        "disk-offering",
    ),
    _words(
        "disk-offering-small",
        r"Size of disk offering\(ID: (?P<subject>.*?)\) .* is found less than the size of disk",
        "the disk offering is smaller than the disk",
        "choose a larger or a custom disk offering",
        "disk-offering",
    ),
    _words(
        "several-addresses",
        r"Multiple IP addresses \(.*\) present for nic ID: (?P<subject>.*?)\. ",
        "the guest reports several addresses, so auto cannot choose",
        "name the address",
        "nic",
    ),
    _words(
        "nic-adapters",
        r"Multiple network adapter of different type",
        "the NICs are of different types",
        "give all NICs one type in vCenter",
    ),
    _words(
        "network-gone",
        r"Network for nic ID: (?P<subject>.*) not found during VM import",
        "the network of a NIC was removed",
        "choose another network",
        "nic",
    ),
    _words(
        "network-zone",
        r"Network\(ID: (?P<subject>.*?)\) for nic\(ID: .*\) belongs to a different zone",
        "the network is in another zone",
        "choose a network of the VM's zone",
        "network",
    ),
    _words(
        "network-access",
        r"(Unable to use network with id= ?(?P<subject>.*?), permission denied|Shared network id=(?P<subject2>.*?) is "
        r"not available in domain id=)",
        "the owner may not use the network",
        "choose a network of the owner, or permit it",
        "network",
    ),
    _words(
        "network-vlan",
        r"P?VLAN of network\(ID: (?P<subject>.*?)\) .* is found different from the VLAN of nic",
        "the NIC's VLAN is not the network's",
        "choose the network of that VLAN (`ingest networks` lists what is missing)",
        "network",
    ),
    _words(
        "hostname-in-network",
        r"VM with Name \[(?P<subject>.*?)\] already exists in the network",
        "another VM of the network has the host name",
        "choose another host name",
        "hostname",
    ),
    _words(
        "address-needed",
        r"NIC\(ID: .*\) needs a valid IP address for it to be associated with network\(ID: (?P<subject>.*?)\)",
        "a NIC in this network needs an address",
        "name one, or auto",
        "network",
    ),
    _words(
        "address-unavailable",
        r"IP address (?P<subject>\S+) for NIC\(ID: .*\) is not available in network",
        "the address is taken, the gateway's, or outside the network",
        "choose a free address of the network",
        "address",
    ),
    _words(
        "no-network-fits",
        r"Suitable network for nic\(ID: (?P<subject>.*)\) not found during VM import",
        "a NIC is in no network of the plan, and none fits by itself",
        "name its network",
        "nic",
    ),
    # Giving a VM back.
    _words(
        "unmanage-state",
        r"VM with id = (?P<subject>\S+) must be running or stopped to be unmanaged",
        "only a VM that is running or stopped can be given back",
        "start or stop it in CloudStack, or wait",
        "vm",
    ),
    _words(
        "unmanage-snapshots",
        r"Cannot unmanage VM with id = (?P<subject>\S+) as there are volume snapshots",
        "CloudStack knows snapshots of its volumes",
        "delete them in CloudStack",
        "vm",
    ),
    _words(
        "unmanage-iso",
        r"Cannot unmanage VM with id = (?P<subject>\S+) as there is an ISO attached",
        "an ISO is attached",
        "detach it in CloudStack",
        "vm",
    ),
    _words(
        "unmanage-pending",
        r"There are pending jobs or HA tasks working on the VM with id: (?P<subject>[^,\s]+)",
        "something else is working on the VM",
        "wait until it is done",
        "vm",
    ),
    _words(
        "unmanage-not-found",
        r"VM (?P<subject>.*) is not found in the hypervisor",
        "vCenter has no VM of that name in the datacenter",
        "see in vCenter whether it was renamed or removed",
        "vm",
    ),
    # Before a job exists.
    _words(
        "domain-gone",
        r"Unable to find domain by id",
        "the owner's domain is not there any more",
        "choose the owner anew",
    ),
    _words(
        "account-gone",
        r"Unable to find account by name (?P<subject>.*?) in domain",
        "the account is not in that domain",
        "choose the owner anew; projects have a column of their own",
        "owner",
    ),
    _words(
        "account-inactive",
        r"Can't add resources to the account (?P<subject>\S+) in state=",
        "the account is not enabled",
        "enable it, or choose another owner",
        "owner",
    ),
    _words("project-gone", r"Unable to find project by id", "the project is gone", "choose the owner anew"),
    _words(
        "project-inactive",
        r"Can't add resources to the project .* in state=",
        "the project is not active",
        "activate it, or choose another owner",
    ),
    _words(
        "job-id-format",
        r"UUID: (?P<subject>.*?) doesn't follow the UUID format",
        "the job id is no UUID in lower case",
        "an error of this program: report it",
        "job",
    ),
    _words(
        "job-id-running",
        r"UUID: (?P<subject>.*?) already exists so can't create/update with custom id",
        "the call was sent before, and its job still runs",
        "follow that job: `ingest settle`",
        "job",
    ),
    _words(
        "job-id-used",
        r"^Entity already exists",
        "the call was sent before, and its job is over",
        "ask for that job: `ingest settle`",
    ),
    _words(
        "maintenance",
        r"Maintenance or Shutdown has been initiated on this management server",
        "the management server takes no jobs",
        "run again when the maintenance is over",
    ),
    _words(
        "map-syntax",
        r"Unable to decode parameter (?P<subject>.*?); if specifying an object array",
        "a map parameter is malformed",
        "an error of this program: report it",
        "parameter",
    ),
    _words(
        "object-unknown",
        r"Invalid parameter (?P<subject>\S+) value=.* due to incorrect long value format, or entity does not exist",
        "an object of the call is not there any more",
        "plan the row again",
        "parameter",
    ),
    _words(
        "parameter",
        r"(due to missing parameter (?P<subject>\S+)|Invalid value provided for API arg: (?P<subject2>\S+)|due to "
        r"invalid value .* for parameter (?P<subject3>\S+)|max allowed length \d+ for param: (?P<subject4>\S+))",
        "a parameter of the call is missing or unusable",
        "plan the row again; if it stays, report it",
        "parameter",
    ),
    _words(
        "key",
        r"unable to verify user credentials and/or request signature",
        "the server does not accept the API key",
        "`ingest doctor` says why",
    ),
    _words(
        "role",
        r"The API \[(?P<subject>.*?)\] does not exist or is not available for the account",
        "the role of the API key lacks the API",
        "give the role the right, or use a root admin's key",
        "parameter",
    ),
    _words(
        "no-reason",
        r"the management server gave no reason|^$",
        "the management server restarted, or an error without words: the VM may be there, in part or whole",
        "`ingest settle` looks and says what is true",
    ),
)

_BY_CODE: dict[int, Cause] = {
    429: Cause("rate", "the server was asked too often", "run again with fewer imports in flight"),
    531: Cause("account", "the account may not do this", "see the roles and states of owner and key"),
    532: Cause("limit", "a limit of the owner is reached", "raise the limit, or free something", "limit"),
    533: Cause("no-capacity", "no capacity", "see capacity and thresholds of the cluster"),
    534: Cause("unavailable", "a host or its agent is not available", "see the hosts in CloudStack, then run again"),
    535: Cause("limit", "a limit of the owner is reached", "raise the limit, or free something", "limit"),
}
OTHER = Cause("other", "the server's words are not known here", "see the text, and the management server's log")


def cause_of(code: int, text: str) -> Cause:
    """What a refusal means. Texts that are not known are told by their code, else they are `other`."""
    for words in _TABLE:
        found = words.pattern.search(text)
        if found:
            named = next((value for name, value in found.groupdict().items() if name and value), "")
            return replace(words.cause, subject=_plain(named))
    return _BY_CODE.get(code, OTHER)


def of_a_leftover(text: str) -> str:
    """The server's text about a MAC that is taken, with what was seen since: the NIC is the rest of a failed import."""
    return f"{text}; {_NOT_SHOWN}"


def _plain(subject: str) -> str:
    """The name in `Cluster {"id":1,"name":"c1","uuid":"..."}`, which is how the server prints objects."""
    found = re.search(r'"(?:name|accountName)":"(.*?)"', subject)
    return found[1] if found else subject.strip()
