"""Steps C1 to C5 of an import: the VM row, its volumes, its NICs, a move, the end; and the clean-up of failures.

Source: CloudStack's UserVmManagerImpl.importVM, VolumeOrchestrator.importVolume, NetworkOrchestrator.importNic and
UnmanagedVMsManagerImpl.cleanupFailedImportVM. All functions are called with the world's lock held.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ingest.twin.cloud import Cloud, Instance, InstanceNic, Network, Volume, new_id
from ingest.twin.cloudstack.checks_compute import DUMMY_TEMPLATE_ID, cpu_speed_mhz, host_has_tags, is_dynamic
from ingest.twin.cloudstack.checks_networks import used_addresses
from ingest.twin.cloudstack.import_request import DiskPlan, ImportPlan, ImportRequest, NicPlan
from ingest.twin.cloudstack.records import number_of, project_of_account
from ingest.twin.cloudstack.refusals import ApiException, InvalidParameter, RuntimeFailure, ServerError
from ingest.twin.world import World

_SCSI = frozenset({"lsilogic", "lsisas1068", "buslogic", "pvscsi"})
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def commit_instance(world: World, request: ImportRequest, plan: ImportPlan) -> Instance:
    """C1: the VM row. From here on lists show the VM, and it is gone from the unmanaged ones."""
    cloud, target, vm = world.cloud, plan.target, plan.vm
    if "rootdisksize" in request.details and target.template is None:
        raise InvalidParameter("Unable to look up template by id 0")
    project = project_of_account(cloud, target.owner.id)
    offering, dynamic = target.offering, is_dynamic(target.offering)
    instance = Instance(
        id=new_id(),
        name=target.hostname,
        displayname=target.displayname,
        instancename=vm.instance_name,
        state="Running" if vm.power_state == "PowerOn" else "Stopped",
        zoneid=target.zone.id,
        podid=target.cluster.podid,
        clusterid=target.cluster.id,
        hostid=plan.host.id,
        accountid=target.owner.id,
        domainid=target.owner.domainid,
        serviceofferingid=offering.id,
        templateid=target.template.id if target.template else DUMMY_TEMPLATE_ID,
        guestosid=plan.guestosid,
        cpunumber=(vm.cpu_number if dynamic else offering.cpunumber) or 0,
        memory=(vm.memory_mib if dynamic else offering.memory) or 0,
        cpuspeed=offering.cpuspeed or cpu_speed_mhz(vm, request.details),
        moref=vm.moref,
        projectid=project.id if project else "",
        details=_details(request.details, plan, dynamic=dynamic),
        created=world.clock.now(),
        lasthostid=plan.host.id,
        userid=next((user.id for user in cloud.users.values() if user.accountid == target.owner.id), ""),
        haenable=offering.offerha,
        counted=False,
    )
    cloud.instances[instance.id] = instance
    cloud.journal.imports.append((vm.moref, instance.id))
    return instance


def _details(sent: Mapping[str, str], plan: ImportPlan, *, dynamic: bool) -> dict[str, str]:
    root, data = plan.disks[0].disk, plan.disks[1:]
    template = plan.target.template
    details = (template.details if template else {}) | dict(sent)
    details["rootDiskController"] = root.controller
    if data:
        details["dataDiskController"] = data[0].disk.controller
    else:
        details.setdefault("dataDiskController", root.controller if root.controller in _SCSI else "osdefault")
    if plan.nics:
        details["nicAdapter"] = plan.nics[0].nic.adapter_type
    details["deployvm"] = "true"
    if dynamic:
        details |= {"cpuNumber": str(plan.vm.cpu_number), "memory": str(plan.vm.memory_mib)}
        if plan.target.offering.cpuspeed is None:
            details["cpuSpeed"] = str(cpu_speed_mhz(plan.vm, sent))
    if plan.vm.boot_type == "UEFI":
        details["UEFI"] = plan.vm.boot_mode
    return details


def check_iops(request: ImportRequest) -> None:
    """The first thing that can fail in C2: the IOPS of the root volume are read as numbers."""
    for bound in ("miniops", "maxiops"):
        value = request.details.get(bound, "0")
        if not re.fullmatch(r"[+-]?\d+", value):
            raise RuntimeFailure(f'For input string: "{value}"')


def import_volume(cloud: Cloud, plan: ImportPlan, instance: Instance, device: int) -> None:
    """C2 for one disk: 0 is the root."""
    volume = _volume(plan.disks[device], instance, number_of(cloud.instances, instance.id), device)
    cloud.volumes[volume.id] = volume


def _volume(plan: DiskPlan, instance: Instance, number: int, device: int) -> Volume:
    disk = plan.disk
    base_name = disk.image_path.rsplit("/", 1)[-1].removesuffix(".vmdk")
    return Volume(
        id=new_id(),
        name=f"ROOT-{number}" if device == 0 else f"DATA-{number}-{disk.id}",
        type="ROOT" if device == 0 else "DATADISK",
        instanceid=instance.id,
        size_bytes=disk.capacity_bytes,
        poolid=plan.pool.id,
        diskofferingid=plan.diskofferingid,
        path=base_name,
        chaininfo=list(disk.chain),
        deviceid=device,
    )


def import_nic(cloud: Cloud, request: ImportRequest, plan: ImportPlan, instance: Instance, device: int) -> None:
    """C3 for one NIC: address, MAC syntax, MAC unique in its network."""
    instance.nics.append(_nic(cloud, request, plan.nics[device], device))


def _nic(cloud: Cloud, request: ImportRequest, plan: NicPlan, device: int) -> InstanceNic:
    network, mac = plan.network, plan.nic.mac
    address = _assigned_address(cloud, network, plan.address)
    if not _MAC.fullmatch(mac):
        raise RuntimeFailure(f"The mac address {mac} is not valid")
    if _has_mac(cloud, network.id, mac):
        if not request.forced:
            raise RuntimeFailure(
                f"NIC with MAC address {mac} exists on network {network.name} and forced flag is disabled"
            )
        mac = next(free for free in _generated_macs() if not _has_mac(cloud, network.id, free))
    return InstanceNic(
        id=new_id(), networkid=network.id, macaddress=mac, ipaddress=address, isdefault=device == 0, deviceid=device
    )


def _assigned_address(cloud: Cloud, network: Network, wanted: str) -> str:
    if network.type == "L2":
        return ""
    used = used_addresses(cloud, network.id)
    if wanted != "auto":
        # A Shared network hands out addresses of its range only, and only free ones.
        if wanted in used or (network.type == "Shared" and not _in_range(network, wanted)):
            raise RuntimeFailure(f"Unable to acquire Guest IP  address for network {network.name}")
        return wanted
    for address in _range(network):
        if address not in used and address != network.gateway:
            return address
    raise RuntimeFailure(f"Cannot find a free IP to assign to VM NIC on network {network.name}")


def _in_range(network: Network, address: str) -> bool:
    if not network.startip or not network.endip:
        return False
    first, last = ipaddress.IPv4Address(network.startip), ipaddress.IPv4Address(network.endip)
    return first <= ipaddress.IPv4Address(address) <= last


def _range(network: Network) -> Iterator[str]:
    if network.type == "Shared":
        if network.startip and network.endip:
            first, last = ipaddress.IPv4Address(network.startip), ipaddress.IPv4Address(network.endip)
            yield from (str(ipaddress.IPv4Address(number)) for number in range(int(first), int(last) + 1))
    elif network.cidr:
        yield from (str(address) for address in ipaddress.ip_network(network.cidr, strict=False).hosts())


def _has_mac(cloud: Cloud, networkid: str, mac: str) -> bool:
    """Whether any NIC row of the network has it; rows that a failed import left behind count as well."""
    for instance in cloud.instances.values():
        for nic in instance.nics:
            if nic.networkid == networkid and nic.macaddress.lower() == mac:
                return True
    return False


def _generated_macs() -> Iterator[str]:
    for number in range(1 << 24):
        high, middle, low = number >> 16, number >> 8 & 0xFF, number & 0xFF
        yield f"02:01:00:{high:02x}:{middle:02x}:{low:02x}"


def move(world: World, plan: ImportPlan, instance: Instance) -> None:
    """C4: to a host with the offering's tags; a stopped VM only changes its host, a running one migrates."""
    if not plan.must_move:
        return
    cloud = world.cloud
    for host in cloud.hosts.values():
        usable = host.clusterid == plan.target.cluster.id and host.state == "Up" and host.resourcestate == "Enabled"
        if usable and host_has_tags(host, plan.target):
            instance.hostid = instance.lasthostid = host.id
            vm = world.vms.get(plan.vm.moref)
            if instance.state == "Running" and vm is not None:
                vm.host = host.moref
                world.touch(vm)
            return
    raise ApiException(
        530, f"VM import failed for unmanaged vm: {plan.vm.name} during vm migration, no deployment destination found"
    )


@contextmanager
def cleaned_up_on_failure(world: World, instance: Instance, text: Callable[[str], str]) -> Iterator[None]:
    """Whatever the server refuses within fails the import with `text` of the cause, after a clean-up.

    An ApiException has its words already and keeps them.
    """
    try:
        yield
    except ServerError as error:
        with world.lock:
            _clean_up(world.cloud, instance)
        if isinstance(error, ApiException):
            raise
        raise ApiException(530, text(error.text)) from error


def _clean_up(cloud: Cloud, instance: Instance) -> None:
    """What a failure after C1 leaves: no volumes, a removed VM row, and every NIC row written so far.

    Those rows keep their MAC and address, so a second try into the same network fails unless it is forced.
    """
    for volume in [volume for volume in cloud.volumes.values() if volume.instanceid == instance.id]:
        del cloud.volumes[volume.id]
    instance.removed = True
