"""Who an object will belong to (CloudStack: AccountManagerImpl.finalyzeAccountId), and what an owner may use."""

from __future__ import annotations

from ingest.twin.cloud import Account, Cloud, DiskOffering, ServiceOffering
from ingest.twin.cloudstack.parameters import Arguments
from ingest.twin.cloudstack.records import described_account, domain_and_parents, number_of
from ingest.twin.cloudstack.refusals import InvalidParameter, PermissionDenied


def resolved_owner(cloud: Cloud, arguments: Arguments, caller: Account) -> Account:
    """The owner that account, domainid and projectid name; the caller without them (check S5)."""
    name, domainid, projectid = arguments.text("account"), arguments.text("domainid"), arguments.text("projectid")
    if arguments.given("account"):
        return _account(cloud, name, domainid)
    if projectid:
        return _project_account(cloud, projectid)
    return caller


def _account(cloud: Cloud, name: str, domainid: str) -> Account:
    if not domainid:
        raise InvalidParameter("Account must be specified with domainId parameter")
    domain = cloud.domains.get(domainid)
    if domain is None or domain.state != "Active":
        raise InvalidParameter("Unable to find domain by id")
    for account in cloud.accounts.values():
        if account.name == name and account.domainid == domainid and account.accounttype != 5:
            if account.state != "enabled":
                raise PermissionDenied(
                    f"Can't add resources to the account {number_of(cloud.accounts, account.id)} "
                    f"in state={account.state} as it's no longer active"
                )
            return account
    raise InvalidParameter(f"Unable to find account by name {name} in domain with specified id")


def _project_account(cloud: Cloud, projectid: str) -> Account:
    project = cloud.projects.get(projectid)
    if project is None or project.state == "Removed":
        raise InvalidParameter("Unable to find project by id")
    if project.state != "Active":
        raise PermissionDenied(
            f"Can't add resources to the project with specified projectId in state={project.state} "
            "as it's no longer active"
        )
    return cloud.accounts[project.accountid]


def check_offering_access(
    cloud: Cloud, owner: Account, offering: ServiceOffering | DiskOffering, zoneid: str, description: str
) -> None:
    """Refuse an offering restricted to other domains or zones (CloudStack: DomainChecker.checkAccess)."""
    reachable = {domain.id for domain in domain_and_parents(cloud, owner.domainid)}
    in_domain = owner.accounttype == 1 or not offering.domainids or bool(reachable & set(offering.domainids))
    in_zone = not offering.zoneids or zoneid in offering.zoneids
    if not (in_domain and in_zone):
        who = described_account(cloud, owner)
        raise PermissionDenied(f"There's no way to confirm {who} has access to {description}")
