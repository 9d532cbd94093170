"""Which properties are read of which class: narrow, and legal on a real vCenter.

A real vCenter refuses the whole call for one unknown path (InvalidProperty), and only knows paths declared on the
static type of each step: `config.defaultPortConfig.vlan` is declared on a subclass and must not be asked for.
Paths younger than the negotiated API version are left out by `legal_paths`.
"""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport

PLACES: dict[str, tuple[str, ...]] = {
    "Datacenter": ("name", "parent"),
    "Folder": ("name", "parent"),
    "ComputeResource": ("name", "parent", "network", "datastore"),
}
VAPPS: dict[str, tuple[str, ...]] = {"VirtualApp": ("name", "parent", "parentFolder")}
HOSTS: dict[str, tuple[str, ...]] = {
    "HostSystem": (
        "name",
        "parent",
        "config.network.portgroup",
        "config.product.version",
        "runtime.connectionState",
        "runtime.inMaintenanceMode",
    )
}
# The whole `config`, because `pvlanConfig` is declared on a subclass of its type. 13 to 23 KB for each switch.
SWITCHES: dict[str, tuple[str, ...]] = {"DistributedVirtualSwitch": ("name", "uuid", "parent", "config")}
PORTGROUPS: dict[str, tuple[str, ...]] = {
    "DistributedVirtualPortgroup": (
        "name",
        "key",
        "tag",
        "parent",
        "config.distributedVirtualSwitch",
        "config.defaultPortConfig",
        "config.policy",
        "config.type",
        "config.backingType",  # since API 7.0
    )
}
# Opaque networks are Network objects too; their summary's class carries what is special about them.
NETWORKS: dict[str, tuple[str, ...]] = {"Network": ("name", "parent", "summary")}
DATASTORES: dict[str, tuple[str, ...]] = {"Datastore": ("name", "parent", "summary", "info")}
VMS: dict[str, tuple[str, ...]] = {
    "VirtualMachine": (
        "name",
        "parent",
        "parentVApp",
        "config.instanceUuid",
        "config.template",
        "config.managedBy",
        "config.ftInfo",
        "config.keyId",  # since API 6.5
        "config.firmware",
        "config.bootOptions.efiSecureBootEnabled",  # since API 6.5
        "config.bootOptions.bootOrder",
        "config.annotation",
        "config.guestId",
        "config.guestFullName",
        "config.cpuAllocation.reservation",
        "config.hardware.numCPU",
        "config.hardware.numCoresPerSocket",
        "config.hardware.memoryMB",
        "config.hardware.device",
        "runtime.host",
        "runtime.powerState",
        "runtime.connectionState",
        "runtime.question",
        "runtime.consolidationNeeded",
        "guest.guestId",
        "guest.guestFullName",
        "guest.hostName",
        "guest.toolsStatus",
        "guest.net",
        "snapshot",
        "customValue",
    )
}


def managed_type(kind: str) -> Any:
    """pyVmomi's class for a vSphere class name, e.g. `VirtualMachine`."""
    return VmomiSupport.GetWsdlType("urn:vim25", kind)


def legal_paths(kind: str, paths: tuple[str, ...], version: str) -> tuple[str, ...]:
    """Those of `paths` the API `version` (pyVmomi's name for it) knows. AttributeError for a path no version knows."""
    return tuple(path for path in paths if _known(managed_type(kind), path, version))


def _known(holder: Any, path: str, version: str) -> bool:
    for step in path.split("."):
        info = holder._GetPropertyInfo(step)
        if not VmomiSupport.IsChildVersion(version, info.version):
            return False
        holder = info.type
    return True
