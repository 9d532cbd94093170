"""What the CloudStack server would say, as pure predicates: '' when it accepts, its objection in words otherwise.

Choices are made so that these hold; checks report where they do not. Each names the class that decides on the server.
Texts are ours: the server's own words come back from the server.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.model.catalogue import (
    DiskOffering,
    GuestOsMapping,
    Host,
    Network,
    ServiceOffering,
    StoragePool,
    UnmanagedDisk,
    UnmanagedInstance,
    UnmanagedNic,
)
from ingest.model.inventory import Datastore
from ingest.plan.lookup import split_tags

HOSTNAME = r"^[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z"
"""NetUtils.verifyDomainNameLabel for host names: 1-63 letters, digits, hyphens; a letter first, no hyphen last."""

LARGEST_INTEGER = 2**31 - 1
"""Java's Integer.MAX_VALUE: what the server takes as "no upper bound"."""


def valid_hostname(text: str) -> bool:
    """NetUtils.verifyDomainNameLabel(hostname, true)."""
    return re.fullmatch(HOSTNAME, text) is not None


@dataclass(frozen=True, slots=True)
class SizeCaps:
    """The site's largest VM: settings vm.serviceoffering.cpu.cores.max and .ram.size.max; 0 there is no cap."""

    cores: int = LARGEST_INTEGER
    memory_mib: int = LARGEST_INTEGER


def size_caps(configuration: Mapping[str, str]) -> SizeCaps:
    """The caps a catalogue's configuration sets."""

    def cap(name: str) -> int:
        text = configuration.get(f"vm.serviceoffering.{name}.max", "")
        return int(text) or LARGEST_INTEGER if text.isdigit() else LARGEST_INTEGER

    return SizeCaps(cap("cpu.cores"), cap("ram.size"))


NO_CAPS = SizeCaps()


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why an offering does not take a VM. `size` is what about it; cores are a number, memory MiB, speed MHz.

    `kind` differs: the `offered` and the VM's value are not equal. outside: the VM's is not within `low` to `high`.
    closed: the offering fixes it, though it leaves others open.
    """

    size: Literal["cores", "memory", "speed"]
    kind: Literal["differs", "outside", "closed"]
    machine: int
    offered: int = 0
    low: int = 0
    high: int = 0


def offering_misfit(
    offering: ServiceOffering, vm: UnmanagedInstance, cpu_speed_mhz: int | None, caps: SizeCaps = NO_CAPS
) -> Misfit | None:
    """UnmanagedVMsManagerImpl.getUnmanagedInstanceServiceOffering and UserVmManagerImpl.validateCustomParameters.

    A fixed offering must equal a VM that is not powered off (suspended counts as on); an open one takes the VM's size
    within its bounds; an offering with only some dimensions open can never be used. `cpu_speed_mhz` overrides the
    reservation where the offering leaves the speed open.
    """
    if None not in (offering.cpunumber, offering.cpuspeed, offering.memory):
        if vm.powerstate == "PowerOff":
            return None
        if offering.cpunumber != vm.cpunumber:
            return Misfit("cores", "differs", vm.cpunumber, offering.cpunumber or 0)
        if offering.memory != vm.memory:
            return Misfit("memory", "differs", vm.memory, offering.memory or 0)
        if vm.cpuspeed and offering.cpuspeed != vm.cpuspeed:
            return Misfit("speed", "differs", vm.cpuspeed, offering.cpuspeed or 0)
        return None
    bounds = offering.serviceofferingdetails
    if offering.cpunumber is not None:
        return Misfit("cores", "closed", vm.cpunumber, offering.cpunumber)
    low, high = _bound(bounds, "mincpunumber", 1), min(_bound(bounds, "maxcpunumber", LARGEST_INTEGER), caps.cores)
    if not low <= vm.cpunumber <= high:
        return Misfit("cores", "outside", vm.cpunumber, low=low, high=high)
    speed = vm.cpuspeed if cpu_speed_mhz is None else cpu_speed_mhz
    if offering.cpuspeed is None and speed <= 0:
        return Misfit("speed", "outside", speed, low=1, high=LARGEST_INTEGER)
    if offering.memory is not None:
        return Misfit("memory", "closed", vm.memory, offering.memory)
    low, high = _bound(bounds, "minmemory", 32), min(_bound(bounds, "maxmemory", LARGEST_INTEGER), caps.memory_mib)
    if not low <= vm.memory <= high:
        return Misfit("memory", "outside", vm.memory, low=low, high=high)
    return None


def offering_objection(
    offering: ServiceOffering, vm: UnmanagedInstance, cpu_speed_mhz: int | None, caps: SizeCaps = NO_CAPS
) -> str:
    """What `offering_misfit` finds, in words; before it, that the server knows the VM's size."""
    if vm.cpunumber <= 0 or vm.memory <= 0:
        return f"the VM shows {vm.cpunumber} CPU cores and {vm.memory} MiB memory; the server takes neither as 0"
    misfit = offering_misfit(offering, vm, cpu_speed_mhz, caps)
    if misfit is None:
        return ""
    unit = {"cores": "CPU cores", "memory": "MiB memory", "speed": "MHz"}[misfit.size]
    if misfit.kind == "closed":
        return "the offering does not leave both CPU and memory open; the server never accepts that for an import"
    if misfit.kind == "differs":
        machine = f"reserves {misfit.machine} MHz" if misfit.size == "speed" else f"has {misfit.machine}"
        return f"the offering has {misfit.offered} {unit}, the VM {machine} and is not powered off"
    if misfit.size == "speed":
        return "the offering leaves the CPU speed open and the VM reserves none; cpu_speed_mhz is needed"
    return f"the VM's {misfit.machine} {unit} are outside the offering's {misfit.low}-{misfit.high}"


def _bound(details: dict[str, str], key: str, default: int) -> int:
    text = details.get(key, "")
    return int(text) if text.isdigit() else default


def has_host_tags(host: Host | None, tags: str) -> bool:
    """Whether a host has all tags of a comma list."""
    wanted = split_tags(tags)
    return not wanted or (host is not None and wanted <= split_tags(host.hosttags))


def is_usable(host: Host) -> bool:
    """Whether a VM can be moved to the host: it is Up and enabled."""
    return host.state == "Up" and host.resourcestate in ("", "Enabled")


def host_tags_objection(
    offering: ServiceOffering, host: Host | None, neighbours: Sequence[Host], *, migrate_allowed: bool
) -> str:
    """UnmanagedVMsManagerImpl.hostSupportsServiceOfferingAndTemplate: the VM's host has the offering's host tags.

    With `migrate_allowed` any usable host of the cluster (`neighbours`) will do: the import moves the VM there.
    """
    if has_host_tags(host, offering.hosttags):
        return ""
    if not migrate_allowed:
        where = host.name if host else "the VM's host"
        return f"the offering asks for host tags '{offering.hosttags}', which {where} does not have"
    if any(is_usable(one) and has_host_tags(one, offering.hosttags) for one in neighbours):
        return ""
    return f"the offering asks for host tags '{offering.hosttags}', which no usable host of the cluster has"


def network_objection(network: Network, nic: UnmanagedNic, *, zone_id: str) -> str:
    """UnmanagedVMsManagerImpl.checkUnmanagedNicAndNetworkForImport: zone, then VLAN or private VLAN.

    Isolated networks are not compared; a NIC without VLAN (or 0) fits any network.
    """
    if zone_id and network.zoneid and network.zoneid != zone_id:
        return "belongs to another zone"
    if network.type == "Isolated" or not nic.vlanid:
        return ""
    wanted = nic_uri(nic)
    if network.broadcasturi != wanted:
        return f"has {network.broadcasturi or 'no VLAN'}, the NIC {wanted}"
    return ""


def nic_uri(nic: UnmanagedNic) -> str:
    """The broadcast URI a network must have for this NIC; '' when the NIC has no VLAN."""
    if not nic.vlanid:
        return ""
    if nic.isolatedpvlan:
        return f"pvlan://{nic.vlanid}-{nic.isolatedpvlantype[:1]}{nic.isolatedpvlan}"
    return f"vlan://{nic.vlanid}"


def is_ipv4(text: str) -> bool:
    """Whether a text is an IPv4 address."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def inside(network: Network, address: str) -> bool:
    """Whether an IPv4 address can be a VM's in this network: within its CIDR, and not the gateway."""
    try:
        return address != network.gateway and ipaddress.IPv4Address(address) in ipaddress.IPv4Network(
            network.cidr, strict=False
        )
    except ValueError:
        return False


def assigned_address(nic: UnmanagedNic, wanted: str) -> str:
    """The address the server will use: `auto` becomes the one the guest reports; without one it stays `auto`."""
    return nic.ipaddresses[0] if wanted == "auto" and len(nic.ipaddresses) == 1 else wanted


def address_objection(network: Network, nic: UnmanagedNic, wanted: str) -> str:
    """UnmanagedVMsManagerImpl.checkUnmanagedNicIpAndNetworkForImport, and the syntax check before it.

    `wanted` is an address, `auto` or ''. Whether somebody else has the address is not looked at here.
    """
    if wanted not in ("", "auto") and not is_ipv4(wanted):
        return f"'{wanted}' is neither an IPv4 address nor auto"
    if wanted == "auto" and len(nic.ipaddresses) > 1:
        return f"auto, but the guest reports {len(nic.ipaddresses)} addresses"
    if network.type == "L2":
        return ""
    if not wanted:
        return f"network {network.name} ({network.type}) needs an address or auto"
    address = assigned_address(nic, wanted)
    if address != "auto" and not inside(network, address):
        return f"{address} is no address for a VM in {network.name} ({network.cidr or 'no CIDR'})"
    return ""


def too_small(offering: DiskOffering, disk: UnmanagedDisk) -> bool:
    """Whether a fixed disk offering is smaller than the disk, to the byte."""
    return not offering.iscustomized and (offering.disksize or 0) << 30 < disk.capacity


def disk_offering_objection(offering: DiskOffering, disk: UnmanagedDisk) -> str:
    """UnmanagedVMsManagerImpl.checkUnmanagedDiskAndOfferingForImport: a fixed offering must be as large as the disk."""
    if offering.iscustomized:
        return ""
    size_gib = offering.disksize or 0
    if size_gib <= 0:
        return f"offering {offering.name} has no size"
    if too_small(offering, disk):
        return (
            f"offering {offering.name} has {size_gib} GiB, smaller than the disk ({disk.capacity / (1 << 30):.12g} GiB)"
        )
    return ""


def pools_of(
    disk: UnmanagedDisk, pools: tuple[StoragePool, ...], *, zone_id: str, cluster_id: str, tags: str
) -> list[StoragePool]:
    """Every pool the server's look-up could return for this disk (UnmanagedVMsManagerImpl.getStoragePool).

    NAS datastores: host and path. Otherwise any pool of the zone whose path *contains* the datastore's name, so `ds1`
    also finds `ds10`: more than one result means the server may record the wrong pool.
    """
    wanted = split_tags(tags)
    here = [pool for pool in pools if pool.zoneid == zone_id and wanted <= split_tags(pool.tags)]
    if disk.datastoretype:
        exact = [
            pool
            for pool in here
            if pool.ipaddress == disk.datastorehost
            and pool.path == disk.datastorepath
            and pool.clusterid in ("", cluster_id)
        ]
        if exact:
            return exact[:1]
    needle = disk.datastorepath or disk.datastorename
    return [pool for pool in here if (needle and needle in pool.path) or pool.id == disk.datastorename]


def datastore_cluster(
    disk: UnmanagedDisk, pools: Iterable[StoragePool], datastores: Iterable[Datastore], *, zone_id: str
) -> str:
    """The pool of the datastore cluster the disk's datastore is a member of in vCenter, '' for none.

    CloudStack has a pool for each member it knows and never lists it (QueryManagerImpl.searchForStoragePools), so the
    look-up may find a pool that no list shows.
    """
    pods = {store.pod for store in datastores if store.pod and store.name == disk.datastorename}
    return next(
        (
            pool.name
            for pool in pools
            if pool.type == "DatastoreCluster" and pool.zoneid == zone_id and pool.path.rpartition("/")[2] in pods
        ),
        "",
    )


class MappedGuests:
    """For which guests the default import template finds an OS (GuestOSHypervisorDaoImpl, by display name or guest id).

    A version of four parts has the mappings of its three-part parent too.
    """

    def __init__(self, mappings: Iterable[GuestOsMapping]) -> None:
        self._known = {
            (mapping.hypervisorversion, kind, name)
            for mapping in mappings
            for kind, name in (("display", mapping.osdisplayname), ("id", mapping.osnameforhypervisor))
            if name
        }

    def has(self, vm: UnmanagedInstance) -> bool:
        """Whether the VM's guest is one of them."""
        version = vm.hypervisorversion
        return any(
            (known, kind, name) in self._known
            for known in (version, ".".join(version.split(".")[:3]))
            for kind, name in (("display", vm.osdisplayname), ("id", vm.osid))
        )


def os_mapped(vm: UnmanagedInstance, mappings: Iterable[GuestOsMapping]) -> bool:
    """Whether the guest of one VM is mapped."""
    return MappedGuests(mappings).has(vm)
