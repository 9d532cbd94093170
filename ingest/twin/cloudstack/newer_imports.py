"""The import APIs that came after importUnmanagedInstance, as far as a site of VMware clusters reaches them.

They are for KVM: external hosts, shared and local disks, conversions from VMware, and volumes. With VMware clusters
only, each ends in a refusal or an empty list (CloudStack: UnmanagedVMsManagerImpl, VolumeImportUnmanageManagerImpl).
"""

from __future__ import annotations

from functools import partial

from ingest.twin.cloudstack.commands import Command, asynchronous, listing
from ingest.twin.cloudstack.import_command import COMMANDS as IMPORT_COMMANDS
from ingest.twin.cloudstack.jobs import JobPlan, RunningJob
from ingest.twin.cloudstack.owners import resolved_owner
from ingest.twin.cloudstack.parameters import boolean, entity, text
from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.refusals import InvalidParameter, RuntimeFailure
from ingest.twin.cloudstack.service import Call, Listing, Service

_VM = "org.apache.cloudstack.api.command.admin.vm"
_VOLUME = "org.apache.cloudstack.api.command.admin.volume"
_SOURCES = ("unmanaged", "vmware", "external", "shared", "local")


def import_vm(service: Service, call: Call) -> JobPlan:
    """Its source `unmanaged` does nothing and says the VM was not found; the others are for KVM clusters."""
    owner = resolved_owner(service.cloud, call.arguments, call.account)
    return JobPlan(
        cmd=f"{_VM}.ImportVMCmd",
        run=partial(_import_vm, service, call),
        event_type="VM.IMPORT",
        event_text=f"Importing unmanaged Instance: {call.arguments.text('name')}",
        ownerid=owner.id,
        userid=call.user.id,
    )


def _import_vm(service: Service, call: Call, job: RunningJob) -> Json:
    arguments = call.arguments
    source, hypervisor = arguments.text("importsource").lower(), arguments.text("hypervisor")
    name, clusterid = arguments.text("name"), arguments.text("clusterid")
    with service.world.lock:
        job.check()
        if source not in _SOURCES:
            raise InvalidParameter(f"Invalid import source: {arguments.text('importsource')}")
        cluster = service.cloud.clusters[clusterid]
        if source == "unmanaged":
            job.event("Started")
            job.event("Completed", level="ERROR")
            raise RuntimeFailure(f"Failed to find unmanaged vm with name: {name} in cluster: {clusterid}")
        if hypervisor.lower() != "kvm":
            raise InvalidParameter(f"VM import from source {source} is only supported for hypervisor KVM")
        raise InvalidParameter(
            f"VM import from source {source} needs a KVM cluster, cluster {cluster.name} is {cluster.hypervisortype}"
        )


def list_vms_for_import(service: Service, call: Call) -> Listing:
    """VMs of a KVM host outside CloudStack: the twin's network has no such host."""
    arguments = call.arguments
    if arguments.text("hypervisor").lower() != "kvm":
        raise InvalidParameter(f"VM Import is currently not supported for hypervisor: {arguments.text('hypervisor')}")
    raise RuntimeFailure(f"Failed to connect to the host {arguments.text('host')}")


def list_import_vm_tasks(service: Service, call: Call) -> Listing:
    """Rows of conversions to KVM only, so there are none, whatever else is being imported."""
    return Listing("importvmtask", [], dict)


def import_volume(service: Service, call: Call) -> JobPlan:
    return _refused_job(service, call, f"{_VOLUME}.ImportVolumeCmd", "VOLUME.IMPORT", "importing volume")


def unmanage_volume(service: Service, call: Call) -> JobPlan:
    return _refused_job(service, call, f"{_VOLUME}.UnmanageVolumeCmd", "VOLUME.UNMANAGE", "unmanaging volume")


def _refused_job(service: Service, call: Call, command: str, event: str, text_of_event: str) -> JobPlan:
    return JobPlan(
        cmd=command,
        run=partial(_refuse_volume, service),
        event_type=event,
        event_text=text_of_event,
        ownerid=call.account.id,
        userid=call.user.id,
    )


def _refuse_volume(service: Service, job: RunningJob) -> Json:
    with service.world.lock:
        job.check()
        job.event("Started")
    raise InvalidParameter(_ONLY_KVM)


def list_volumes_for_import(service: Service, call: Call) -> Listing:
    raise InvalidParameter(_ONLY_KVM)


_ONLY_KVM = "Importing and unmanaging volumes is supported on storage of KVM clusters only, this one is VMware"
# Everything importUnmanagedInstance takes comes first, required ones included; customjobid is added anew.
_INHERITED = tuple(parameter for parameter in IMPORT_COMMANDS[0].parameters if parameter.name != "customjobid")

COMMANDS: tuple[Command, ...] = (
    asynchronous(
        "importVm",
        import_vm,
        *_INHERITED,
        entity("zoneid", "zones", required=True),
        text("hypervisor", required=True),
        text("importsource", required=True),
        text("host"),
        text("username"),
        text("password"),
        text("diskpath"),
        entity("networkid", "networks", since="4.19.0"),
        entity("hostid", "hosts", since="4.19.0"),
        entity("storageid", "storage_pools", since="4.19.0"),
        text("temppath"),
        text("existingvcenterid"),
        text("vcenter"),
        text("datacentername"),
        text("clustername"),
        text("hostip"),
        entity("convertinstancehostid", "hosts", since="4.19.0"),
        entity("importinstancehostid", "hosts", since="4.19.0"),
        entity("convertinstancepoolid", "storage_pools", since="4.19.0"),
        boolean("forcemstoimportvmfiles"),
        text("extraparams"),
        boolean("forceconverttopool"),
        entity("osid", "os_types", since="4.22.0"),
        boolean("usevddk"),
        since="4.19.0",
    ),
    listing(
        "listVmsForImport",
        list_vms_for_import,
        entity("zoneid", "zones", required=True),
        text("host", required=True),
        text("hypervisor", required=True),
        text("username"),
        text("password"),
        since="4.19.0",
    ),
    listing(
        "listImportVmTasks",
        list_import_vm_tasks,
        entity("zoneid", "zones", required=True),
        entity("accountid", "accounts"),
        text("vcenter"),
        text("tasksfilter"),
        since="4.22.0",
    ),
    asynchronous(
        "importVolume",
        import_volume,
        text("path", required=True),
        text("name"),
        entity("storageid", "storage_pools", required=True),
        entity("diskofferingid", "disk_offerings"),
        text("account"),
        entity("domainid", "domains"),
        entity("projectid", "projects"),
        since="4.19.1",
    ),
    listing(
        "listVolumesForImport",
        list_volumes_for_import,
        entity("storageid", "storage_pools", required=True),
        text("path"),
        since="4.19.1",
    ),
    asynchronous("unmanageVolume", unmanage_volume, entity("id", "volumes", required=True), since="4.19.1"),
)
