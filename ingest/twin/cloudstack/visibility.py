"""Whose objects a list call shows (CloudStack: AccountManagerImpl.buildACLSearchParameters).

A root admin sees only his own objects without `listall=true`; objects of projects appear for `projectid=<id>`, or
for all projects with `projectid=-1`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.twin.cloud import Account, Cloud, Network
from ingest.twin.cloudstack.parameters import boolean, entity, text
from ingest.twin.cloudstack.records import domain_and_parents, project_of_account
from ingest.twin.cloudstack.refusals import InvalidParameter, PermissionDenied
from ingest.twin.cloudstack.service import Call

ALL_PROJECTS = "-1"

OWNER_PARAMETERS = (
    text("account"),
    entity("domainid", "domains"),
    boolean("isrecursive"),
    boolean("listall"),
    entity("projectid", "projects", special=(ALL_PROJECTS,)),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The accounts whose objects are shown; `everything` when no owner was named and all were asked for."""

    accountids: frozenset[str]
    everything: bool

    def shows(self, accountid: str) -> bool:
        """Whether an object of this account is listed."""
        return accountid in self.accountids


def scope_of(cloud: Cloud, call: Call) -> Scope:
    """The scope of one call. Raises InvalidParameter or PermissionDenied for impossible combinations."""
    arguments = call.arguments
    account_name, domainid = arguments.text("account"), arguments.text("domainid")
    projectid, listall = arguments.text("projectid"), arguments.flag("listall")
    if account_name and projectid:
        raise InvalidParameter("Account and projectId can't be specified together")
    reachable = [account for account in cloud.accounts.values() if _may_see(cloud, call.account, account)]
    if projectid == ALL_PROJECTS:
        shown = [account for account in reachable if listall or account.accounttype == 5]
        return Scope(_ids(shown), everything=listall and call.account.accounttype == 1)
    if projectid:
        owner = cloud.projects[projectid].accountid
        if all(account.id != owner for account in reachable):
            raise PermissionDenied(f"Account {call.account.name} can't access project id={projectid}")
        return Scope(frozenset({owner}), everything=False)
    ordinary = [account for account in reachable if account.accounttype != 5]
    if account_name:
        home = domainid or call.account.domainid
        named = [account for account in ordinary if account.name == account_name and account.domainid == home]
        if not named:
            raise InvalidParameter(f"Unable to find account by name {account_name} in domain {home}")
        return Scope(_ids(named), everything=False)
    if domainid:
        recursive = arguments.flag("isrecursive")
        return Scope(
            _ids([account for account in ordinary if _in_domain(cloud, account, domainid, recursive=recursive)]),
            everything=False,
        )
    if listall:
        return Scope(_ids(ordinary), everything=call.account.accounttype == 1)
    return Scope(frozenset({call.account.id}), everything=False)


def network_visible(cloud: Cloud, scope: Scope, network: Network) -> bool:
    """Whether a network is listed: by owner, or for domain-wide networks by the domain of a shown account."""
    if network.acltype != "Domain":
        return scope.shows(network.accountid)
    if scope.everything:
        return True
    return any(
        usable_in_domain(cloud, network, account.domainid)
        for account in cloud.accounts.values()
        if account.id in scope.accountids
    )


def usable_in_domain(cloud: Cloud, network: Network, domainid: str) -> bool:
    """Whether a domain-wide network reaches a domain: its own, or one below when subdomains have access."""
    if network.domainid == domainid:
        return True
    return network.subdomainaccess and network.domainid in {d.id for d in domain_and_parents(cloud, domainid)}


def _may_see(cloud: Cloud, caller: Account, account: Account) -> bool:
    if caller.accounttype == 1 or caller.id == account.id:
        return True
    if caller.accounttype == 2:
        return _in_domain(cloud, account, caller.domainid, recursive=True)
    project = project_of_account(cloud, account.id)
    return project is not None and project.domainid == caller.domainid


def _in_domain(cloud: Cloud, account: Account, domainid: str, *, recursive: bool) -> bool:
    if not recursive:
        return account.domainid == domainid
    return domainid in {domain.id for domain in domain_and_parents(cloud, account.domainid)}


def _ids(accounts: list[Account]) -> frozenset[str]:
    return frozenset(account.id for account in accounts)
