"""Resource limits of accounts and domains, what counts against them, and what imports in flight have reserved.

Source: CloudStack's ResourceLimitManagerImpl and CheckedReservation. Everything is called with the world's lock held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ingest.twin.cloud import Account, Cloud, Instance
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.records import domain_and_parents, number_of, project_of_account
from ingest.twin.cloudstack.refusals import ResourceAllocation

Owner: TypeAlias = Literal["account", "domain"]
Resource: TypeAlias = Literal["user_vm", "volume", "network", "cpu", "memory", "primary_storage"]

UNLIMITED = -1
_GIB = 1 << 30
_SETTINGS: dict[Resource, str] = {
    "user_vm": "user.vms",
    "volume": "volumes",
    "network": "networks",
    "cpu": "cpus",
    "memory": "memory",
    "primary_storage": "primary.storage",
}


def account_limit(cloud: Cloud, accountid: str, resource: Resource) -> int:
    """The most an account may have, -1 unlimited; memory in MiB, primary storage in GiB. Root admins have no limits."""
    account = cloud.accounts[accountid]
    if account.accounttype == 1:
        return UNLIMITED
    own = _own_limit(cloud, "account", accountid, resource)
    kind = "project" if account.accounttype == 5 else "account"
    return own if own is not None else configuration.number(cloud, f"max.{kind}.{_SETTINGS[resource]}")


def domain_limit(cloud: Cloud, domainid: str, resource: Resource) -> int:
    """The most a domain and those below it may have, in the units of `account_limit`. ROOT has no limits."""
    if not cloud.domains[domainid].parentid:
        return UNLIMITED
    own = _own_limit(cloud, "domain", domainid, resource)
    return own if own is not None else configuration.number(cloud, f"max.domain.{_SETTINGS[resource]}")


def _own_limit(cloud: Cloud, owner: Owner, ownerid: str, resource: Resource) -> int | None:
    return next(
        (
            limit.max
            for limit in cloud.limits
            if (limit.owner, limit.ownerid, limit.resource) == (owner, ownerid, resource)
        ),
        None,
    )


def counted(cloud: Cloud, owner: Owner, ownerid: str, resource: Resource) -> int:
    """How much an account, or a domain with those below it, has; memory in MiB, primary storage in bytes."""
    accounts = frozenset(_accounts(cloud, owner, ownerid))
    match resource:
        case "user_vm":
            return sum(1 for _ in _instances(cloud, accounts))
        case "cpu":
            return sum(instance.cpunumber for instance in _instances(cloud, accounts))
        case "memory":
            return sum(instance.memory for instance in _instances(cloud, accounts))
        case "network":
            return sum(
                network.accountid in accounts and not network.removed and not network.issystem
                for network in cloud.networks.values()
            )
    machines = {instance.id for instance in _instances(cloud, accounts)}
    sizes = [
        volume.size_bytes for volume in cloud.volumes.values() if volume.instanceid in machines and not volume.removed
    ]
    return len(sizes) if resource == "volume" else sum(sizes)


def _instances(cloud: Cloud, accounts: frozenset[str]) -> Iterator[Instance]:
    return (
        instance
        for instance in cloud.instances.values()
        if instance.accountid in accounts and instance.counted and not instance.removed
    )


def _accounts(cloud: Cloud, owner: Owner, ownerid: str) -> Iterator[str]:
    if owner == "account":
        yield ownerid
        return
    for account in cloud.accounts.values():
        if any(domain.id == ownerid for domain in domain_and_parents(cloud, account.domainid)):
            yield account.id


@dataclass(frozen=True, slots=True)
class _Held:
    accountid: str
    resource: Resource
    amount: int


class Reservations:
    """What all operations in flight of one management server hold, so that together they stay within the limits."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._held: list[_Held] = []

    def __len__(self) -> int:
        return len(self._held)

    def reserved(self, owner: Owner, ownerid: str, resource: Resource) -> int:
        """How much of a resource is reserved, in the units of `counted`."""
        accounts = frozenset(_accounts(self._cloud, owner, ownerid))
        return sum(held.amount for held in self._held if held.resource == resource and held.accountid in accounts)

    def hold(self, account: Account, resource: Resource, amount: int) -> _Held:
        """Reserve `amount` until `release`. Raises ResourceAllocation for the account's limit, then the domains'."""
        self._check_account(account, resource, amount)
        for domain in domain_and_parents(self._cloud, account.domainid):
            self._check_domain(account, domain.id, resource, amount)
        held = _Held(account.id, resource, amount)
        self._held.append(held)
        return held

    def release(self, held: _Held) -> None:
        """Give back what `hold` returned."""
        self._held.remove(held)

    def _check_account(self, account: Account, resource: Resource, amount: int) -> None:
        cloud = self._cloud
        limit = _in_count_units(resource, account_limit(cloud, account.id, resource))
        if limit == UNLIMITED:
            return
        count, reserved = self._taken("account", account.id, resource)
        if count + reserved + amount <= limit:
            return
        project = project_of_account(cloud, account.id)
        who = f"Project Name = {project.name}" if project else f"Account Name = {account.name}"
        raise ResourceAllocation(
            f"Maximum amount of resources of Type = '{resource}', tag = 'null' for {who} in Domain Id = "
            f"{number_of(cloud.domains, account.domainid)} is exceeded: Account Resource Limit = {limit}, Current "
            f"Account Resource Amount = {count}, Current Account Resource Reservation = {reserved}, Requested Resource "
            f"Amount = {amount}."
        )

    def _check_domain(self, account: Account, domainid: str, resource: Resource, amount: int) -> None:
        if account.accounttype == 1:
            return
        limit = _in_count_units(resource, domain_limit(self._cloud, domainid, resource))
        if limit == UNLIMITED:
            return
        count, reserved = self._taken("domain", domainid, resource)
        if count + reserved + amount > limit:
            raise ResourceAllocation(
                f"Maximum domain resource limits of Type '{resource}' for Domain Id = {domainid} is exceeded: Domain "
                f"Resource Limit = {limit}, Current Domain Resource Amount = {count}, Current Resource Reservation = "
                f"{reserved}, Requested Resource Amount = {amount}."
            )

    def _taken(self, owner: Owner, ownerid: str, resource: Resource) -> tuple[int, int]:
        return counted(self._cloud, owner, ownerid, resource), self.reserved(owner, ownerid, resource)


def _in_count_units(resource: Resource, limit: int) -> int:
    return limit * _GIB if resource == "primary_storage" and limit != UNLIMITED else limit


class Reservation:
    """What one operation of one account holds."""

    def __init__(self, reservations: Reservations, account: Account) -> None:
        self._reservations, self._account = reservations, account
        self._held: list[_Held] = []

    def add(self, resource: Resource, amount: int) -> None:
        """Reserve more. Raises ResourceAllocation."""
        self._held.append(self._reservations.hold(self._account, resource, amount))

    def release(self) -> None:
        """Give everything back."""
        while self._held:
            self._reservations.release(self._held.pop())
