"""createTags (CloudStack: TaggedResourceManagerImpl). The twin's VMs carry tags, nothing else does."""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Instance
from ingest.twin.cloudstack.access import check_access
from ingest.twin.cloudstack.commands import Command, asynchronous
from ingest.twin.cloudstack.jobs import JobPlan, RunningJob
from ingest.twin.cloudstack.parameters import Groups, Kind, Parameter, map_of, text
from ingest.twin.cloudstack.records import Json, described
from ingest.twin.cloudstack.refusals import InvalidParameter, RuntimeFailure
from ingest.twin.cloudstack.service import Call, Service


def create_tags(service: Service, call: Call) -> JobPlan:
    arguments = call.arguments
    work = partial(
        _run, service, call, arguments.text("resourcetype"), arguments.words("resourceids"), arguments.groups("tags")
    )
    return JobPlan(
        cmd="org.apache.cloudstack.api.command.user.tag.CreateTagsCmd",
        run=work,
        event_type="CREATE_TAGS",
        event_text="creating tags",
        ownerid=call.account.id,
        userid=call.user.id,
    )


def _run(service: Service, call: Call, kind: str, resourceids: tuple[str, ...], tags: Groups, job: RunningJob) -> Json:
    """All tags or none. A key is on a VM once."""
    cloud = service.cloud
    with service.world.lock:
        job.check()
        job.event("Started")
        if kind.lower() not in ("uservm", "vm"):
            raise InvalidParameter(f"Invalid resource type: {kind}")
        pairs = [(group.get("key", ""), group.get("value", "")) for group in tags]
        if any(not key for key, _ in pairs):
            raise InvalidParameter("Tag key can't be empty")
        if any(not value for _, value in pairs):
            raise InvalidParameter("Value for the key is either null or empty")
        found: list[Instance] = []
        for resourceid in resourceids:
            instance = cloud.instances.get(resourceid)
            if instance is None or instance.removed:
                raise InvalidParameter(f"Unable to find resource by id {resourceid} and type UserVm")
            what = described("VM instance", cloud.instances, instance.id, instance.instancename)
            check_access(cloud, call, instance.accountid, what)
            found.append(instance)
        for instance in found:
            for key, _ in pairs:
                if key in instance.tags:
                    raise RuntimeFailure(f"tag {key} already on UserVm with id {instance.id}")
        for instance in found:
            instance.tags |= dict(pairs)
        job.event("Completed")
        return {"success": True}


COMMANDS: tuple[Command, ...] = (
    asynchronous(
        "createTags",
        create_tags,
        map_of("tags", required=True),
        text("resourcetype", required=True),
        # Ids of any kind of object, so the server looks them up in the job.
        Parameter("resourceids", Kind.WORDS, required=True),
        text("customer"),
    ),
)
