"""VMs into vCenter's inventory and out of it. Their files stay where they are.

RegisterVM_Task refuses a .vmx that is registered already (AlreadyExists), so it may be repeated after a lost answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from pyVmomi import vim, vmodl

from ingest.errors import Refused, RemoteError
from ingest.model.inventory import PowerState
from ingest.vsphere.collect import collect, read_objects
from ingest.vsphere.faults import refusal
from ingest.vsphere.session import VCenter

REGISTER, UNREGISTER = "RegisterVM_Task", "UnregisterVM"
ALREADY = "AlreadyExists"

CURES: dict[str, str] = {
    "AlreadyExists": "it is registered already; run this again to see under which name",
    "DuplicateName": "another VM in that folder has the name: choose another folder, or rename that VM",
    "FileNotFound": "it was removed or its folder renamed since it was found: run this again",
    "FileLocked": "another host has the VM open: make sure the other site is down and its locks are gone",
    "CannotAccessFile": "the datastore is read-only for that host: let storage make the replica writable, then rescan",
    "InaccessibleDatastore": "no host reaches the datastore: mount the replica and rescan",
    "InvalidDatastore": "that host has not mounted the datastore: mount it, or choose another host",
    "InvalidDatastorePath": "the datastore was renamed or unmounted since: run this again",
    "InvalidVmConfig": "the file is no VM's configuration, or damaged: look at it, restore it from the replica",
    "GenericVmConfigFault": "the host cannot read the configuration: look at the .vmx and the host's log",
    "HostNotConnected": "the host does not answer: choose another one, or bring it back",
    "InvalidState": "the host is in maintenance mode or busy: choose another one",
    "InvalidArgument": "pool, host and folder must be of one datacenter, the pool of the host's cluster",
}
"""What to do about a fault of RegisterVM_Task, by the fault's name."""

_STATES: dict[str, PowerState] = {state: state for state in get_args(PowerState)}
_PATHS: dict[str, tuple[str, ...]] = {
    "VirtualMachine": ("name", "summary.config.vmPathName", "summary.config.instanceUuid", "runtime.powerState")
}


@dataclass(frozen=True, slots=True)
class Registered:
    """A VM of the inventory and the .vmx it stands for."""

    moref: str
    name: str
    path: str
    instance_uuid: str = ""
    power_state: PowerState = "unknown"


def fault_name(error: RemoteError) -> str:
    """The fault's name in vSphere's API, '' for what is none."""
    return error.text.partition(":")[0] if isinstance(error, Refused) else ""


def read_registered(vcenter: VCenter, datacenter: str) -> dict[str, Registered]:
    """Every VM of a datacenter (id) by the path of its .vmx, which is unique there. Raises as `VCenter.repeat`.

    The path is read from the summary, which VMs have whose configuration cannot be read.
    """
    container = vim.Datacenter(datacenter, vcenter.stub)
    found = vcenter.repeat(lambda: collect(vcenter, container, _PATHS, _registered), "registered VMs")
    return {row.path: row for row in found.rows if row.path}


def find_registered(vcenter: VCenter, datacenter: str, path: str) -> Registered | None:
    """The VM that a .vmx is registered as right now, None when it is not. Raises as `VCenter.repeat`."""

    def look() -> Registered | None:
        index = vcenter.content.searchIndex
        vm = index.FindByDatastorePath(datacenter=vim.Datacenter(datacenter, vcenter.stub), path=path)
        if vm is None:
            return None
        moref = str(vm._moId)
        # By the collector, as vcsim does not give a summary as a whole.
        values = read_objects(vcenter, "VirtualMachine", [moref], _PATHS["VirtualMachine"]).get(moref)
        return None if values is None else replace(_registered(moref, "", values), path=path)

    return vcenter.repeat(look, f"looking for {path}")


def register_vm(vcenter: VCenter, path: str, *, folder: str, pool: str, host: str) -> str:
    """Begin to register a .vmx under the name it has in its file; the task's id. Places are managed object ids.

    Needs VirtualMachine.Inventory.Register on the folder, Resource.AssignVMToPool on the pool. Raises faults of the
    API as our own errors, and transport errors: then the call may have been taken.
    """
    try:
        task = vim.Folder(folder, vcenter.stub).RegisterVM_Task(
            path=path,
            asTemplate=False,
            pool=vim.ResourcePool(pool, vcenter.stub),
            host=vim.HostSystem(host, vcenter.stub) if host else None,
        )
    except vim.fault.NotAuthenticated:
        raise  # nothing was done: the caller logs in and asks again
    except vmodl.MethodFault as fault:
        raise refusal(fault, vcenter.endpoint, REGISTER) from fault
    return str(task._moId)


def unregister_vm(vcenter: VCenter, moref: str) -> None:
    """Take a VM out of the inventory; one that is gone already is no error. Needs VirtualMachine.Inventory.Unregister.

    vCenter refuses a running VM (InvalidPowerState). Raises as `register_vm`.
    """
    try:
        vim.VirtualMachine(moref, vcenter.stub).UnregisterVM()
    except vmodl.fault.ManagedObjectNotFound:
        return
    except vim.fault.NotAuthenticated:
        raise
    except vmodl.MethodFault as fault:
        raise refusal(fault, vcenter.endpoint, UNREGISTER) from fault


def _registered(moref: str, _kind: str, values: Mapping[str, Any]) -> Registered:
    return Registered(
        moref,
        str(values.get("name") or ""),
        str(values.get("summary.config.vmPathName") or ""),
        str(values.get("summary.config.instanceUuid") or ""),
        _STATES.get(str(values.get("runtime.powerState")), "unknown"),
    )
