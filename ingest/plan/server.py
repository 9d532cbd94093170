"""What the CloudStack server would say, as pure predicates: '' when it accepts, its objection in words otherwise.

Choices are made so that these hold; checks report where they do not. Each names the class that decides on the server.
Texts are ours: the server's own words come back from the server.
"""

from __future__ import annotations

import re

from ingest.model.catalogue import (
    DiskOffering,
    GuestOsMapping,
    Network,
    ServiceOffering,
    StoragePool,
    UnmanagedDisk,
    UnmanagedInstance,
    UnmanagedNic,
)
from ingest.plan.lookup import split_tags

HOSTNAME = r"^[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
"""NetUtils.verifyDomainNameLabel for host names: 1-63 letters, digits, hyphens; a letter first, no hyphen last."""

_MIB_UNLIMITED = 2**31 - 1


def valid_hostname(text: str) -> bool:
    """NetUtils.verifyDomainNameLabel(hostname, true)."""
    return re.fullmatch(HOSTNAME, text) is not None


def offering_objection(offering: ServiceOffering, vm: UnmanagedInstance, cpu_speed_mhz: int | None) -> str:
    """UnmanagedVMsManagerImpl.getUnmanagedInstanceServiceOffering and UserVmManagerImpl.validateCustomParameters.

    A fixed offering must equal a VM that is not powered off (suspended counts as on); an open one takes the VM's size
    within its bounds; an offering with only some dimensions open can never be used.
    """
    is_open = [value is None for value in (offering.cpunumber, offering.cpuspeed, offering.memory)]
    if not any(is_open):
        if vm.powerstate == "PowerOff":
            return ""
        if offering.cpunumber != vm.cpunumber:
            return f"{offering.cpunumber} CPU cores, the VM has {vm.cpunumber} and is not powered off"
        if offering.memory != vm.memory:
            return f"{offering.memory} MiB memory, the VM has {vm.memory} and is not powered off"
        if vm.cpuspeed and offering.cpuspeed != vm.cpuspeed:
            return f"{offering.cpuspeed} MHz, the VM reserves {vm.cpuspeed} MHz and is not powered off"
        return ""
    if not (is_open[0] and is_open[2]):
        return "leaves only CPU or only memory open; the server never accepts that for an import"
    bounds = offering.serviceofferingdetails
    low, high = _bound(bounds, "mincpunumber", 1), _bound(bounds, "maxcpunumber", _MIB_UNLIMITED)
    if not low <= vm.cpunumber <= high:
        return f"{vm.cpunumber} CPU cores are outside {low}-{high}"
    low, high = _bound(bounds, "minmemory", 32), _bound(bounds, "maxmemory", _MIB_UNLIMITED)
    if not low <= vm.memory <= high:
        return f"{vm.memory} MiB memory are outside {low}-{high}"
    if is_open[1] and not (cpu_speed_mhz or vm.cpuspeed):
        return "leaves the CPU speed open and the VM reserves none; cpu_speed_mhz is needed"
    return ""


def _bound(details: dict[str, str], key: str, default: int) -> int:
    text = details.get(key, "")
    return int(text) if text.isdigit() else default


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


def disk_offering_objection(offering: DiskOffering, disk: UnmanagedDisk) -> str:
    """UnmanagedVMsManagerImpl.checkUnmanagedDiskAndOfferingForImport: a fixed offering must be as large as the disk."""
    if offering.iscustomized:
        return ""
    size_gib = offering.disksize or 0
    if size_gib <= 0:
        return "has no size"
    if size_gib << 30 < disk.capacity:
        return f"{size_gib} GiB is smaller than the disk ({disk.capacity / (1 << 30):g} GiB)"
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
        and (mapping.osdisplayname == vm.osdisplayname or mapping.osnameforhypervisor == vm.osid)
        for mapping in mappings
    )
