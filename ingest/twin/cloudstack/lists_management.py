"""What the management server says of itself: capabilities, settings, APIs, jobs, events."""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Cloud, Event, Job
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.commands import Command, listing, plain
from ingest.twin.cloudstack.jobs import PENDING
from ingest.twin.cloudstack.parameters import date, entity, missing_value, text, unknown_entity
from ingest.twin.cloudstack.records import Json, compact, owner_fields, time_text
from ingest.twin.cloudstack.refusals import InvalidParameter, PermissionDenied
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, scope_of

MANAGEMENT_SERVER_ID = "6f1c5a52-3c0e-4c0e-9a61-0242ac110002"
_RUNS_ON: Json = {"managementserverid": MANAGEMENT_SERVER_ID, "managementservername": "twin"}


def list_capabilities(service: Service, call: Call) -> Json:
    cloud = service.cloud
    fields: Json = {
        "cloudstackversion": cloud.version,
        "customdiskofferingmaxsize": configuration.number(cloud, "custom.diskoffering.size.max"),
        "dynamicrolesenabled": True,
        "securitygroupsenabled": False,
        "userpublictemplateenabled": True,
        "supportELB": "false",
        "projectinviterequired": False,
        "allowusercreateprojects": True,
        "allowuserviewdestroyedvm": False,
        "allowuserexpungerecovervm": False,
    }
    if configuration.flag(cloud, "api.throttling.enabled"):
        fields["apilimitinterval"] = configuration.number(cloud, "api.throttling.interval")
        fields["apilimitmax"] = configuration.number(cloud, "api.throttling.max")
    return {"capability": fields}


def list_configurations(service: Service, call: Call) -> Listing:
    """Global settings, or with a zone those it may have of its own. `name` finds parts of names, as `keyword` does."""
    name, keyword = call.arguments.text("name").lower(), call.arguments.text("keyword").lower()
    zoneid = call.arguments.text("zoneid")
    rows: list[Json] = [
        {
            "name": key,
            "value": value,
            "category": "Advanced",
            **({"scope": "Zone"} if zoneid else {}),
        }
        for key, value in configuration.everything(service.cloud, zoneid).items()
        if name in key.lower() and keyword in key.lower() and call.arguments.text("category") in ("", "Advanced")
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
        and call.arguments.text("managementserverid") in ("", MANAGEMENT_SERVER_ID)
        and _works_on(job, call)
    ]
    return Listing("asyncjobs", rows, partial(_job, cloud))


def _works_on(job: Job, call: Call) -> bool:
    kind, resourceid = call.arguments.text("resourcetype"), call.arguments.text("resourceid")
    return kind.lower() in ("", job.instancetype.lower()) and resourceid in ("", job.instanceid)


def query_async_job_result(service: Service, call: Call) -> Json:
    """A job by its id; from 4.22.1 on also the newest job of a resource."""
    cloud, arguments = service.cloud, call.arguments
    jobid = arguments.text("jobid")
    if not jobid and arguments.text("resourceid") and _version(cloud) >= (4, 22, 1):
        jobid = next((job.id for job in reversed(cloud.jobs.values()) if _works_on(job, call)), "")
    elif not jobid:
        raise missing_value("queryasyncjobresult", "jobid", sent=arguments.given("jobid"))
    # Expired jobs count as unknown, so the id is looked up here and not with the parameters.
    job = service.jobs.find(jobid)
    if job is None:
        raise unknown_entity("queryasyncjobresult", "jobid", jobid)
    if call.account.accounttype != 1 and job.accountid != call.account.id:
        raise PermissionDenied(f"Account {call.account.name} is not authorized to see job id='{job.id}'")
    return _job(cloud, job)


def _version(cloud: Cloud) -> tuple[int, ...]:
    return tuple(int(part) for part in cloud.version.split(".") if part.isdigit())


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
            "jobinstancetype": job.instancetype,
            "jobinstanceid": job.instanceid,
            **(_RUNS_ON if job.status == PENDING else {}),
            "created": time_text(job.created),
            "completed": time_text(job.completed),
            "jobid": job.id,
        }
    )


def list_events(service: Service, call: Call) -> Listing:
    """Events in scope, newest first. `startid` finds an event and those that continue it."""
    cloud, arguments = service.cloud, call.arguments
    scope = scope_of(cloud, call)
    keyword, since, until = (
        arguments.text("keyword").lower(),
        arguments.moment("startdate"),
        arguments.moment("enddate"),
    )
    wanted = {column: arguments.text(column) for column in ("id", "type", "level", "state") if arguments.text(column)}
    startid, kind, resourceid = (arguments.text(name) for name in ("startid", "resourcetype", "resourceid"))
    if resourceid and not kind:
        raise InvalidParameter("resourceType parameter must be used along with resourceId parameter")
    if startid and all(event.id != startid for event in cloud.events):
        raise unknown_entity("listevents", "startid", startid)
    rows = [
        event
        for event in reversed(cloud.events)
        if scope.shows(event.accountid)
        and all(getattr(event, column) == value for column, value in wanted.items())
        and _mentions(cloud, event, keyword)
        and startid in ("", event.id, event.startid)
        and kind.lower() in ("", event.resourcetype.lower())
        and resourceid in ("", event.resourceid)
        and (since is None or event.created >= since)
        and (until is None or event.created <= until)
    ]
    return Listing("event", rows, partial(_event, cloud))


def _mentions(cloud: Cloud, event: Event, keyword: str) -> bool:
    texts = (event.type, event.description, event.level, _username(cloud, event.userid))
    return any(keyword in text.lower() for text in texts)


def _username(cloud: Cloud, userid: str) -> str:
    user = cloud.users.get(userid)
    return user.name if user else ""


def _event(cloud: Cloud, event: Event) -> Json:
    return compact(
        {
            "id": event.id,
            "type": event.type,
            "level": event.level,
            "state": event.state,
            "description": event.description,
            "username": _username(cloud, event.userid),
            "parentid": event.startid,
            "resourcetype": event.resourcetype,
            "resourceid": event.resourceid,
            "created": time_text(event.created),
            **owner_fields(cloud, event.accountid),
        }
    )


COMMANDS: tuple[Command, ...] = (
    plain("listCapabilities", list_capabilities),
    listing("listConfigurations", list_configurations, text("name"), entity("zoneid", "zones"), text("category")),
    listing(
        "listAsyncJobs",
        list_async_jobs,
        *OWNER_PARAMETERS,
        date("startdate"),
        text("managementserverid", since="4.19"),
        text("resourcetype", since="4.22.1"),
        text("resourceid", since="4.22.1"),
    ),
    plain(
        "queryAsyncJobResult",
        query_async_job_result,
        text("jobid"),
        text("resourcetype", since="4.22.1"),
        text("resourceid", since="4.22.1"),
    ),
    listing(
        "listEvents",
        list_events,
        text("id"),
        text("type"),
        text("level"),
        text("state", since="4.21.0"),
        date("startdate"),
        date("enddate"),
        text("startid"),
        text("resourcetype", since="4.17.0"),
        text("resourceid", since="4.17.0"),
        *OWNER_PARAMETERS,
    ),
)
