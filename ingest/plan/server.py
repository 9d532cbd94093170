"""What the CloudStack server would say, as pure predicates: '' when it accepts, its objection in words otherwise.

Choices are made so that these hold; checks report where they do not. Each names the class that decides on the server.
Texts are ours: the server's own words come back from the server.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

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
from ingest.plan.lookup import split_tags

HOSTNAME = r"^[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z"
"""NetUtils.verifyDomainNameLabel for host names: 1-63 letters, digits, hyphens; a letter first, no hyphen last."""

LARGEST_INTEGER = 2**31 - 1
"""Java's Integer.MAX_VALUE: what the server takes as "no upper bound"."""


def valid_hostname(text: str) -> bool:
    """NetUtils.verifyDomainNameLabel(hostname, true)."""
    return re.fullmatch(HOSTNAME, text) is not None


def offering_objection(offering: ServiceOffering, vm: UnmanagedInstance, cpu_speed_mhz: int | None) -> str:
    """UnmanagedVMsManagerImpl.getUnmanagedInstanceServiceOffering and UserVmManagerImpl.validateCustomParameters.

    A fixed offering must equal a VM that is not powered off (suspended counts as on); an open one takes the VM's size
    within its bounds; an offering with only some dimensions open can never be used.
    """
    if vm.cpunumber <= 0 or vm.memory <= 0:
        return f"the VM shows {vm.cpunumber} CPU cores and {vm.memory} MiB memory; the server takes neither as 0"
    is_open = [value is None for value in (offering.cpunumber, offering.cpuspeed, offering.memory)]
    if not any(is_open):
        if vm.powerstate == "PowerOff":
            return ""
        if offering.cpunumber != vm.cpunumber:
            return f"the offering has {offering.cpunumber} CPU cores, the VM has {vm.cpunumber} and is not powered off"
        if offering.memory != vm.memory:
            return f"the offering has {offering.memory} MiB memory, the VM has {vm.memory} and is not powered off"
        if vm.cpuspeed and offering.cpuspeed != vm.cpuspeed:
            return f"the offering has {offering.cpuspeed} MHz, the VM reserves {vm.cpuspeed} MHz and is not powered off"
        return ""
    if not (is_open[0] and is_open[2]):
        return "the offering does not leave both CPU and memory open; the server never accepts that for an import"
    bounds = offering.serviceofferingdetails
    low, high = _bound(bounds, "mincpunumber", 1), _bound(bounds, "maxcpunumber", LARGEST_INTEGER)
    if not low <= vm.cpunumber <= high:
        return f"the VM's {vm.cpunumber} CPU cores are outside the offering's {low}-{high}"
    low, high = _bound(bounds, "minmemory", 32), _bound(bounds, "maxmemory", LARGEST_INTEGER)
    if not low <= vm.memory <= high:
        return f"the VM's {vm.memory} MiB memory are outside the offering's {low}-{high}"
    if is_open[1] and not (cpu_speed_mhz or vm.cpuspeed):
        return "the offering leaves the CPU speed open and the VM reserves none; cpu_speed_mhz is needed"
    return ""


def _bound(details: dict[str, str], key: str, default: int) -> int:
    text = details.get(key, "")
    return int(text) if text.isdigit() else default


def host_tags_objection(
    offering: ServiceOffering, host: Host | None, neighbours: Sequence[Host], *, migrate_allowed: bool
) -> str:
    """UnmanagedVMsManagerImpl.hostSupportsServiceOfferingAndTemplate: the VM's host has the offering's host tags.

    With `migrate_allowed` any usable host of the cluster (`neighbours`) will do: the import moves the VM there.
    """
    wanted = split_tags(offering.hosttags)
    if not wanted or (host is not None and wanted <= split_tags(host.hosttags)):
        return ""
    if not migrate_allowed:
        where = host.name if host else "the VM's host"
        return f"the offering asks for host tags '{offering.hosttags}', which {where} does not have"
    usable = [one for one in neighbours if one.state == "Up" and one.resourcestate in ("", "Enabled")]
    if any(wanted <= split_tags(one.hosttags) for one in usable):
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


def disk_offering_objection(offering: DiskOffering, disk: UnmanagedDisk) -> str:
    """UnmanagedVMsManagerImpl.checkUnmanagedDiskAndOfferingForImport: a fixed offering must be as large as the disk."""
    if offering.iscustomized:
        return ""
    size_gib = offering.disksize or 0
    if size_gib <= 0:
        return f"offering {offering.name} has no size"
    if size_gib << 30 < disk.capacity:
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


def os_mapped(vm: UnmanagedInstance, mappings: tuple[GuestOsMapping, ...]) -> bool:
    """Whether the default import template finds a guest OS (GuestOSHypervisorDaoImpl, by display name or guest id)."""
    version = vm.hypervisorversion
    versions = {version, ".".join(version.split(".")[:3])}
    return any(
        mapping.hypervisorversion in versions
        and (
            (vm.osdisplayname != "" and mapping.osdisplayname == vm.osdisplayname)
            or (vm.osid != "" and mapping.osnameforhypervisor == vm.osid)
        )
        for mapping in mappings
    )
