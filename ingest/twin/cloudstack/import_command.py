"""importUnmanagedInstance: what is checked before a job exists."""

from __future__ import annotations

from ingest.twin.cloudstack.commands import Command, asynchronous
from ingest.twin.cloudstack.import_request import ImportRequest
from ingest.twin.cloudstack.importing import import_job
from ingest.twin.cloudstack.jobs import JobPlan
from ingest.twin.cloudstack.owners import resolved_owner
from ingest.twin.cloudstack.parameters import Kind, Parameter, boolean, entity, text
from ingest.twin.cloudstack.records import number_of
from ingest.twin.cloudstack.service import Call, Service


def import_unmanaged_instance(service: Service, call: Call) -> JobPlan:
    """S5: the owner. S6, the custom job id, is checked when the job is stored."""
    cloud, arguments = service.cloud, call.arguments
    details = arguments.groups("details")
    request = ImportRequest(
        caller=call.account,
        owner=resolved_owner(cloud, arguments, call.account),
        clusterid=arguments.text("clusterid"),
        cluster_number=number_of(cloud.clusters, arguments.text("clusterid")),
        name=arguments.text("name"),
        displayname=arguments.text("displayname"),
        hostname=arguments.text("hostname"),
        account=arguments.text("account"),
        domainid=arguments.text("domainid"),
        templateid=arguments.text("templateid"),
        serviceofferingid=arguments.text("serviceofferingid"),
        nic_networks=arguments.groups("nicnetworklist"),
        nic_addresses=arguments.groups("nicipaddresslist"),
        disk_offerings=arguments.groups("datadiskofferinglist"),
        details=details[0] if details else {},
        migrate_allowed=arguments.flag("migrateallowed"),
        forced=arguments.flag("forced"),
    )
    return import_job(service, request)


COMMANDS: tuple[Command, ...] = (
    asynchronous(
        "importUnmanagedInstance",
        import_unmanaged_instance,
        # Checked in this order.
        entity("clusterid", "clusters", required=True),
        text("name", required=True),
        text("displayname"),
        text("hostname"),
        text("account"),
        entity("domainid", "domains"),
        entity("projectid", "projects"),
        entity("templateid", "templates"),
        entity("serviceofferingid", "service_offerings", required=True),
        Parameter("nicnetworklist", Kind.MAP),
        Parameter("nicipaddresslist", Kind.MAP),
        Parameter("datadiskofferinglist", Kind.MAP),
        Parameter("details", Kind.MAP),
        boolean("migrateallowed"),
        boolean("forced"),
    ),
)
