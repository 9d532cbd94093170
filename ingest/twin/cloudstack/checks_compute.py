"""Checks A16 to A23 of an import job: the VM, its guest OS, its size, the compute offering and the host.

Source: CloudStack's UnmanagedVMsManagerImpl.importUnmanagedInstanceFromVmwareToVmware (and the methods it calls),
GuestOSHypervisorDaoImpl, UserVmManagerImpl.validateCustomParameters.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingest.twin.cloud import Cloud, Host, OsMapping, ServiceOffering
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.import_request import DUMMY_TEMPLATES, ImportRequest, Target
from ingest.twin.cloudstack.limits import Reservation
from ingest.twin.cloudstack.records import described, words
from ingest.twin.cloudstack.refusals import InvalidParameter, ResourceAllocation, RuntimeFailure
from ingest.twin.cloudstack.unmanaged import UnmanagedVm, read_host, visited_hosts, vms_of_hosts
from ingest.twin.world import World

_LARGEST_INTEGER = 2**31 - 1
_SMALLEST_MEMORY_MIB = 32
DUMMY_TEMPLATE_ID = "7d2b2f4e-0d4b-5c1a-9d0e-000000000001"


def found_vm(world: World, request: ImportRequest, target: Target, managed: frozenset[str]) -> UnmanagedVm:
    """A16: the VM on the first host that knows its name.

    `managed` is the list of managed names as it was when the job started, which is what lets two imports race.
    """
    hosts = visited_hosts(world, target.cluster)
    vms = vms_of_hosts(world, hosts, name=request.name)
    for host in hosts:
        found = read_host(world, host, vms[host.id], managed).get(request.name)
        if found is not None:
            return found
    raise RuntimeFailure(f"Failed to find unmanaged vm with name: {request.name} in cluster: {target.cluster.id}")


def guest_os_id(cloud: Cloud, target: Target, vm: UnmanagedVm) -> str:
    """A17 to A19: the guest OS type, from the template, or from the mappings for the dummy template of VMware.

    The dummy template goes by its name, so a template registered under it is taken for it.
    """
    hypervisor, template = target.cluster.hypervisortype, target.template
    is_dummy = template is None or template.name == DUMMY_TEMPLATES["VMware"]
    if template is not None and is_dummy and hypervisor == "KVM":
        raise InvalidParameter(f"Template is needed and unable to use default template for hypervisor {hypervisor}")
    if template is not None and not is_dummy:
        return template.ostypeid
    if hypervisor == "KVM":
        return ""
    known = next((row.id for row in cloud.os_types.values() if row.description == vm.os_display_name), "")
    mapping = _mapping(cloud, vm.hypervisor_version, ostypeid=known) if known else None
    if mapping is None and vm.os_id:
        mapping = _mapping(cloud, vm.hypervisor_version, os_name=vm.os_id)
    if mapping is not None:
        return mapping.ostypeid
    advice = "templateid parameter can be used to assign template for VM"
    where = f"for hypervisor: {target.cluster.hypervisortype} version: {vm.hypervisor_version}. {advice}"
    if known:
        raise RuntimeFailure(
            f"Unable to find hypervisor guest OS ID: {known} details for unmanaged VM: {vm.name} {where}"
        )
    raise RuntimeFailure(
        f"Unable to retrieve guest OS details for unmanaged VM: {vm.name} with OS name: "
        f"{vm.os_display_name or 'null'}, OS ID: {vm.os_id or 'null'} {where}"
    )


def _mapping(cloud: Cloud, version: str, *, ostypeid: str = "", os_name: str = "") -> OsMapping | None:
    parent = ".".join(version.split(".")[:3])
    order = {row_id: place for place, row_id in enumerate(cloud.os_types)}
    for wanted in dict.fromkeys((version, parent)):
        fitting = [
            row
            for row in cloud.os_mappings.values()
            if row.hypervisorversion == wanted
            and (not ostypeid or row.ostypeid == ostypeid)
            and (not os_name or row.osnameforhypervisor == os_name)
        ]
        if fitting:
            return min(fitting, key=lambda row: order.get(row.ostypeid, len(order)))
    return None


def check_size(vm: UnmanagedVm) -> None:
    """A20: CPU and memory are known."""
    if not vm.cpu_number:
        raise RuntimeFailure(f"CPU cores [{_java(vm.cpu_number)}] is not valid for importing VM [{vm.name}].")
    if not vm.memory_mib:
        raise RuntimeFailure(f"Memory [{_java(vm.memory_mib)}] is not valid for importing VM [{vm.name}].")


def _java(number: int | None) -> str:
    return "null" if number is None else str(number)


def reserve_compute(target: Target, vm: UnmanagedVm, reservation: Reservation) -> None:
    """A21: the owner may have one VM more, and its CPUs and memory.

    A fixed offering counts with its own size for a VM that is off, since that size comes with the next start.
    """
    offering = target.offering
    as_offered = not is_dynamic(offering) and vm.power_state == "PowerOff"
    try:
        reservation.add("user_vm", 1)
        reservation.add("cpu", (offering.cpunumber if as_offered else vm.cpu_number) or 0)
        reservation.add("memory", (offering.memory if as_offered else vm.memory_mib) or 0)
    except ResourceAllocation as error:
        raise RuntimeFailure(f"VM resource allocation error for account: {target.owner.id}. {error.text}") from error


def check_offering(cloud: Cloud, target: Target, vm: UnmanagedVm, details: Mapping[str, str]) -> None:
    """A22: the compute offering fits the VM; every inner refusal is wrapped into one text."""
    offering = target.offering
    if is_dynamic(offering):
        inner = _dynamic_mismatch(cloud, offering, vm, cpu_speed_mhz(vm, details))
    else:
        inner = _fixed_mismatch(offering, vm)
    if inner:
        description = described("Service offering", cloud.service_offerings, offering.id, offering.name)
        raise RuntimeFailure(
            f"Failed to import Unmanaged VM [{vm.name}] because the service offering [{description}] "
            f"is not compatible due to [{inner}]."
        )


def is_dynamic(offering: ServiceOffering) -> bool:
    """Whether the offering leaves at least one of CPU, speed and memory open."""
    return None in (offering.cpunumber, offering.cpuspeed, offering.memory)


def cpu_speed_mhz(vm: UnmanagedVm, details: Mapping[str, str]) -> int:
    """The CPU speed for open offerings: the detail `cpuSpeed` if it is a number, else the reservation."""
    try:
        return int(details.get("cpuSpeed", ""))
    except ValueError:
        return vm.cpu_speed_mhz or 0


def _dynamic_mismatch(cloud: Cloud, offering: ServiceOffering, vm: UnmanagedVm, speed_mhz: int) -> str:
    predefined = "The {} of this offering id:{} is not customizable. This is predefined in the Template."
    if offering.cpunumber is not None:
        return predefined.format("CPU cores", offering.id)
    lowest = offering.mincpunumber or 1
    highest = _upper(offering.maxcpunumber, configuration.number(cloud, "vm.serviceoffering.cpu.cores.max"))
    if not lowest <= (vm.cpu_number or 0) <= highest:
        return f"Invalid CPU cores value, specify a value between {lowest} and {highest}"
    if offering.cpuspeed is None and not 0 < speed_mhz <= _LARGEST_INTEGER:
        return f"Invalid CPU speed value, specify a value between 1 and {_LARGEST_INTEGER}"
    if offering.memory is not None:
        return predefined.format("memory", offering.id)
    lowest = offering.minmemory or _SMALLEST_MEMORY_MIB
    highest = _upper(offering.maxmemory, configuration.number(cloud, "vm.serviceoffering.ram.size.max"))
    if not lowest <= (vm.memory_mib or 0) <= highest:
        return f"Invalid memory value, specify a value between {lowest} and {highest}"
    return ""


def _upper(of_offering: int | None, of_setting: int) -> int:
    return min(of_offering or _LARGEST_INTEGER, of_setting or _LARGEST_INTEGER)


def _fixed_mismatch(offering: ServiceOffering, vm: UnmanagedVm) -> str:
    if vm.power_state == "PowerOff":
        return ""
    state = f"and VM is not in powered off state (Power state: {vm.power_state})"
    if offering.cpunumber != vm.cpu_number:
        return (
            f"Service offering ({offering.id}) {offering.cpunumber} CPU cores do not match "
            f"VM CPU cores {vm.cpu_number} {state}"
        )
    if offering.memory != vm.memory_mib:
        return (
            f"Service offering ({offering.id}) {offering.memory}MB memory does not match "
            f"VM memory {vm.memory_mib}MB {state}"
        )
    if vm.cpu_speed_mhz and offering.cpuspeed != vm.cpu_speed_mhz:
        return (
            f"Service offering ({offering.id}) {offering.cpuspeed}MHz CPU speed does not match "
            f"VM CPU speed {vm.cpu_speed_mhz}MHz {state}"
        )
    return ""


def host_has_tags(host: Host, target: Target) -> bool:
    """Whether the host carries all host tags of the offering and the tag of the template."""
    wanted = words(target.offering.hosttags) | words(target.template.templatetag if target.template else "")
    return wanted <= words(host.hosttags)


def check_host_tags(request: ImportRequest, target: Target, vm: UnmanagedVm) -> None:
    """A23: without permission to migrate, the VM's own host must carry the offering's tags."""
    if not request.migrate_allowed and not host_has_tags(vm.host, target):
        template = target.template.id if target.template else DUMMY_TEMPLATE_ID
        raise InvalidParameter(
            f"Service offering: {target.offering.id} or template: {template} is not compatible with host: "
            f"{vm.host.id} of unmanaged VM: {target.displayname}"
        )
