"""VMs of CloudStack's own: listSystemVms shows console proxies and storage VMs, listRouters the virtual routers."""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Cloud, SystemVm
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import entity, text
from ingest.twin.cloudstack.records import Json, compact
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS

_TYPES = {"v": "consoleproxy", "s": "secondarystoragevm"}


def list_system_vms(service: Service, call: Call) -> Listing:
    wanted = call.arguments.text("systemvmtype")
    shown = [vm for vm in _shown(service.cloud, call) if wanted in ("", _TYPES.get(vm.instancename[:1]))]
    return Listing("systemvm", [vm for vm in shown if not _is_router(vm)], partial(_rendered, service.cloud))


def list_routers(service: Service, call: Call) -> Listing:
    return Listing(
        "router", [vm for vm in _shown(service.cloud, call) if _is_router(vm)], partial(_rendered, service.cloud)
    )


def _is_router(vm: SystemVm) -> bool:
    return vm.instancename.startswith("r-")


def _shown(cloud: Cloud, call: Call) -> list[SystemVm]:
    arguments = call.arguments
    keyword = arguments.text("keyword").lower()
    return [
        vm
        for vm in cloud.system_vms.values()
        if arguments.text("id") in ("", vm.id)
        and arguments.text("name") in ("", vm.instancename)
        and arguments.text("podid") in ("", vm.podid)
        and arguments.text("hostid") in ("", vm.hostid)
        and arguments.text("zoneid") in ("", _zone_id(cloud, vm))
        and keyword in vm.instancename.lower()
    ]


def _zone_id(cloud: Cloud, vm: SystemVm) -> str:
    pod = cloud.pods.get(vm.podid)
    return pod.zoneid if pod else ""


def _rendered(cloud: Cloud, vm: SystemVm) -> Json:
    """`name` is the instance name. The twin's run when they are on a host."""
    host, pod, zone = cloud.hosts.get(vm.hostid), cloud.pods.get(vm.podid), cloud.zones.get(_zone_id(cloud, vm))
    return compact(
        {
            "id": vm.id,
            "name": vm.instancename,
            "systemvmtype": _TYPES.get(vm.instancename[:1]),
            "state": "Running" if vm.hostid else "Stopped",
            "zoneid": zone.id if zone else None,
            "zonename": zone.name if zone else None,
            "podid": vm.podid,
            "podname": pod.name if pod else None,
            "hostid": vm.hostid,
            "hostname": host.name if host else None,
            "hypervisor": "VMware",
        }
    )


_FILTERS = (
    text("id"),
    text("name"),
    entity("zoneid", "zones"),
    entity("podid", "pods"),
    entity("hostid", "hosts"),
)
COMMANDS: tuple[Command, ...] = (
    listing("listSystemVms", list_system_vms, *_FILTERS, text("systemvmtype")),
    listing("listRouters", list_routers, *_FILTERS, *OWNER_PARAMETERS),
)
