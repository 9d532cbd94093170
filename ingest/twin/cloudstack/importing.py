"""The import job as a sequence: checks, commit, volumes, NICs. It holds no lock while it waits, nor any lock per VM.

Two imports of one VM can therefore both pass their checks, as on the real server: the list of managed names is read
once at the start, and the VM row appears only after the last check.
"""

from __future__ import annotations

from functools import partial

from ingest.twin.cloudstack.checks_compute import (
    check_host_tags,
    check_offering,
    check_size,
    found_vm,
    guest_os_id,
    host_has_tags,
)
from ingest.twin.cloudstack.checks_disks import planned_disks
from ingest.twin.cloudstack.checks_networks import planned_nics
from ingest.twin.cloudstack.checks_parameters import checked_target
from ingest.twin.cloudstack.commit import commit_instance, import_nics, import_volumes, move
from ingest.twin.cloudstack.import_request import ImportPlan, ImportRequest, Target
from ingest.twin.cloudstack.jobs import JobPlan, RunningJob
from ingest.twin.cloudstack.lists_instances import rendered_instance
from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.refusals import ServerError
from ingest.twin.cloudstack.service import Service
from ingest.twin.cloudstack.unmanaged import managed_names

_CLASS = "org.apache.cloudstack.api.command.admin.vm.ImportUnmanagedInstanceCmd"
# Shares of an import's duration: asking vCenter, checking until the row is committed, the rest.
_SHARE_READING, _SHARE_CHECKING, _SHARE_WRITING = 0.6, 0.2, 0.2


def import_job(service: Service, request: ImportRequest) -> JobPlan:
    """The job that carries out an accepted request."""
    return JobPlan(
        cmd=_CLASS,
        run=partial(_run, service, request),
        event_type="VM.IMPORT",
        event_text=f"Importing unmanaged Instance: {request.name}",
        ownerid=request.owner.id,
        is_import=True,
    )


def _run(service: Service, request: ImportRequest, job: RunningJob) -> Json:
    world, duration_seconds = service.world, service.import_seconds()
    with world.lock:
        job.check()
        target = checked_target(world.cloud, request)
        job.event("Started")
        managed = managed_names(world, target.cluster)
    job.wait(_SHARE_READING * duration_seconds)
    with world.lock:
        job.check()
        plan = _checked_plan(service, request, target, managed, job)
    job.wait(_SHARE_CHECKING * duration_seconds)
    with world.lock:
        job.check()
        instance = commit_instance(world, request, plan)
        import_volumes(world.cloud, request, plan, instance)
    job.wait(_SHARE_WRITING * duration_seconds)
    with world.lock:
        job.check()
        import_nics(world.cloud, request, plan, instance)
        move(world, plan, instance)
        job.event("Completed")
        return {"virtualmachine": rendered_instance(world.cloud, instance)}


def _checked_plan(
    service: Service, request: ImportRequest, target: Target, managed: frozenset[str], job: RunningJob
) -> ImportPlan:
    """A16 to A46."""
    world = service.world
    try:
        vm = found_vm(world, request, target, managed)
    except ServerError:
        # The only failure that completes its event.
        job.event("Completed", level="ERROR")
        raise
    guestosid = guest_os_id(world.cloud, target, vm)
    check_size(vm)
    check_offering(world.cloud, target, vm, request.details)
    check_host_tags(request, target, vm)
    return ImportPlan(
        target=target,
        vm=vm,
        guestosid=guestosid,
        host=vm.host,
        must_move=not host_has_tags(vm.host, target.offering),
        disks=planned_disks(world.cloud, target, vm),
        nics=planned_nics(world.cloud, target, vm),
    )
