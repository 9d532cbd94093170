"""Domains, accounts, projects and their resource limits."""

from __future__ import annotations

from functools import partial

from ingest.twin.cloud import Account, Cloud, Domain, Project
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import boolean, entity, integer, text
from ingest.twin.cloudstack.records import Json, compact, domain_and_parents, owner_fields
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, scope_of

# The types an import touches: number, name.
_LIMITED = ((0, "user_vm"), (2, "volume"), (6, "network"), (8, "cpu"), (9, "memory"), (10, "primary_storage"))
_LIMIT_FIELDS = ("vm", "cpu", "memory", "volume", "primarystorage", "network")


def list_domains(service: Service, call: Call) -> Listing:
    cloud, arguments = service.cloud, call.arguments
    rows = select(arguments, cloud.domains.values(), id="id", name="name")
    level = arguments.number("level")
    own = call.account.domainid
    everything = arguments.flag("listall") or arguments.text("id") or call.account.accounttype == 1
    shown = [
        row
        for row in rows
        if (level is None or row.level == level)
        and (everything or own in {domain.id for domain in domain_and_parents(cloud, row.id)})
    ]
    return Listing("domain", shown, partial(_domain, cloud))


def _domain(cloud: Cloud, domain: Domain) -> Json:
    parent = cloud.domains.get(domain.parentid)
    return compact(
        {
            "id": domain.id,
            "name": domain.name,
            "path": domain.path,
            "level": domain.level,
            "parentdomainid": parent.id if parent else None,
            "parentdomainname": parent.name if parent else None,
            "haschild": any(other.parentid == domain.id for other in cloud.domains.values()),
            "state": domain.state,
            **_no_limits(),
        }
    )


def list_accounts(service: Service, call: Call) -> Listing:
    """Accounts of people; the accounts behind projects are never listed."""
    cloud, arguments = service.cloud, call.arguments
    rows = select(arguments, cloud.accounts.values(), id="id", name="name", state="state")
    scope = scope_of(cloud, call)
    wanted_type = arguments.number("accounttype")
    shown = [
        row
        for row in rows
        if row.accounttype != 5
        and (arguments.text("id") or scope.shows(row.id))
        and (wanted_type is None or row.accounttype == wanted_type)
    ]
    return Listing("account", shown, partial(_account, cloud))


def _account(cloud: Cloud, account: Account) -> Json:
    domain = cloud.domains.get(account.domainid)
    roles = {0: "User", 1: "Admin", 2: "DomainAdmin"}
    users = [
        {"id": user.id, "username": user.name, "state": "enabled" if user.enabled else "disabled"}
        for user in cloud.users.values()
        if user.accountid == account.id
    ]
    return compact(
        {
            "id": account.id,
            "name": account.name,
            "domainid": account.domainid,
            "domain": domain.name if domain else None,
            "domainpath": domain.path if domain else None,
            "accounttype": account.accounttype,
            "roletype": roles.get(account.accounttype),
            "state": account.state,
            "user": users,
            **_no_limits(),
        }
    )


def list_projects(service: Service, call: Call) -> Listing:
    cloud, arguments = service.cloud, call.arguments
    rows = select(arguments, cloud.projects.values(), id="id", name="name", state="state", domainid="domainid")
    everything = arguments.flag("listall") or bool(arguments.text("id"))
    # Without listall an admin sees the projects he is a member of: in the twin, none.
    return Listing("project", rows if everything else [], partial(_project, cloud))


def _project(cloud: Cloud, project: Project) -> Json:
    domain = cloud.domains.get(project.domainid)
    account = cloud.accounts.get(project.accountid)
    return compact(
        {
            "id": project.id,
            "name": project.name,
            "displaytext": project.name,
            "domainid": project.domainid,
            "domain": domain.name if domain else None,
            "projectaccountname": account.name if account else None,
            "state": project.state,
            **_no_limits(),
        }
    )


def list_resource_limits(service: Service, call: Call) -> Listing:
    """Limits of one owner: the twin has none, so each is -1."""
    cloud, arguments = service.cloud, call.arguments
    owners = scope_of(cloud, call).accountids if arguments.given("account") or arguments.given("projectid") else None
    ownerid = next(iter(owners)) if owners else call.account.id
    number, name = arguments.number("resourcetype"), arguments.text("resourcetypename")
    rows = [
        {"resourcetype": str(code), "resourcetypename": kind, "max": -1, **owner_fields(cloud, ownerid)}
        for code, kind in _LIMITED
        if number in (None, code) and name in ("", kind)
    ]
    return Listing("resourcelimit", rows, dict)


def _no_limits() -> Json:
    return {f"{field}{suffix}": "Unlimited" for field in _LIMIT_FIELDS for suffix in ("limit", "available")}


COMMANDS: tuple[Command, ...] = (
    listing("listDomains", list_domains, entity("id", "domains"), text("name"), integer("level"), boolean("listall")),
    listing(
        "listAccounts",
        list_accounts,
        entity("id", "accounts"),
        text("name"),
        text("state"),
        integer("accounttype"),
        *OWNER_PARAMETERS,
    ),
    listing(
        "listProjects",
        list_projects,
        entity("id", "projects"),
        text("name"),
        text("state"),
        *(parameter for parameter in OWNER_PARAMETERS if parameter.name != "projectid"),
    ),
    listing(
        "listResourceLimits",
        list_resource_limits,
        integer("resourcetype"),
        text("resourcetypename"),
        *OWNER_PARAMETERS,
    ),
)
