"""listUnmanagedInstances: slow, complete, and silent about what it lost."""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Cluster
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import entity, text
from ingest.twin.cloudstack.records import Json, compact, number_of
from ingest.twin.cloudstack.refusals import InvalidParameter, PermissionDenied
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.unmanaged import UnmanagedVm, managed_names, read_host, visited_hosts, vms_of_hosts
from ingest.twin.cloudstack.unmanaged_devices import UnmanagedDisk, UnmanagedNic

HYPERVISORS = ("VMware", "KVM")


def list_unmanaged_instances(service: Service, call: Call) -> Listing:
    """The VMs of a cluster that CloudStack does not manage, host after host; paging is accepted and ignored.

    Takes `cloud.list_seconds_per_vm` for each VM read, managed ones included. A host that takes longer than the
    setting `wait` contributes nothing.
    """
    world, arguments = service.world, call.arguments
    name, keyword = arguments.text("name"), arguments.text("keyword").lower()
    if call.account.accounttype != 1:
        raise PermissionDenied(f"Cannot perform this operation, caller account [{call.account.id}] is not ROOT Admin.")
    clusterid = arguments.text("clusterid")
    with world.lock:
        cluster = world.cloud.clusters.get(clusterid)
        if cluster is None:
            raise InvalidParameter(f"Cluster with ID [{number_of(world.cloud.clusters, clusterid)}] cannot be found.")
        if cluster.hypervisortype not in HYPERVISORS:
            raise InvalidParameter(f"VM import is currently not supported for hypervisor [{cluster.hypervisortype}].")
        managed = managed_names(world, cluster)
        hosts = visited_hosts(world, cluster)
        vms = vms_of_hosts(world, hosts, name=name)
        patience_seconds = configuration.number(world.cloud, "wait")
    found: list[UnmanagedVm] = []
    order = service.order_of_list()
    for host in hosts:
        needed_seconds = world.cloud.list_seconds_per_vm * len(vms[host.id])
        service.wait(min(needed_seconds, patience_seconds))
        with world.lock:
            if needed_seconds > patience_seconds or host not in visited_hosts(world, cluster):
                continue
            # Moved or removed meanwhile: the host no longer has it.
            here = [vm for vm in vms[host.id] if world.vms.get(vm.moref) is vm and vm.host == host.moref]
            rows = list(read_host(world, host, here, managed).values())
        order.shuffle(rows)
        found.extend(rows)
    shown = [vm for vm in found if keyword in vm.name.lower()]
    return Listing("unmanagedinstance", shown, partial(_rendered, cluster), paged=False)


def _rendered(cluster: Cluster, vm: UnmanagedVm) -> Json:
    return compact(
        {
            "name": vm.name,
            "clusterid": cluster.id,
            "clustername": cluster.name,
            "hostid": vm.host.id,
            "hostname": vm.host.name,
            "hypervisor": cluster.hypervisortype,
            "hypervisorversion": vm.hypervisor_version,
            "powerstate": vm.power_state,
            "cpunumber": vm.cpu_number,
            "cpucorepersocket": vm.cores_per_socket,
            "cpuspeed": vm.cpu_speed_mhz,
            "memory": vm.memory_mib,
            "osid": vm.os_id,
            "osdisplayname": vm.os_display_name,
            "bootmode": vm.boot_mode,
            "boottype": vm.boot_type,
            "disk": [_disk(disk) for disk in vm.disks],
            "nic": [_nic(nic) for nic in vm.nics],
        }
    )


def _disk(disk: UnmanagedDisk) -> Json:
    return compact(
        {
            "id": disk.id,
            "label": disk.label,
            "capacity": disk.capacity_bytes,
            "imagepath": disk.image_path,
            "controller": disk.controller,
            "controllerunit": disk.controller_unit,
            "position": disk.position,
            "datastorename": disk.datastore_name,
            "datastorehost": disk.datastore_host,
            "datastorepath": disk.datastore_path,
            "datastoretype": disk.datastore_type,
        }
    )


def _nic(nic: UnmanagedNic) -> Json:
    return compact(
        {
            "id": nic.id,
            "networkname": nic.network_name,
            "macaddress": nic.mac,
            "vlanid": nic.vlan,
            "isolatedpvlan": nic.pvlan,
            "isolatedpvlantype": nic.pvlan_type,
            "adaptertype": nic.adapter_type,
            "ipaddresses": list(nic.ip_addresses) or None,
        }
    )


COMMANDS: tuple[Command, ...] = (
    listing(
        "listUnmanagedInstances",
        list_unmanaged_instances,
        entity("clusterid", "clusters", required=True),
        text("name"),
        locked=False,
    ),
)
