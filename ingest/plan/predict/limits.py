"""Resource limits of accounts, projects and the domains above them (CloudStack: ResourceLimitManagerImpl).

Checks reserve, and hold the reservation until the import ends: what a row asked for before counts against what it asks
for next. Root admins have no limits.
"""

from __future__ import annotations

from typing import Literal

from ingest.model.catalogue import Domain, Limited
from ingest.plan.predict.hearing import Hearing, Refusal
from ingest.plan.predict.verdict import UNSAID, Shortage

Resource = Literal["user_vm", "cpu", "memory", "volume", "primary_storage"]

_FIELDS: dict[Resource, str] = {
    "user_vm": "vm",
    "cpu": "cpu",
    "memory": "memory",
    "volume": "volume",
    "primary_storage": "primarystorage",
}
_GIB = 1 << 30


def reserve(hearing: Hearing, resource: Resource, amount: int, *, check: str, problem: str) -> None:
    """Count `amount` for the owner and the domains above. Raises Refusal, its text beginning with `problem`."""
    owner = hearing.owner
    if owner.is_root_admin:
        return
    if owner.limited is None:
        hearing.doubt("the owner's limits are not listed")
        return
    _check(hearing, owner.scope, owner.limited, resource, amount, check=check, problem=problem)
    for domain in hearing.facts.domains_above(owner.domain):
        _check(hearing, f"domain:{domain.id}", domain, resource, amount, check=check, problem=problem)


def charge(hearing: Hearing, resource: Resource, amount: int) -> None:
    """Note in the effects what the owner and the domains above use from now on."""
    owner = hearing.owner
    for scope in (owner.scope, *(f"domain:{domain.id}" for domain in hearing.facts.domains_above(owner.domain))):
        if scope:
            hearing.effects.used[scope, resource] += amount


def _check(
    hearing: Hearing, scope: str, holder: Limited, resource: Resource, amount: int, *, check: str, problem: str
) -> None:
    limit = _limit(holder, resource)
    if limit is None:
        return
    used, unseen = _used(holder, resource)
    planned, reserved = hearing.state.used[scope, resource], hearing.effects.reserved[scope, resource]
    hearing.effects.reserved[scope, resource] += amount
    over = used + planned + reserved + amount - limit
    if over > 0:
        current = UNSAID if unseen else str(used + planned)
        text = _text(hearing, holder, resource, limit=limit, current=current, reserved=reserved, amount=amount)
        shortage = Shortage(resource, _words(holder), limit, used, planned + reserved, amount)
        raise Refusal(check, 530, f"{problem} {text}", shortage=shortage)
    if over + unseen > 0:
        hearing.doubt(f"{resource} of {_words(holder)} ends within a GiB of its limit; use is listed in whole GiB")


def _limit(holder: Limited, resource: Resource) -> int | None:
    text = str(getattr(holder, f"{_FIELDS[resource]}limit"))
    if not text.isdigit():
        return None
    return int(text) * (_GIB if resource == "primary_storage" else 1)


def _used(holder: Limited, resource: Resource) -> tuple[int, int]:
    """What is used at least, and by how much it may be more."""
    total = int(getattr(holder, f"{_FIELDS[resource]}total"))
    if resource != "primary_storage":
        return total, 0
    return total * _GIB, _GIB - 1 if holder.volumetotal else 0


def _text(
    hearing: Hearing, holder: Limited, resource: Resource, *, limit: int, current: str, reserved: int, amount: int
) -> str:
    if isinstance(holder, Domain):
        return f"Maximum domain resource limits of Type '{resource}' for Domain Id = {holder.id} is exceeded: {UNSAID}"
    return (
        f"Maximum amount of resources of Type = '{resource}', tag = '{UNSAID}' for "
        f"{UNSAID if hearing.owner.project_id else f'Account Name = {hearing.owner.name}'} in Domain Id = {UNSAID} "
        f"is exceeded: Account Resource Limit = {limit}, Current Account Resource Amount = {current}, "
        f"Current Account Resource Reservation = {reserved}, Requested Resource Amount = {amount}."
    )


def _words(holder: Limited) -> str:
    name = str(getattr(holder, "path", "") or getattr(holder, "name", ""))
    return f"{type(holder).__name__.lower()} {name}"
