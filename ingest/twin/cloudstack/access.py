"""Who may change an object (CloudStack: AccountManagerImpl.checkAccess)."""

from __future__ import annotations

from ingest.twin.cloud import Cloud
from ingest.twin.cloudstack.records import described_account, domain_and_parents, project_of_account
from ingest.twin.cloudstack.refusals import PermissionDenied
from ingest.twin.cloudstack.service import Call


def check_access(cloud: Cloud, call: Call, ownerid: str, what: str) -> None:
    """Root admins may change everything, domain admins what is in their domain, users their own and their projects'.

    Raises PermissionDenied. `what` describes the object.
    """
    caller, owner = call.account, cloud.accounts[ownerid]
    project = project_of_account(cloud, owner.id)
    above = {domain.id for domain in domain_and_parents(cloud, owner.domainid)}
    allowed = (
        caller.accounttype == 1
        or caller.id == owner.id
        or (caller.accounttype == 2 and caller.domainid in above)
        or (project is not None and project.domainid == caller.domainid)
    )
    if not allowed:
        raise PermissionDenied(f"{described_account(cloud, caller)} does not have permission to operate with {what}")
