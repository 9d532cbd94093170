"""What the management server says of itself: capabilities, settings, APIs, jobs, events."""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Cloud, Event, Job
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.commands import Command, listing, plain
from ingest.twin.cloudstack.jobs import PENDING
from ingest.twin.cloudstack.parameters import Kind, Parameter, entity, text, unknown_entity
from ingest.twin.cloudstack.records import Json, compact, owner_fields, time_text
from ingest.twin.cloudstack.refusals import PermissionDenied
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, scope_of


def list_capabilities(service: Service, call: Call) -> Json:
    cloud = service.cloud
    fields: Json = {
        "cloudstackversion": cloud.version,
        "customdiskofferingmaxsize": configuration.number(cloud, "custom.diskoffering.size.max"),
        "dynamicrolesenabled": True,
        "securitygroupsenabled": False,
    }
    if configuration.flag(cloud, "api.throttling.enabled"):
        fields["apilimitinterval"] = configuration.number(cloud, "api.throttling.interval")
        fields["apilimitmax"] = configuration.number(cloud, "api.throttling.max")
    return {"capability": fields}


def list_configurations(service: Service, call: Call) -> Listing:
    name, keyword = call.arguments.text("name"), call.arguments.text("keyword").lower()
    rows = [
        {"name": key, "value": value, "category": "Advanced"}
        for key, value in configuration.everything(service.cloud).items()
        if name in ("", key) and keyword in key.lower()
    ]
    return Listing("configuration", rows, dict)


def list_async_jobs(service: Service, call: Call) -> Listing:
    """Pending jobs only; they name the command, never the VM."""
    cloud = service.cloud
    service.jobs.forget_expired()
    scope = scope_of(cloud, call)
    keyword, since = call.arguments.text("keyword").lower(), call.arguments.moment("startdate")
    rows = [
        job
        for job in cloud.jobs.values()
        if job.status == PENDING
        and scope.shows(job.accountid)
        and keyword in job.cmd.lower()
        and (since is None or job.created >= since)
    ]
    return Listing("asyncjobs", rows, partial(_job, cloud))


def query_async_job_result(service: Service, call: Call) -> Json:
    cloud = service.cloud
    # Expired jobs count as unknown, so the id is looked up here and not with the parameters.
    job = service.jobs.find(call.arguments.text("jobid"))
    if job is None:
        raise unknown_entity("queryasyncjobresult", "jobid", call.arguments.text("jobid"))
    if call.account.accounttype != 1 and job.accountid != call.account.id:
        raise PermissionDenied(f"Account {call.account.name} is not authorized to see job id='{job.id}'")
    return _job(cloud, job)


def _job(cloud: Cloud, job: Job) -> Json:
    return compact(
        {
            "accountid": job.accountid,
            **owner_fields(cloud, job.accountid),
            "userid": job.userid,
            "cmd": job.cmd,
            "jobstatus": job.status,
            "jobprocstatus": 0,
            "jobresultcode": job.resultcode,
            "jobresulttype": "object" if job.result is not None else None,
            "jobresult": job.result,
            "created": time_text(job.created),
            "completed": time_text(job.completed),
            "jobid": job.id,
        }
    )


def list_events(service: Service, call: Call) -> Listing:
    """Events in scope, newest first."""
    cloud, arguments = service.cloud, call.arguments
    scope = scope_of(cloud, call)
    keyword, since, until = (
        arguments.text("keyword").lower(),
        arguments.moment("startdate"),
        arguments.moment("enddate"),
    )
    wanted = {column: arguments.text(column) for column in ("id", "type", "level", "state") if arguments.text(column)}
    rows = [
        event
        for event in reversed(cloud.events)
        if scope.shows(event.accountid)
        and all(getattr(event, column) == value for column, value in wanted.items())
        and keyword in event.description.lower()
        and (since is None or event.created >= since)
        and (until is None or event.created <= until)
    ]
    return Listing("event", rows, partial(_event, cloud))


def _event(cloud: Cloud, event: Event) -> Json:
    return compact(
        {
            "id": event.id,
            "type": event.type,
            "level": event.level,
            "state": event.state,
            "description": event.description,
            "created": time_text(event.created),
            **owner_fields(cloud, event.accountid),
        }
    )


COMMANDS: tuple[Command, ...] = (
    plain("listCapabilities", list_capabilities),
    listing("listConfigurations", list_configurations, text("name"), entity("zoneid", "zones"), text("category")),
    listing("listAsyncJobs", list_async_jobs, *OWNER_PARAMETERS, Parameter("startdate", Kind.DATE)),
    plain("queryAsyncJobResult", query_async_job_result, text("jobid", required=True)),
    listing(
        "listEvents",
        list_events,
        text("id"),
        text("type"),
        text("level"),
        text("state"),
        Parameter("startdate", Kind.DATE),
        Parameter("enddate", Kind.DATE),
        *OWNER_PARAMETERS,
    ),
)
