"""The import job as a sequence: checks, commit, volumes, NICs. It holds no lock while it waits, nor any lock per VM.

Two imports of one VM can therefore both pass their checks, as on the real server: the list of managed names is read
once at the start, and the VM row appears only after the last check.
"""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Instance
from ingest.twin.cloudstack.checks_compute import (
    check_host_tags,
    check_offering,
    check_size,
    found_vm,
    guest_os_id,
    host_has_tags,
    reserve_compute,
)
from ingest.twin.cloudstack.checks_disks import planned_disks
from ingest.twin.cloudstack.checks_networks import planned_nics
from ingest.twin.cloudstack.checks_parameters import checked_target
from ingest.twin.cloudstack.commit import (
    check_iops,
    cleaned_up_on_failure,
    commit_instance,
    import_nic,
    import_volume,
    move,
)
from ingest.twin.cloudstack.import_request import ImportPlan, ImportRequest, Target
from ingest.twin.cloudstack.jobs import JobPlan, RunningJob
from ingest.twin.cloudstack.limits import Reservation
from ingest.twin.cloudstack.lists_instances import rendered_instance
from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.refusals import ApiException, InsufficientCapacity, ServerError
from ingest.twin.cloudstack.service import Service
from ingest.twin.cloudstack.steps import Step
from ingest.twin.cloudstack.unmanaged import UnmanagedVm, managed_names

_CLASS = "org.apache.cloudstack.api.command.admin.vm.ImportUnmanagedInstanceCmd"
# Shares of an import's duration: asking vCenter, checking until the row is committed, the rest.
_SHARE_READING, _SHARE_CHECKING, _SHARE_WRITING = 0.6, 0.2, 0.2


def import_job(service: Service, request: ImportRequest) -> JobPlan:
    """The job that carries out an accepted request."""
    return JobPlan(
        cmd=_CLASS,
        run=lambda job: _Import(service, request, job).run(),
        event_type="VM.IMPORT",
        event_text=f"Importing unmanaged Instance: {request.name}",
        ownerid=request.owner.id,
        is_import=True,
    )


class _Import:
    """One run of one request."""

    def __init__(self, service: Service, request: ImportRequest, job: RunningJob) -> None:
        self._service, self._request, self._job = service, request, job
        self._world = service.world
        self._reservation = Reservation(service.reservations, request.owner)

    def run(self) -> Json:
        try:
            return self._run()
        finally:
            with self._world.lock:
                self._reservation.release()

    def _run(self) -> Json:
        duration_seconds = self._service.import_seconds(self._request.name)
        target, managed = self._started()
        self._job.wait(_SHARE_READING * duration_seconds)
        vm = self._found(target, managed)
        plan = self._checked(target, vm)
        self._job.wait(_SHARE_CHECKING * duration_seconds)
        instance = self._committed(plan)
        self._write(plan, instance, _SHARE_WRITING * duration_seconds)
        # From here on only the answer can fail: the VM stays.
        self._at("completed")
        with self._world.lock:
            return {"virtualmachine": rendered_instance(self._world.cloud, instance)}

    def _at(self, step: Step) -> None:
        self._service.steps.reached(step, self._job.id, self._request.name)

    def _started(self) -> tuple[Target, frozenset[str]]:
        """A1 to A15, and the names that are managed now."""
        self._at("accepted")
        with self._world.lock:
            self._job.check()
            target = checked_target(self._world.cloud, self._request)
            self._job.event("Started")
            managed = managed_names(self._world, target.cluster)
        self._at("started")
        return target, managed

    def _found(self, target: Target, managed: frozenset[str]) -> UnmanagedVm:
        """A16."""
        with self._world.lock:
            self._job.check()
            try:
                vm = found_vm(self._world, self._request, target, managed)
            except ServerError:
                # The only failure that completes its event.
                self._job.event("Completed", level="ERROR")
                raise
        self._at("found")
        return vm

    def _checked(self, target: Target, vm: UnmanagedVm) -> ImportPlan:
        """A17 to A46."""
        cloud = self._world.cloud
        with self._world.lock:
            self._job.check()
            guestosid = guest_os_id(cloud, target, vm)
            check_size(vm)
            reserve_compute(target, vm, self._reservation)
            check_offering(cloud, target, vm, self._request.details)
            check_host_tags(self._request, target, vm)
            return ImportPlan(
                target=target,
                vm=vm,
                guestosid=guestosid,
                host=vm.host,
                must_move=not host_has_tags(vm.host, target),
                disks=planned_disks(cloud, target, vm, self._reservation),
                nics=planned_nics(cloud, target, vm),
            )

    def _committed(self, plan: ImportPlan) -> Instance:
        """C1. What fails here is rolled back."""
        try:
            self._at("checked")
            with self._world.lock:
                self._job.check()
                return commit_instance(self._world, self._request, plan)
        except InsufficientCapacity as error:
            raise ApiException(
                533, f"Failed to import VM [{plan.target.displayname}] due to [{error.text}]."
            ) from error

    def _write(self, plan: ImportPlan, instance: Instance, duration_seconds: float) -> None:
        """C2 to C5."""
        world, job, request = self._world, self._job, self._request
        name, vm = plan.target.displayname, plan.vm.name
        undone = partial(cleaned_up_on_failure, world, instance)
        with undone(lambda cause: f"Failed to import volumes while importing vm: {name}. {cause}"):
            self._at("committed")
            check_iops(request)
            for device in range(len(plan.disks)):
                job.wait(world.cloud.import_seconds_per_disk)
                with world.lock:
                    job.check()
                    import_volume(world.cloud, plan, instance, device)
        job.wait(duration_seconds)
        with undone(lambda cause: f"Failed to import NICs while importing vm: {name}. {cause}"):
            self._at("volumes")
            for device in range(len(plan.nics)):
                job.wait(world.cloud.import_seconds_per_nic)
                with world.lock:
                    job.check()
                    import_nic(world.cloud, request, plan, instance, device)
        with undone(lambda cause: f"VM import failed for Unmanaged VM [{vm}] during VM migration due to [{cause}]."):
            self._at("nics")
            with world.lock:
                job.check()
                move(world, plan, instance)
        with undone(lambda _: f"VM import failed for unmanaged vm {vm} during publishing usage records"):
            self._at("moved")
            with world.lock:
                job.check()
                instance.counted = True
                job.event("Completed")
