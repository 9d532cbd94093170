"""What accounts and domains use of each limited resource, and the stored limits beside it.

Source: CloudStack's ResourceLimitManagerImpl and Resource.ResourceType. Counts are computed from the instances,
volumes and networks, where CloudStack keeps them in a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from ingest.twin.cloud import Account, Cloud, Domain, Instance
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.limits import LIMITED, UNLIMITED, account_limit, domain_limit
from ingest.twin.cloudstack.records import Json, domain_and_parents

GIB = 1 << 30
# Number and name of every type; what the twin has none of counts 0.
TYPES: dict[int, str] = {
    0: "user_vm",
    1: "public_ip",
    2: "volume",
    3: "snapshot",
    4: "template",
    5: "project",
    6: "network",
    7: "vpc",
    8: "cpu",
    9: "memory",
    10: "primary_storage",
    11: "secondary_storage",
    16: "gpu",
}
# What accounts, domains and projects show: the start of the field names, and the type.
_SHOWN = {
    "vm": "user_vm",
    "cpu": "cpu",
    "memory": "memory",
    "volume": "volume",
    "primarystorage": "primary_storage",
    "network": "network",
    "ip": "public_ip",
    "snapshot": "snapshot",
    "template": "template",
    "vpc": "vpc",
    "secondarystorage": "secondary_storage",
    "gpu": "gpu",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Amounts by account and type: memory in MiB, storage in bytes. Made once for an answer with many rows."""

    amounts: Counter[tuple[str, str]]

    def of(self, accountids: Collection[str], resource: str) -> int:
        """What these accounts use together; storage in bytes."""
        return sum(self.amounts[accountid, resource] for accountid in accountids)


def usage_of(cloud: Cloud) -> Usage:
    """What everybody uses now; call with the world's lock held."""
    amounts: Counter[tuple[str, str]] = Counter()
    only_running = configuration.flag(cloud, "resource.count.running.vms.only")
    for instance in cloud.instances.values():
        if instance.counted and not instance.removed and (not only_running or instance.state != "Stopped"):
            amounts[instance.accountid, "user_vm"] += 1
            amounts[instance.accountid, "cpu"] += instance.cpunumber
            amounts[instance.accountid, "memory"] += instance.memory
    for volume in cloud.volumes.values():
        owner: Instance | None = cloud.instances.get(volume.instanceid)
        if owner is not None and owner.counted and not volume.removed:
            amounts[owner.accountid, "volume"] += 1
            amounts[owner.accountid, "primary_storage"] += volume.size_bytes
    for network in cloud.networks.values():
        # Networks of a whole domain belong to nobody's count.
        if not network.removed and not network.issystem and network.acltype == "Account":
            amounts[network.accountid, "network"] += 1
    return Usage(amounts)


def stored_limit(cloud: Cloud, owner: Literal["account", "domain"], ownerid: str, resource: str) -> int:
    """The limit as listed, in MiB and GiB, -1 for none; of what imports and networks count it is the enforced one."""
    if resource in LIMITED:
        limit_of = account_limit if owner == "account" else domain_limit
        return limit_of(cloud, ownerid, LIMITED[resource])
    if owner == "account" and cloud.accounts[ownerid].accounttype == 1:
        return UNLIMITED
    if owner == "domain" and not cloud.domains[ownerid].parentid:
        return UNLIMITED
    for limit in cloud.limits:
        if (limit.owner, limit.ownerid, limit.resource) == (owner, ownerid, resource):
            return limit.max
    return UNLIMITED


def account_fields(cloud: Cloud, usage: Usage, account: Account) -> Json:
    """`vmlimit`, `vmtotal`, `vmavailable` and so on; memory in MiB, storage in GiB."""
    return _fields(cloud, usage, "account", account.id, [account.id])


def domain_fields(cloud: Cloud, usage: Usage, domain: Domain) -> Json:
    """The same for a domain, which counts its subdomains too."""
    return _fields(cloud, usage, "domain", domain.id, accounts_below(cloud, domain.id))


def accounts_below(cloud: Cloud, domainid: str) -> list[str]:
    """The accounts of a domain and of all below it, projects' own included."""
    return [
        account.id
        for account in cloud.accounts.values()
        if any(domain.id == domainid for domain in domain_and_parents(cloud, account.domainid))
    ]


def _fields(
    cloud: Cloud, usage: Usage, owner: Literal["account", "domain"], ownerid: str, accountids: Collection[str]
) -> Json:
    fields: Json = {}
    for start, resource in _SHOWN.items():
        limit, total = stored_limit(cloud, owner, ownerid, resource), usage.of(accountids, resource)
        if resource.endswith("_storage"):
            total //= GIB
        fields[f"{start}limit"] = "Unlimited" if limit == UNLIMITED else str(limit)
        fields[f"{start}total"] = total
        fields[f"{start}available"] = "Unlimited" if limit == UNLIMITED else str(limit - total)
    return fields
