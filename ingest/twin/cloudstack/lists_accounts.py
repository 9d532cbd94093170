"""Domains, accounts, projects and their resource limits."""

from __future__ import annotations

from functools import partial
from typing import Literal

from ingest.twin.cloud import Account, Cloud, Domain, Project
from ingest.twin.cloudstack.commands import Command, listing
from ingest.twin.cloudstack.parameters import Arguments, boolean, entity, integer, text, words
from ingest.twin.cloudstack.records import Json, compact, domain_and_parents, owner_fields
from ingest.twin.cloudstack.refusals import InvalidParameter
from ingest.twin.cloudstack.selection import select
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.usage import TYPES, Usage, account_fields, domain_fields, stored_limit, usage_of
from ingest.twin.cloudstack.visibility import OWNER_PARAMETERS, scope_of

_ROLES = {0: ("User", "User"), 1: ("Root Admin", "Admin"), 2: ("Domain Admin", "DomainAdmin")}


def list_domains(service: Service, call: Call) -> Listing:
    """A domain admin sees his domain; with listall, and as a root admin, everything below as well."""
    cloud, arguments = service.cloud, call.arguments
    rows = select(arguments, cloud.domains.values(), id="id", name="name")
    level = arguments.number("level")
    own = call.account.domainid
    everything = arguments.flag("listall") or arguments.text("id") or call.account.accounttype == 1
    shown = [
        row
        for row in rows
        if (level is None or row.level == level)
        and _reaches(cloud, call.account, row.id)
        and (everything or row.id == own)
    ]
    return Listing("domain", shown, partial(_domain, cloud, _usage(cloud, arguments)))


def _reaches(cloud: Cloud, caller: Account, domainid: str) -> bool:
    if caller.accounttype == 1:
        return True
    return caller.domainid in {domain.id for domain in domain_and_parents(cloud, domainid)}


def _usage(cloud: Cloud, arguments: Arguments) -> Usage | None:
    """None when the caller asks for `details=min`."""
    details = arguments.words("details")
    return usage_of(cloud) if not details or "all" in details or "resource" in details else None


def _domain(cloud: Cloud, usage: Usage | None, domain: Domain) -> Json:
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
            **(domain_fields(cloud, usage, domain) if usage else {}),
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
    return Listing("account", shown, partial(_account, cloud, _usage(cloud, arguments)))


def _account(cloud: Cloud, usage: Usage | None, account: Account) -> Json:
    domain = cloud.domains.get(account.domainid)
    role, role_type = _ROLES.get(account.accounttype, ("", ""))
    users = [
        {
            "id": user.id,
            "username": user.name,
            "state": "enabled" if user.enabled else "disabled",
            "accountid": account.id,
            "account": account.name,
        }
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
            "roletype": role_type,
            "rolename": role,
            "state": account.state,
            "user": users,
            **(account_fields(cloud, usage, account) if usage else {}),
        }
    )


def list_projects(service: Service, call: Call) -> Listing:
    """Without listall an admin sees the projects he is a member of: in the twin, none."""
    cloud, arguments = service.cloud, call.arguments
    rows = select(
        arguments, cloud.projects.values(), id="id", name="name", displaytext="name", state="state", domainid="domainid"
    )
    everything = arguments.flag("listall") or bool(arguments.text("id"))
    if call.account.accounttype != 1:
        rows = [row for row in rows if _reaches(cloud, call.account, row.domainid)]
    return Listing("project", rows if everything else [], partial(_project, cloud, _usage(cloud, arguments)))


def _project(cloud: Cloud, usage: Usage | None, project: Project) -> Json:
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
            "owner": [],
            "state": project.state,
            **(account_fields(cloud, usage, account) if usage and account else {}),
        }
    )


def list_resource_limits(service: Service, call: Call) -> Listing:
    """Limits of one owner: an account, a project, a domain when only that is named, else the caller."""
    cloud, arguments = service.cloud, call.arguments
    owner: Literal["account", "domain"] = "account"
    ownerid = call.account.id
    if arguments.given("account") or arguments.given("projectid"):
        ownerid = next(iter(sorted(scope_of(cloud, call).accountids)))
    elif arguments.given("domainid"):
        owner, ownerid = "domain", arguments.text("domainid")
    number, name = arguments.number("resourcetype"), arguments.text("resourcetypename")
    if (number is not None and number not in TYPES) or (name and name not in TYPES.values()):
        raise InvalidParameter("Please specify a valid resource type.")
    rows: list[Json] = [
        {
            "resourcetype": str(code),
            "resourcetypename": kind,
            "max": stored_limit(cloud, owner, ownerid, kind),
            **_limited(cloud, owner, ownerid),
        }
        for code, kind in TYPES.items()
        # The twin has no tagged limits.
        if number in (None, code) and name in ("", kind) and not arguments.text("tag")
    ]
    return Listing("resourcelimit", rows, dict)


def _limited(cloud: Cloud, owner: Literal["account", "domain"], ownerid: str) -> Json:
    if owner == "account":
        return compact(owner_fields(cloud, ownerid))
    domain = cloud.domains[ownerid]
    return {"domainid": domain.id, "domain": domain.name, "domainpath": domain.path}


COMMANDS: tuple[Command, ...] = (
    listing(
        "listDomains",
        list_domains,
        entity("id", "domains"),
        text("name"),
        integer("level"),
        boolean("listall"),
        words("details", since="4.4"),
    ),
    listing(
        "listAccounts",
        list_accounts,
        entity("id", "accounts"),
        text("name"),
        text("state"),
        integer("accounttype"),
        words("details", since="4.4"),
        *OWNER_PARAMETERS,
    ),
    listing(
        "listProjects",
        list_projects,
        entity("id", "projects"),
        text("name"),
        text("displaytext"),
        text("state"),
        words("details", since="4.4"),
        *(parameter for parameter in OWNER_PARAMETERS if parameter.name != "projectid"),
    ),
    listing(
        "listResourceLimits",
        list_resource_limits,
        integer("resourcetype"),
        text("resourcetypename"),
        text("tag", since="4.20"),
        *OWNER_PARAMETERS,
    ),
)
